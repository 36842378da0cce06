"""make bench-growth: does what a request costs grow with backends, clients, workers?

    make bench-growth                                 everything, a quarter of an hour
    make bench-growth GROWTH=backends,workers ROUNDS=3 BENCH_SECONDS=3
    python3 tests/bench/growth.py --markdown build/growth/growth.json

Parts: `micro` (single mechanisms, micro.c), and those of growth_parts.py.  Each point is the
median of ROUNDS rounds, the points of a part in turn, in another order each round.  Writes
growth.json and one SVG for each part into $BUILD/growth (or GROWTH_PLOTS).  Ends with 1 when a
request failed; goals are shown only.
"""

import json
import os
import statistics
import subprocess
import sys

import bench
import growth_parts
import machine
import plots
import report
import subjects


def run_micro(_):
    """Lines `pick STRATEGY BACKENDS ns N` and `rate CASE CLIENTS ns N`."""
    done = subprocess.run([subjects.built("micro")], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise machine.BenchError("micro: " + done.stderr)
    return [{"series": " ".join(line.split()[:2]), "x": int(line.split()[2]), "failures": 0,
             "ns": [float(line.split()[4])]} for line in done.stdout.splitlines()]


class Part:
    """measure(settings) gives points: {"series", "x", figure: [of each round], "failures"}.

    Ratios are to the first point of a series, or, with one_base, of the part.
    """

    def __init__(self, measure, x, figures, goal, one_base=False):
        self.measure, self.x, self.figures, self.goal = measure, x, figures, goal
        self.one_base = one_base


CPU = [("cpu_us", "CPU us/request"), ("workers_us", "of it workers"), ("p99_ms", "p99 ms")]
PARTS = {
    "micro": Part(run_micro, "backends or clients", [("ns", "ns/call")],
                  "a pick under 1000 ns; 1,000,000 clients at most 1.15 x in a whole request"),
    "backends": Part(growth_parts.backends, "backends", CPU, "1,000 at most 1.10 x 2"),
    "limiter": Part(growth_parts.limiter, "client addresses", CPU, "1,000,000 at most 1.15 x 1",
                    one_base=True),
    "sources": Part(growth_parts.sources, "client addresses so far", CPU[:2],
                    "1,000,000 at most 1.15 x 1", one_base=True),
    "workers": Part(growth_parts.workers, "workers", CPU, "8 at most 1.05 x 2"),
    "scrape": Part(growth_parts.scrape, "backends", [
        ("master_ms", "master ms/scrape"), ("kbytes", "kB/scrape"), ("cpu_us", "CPU us/request"),
        ("p99_ms", "p99 ms")],
                   "1,000 backends: under 50 ms of master time, p99 of requests unchanged"),
    "reload": Part(growth_parts.reload, "backends", [
        ("reload_ms", "reload ms"), ("cpu_ms", "CPU ms"), ("pss_mb", "PSS MB"),
        ("pss_after_mb", "after reloads")], "linear, 1,000 under 100 ms"),
    "idle": Part(growth_parts.idle, "idle connections", [
        ("bytes", "bytes/connection"), ("pss_mb", "anonymous and shared MB")],
                 "at most 512 bytes"),
}


def medians(point, figure):
    return statistics.median(point[figure]) if point.get(figure) else None


def part_table(part, points):
    """The ratio is of the first figure."""
    head = ["series", part.x] + [title for _, title in part.figures] + ["ratio", "failures"]
    first, rows = {}, []
    for point in points:
        value = medians(point, part.figures[0][0])
        base = first.setdefault("" if part.one_base else point["series"], value)
        rows.append([point["series"], point["x"]] +
                    [report.number(medians(point, figure)) for figure, _ in part.figures] +
                    ["%.2f" % (value / base) if base and value is not None else "-",
                     point["failures"]])
    return report.table(head, rows)


def draw(name, part, points, place):
    series = {}
    figure, title = part.figures[0]
    for point in points:
        if medians(point, figure) is not None:
            series.setdefault(point["series"], []).append((point["x"], medians(point, figure)))
    return plots.draw(os.path.join(place, "growth-%s.svg" % name), name, part.x, title, series)


def text(document):
    sections = ["    " + document["command"], report.machine_line(document)]
    for name, points in document["parts"].items():
        part = PARTS[name]
        sections += ["### %s" % name, "Goal: %s." % part.goal, part_table(part, points)]
    return "\n\n".join(sections) + "\n"


def run(names, place):
    settings = growth_parts.Settings()
    document = {"command": "make bench-growth GROWTH=%s ROUNDS=%d BENCH_SECONDS=%d" % (
                    ",".join(names), settings.rounds, settings.seconds),
                "settings": {"rounds": settings.rounds, "seconds": settings.seconds},
                "machine": machine.description(), "parts": {}}
    for name in names:
        print("growth: %s" % name, file=sys.stderr, flush=True)
        document["parts"][name] = points = PARTS[name].measure(settings)
        draw(name, PARTS[name], points, place)
        with open(os.path.join(place, "growth.json"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    return document


def main():
    if sys.argv[1:2] == ["--markdown"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(text(json.load(file)), end="")
        return 0
    machine.prepare()
    names = bench.words("GROWTH", PARTS)
    place = os.environ.get("GROWTH_PLOTS") or subjects.built("growth")
    try:
        if not machine.has_program(subjects.built("micro")):
            raise machine.BenchError("%s is missing; make builds it" % subjects.built("micro"))
        os.makedirs(place, exist_ok=True)
        unknown = [name for name in names if name not in PARTS]
        if unknown:
            raise machine.BenchError("unknown part %s; there are %s" % (
                unknown[0], ", ".join(PARTS)))
        document = run(names, place)
    except machine.BenchError as error:
        print("bench-growth: %s" % error, file=sys.stderr)
        return 2
    print(text(document), end="")
    return 1 if any(p["failures"] for part in document["parts"].values() for p in part) else 0


if __name__ == "__main__":
    sys.exit(main())
