"""Real ballast processes for tests: each instance in a directory of its own.

    class Proxying(harness.Case):
        def test_get(self):
            origin = self.origin("one")
            lb = self.ballast([origin.url])
            self.assertEqual(lb.ask("/").status, 200)

What a Case starts it also ends, and then looks at what was left: exit status, findings
of sanitizers, /dev/shm, children.  Nothing sleeps to synchronise: wait_for() polls the
event itself.  Environment: BALLAST (program), BUILD, BALLAST_ENGINE (poll, epoll, auto),
VALGRIND=1 (every instance under memcheck, see memcheck.py).
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import memcheck
import wire
from origins import OK, Origin, Script, answers, once, unused_port  # noqa: F401 for tests

BUILD = os.environ.get("BUILD", "build")
BALLAST = os.path.abspath(os.environ.get("BALLAST", os.path.join(BUILD, "ballast")))
ENGINE = os.environ.get("BALLAST_ENGINE", "auto")
VALGRIND = os.environ.get("VALGRIND", "0") not in ("", "0")  # every instance under memcheck
SLOWNESS = 4 if VALGRIND else 1
PATIENCE = 30.0 * SLOWNESS
CRASH = re.compile(r"signal (SIG)?(SEGV|ABRT|BUS|ILL|FPE|TRAP|SYS)")
PLAIN = re.compile(r"^[A-Za-z0-9/][A-Za-z0-9_./%-]*$")


def is_sanitized():
    """Built to watch itself: by a sanitizer or by gcov.  SANITIZED is true under valgrind, too."""
    with open(BALLAST, "rb") as program:
        octets = program.read()
    return any(mark in octets for mark in (b"__asan_init", b"__ubsan_handle", b"__gcov_"))


SANITIZED = VALGRIND or (is_sanitized() if os.path.exists(BALLAST) else False)
PROGRAM_DIR = os.path.dirname(BALLAST)
if VALGRIND:
    BALLAST = memcheck.wrap(BALLAST, BUILD)


def wait_for(condition, what="condition", timeout=PATIENCE):
    """The first true value of condition(); fails when none comes."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %.0f s in vain for: %s" % (timeout, what))
        time.sleep(0.01)


def yaml(value):
    """Flow style, plain scalars where YAML reads them as what they are."""
    if isinstance(value, dict):
        return "{" + ", ".join("%s: %s" % (k, yaml(v)) for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(yaml(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)) or PLAIN.match(value):
        return str(value)
    return json.dumps(value)


def config_text(values):
    return "".join("%s: %s\n" % (k, yaml(v)) for k, v in values.items())


# -- processes, through /proc --------------------------------------------------

def read_proc(pid, name):
    try:
        with open("/proc/%d/%s" % (pid, name), "rb") as file:
            return file.read().decode("latin-1")
    except OSError:
        return ""


def state_of(pid):
    """The state letter of a process, "" when there is none."""
    stat = read_proc(pid, "stat")
    return stat.rpartition(")")[2].split()[0] if stat else ""


def go_on(pid):
    """Ends a stop, where there is one."""
    if state_of(pid) == "T":
        os.kill(pid, signal.SIGCONT)


def is_alive(pid):
    return state_of(pid) not in ("", "Z", "X")


def children_of(pid):
    """Living children, in order of their pids."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            tail = read_proc(int(name), "stat").rpartition(")")[2].split()
            if tail and int(tail[1]) == pid and tail[0] not in "ZX":
                found.append(int(name))
    return sorted(found)


def title_of(pid):
    guest = memcheck.title_of(pid) if VALGRIND else ""
    return guest or read_proc(pid, "cmdline").rstrip("\0").replace("\0", " ").strip()


def open_files_of(pid):
    """What each descriptor is open on."""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def descriptors_of(pid):
    """Without the pipes that a worker keeps for large bodies, a bounded number of them."""
    return [fd for fd, what in open_files_of(pid).items() if not what.startswith("pipe:")]


def resident_kib(pid):
    match = re.search(r"^VmRSS:\s+(\d+)", read_proc(pid, "status"), re.M)
    return int(match.group(1)) if match else 0


def segments_of(pid):
    """Names below /dev/shm that a process has mapped."""
    return sorted(set(re.findall(r"/dev/shm/(\S+)", read_proc(pid, "maps"))))


# -- metrics --------------------------------------------------------------------

SAMPLE = re.compile(r'^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """Samples of one exposition; value() adds up all that match."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            match = SAMPLE.match(line)
            if match:
                labels = dict(LABEL.findall(match.group(2) or ""))
                self.samples.append((match.group(1), labels, float(match.group(3))))

    def matching(self, name, **labels):
        return [value for n, have, value in self.samples
                if n == name and all(have.get(k) == str(v) for k, v in labels.items())]

    def value(self, name, **labels):
        return sum(self.matching(name, **labels))

    def has(self, name, **labels):
        return bool(self.matching(name, **labels))


# -- the program -------------------------------------------------------------------

def run(*arguments, env=None, cwd=None, timeout=60, program=None):
    """The finished process of one short call, with text stdout and stderr."""
    return subprocess.run([program or BALLAST] + list(arguments), env=environment(env), cwd=cwd,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)


def environment(extra=None):
    """Ours without what would override a configuration."""
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith(("LB_", "LOG_")) and k != "NOTIFY_SOCKET"}
    keep.update(extra or {})
    return keep


