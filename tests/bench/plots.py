"""Curves as SVG, by gnuplot; without it there are none, and the tables say the same.

    plots.draw("cpu.svg", "CPU per request", "backends", "us", {"round-robin": [(2, 9), (10, 9)]})
"""

import shutil
import subprocess

HEAD = """set terminal svg size 640,400 dynamic font "sans,12" background rgb "white"
set output "{file}"
set title "{title}"
set xlabel "{x}"
set ylabel "{y}"
set grid
set key bottom right
set yrange [0:*]
set offsets graph 0, 0, graph 0.15, 0
{scale}
"""


def block(i, points):
    return "$d%d << END\n%sEND\n" % (i, "".join("%s %s\n" % point for point in sorted(points)))


def scale(series):
    xs = [x for points in series.values() for x, _ in points]
    return "set logscale x" if min(xs) > 0 and max(xs) / min(xs) >= 20 else ""


def script(file, title, x, y, series):
    blocks = "".join(block(i, points) for i, points in enumerate(series.values()))
    curves = ", ".join('$d%d using 1:2 with linespoints linewidth 2 pointtype 7 title "%s"' % pair
                       for pair in enumerate(series))
    return HEAD.format(file=file, title=title, x=x, y=y, scale=scale(series)) + blocks + \
        "plot " + curves + "\n"


def draw(file, title, x, y, series):
    """True when the file was written."""
    if shutil.which("gnuplot") is None or not any(series.values()):
        return False
    done = subprocess.run(["gnuplot"], input=script(file, title, x, y, series), text=True,
                          capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError("gnuplot: " + done.stderr)
    return True
