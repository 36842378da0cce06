"""Point 12: what ballast says about itself, and the access log."""

import json
import os
import re
import signal
import unittest

import harness
import wire

FIELDS = """ts request_id client_ip client_port method host uri proto status bytes_in bytes_out
    backend attempts t_total t_connect t_first_byte flags worker user_agent referer""".split()


class Log(harness.Case):
    def test_json_lines_have_the_four_fields_and_the_promised_words(self):
        one = self.origin()
        lb = self.ballast([one.url])
        self.assertEqual(lb.stop(), 0)
        lines = lb.logs()
        for line in lines:
            self.assertEqual(list(line)[:4], ["level", "ts", "caller", "msg"])
            self.assertIsInstance(line["ts"], float)
        words = [line["msg"] for line in lines]
        for word in ("config loaded", "backend registered", "load balancer listening",
                     "shutdown signal received", "graceful shutdown completed"):
            self.assertEqual(words.count(word), 1, word)
        self.assertEqual(lb.logs("backend registered")[0]["backend"], one.url)

    def test_console_lines_without_colour_in_a_file(self):
        one = self.origin()
        lb = self.prepare([one.url], env={"LOG_ENV": "dev"})
        lb.launch()
        text = harness.wait_for(lambda: "load balancer listening" in lb.read("log") and
                                lb.read("log"), "listening")
        lb.segments = harness.segments_of(lb.pid)
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, r"(?m)^\S+.*INFO\s+\S+:\d+\s+load balancer listening")

    def test_the_level_is_respected(self):
        one = self.origin()
        lb = self.prepare([one.url])
        lb.write(log={"output": lb.logfile, "level": "error"})
        lb.launch()
        harness.wait_for(lambda: os.path.exists(lb.pidfile) and
                         harness.run(*lb.arguments(), "--healthcheck").returncode == 0, "ready")
        lb.segments = harness.segments_of(lb.pid)
        self.assertEqual(lb.read("log"), "")

    def test_usr1_reopens_the_log(self):
        one = self.origin()
        lb = self.ballast([one.url])
        os.rename(lb.logfile, lb.path("log.1"))
        lb.signal(signal.SIGUSR1)
        lb.wait_log("log files reopened")
        self.assertNotIn("log files reopened", lb.read("log.1"))


