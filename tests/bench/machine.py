"""Processes of a benchmark: started, looked at through /proc, ended by their pids.

    with machine.Family() as family:      # a fresh directory and processes; all gone at the end
        nginx = family.start("nginx", ["nginx", "-c", ...])
        before = machine.usage(nginx.pid)
        ...
        spent = machine.usage(nginx.pid) - before

usage() is of a whole process tree: user and system time in nanoseconds by task, which schedstat
counts exactly and not by ticks, and context switches.
"""

import collections
import http.client
import os
import platform
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 30.0


class BenchError(Exception):
    """Something that was to be measured did not work."""


def read(path):
    """Its text, "" when it is gone."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("latin-1")
    except OSError:
        return ""


def wait_for(condition, what, timeout=PATIENCE):
    """The first true value of condition()."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise BenchError("waited %.0f s in vain for %s" % (timeout, what))
        time.sleep(0.005)


# -- what processes cost ---------------------------------------------------------

def parents():
    """The parent of each process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            tail = read("/proc/%s/stat" % name).rpartition(")")[2].split()
            if tail and tail[0] not in "ZX":
                found[int(name)] = int(tail[1])
    return found


def tree(pid):
    """A process and all its living descendants."""
    children = collections.defaultdict(list)
    for child, parent in parents().items():
        children[parent].append(child)
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children[found[-1]]
    return sorted(found)


def tasks(pid):
    try:
        return os.listdir("/proc/%d/task" % pid)
    except OSError:
        return []


def cpu_ns(pid):
    """Time on a processor of all threads of one process."""
    stats = [read("/proc/%d/task/%s/schedstat" % (pid, task)).split() for task in tasks(pid)]
    return sum(int(stat[0]) for stat in stats if stat)


def context_switches(pid):
    total = 0
    for task in tasks(pid):
        for line in read("/proc/%d/task/%s/status" % (pid, task)).splitlines():
            if line.startswith(("voluntary_ctxt", "nonvoluntary_ctxt")):
                total += int(line.split()[1])
    return total


OWN = ("Pss_Anon:", "Pss_Shmem:")  # without what others may map, too, and so pay a share of


def pss_bytes(pids, fields=("Pss:",)):
    """Memory, what is shared by its share."""
    total = 0
    for pid in pids:
        for line in read("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith(fields):
                total += int(line.split()[1]) * 1024
    return total


def role_of(pid):
    """What a process of ballast calls itself: master, worker, checker; otherwise its name."""
    title = read("/proc/%d/cmdline" % pid).replace("\0", " ").split()
    if title[:1] == ["ballast:"] and len(title) > 1:
        return title[1]
    return read("/proc/%d/comm" % pid).strip()


class Usage:
    """cpu_ns and switches of each process of a tree at one moment, or between two."""

    def __init__(self, cpu, switches, roles):
        self.by_pid, self.switches_by_pid, self.roles = cpu, switches, roles

    def __sub__(self, before):
        return Usage({pid: ns - before.by_pid.get(pid, 0) for pid, ns in self.by_pid.items()},
                     {pid: n - before.switches_by_pid.get(pid, 0)
                      for pid, n in self.switches_by_pid.items()}, self.roles)

    @property
    def pids(self):
        return sorted(self.by_pid)

    @property
    def cpu_ns(self):
        return sum(self.by_pid.values())

    @property
    def switches(self):
        return sum(self.switches_by_pid.values())

    def cpu_ns_of(self, role):
        return sum(ns for pid, ns in self.by_pid.items() if self.roles[pid] == role)


def usage(pid):
    pids = tree(pid)
    return Usage({p: cpu_ns(p) for p in pids}, {p: context_switches(p) for p in pids},
                 {p: role_of(p) for p in pids})


# -- ports and first questions ---------------------------------------------------

def free_port():
    """Nobody's, and below those that connect() takes by itself."""
    for _ in range(1000):
        port = random.randrange(20000, 32000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise BenchError("no free port")


def ask(port, path="/", method="GET", body=None, headers=None, host="127.0.0.1"):
    """(status, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers(port, path="/", host="127.0.0.1"):
    try:
        return ask(port, path, host=host)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def has_program(name):
    return shutil.which(name) is not None


def raise_descriptors():
    """As many as this process may have; what it starts inherits them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# -- starting and ending ----------------------------------------------------------

class Started:
    """One process and what it says (output.txt below its name)."""

    def __init__(self, name, argv, place, stdin=subprocess.DEVNULL, env=None):
        self.name = name
        self.output = os.path.join(place, name + ".out")
        self.before = len(read(self.output))  # said by an earlier one of that name
        try:
            with open(self.output, "ab") as out:
                self.process = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=out, env=env)
        except FileNotFoundError:
            raise BenchError("%s is missing; make builds it or make deps-bench installs it" %
                             argv[0]) from None

    @property
    def pid(self):
        return self.process.pid

    def has_ended(self):
        return self.process.poll() is not None

    def said(self):
        return read(self.output)[self.before:]

    def wait_until(self, condition, what):
        """condition() while it runs; an end of it is told with its last words."""
        def either():
            return condition() or (self.has_ended() and "ended")
        value = wait_for(either, "%s: %s" % (self.name, what))
        if value == "ended":
            raise BenchError("%s ended with %s: %s" % (
                self.name, self.process.returncode, self.said()[-2000:]))
        return value

    def end(self):
        """TERM, and KILL for it and its children when that does not help."""
        if self.process.stdin:
            self.process.stdin.close()
        if self.has_ended():
            return
        family = tree(self.pid)
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in family:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()


class Family:
    """A directory of our own and all processes that work in it."""

    def __enter__(self):
        self.place = tempfile.mkdtemp(prefix="ballast-bench-")
        os.chmod(self.place, 0o755)  # workers may run as somebody else
        self.members = []
        return self

    def __exit__(self, *_):
        while self.members:
            self.members.pop().end()
        shutil.rmtree(self.place, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, name, argv, **more):
        self.members.append(Started(name, argv, self.place, **more))
        return self.members[-1]

    def end(self, member):
        self.members.remove(member)
        member.end()


def prepare():
    """TERM and HUP end this program as Ctrl-C does, so that nothing stays behind."""
    raise_descriptors()
    # where servers are, which is not everybody's
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin"

    def leave(number, _):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def description():
    model = [line.partition(":")[2].strip() for line in read("/proc/cpuinfo").splitlines()
             if line.startswith("model name")]
    return {"kernel": platform.release(), "cpus": len(os.sched_getaffinity(0)),
            "cpu": model[0] if model else platform.machine(),
            "load_before": round(os.getloadavg()[0], 2)}
