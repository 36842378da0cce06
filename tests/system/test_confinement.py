"""What a worker or the checker is still able to do, seen from outside: identity, limits, descriptors,
and what becomes of one that makes a call it was not meant to make."""

import os
import re
import subprocess
import unittest

import harness
from harness import wait_for

SECRET = "s3cr3t-value-of-a-header"

# A foreign body in the worker: at the sight of a certain request it opens a file, as an intruder would.
INTRUDER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	ssize_t (*real)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");
	ssize_t got = real(fd, buf, n, flags);
	if (got > 6 && memcmp(buf, "BREAK ", 6) == 0)
		open("/etc/passwd", O_RDONLY);
	return got;
}
"""


def status_of(pid):
    """The lines of /proc/PID/status as a dictionary."""
    return dict(line.split(":\t", 1) for line in harness.read_proc(pid, "status").splitlines()
                if ":\t" in line)


def descriptors_of(pid):
    """What each descriptor of a process is."""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except FileNotFoundError:
            pass  # closed in the meantime
    return found


def soft_limit(pid, name):
    match = re.search(r"^%s\s+(\S+)\s+(\S+)" % name, harness.read_proc(pid, "limits"), re.M)
    return match.groups()


@unittest.skipIf(harness.VALGRIND, "valgrind is the process: limits, descriptors and calls are its own")
class Confined(harness.Case):
    def confined(self, lb):
        return lb.workers() + lb.children("checker")

    def checked(self, **more):
        lb = self.ballast([self.origin("one").url], health_check={"interval": "1s"}, **more)
        wait_for(lambda: len(self.confined(lb)) == 3, "two workers and a checker")
        lb.ask("/")
        return lb

    def test_children_have_no_privilege_and_can_gain_none(self):
        lb = self.checked()
        for pid in self.confined(lb):
            status = status_of(pid)
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(status["Seccomp"], "2", "a filter is in force")
            for name in ("CapEff", "CapPrm", "CapAmb", "CapInh"):
                self.assertEqual(int(status[name], 16), 0, name)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    @unittest.skipIf(harness.SANITIZED, "its findings are written by root")
    def test_children_of_root_are_nobody(self):
        lb = self.checked()
        for pid in self.confined(lb):
            status = status_of(pid)
            self.assertEqual(set(status["Uid"].split()), {"65534"})
            self.assertEqual(set(status["Gid"].split()), {"65534"})
            self.assertEqual(set(status["Groups"].split()), {"65534"})

    def test_limits_fit_the_configuration(self):
        lb = self.checked(limits={"connections": 100})
        for pid in lb.workers():
            soft, hard = soft_limit(pid, "Max open files")
            self.assertEqual(soft, hard)
            self.assertGreater(int(soft), 2 * 100)
            self.assertLess(int(soft), 2 * 100 + 1000)
        for pid in self.confined(lb):
            if not harness.SANITIZED:
                self.assertEqual(soft_limit(pid, "Max processes"), ("0", "0"))

    def test_children_hold_only_what_they_need(self):
        lb = self.checked(admin={"listen": "127.0.0.1:0"}, access_log=self.file("access"))
        for pid in self.confined(lb):
            held = descriptors_of(pid)
            self.assertEqual(held[0], "/dev/null")
            files = [name for name in held.values() if name.startswith("/")]
            for name in files:
                self.assertIn(name, ("/dev/null", lb.logfile, lb.path("stderr"),
                                     lb.path("stdout"), self.file("access")))
            self.assertFalse([n for n in held.values() if "/dev/shm" in n or n.endswith("/pid")], held)
            signal_fds = [n for n in held.values() if "signalfd" in n]
            self.assertEqual(len(signal_fds), 1, held)
            # Control pair, listener, epoll, the queue of what is handed over; connections to one client and one backend at most.
            self.assertLessEqual(len(held), 14, held)

    def file(self, name):
        if not hasattr(self, "own"):
            self.own = self.directory()
            os.chmod(self.own, 0o755)
        return os.path.join(self.own, name)

    def test_sandbox_off_leaves_the_filter_away(self):
        lb = self.checked(process={"sandbox": "off"})
        for pid in self.confined(lb):
            self.assertEqual(status_of(pid)["Seccomp"], "0")
            self.assertEqual(status_of(pid)["NoNewPrivs"], "1")


class Refused(harness.Case):
    def intruder(self):
        """Path of the library."""
        source = os.path.join(self.directory(), "intruder.c")
        library = source[:-1] + "so"
        with open(source, "w", encoding="ascii") as file:
            file.write(INTRUDER)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        os.chmod(library, 0o755)
        return library

    def invaded(self, **more):
        return self.prepare([self.origin("one").url], workers=1,
                            env={"LD_PRELOAD": self.intruder()}, **more)

    @unittest.skipIf(harness.SANITIZED, "a sanitizer's own calls are let through")
    def test_a_refused_call_is_logged_and_ends_the_worker(self):
        lb = self.invaded()
        lb.expected_crash = "signal SYS"
        lb.start()
        first = lb.workers()
        self.assertEqual(lb.ask("/").status, 200)
        with lb.connect() as client:
            client.send(b"BREAK / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(client.rest(), b"")
        line = lb.wait_log("system call refused, the process ends")[0]
        self.assertEqual(line["call"], "openat")
        died = lb.wait_log("worker died")[0]
        self.assertIn("SYS", died["ended"])
        self.assertEqual(died["pid"], first[0])
        wait_for(lambda: lb.workers() not in ([], first), "another worker")
        self.assertEqual(lb.ask("/").text, "hello from one\n")

    @unittest.skipIf(harness.SANITIZED, "a sanitizer has to be the first library")
    def test_without_the_sandbox_the_call_is_made(self):
        lb = self.invaded(process={"sandbox": "off"}).start()
        first = lb.workers()
        with lb.connect() as client:
            client.send(b"BREAK / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertIn(b"HTTP/1.1 ", client.rest())
        self.assertEqual(lb.workers(), first)


class Discreet(harness.Case):
    def test_no_value_of_a_header_reaches_logs_or_status(self):
        access = os.path.join(self.directory(), "access")
        os.chmod(os.path.dirname(access), 0o755)
        lb = self.ballast([self.origin("one").url], access_log=access,
                          metrics={"public": True})
        fields = {name: SECRET for name in (
            "Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X-Forwarded-For",
            "Forwarded", "Accept", "X-Request-Id")}
        self.assertEqual(lb.ask("/", fields=fields).status, 200)
        lb.ask("/", method="BAD METHOD", fields=fields)  # refused, and logged as such
        with lb.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nbad line\r\n\r\n"
                        % SECRET.encode())
            client.rest()
        wait_for(lambda: self.lines(access) >= 3, "three lines of the access log")
        for what, text in (("access log", open(access, encoding="utf-8").read()),
                           ("log", lb.read("log")), ("status", lb.control("/status").text),
                           ("metrics", lb.control("/metrics").text)):
            self.assertTrue(text, what)
            self.assertNotIn(SECRET, text, what)

    def lines(self, path):
        with open(path, encoding="utf-8") as file:
            return len(file.readlines())


if __name__ == "__main__":
    harness.main()
