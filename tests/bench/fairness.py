"""make bench-fairness: how keep-alive connections spread over four workers.

    make bench-fairness
    make bench-fairness CLIENTS=10,64,1000 SUBJECTS=ballast,ballast-old ROUNDS=5

Two kinds of clients: `held` connect, ask once and stay; `busy` ask without a pause (wrk).  What
each worker holds is read from /status while all of them are connected.  Spread is (busiest -
idlest) / busiest; `at best` is that of the most even division there is.  Beside it stands what the
kernel alone makes of `held` clients, in three ways (listeners.py).  Writes
$BUILD/fairness.json; ends with 1 when a request or a connection failed.
"""

import dataclasses
import http.client
import json
import statistics
import subprocess
import sys

import bench
import listeners
import machine
import measure
import report
import scenarios
import subjects

WORKERS = 4
SMALL = scenarios.BY_NAME["small"]


def held_by_workers(admin):
    """Connections of each worker, in order of their numbers."""
    status = json.loads(machine.ask(admin, "/status")[1])
    return [sum(w["connections"].values()) for w in
            sorted(status["workers"], key=lambda worker: worker["number"])]


def all_connected(admin, clients):
    counts = held_by_workers(admin)
    return counts if sum(counts) >= clients else None


def held(family, subject, admin, clients, _):
    with measure.idle_connections(family, subject.port, clients) as lost:
        counts = machine.wait_for(lambda: all_connected(admin, clients), "all connections")
        return {"counts": counts, "failures": lost()}


def busy(_, subject, admin, clients, seconds):
    """The last look at all of them while they are busy."""
    scenario = dataclasses.replace(SMALL, connections=clients)
    client = subprocess.Popen(measure.wrk_command(scenario, subject.port, seconds, ["get"]),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    counts = []
    try:
        while client.poll() is None:
            counts = all_connected(admin, clients) or counts
            try:
                client.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
        line = measure.LINE.search(client.stdout.read())
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
    if line is None or not counts:
        raise machine.BenchError("wrk was never seen with all of its %d connections" % clients)
    told = measure.words(line)
    return {"counts": counts, "failures": sum(told[kind] for kind in measure.KINDS_OF_ERROR),
            "p99_ms": told["p99_us"] / 1000}


KINDS = {"held": held, "busy": busy}


def one(family, origins, name, kind, clients, seconds):
    if name in listeners.WAYS:
        return {"counts": listeners.spread(name, clients, WORKERS), "failures": 0}
    subject = subjects.find(name)
    admin = machine.free_port()
    subject.values["admin"] = {"listen": "127.0.0.1:%d" % admin}
    subject.workers = WORKERS
    process = subject.start(family, SMALL, origins.ports["nginx"])
    try:
        # The question that told that it answers is over before anybody is counted.
        machine.wait_for(lambda: sum(held_by_workers(admin)) == 0, "an idle start")
        return KINDS[kind](family, subject, admin, clients, seconds)
    finally:
        family.end(process)


def spread(counts):
    return (max(counts) - min(counts)) / max(counts) if max(counts) else 0


def at_best(clients):
    return spread([(clients + i) // WORKERS for i in range(WORKERS)])


def median_of(rounds, key):
    values = [key(r) for r in rounds if "counts" in r]
    return statistics.median(values) if values else None


def percent(share):
    return "-" if share is None else "%.0f %%" % (100 * share)


def text(document):
    rows = []
    for row in document["results"]:
        rounds = row["rounds"]
        example = next((r["counts"] for r in rounds if "counts" in r), [])
        rows.append([row["subject"], row["kind"], row["clients"],
                     percent(median_of(rounds, lambda r: spread(r["counts"]))),
                     percent(max((spread(r["counts"]) for r in rounds if "counts" in r),
                                 default=None)),
                     percent(at_best(row["clients"])), " ".join(map(str, example)),
                     report.number(median_of(rounds, lambda r: r.get("p99_ms", 0)) or None),
                     sum(r["failures"] for r in rounds)])
    head = ["subject", "clients are", "clients", "spread", "worst round", "at best", "first round",
            "p99 ms", "failures"]
    return "\n\n".join(["    " + document["command"], report.machine_line(document),
                        report.table(head, rows)]) + "\n"


def run(names, clients, rounds, seconds):
    document = {"command": "make bench-fairness CLIENTS=%s SUBJECTS=%s ROUNDS=%d BENCH_SECONDS=%d"
                           % (",".join(map(str, clients)), ",".join(names), rounds, seconds),
                "settings": {"rounds": rounds, "seconds": seconds},
                "machine": machine.description(),
                "results": [{"subject": name, "kind": kind, "clients": n, "rounds": []}
                            for kind in KINDS for n in clients for name in names
                            if kind == "held" or name not in listeners.WAYS]}
    with machine.Family() as family:
        origins = subjects.Origins(family, scenarios.SMALL_BODY)
        for _ in range(rounds):
            for row in document["results"]:
                try:
                    row["rounds"].append(one(family, origins, row["subject"], row["kind"],
                                             row["clients"], seconds))
                except (machine.BenchError, OSError, http.client.HTTPException) as error:
                    row["rounds"].append({"failures": 1, "error": str(error)})
                    print("%s %s %d: %s" % (row["subject"], row["kind"], row["clients"], error),
                          file=sys.stderr)
    with open(subjects.built("fairness.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    return document


def main():
    if sys.argv[1:2] == ["--markdown"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(text(json.load(file)), end="")
        return 0
    machine.prepare()
    try:
        document = run(bench.words("SUBJECTS", ["ballast"] + list(listeners.WAYS)),
                       [int(n) for n in bench.words("CLIENTS", ["10", "64", "1000"])],
                       bench.whole("ROUNDS", 5), bench.whole("BENCH_SECONDS", 2))
    except machine.BenchError as error:
        print("bench-fairness: %s" % error, file=sys.stderr)
        return 2
    print(text(document), end="")
    return 1 if any(r["failures"] for row in document["results"] for r in row["rounds"]) else 0


if __name__ == "__main__":
    sys.exit(main())