class Ballast:
    """One instance.  values: top-level keys of config.yaml over the harness's own defaults."""

    def __init__(self, backends, workers=2, flags=(), env=None, process=None, **values):
        self.dir = tempfile.mkdtemp(prefix="ballast-test-")
        os.chmod(self.dir, 0o755)  # workers run as nobody when the tests run as root
        self.file = self.path("config.yaml")
        self.pidfile = self.path("pid")
        self.logfile = self.path("log")
        self.values = {
            "lb_port": "127.0.0.1:0",
            "backends": list(backends),
            "rate_limit": "off",
            "health_check": "off",
            "log": {"output": self.logfile, "level": "debug"},
        }
        self.values.update(values)
        self.process_values = {"runtime_dir": self.path("run"), "event_engine": ENGINE}
        if SANITIZED and os.geteuid() == 0:
            self.process_values["user"] = "root"  # who may write findings and look into itself
        if VALGRIND:
            self.process_values["sandbox"] = "off"  # valgrind makes calls of its own in the same process
        self.process_values.update(process or {})
        self.flags = ["-w", str(workers)] + list(flags)
        self.env = {"LOG_ENV": "prod"}
        self.env.update(env or {})
        self.wrapper = []
        self.program = BALLAST
        self.process = None
        self.segments = []
        self.expected_exit = 0
        self.expected_crash = None  # such as "signal SYS", where a test provokes it
        self.write()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, **changed):
        """config.yaml anew, with some keys changed (None: removed)."""
        self.values.update(changed)
        values = {k: v for k, v in self.values.items() if v is not None}
        self.write_text(config_text(values))
        with open(self.path("ballast.cfg"), "w", encoding="ascii") as file:
            for key, value in self.process_values.items():
                file.write("%s = %s;\n" % (key, json.dumps(value)))

    def write_text(self, text):
        """Replaced whole, as an operator's tool does."""
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.file + ".new", self.file)

    def arguments(self):
        return ["-c", self.file, "-C", self.path("ballast.cfg"), "-p", self.pidfile]

    def environment(self):
        extra = dict(self.env)
        for tool in ("ASAN", "UBSAN", "LSAN"):
            old = os.environ.get(tool + "_OPTIONS", "")
            extra[tool + "_OPTIONS"] = old + ":log_path=" + self.path("sanitizer")
        extra["VALGRIND_LOGS"] = self.path("memcheck")
        return environment(extra)

    def launch(self):
        """Start without waiting for anything."""
        with open(self.path("stderr"), "ab") as errors, open(self.path("stdout"), "ab") as out:
            self.process = subprocess.Popen(
                self.wrapper + [self.program] + self.arguments() + self.flags, stdin=subprocess.DEVNULL,
                stdout=out, stderr=errors, env=self.environment())
        return self

    def start(self):
        self.launch()
        wait_for(lambda: self.has_logged("load balancer listening") or self.has_ended(),
                 "load balancer listening\n" + self.said())
        if self.has_ended():
            raise AssertionError("ballast ended with %s: %s" % (self.process.poll(), self.said()))
        self.segments = segments_of(self.pid)
        return self

    def has_ended(self):
        return self.process.poll() is not None

    @property
    def pid(self):
        return self.process.pid

    # what it says

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def said(self):
        return "stderr: %s\nlog: %s" % (self.read("stderr"), self.read("log")[-4000:])

    def logs(self, msg=None):
        """The JSON lines of the log, whole ones only."""
        lines = [json.loads(line) for line in self.read("log").splitlines(True)
                 if line.startswith("{") and line.endswith("\n")]
        return [line for line in lines if msg is None or line["msg"] == msg]

    def has_logged(self, msg):
        return bool(self.logs(msg))

    def wait_log(self, msg, count=1, timeout=PATIENCE):
        return wait_for(lambda: len(self.logs(msg)) >= count and self.logs(msg),
                        "%d x %r in the log" % (count, msg), timeout)

    @property
    def port(self):
        return int(self.logs("load balancer listening")[-1]["port"])

    # what it serves

    def ask(self, target="/", method="GET", **more):
        return wire.ask(self.port, target, method, **more)

    def connect(self, **more):
        return wire.connect(self.port, **more)

    def metrics(self):
        return Metrics(self.ask("/metrics").text)

    def metrics_after(self, requests):
        """The metrics once so many requests are counted: that comes after the answer is sent."""
        def counted():
            metrics = self.metrics()
            return metrics.value("lb_requests_total") >= requests and metrics
        return wait_for(counted, "%d counted requests" % requests)

    def control_path(self):
        return (glob.glob(self.path("run") + "/*.sock") + glob.glob(self.path("*.sock")))[0]

    def control(self, target):
        """An answer of the master over its control socket, which works without workers."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(wire.TIMEOUT)
        sock.connect(self.control_path())
        with wire.Stream(sock) as stream:
            return stream.ask("GET", target, fields={"Connection": "close"})

    def status(self):
        return json.loads(self.control("/status").text)

    # its processes

    def children(self, role):
        return [pid for pid in children_of(self.pid)
                if title_of(pid).startswith("ballast: " + role)]

    def workers(self, generation=None):
        end = "" if generation is None else " gen %d" % generation
        return [pid for pid in self.children("worker") if title_of(pid).endswith(end)]

    def signal(self, number):
        os.kill(self.pid, number)

    def order(self, word, timeout=60):
        return run(*self.arguments(), "-s", word, timeout=timeout, env=self.env)

    def reload(self, **changed):
        """Write and HUP; returns when the new generation serves alone."""
        done = len(self.logs("reload completed"))
        self.write(**changed)
        self.signal(signal.SIGHUP)
        self.wait_log("reload completed", done + 1)

    def wait_exit(self, timeout=PATIENCE):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("ballast did not end\n" + self.said()) from None

    def stop(self, timeout=PATIENCE):
        """TERM; the exit status."""
        if not self.has_ended():
            self.signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def findings(self):
        """What sanitizers found, in any process.  (A leak check may also remark that it was killed.)"""
        names = [n for n in os.listdir(self.dir) if n.startswith("sanitizer")]
        texts = [self.read(name) for name in names]
        return "\n".join(text for text in texts if re.search(r"ERROR: |runtime error: ", text))

    def clean(self):
        """Ends everything of this instance, however it stands.  Returns what was wrong."""
        wrong = []
        if self.process is not None:
            family = children_of(self.pid) if not self.has_ended() else []
            try:
                if not self.has_ended():
                    self.signal(signal.SIGTERM)
                status = self.process.wait(PATIENCE)
                if self.expected_exit is not None and status != self.expected_exit:
                    wrong.append("exit status %s, expected %s" % (status, self.expected_exit))
            except subprocess.TimeoutExpired:
                wrong.append("did not end after TERM")
                self.process.kill()
                self.process.wait()
            for pid in [pid for pid in family if is_alive(pid) and
                        (title_of(pid).startswith("ballast:"))]:
                wrong.append("process left: %s" % title_of(pid))
                os.kill(pid, signal.SIGKILL)
        for name in self.segments:
            if os.path.exists("/dev/shm/" + name):
                wrong.append("left in /dev/shm: " + name)
                os.unlink("/dev/shm/" + name)
        for finding in filter(None, (self.findings(), memcheck.findings(self.path("memcheck")))):
            wrong.append(finding)
        wrong += [str(line) for line in self.logs() if CRASH.match(str(line.get("ended")))
                  and line["ended"] != self.expected_crash]
        if wrong:
            wrong.append(self.said())
        shutil.rmtree(self.dir, ignore_errors=True)
        return wrong


class Case(unittest.TestCase):
    """A test that owns what it starts."""

    def origin(self, name="one", port=0):
        origin = Origin(name, port)
        self.addCleanup(origin.stop)
        return origin

    def script(self, handle, **more):
        script = Script(handle, **more)
        self.addCleanup(script.stop)
        return script

    def bound(self, backlog=None):
        """A port of ours that is refused (no backlog), or whose queue is full: then connects are not answered at all."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        if backlog is not None:
            listener.listen(backlog)
            for _ in range(8):
                filler = socket.socket()
                self.addCleanup(filler.close)
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
        return "http://127.0.0.1:%d" % listener.getsockname()[1]

    def prepare(self, backends, **more):
        """An instance that is not started."""
        lb = Ballast(backends, **more)
        self.addCleanup(self.finish, lb)
        return lb

    def ballast(self, backends, **more):
        return self.prepare(backends, **more).start()

    def directory(self):
        path = tempfile.mkdtemp(prefix="ballast-test-")
        os.chmod(path, 0o755)
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def finish(self, lb):
        wrong = lb.clean()
        if wrong:
            self.fail("\n".join(wrong))


def main():
    unittest.main()