class AccessLog(harness.Case):
    def logging(self, urls, form="json", **more):
        lb = self.prepare(urls, **more)
        self.access = lb.path("access")
        if os.geteuid() == 0:
            os.chmod(lb.dir, 0o755)
        lb.write(access_log={"output": self.access, "format": form})
        lb.start()
        return lb

    def lines(self, lb, count):
        return harness.wait_for(lambda: lb.read("access").count("\n") >= count and
                                lb.read("access").splitlines(), "%d lines" % count)

    def records(self, lb, count):
        return [json.loads(line) for line in self.lines(lb, count)]

    def test_a_json_line_has_all_fields(self):
        one = self.origin()
        lb = self.logging([one.url])
        lb.ask("/echo?q=1", "POST", body=b"12345", host="shop.example",
               fields={"User-Agent": "test/1", "Referer": "http://r/"})
        record = self.records(lb, 1)[0]
        for field in FIELDS:
            self.assertIn(field, record)
        self.assertEqual(
            (record["method"], record["uri"], record["host"], record["status"], record["backend"],
             record["client_ip"], record["user_agent"], record["referer"], record["flags"],
             record["attempts"], record["proto"]),
            ("POST", "/echo?q=1", "shop.example", 200, one.url, "127.0.0.1", "test/1",
             "http://r/", "", 1, "HTTP/1.1"))
        self.assertGreater(record["bytes_out"], 5)

    def test_combined_is_what_others_write(self):
        one = self.origin()
        lb = self.logging([one.url], "combined")
        lb.ask("/x", fields={"User-Agent": "a \"quoted\" agent"})
        self.assertRegex(
            self.lines(lb, 1)[0],
            r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4}\] "GET /x HTTP/1\.1" 200 '
            r'\d+ "-" "a \\(x22|")quoted\\(x22|") agent"$')

    def test_flags_say_why(self):
        dead = "http://127.0.0.1:%d" % harness.unused_port()
        cut = self.script(lambda script, stream: script.take(stream))
        rude = self.script(harness.once(b"rubbish\r\n\r\n"))
        cases = [([dead], None, "UF", 502), ([cut.url], None, "UC", 502),
                 ([rude.url], None, "UP", 502)]
        for urls, _, flags, status in cases:
            with self.subTest(flags):
                lb = self.logging(urls, retries=0)
                lb.ask()
                record = self.records(lb, 1)[0]
                self.assertEqual((record["flags"], record["status"]), (flags, status))

    def test_flags_of_a_limited_and_of_a_bad_request(self):
        one = self.origin()
        lb = self.logging([one.url], rate_limit={"requests_per_second": 0.01, "burst": 1})
        lb.ask()
        lb.ask()
        with lb.connect() as client:
            client.send(b"BAD\r\n\r\n")
            client.read_response()
        # Of several workers: their lines come in no order.
        self.assertEqual(sorted(record["flags"] for record in self.records(lb, 3)), ["", "PE", "RL"])

    def test_a_client_that_left_is_noted(self):
        one = self.origin()
        lb = self.logging([one.url])
        client = lb.connect()
        client.send(wire.request("GET", "/drip/1000/100"))
        client.read_head()
        client.reset()
        record = self.records(lb, 1)[0]
        self.assertEqual(record["flags"], "DC")

    def test_nothing_a_client_sends_is_logged_unescaped(self):
        one = self.origin()
        for form in ("json", "combined"):
            with self.subTest(form):
                lb = self.logging([one.url], form)
                with lb.connect() as client:
                    client.send(b"GET /\"\\ HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\x9b31m\"\t\\\r\n\r\n")
                    client.read_response()
                with open(self.access, "rb") as file:
                    harness.wait_for(lambda: os.path.getsize(self.access), "a line")
                    octets = file.read()
                self.assertEqual(octets.count(b"\n"), 1)
                self.assertIsNone(re.search(rb"[^\n\x20-\x7e]", octets), octets)
                if form == "json":
                    json.loads(octets)

    def test_usr1_reopens_the_access_log_in_every_worker(self):
        one = self.origin()
        lb = self.logging([one.url])
        lb.ask("/before")
        self.lines(lb, 1)
        os.rename(self.access, self.access + ".1")
        lb.signal(signal.SIGUSR1)
        harness.wait_for(lambda: os.path.exists(self.access), "a new file")

        def arrived():
            for _ in range(4):
                lb.ask("/after")
            workers = {json.loads(line)["worker"] for line in lb.read("access").splitlines()}
            return len(workers) == 2
        harness.wait_for(arrived, "lines of both workers in the new file")
        self.assertNotIn("/before", lb.read("access"))

    def ask_all(self, client, first, count):
        """On one connection: /first and so on, each with an answer."""
        for number in range(first, first + count):
            self.assertEqual(client.ask("GET", "/%d" % number).status, 200)

    def numbers(self, *texts):
        """What was asked for, by all the lines of these files."""
        return sorted(int(json.loads(line)["uri"][1:]) for text in texts
                      for line in text.splitlines())

    def test_lines_appear_without_further_traffic(self):
        lb = self.logging([self.origin().url], workers=1)
        with lb.connect() as client:
            self.ask_all(client, 0, 10)
            self.lines(lb, 10)  # the connection is open, and nothing wakes the worker
        self.assertEqual(self.numbers(lb.read("access")), list(range(10)))

    def test_a_drain_leaves_no_line_behind(self):
        lb = self.logging([self.origin().url])
        clients = [lb.connect() for _ in range(4)]
        for number, client in enumerate(clients):
            self.ask_all(client, number * 50, 50)
        self.assertEqual(lb.stop(), 0)
        for client in clients:
            client.close()
        self.assertEqual(self.numbers(lb.read("access")), list(range(200)))

    def test_a_worker_whose_master_was_killed_leaves_no_line_behind(self):
        lb = self.logging([self.origin().url])
        lb.expected_exit = None
        workers = lb.workers()
        with lb.connect() as client:
            self.ask_all(client, 0, 30)
            lb.signal(signal.SIGKILL)
            lb.process.wait()
            harness.wait_for(lambda: not any(map(harness.is_alive, workers)), "no worker")
        for name in lb.segments:
            os.unlink("/dev/shm/" + name)
        self.assertEqual(self.numbers(lb.read("access")), list(range(30)))

    def test_a_reload_loses_no_line_and_doubles_none(self):
        lb = self.logging([self.origin().url])
        for turn in range(3):
            with lb.connect() as client:
                self.ask_all(client, turn * 40, 40)
                lb.reload(retries=turn)
        self.assertEqual(lb.stop(), 0)
        self.assertEqual(self.numbers(lb.read("access")), list(range(120)))

    def test_usr1_loses_no_line_and_doubles_none(self):
        lb = self.logging([self.origin().url])
        clients = [lb.connect() for _ in range(4)]
        for turn in range(6):
            os.rename(self.access, self.access + ".%d" % turn)
            lb.signal(signal.SIGUSR1)
            for number, client in enumerate(clients):  # before, while and after it is heard
                self.ask_all(client, turn * 200 + number * 50, 50)
            harness.wait_for(lambda: os.path.exists(self.access), "a new file")
        for client in clients:
            client.close()
        self.assertEqual(lb.stop(), 0)
        texts = [lb.read("access")] + [lb.read("access.%d" % turn) for turn in range(6)]
        self.assertEqual(self.numbers(*texts), list(range(1200)))

    def test_lines_of_several_workers_stay_whole(self):
        lb = self.logging([self.origin().url], workers=4)
        clients = [lb.connect() for _ in range(16)]
        path = "/" + "x" * 900
        for _ in range(20):
            for client in clients:
                client.send(wire.request("GET", path))
            for client in clients:
                self.assertEqual(client.read_response().status, 200)
        for client in clients:
            client.close()
        self.assertEqual(lb.stop(), 0)
        uris = [json.loads(line)["uri"] for line in lb.read("access").splitlines()]
        self.assertEqual(uris, [path] * 320)

    def test_usr1_disturbs_neither_checker_nor_workers(self):
        lb = self.logging([self.origin().url], health_check={"interval": "1s"})
        harness.wait_for(lambda: lb.children("checker"), "a checker")
        family = harness.children_of(lb.pid)
        self.assertEqual(len(family), 3)
        port = lb.port
        os.rename(lb.logfile, lb.logfile + ".1")
        lb.signal(signal.SIGUSR1)
        lb.wait_log("log files reopened")
        self.assertEqual(wire.ask(port, "/").status, 200)
        inode = os.stat(lb.logfile).st_ino

        def logs_of_all():
            return all(self.has_open(pid, inode) for pid in family)
        harness.wait_for(logs_of_all, "the new log in every process")
        self.assertEqual(harness.children_of(lb.pid), family)

    def has_open(self, pid, inode):
        for name in os.listdir("/proc/%d/fd" % pid):
            try:
                if os.stat("/proc/%d/fd/%s" % (pid, name)).st_ino == inode:
                    return True
            except OSError:
                pass
        return False

    def test_stdout_can_be_the_access_log(self):
        one = self.origin()
        lb = self.ballast([one.url], access_log="stdout")
        lb.ask("/seen")
        harness.wait_for(lambda: '"uri":"/seen"' in lb.read("stdout"), "a line on stdout")


if __name__ == "__main__":
    unittest.main()
