"""Tables of what bench.py measured: the same text for a terminal and for docs/performance.md.

A document (bench.json) is {"command", "settings", "machine", "versions", "results": {scenario:
{subject: [figures of one round, ...]}}}; everything printed is computed from it.  A figure of a
subject is the median of its rounds.
"""

import statistics

from scenarios import BY_NAME, GOALS, PEERS, SCENARIOS

RATIOS = ("floor", "splice", "nginx", "haproxy")


def table(head, rows):
    """Markdown, padded so that it can be read as it is: first column left, the others right."""
    rows = [[str(cell) for cell in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]

    def line(cells):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths)]
        return "| " + " | ".join([cells[0].ljust(widths[0])] + padded[1:]) + " |"
    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([line(rows[0]), rule] + [line(row) for row in rows[1:]])


def number(value):
    if value is None:
        return "-"
    return "%.0f" % value if value >= 1000 else "%.1f" % value if value >= 100 else "%.2f" % value


class Results:
    """The document's results with the questions that tables ask."""

    def __init__(self, document):
        self.by_scenario = document["results"]

    def rounds(self, scenario, subject):
        return [r for r in self.by_scenario.get(scenario, {}).get(subject, []) if "cpu_us" in r]

    def values(self, scenario, subject, figure):
        return [r[figure] for r in self.rounds(scenario, subject)]

    def median(self, scenario, subject, figure):
        values = self.values(scenario, subject, figure)
        return statistics.median(values) if values else None

    def subjects(self):
        return list(dict.fromkeys(s for row in self.by_scenario.values() for s in row))

    def failures(self, scenario, subject):
        return sum(r["failures"] for r in self.by_scenario[scenario][subject])

    def ratio(self, scenario, subject, figure, to):
        """To another subject's figure in the same scenario; None where one is missing."""
        own = self.median(scenario, subject, figure)
        other = self.reference(scenario, subject, figure, to)
        return own / other if own is not None and other else None

    def reference(self, scenario, subject, figure, against):
        """What a goal is measured against."""
        if against == "peer":
            found = [self.median(scenario, peer, figure) for peer in PEERS]
            return min((value for value in found if value is not None), default=None)
        if against.startswith("own "):
            return self.median(against[4:], subject, figure)
        return self.median(scenario, against, figure)

    def paired(self, scenario, subject, base, figure):
        """(median, least, most) of the ratios within each round, None without a common one."""
        pairs = {r["round"]: r[figure] for r in self.rounds(scenario, base)}
        found = [r[figure] / pairs[r["round"]] for r in self.rounds(scenario, subject)
                 if pairs.get(r["round"])]
        return (statistics.median(found), min(found), max(found)) if found else None


def is_ballast(subject):
    return subject.startswith("ballast")


def scenario_table(results, scenario):
    present = [base for base in RATIOS if results.rounds(scenario, base)]
    head = ["subject", "CPU us/request", "least..most"] + ["/ " + base for base in present] + [
        "requests/s", "p50 ms", "p99 ms", "PSS MB", "switches/request", "failures"]
    rows = []
    for subject in results.by_scenario[scenario]:
        cpu = results.values(scenario, subject, "cpu_us")
        spread = "%s..%s" % (number(min(cpu)), number(max(cpu))) if cpu else "-"
        rows.append([subject, number(results.median(scenario, subject, "cpu_us")), spread] +
                    [number(results.ratio(scenario, subject, "cpu_us", base)) for base in present] +
                    [number(results.median(scenario, subject, figure)) for figure in
                     ("rps", "p50_ms", "p99_ms", "pss_mb", "switches")] +
                    [results.failures(scenario, subject)])
    return table(head, rows)


def goal_cell(results, goal, subject):
    own = results.median(goal.scenario, subject, goal.figure)
    other = results.reference(goal.scenario, subject, goal.figure, goal.against)
    if own is None or not other:
        return "-"
    return "%.2f %s" % (own / other, "met" if own <= goal.at_most * other else "MISSED")


FIGURES = {"cpu_us": "CPU per request", "pss_mb": "memory", "p99_ms": "p99 latency"}
AGAINST = {"peer": "the better peer", "splice": "splice floor"}


def goals_table(results):
    """None when nothing of it was measured."""
    ours = [subject for subject in results.subjects() if is_ballast(subject)]
    rows = []
    for goal in GOALS:
        cells = [goal_cell(results, goal, subject) for subject in ours]
        if any(cell != "-" for cell in cells):
            rows.append([goal.scenario, FIGURES[goal.figure], "%.2f x %s" % (
                goal.at_most, AGAINST.get(goal.against, goal.against))] + cells)
    return table(["scenario", "figure", "at most"] + ours, rows) if rows else None


def compare_table(results):
    """The other ballast subjects beside `ballast`, round by round; None with none."""
    others = [s for s in results.subjects() if is_ballast(s) and s != "ballast"]
    rows = []
    for scenario in results.by_scenario:
        for other in others:
            cpu = results.paired(scenario, other, "ballast", "cpu_us")
            p99 = results.paired(scenario, other, "ballast", "p99_ms")
            if cpu and p99:
                rows.append([scenario, other, "%.3f" % cpu[0], "%.3f..%.3f" % cpu[1:],
                             "%.2f" % p99[0]])
    head = ["scenario", "subject", "CPU / ballast", "least..most", "p99 / ballast"]
    return table(head, rows) if rows else None


def error_lines(results):
    for scenario, by_subject in results.by_scenario.items():
        for subject, rounds in by_subject.items():
            for r in rounds:
                if r["failures"]:
                    yield "%s, %s, round %d: %s" % (scenario, subject, r["round"], ", ".join(
                        "%s %s" % pair for pair in r["errors"].items()))


def machine_line(document):
    m, s = document["machine"], document["settings"]
    return "%s, %d processors, Linux %s; %d rounds of %d s; load before: %s." % (
        m["cpu"], m["cpus"], m["kernel"], s["rounds"], s["seconds"], m["load_before"])


def text(document):
    """The whole report."""
    results = Results(document)
    parts = ["    " + document["command"], machine_line(document),
             "\n".join("- %s: %s" % pair for pair in document["versions"].items())]
    for scenario in [s.name for s in SCENARIOS if s.name in results.by_scenario]:
        parts += ["### %s: %s" % (scenario, BY_NAME[scenario].meaning),
                  scenario_table(results, scenario)]
    for title, found in (("Goals", goals_table(results)),
                         ("Ballast against ballast, round by round", compare_table(results))):
        if found:
            parts += ["### " + title, found]
    errors = list(error_lines(results))
    if errors:
        parts += ["### Failures", "\n".join("- " + line for line in errors)]
    return "\n\n".join(part for part in parts if part) + "\n"


def ballast_failures(document):
    return sum(r["failures"] for by_subject in document["results"].values()
               for subject, rounds in by_subject.items() if is_ballast(subject) for r in rounds)
