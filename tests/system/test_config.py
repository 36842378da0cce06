"""Point 2: every broken configuration is one clear line with file:line:column, and exit 1."""

import os
import re
import socket
import unittest

import harness
import wire

ENGINES = ("poll",)
HEAD = 'backends: ["http://127.0.0.1:9001"]\n'

# name: (text, line, column, what the message must say)
BROKEN = {
    "an unknown key": (HEAD + "stratgey: round-robin\n", 2, 1, "stratgey.*strategy"),
    "an unknown key inside": (HEAD + "timeouts:\n  conect: 3s\n", 3, 3, "conect.*connect"),
    "a key given twice": (HEAD + "retries: 1\nretries: 2\n", 3, 1, "retries"),
    "an unknown strategy": (HEAD + "strategy: least-conn\n", 2, 11, "least-conn.*least-connection"),
    "a duration without unit": (HEAD + "timeouts: {connect: 3}\n", 2, 21, "unit|ms"),
    "a duration with a wrong unit": (HEAD + "timeouts: {connect: 3d}\n", 2, 21, "ms, s, m|unit"),
    "a size without unit": (HEAD + "limits: {header_bytes: 16384}\n", 2, 24, "unit|k"),
    "a number out of range": (HEAD + "rate_limit: {burst: 0}\n", 2, 21, "burst|1"),
    "a negative number": (HEAD + "retries: -1\n", 2, 10, "retries|0"),
    "a mapping where a word belongs": (HEAD + "strategy: {a: b}\n", 2, 11, "strategy"),
    "a word where a mapping belongs": (HEAD + "limits: many\n", 2, 9, "limits"),
    "no backends": ("lb_port: \":3332\"\n", 1, 1, "backends"),
    "an empty list of backends": ("backends: []\n", 1, 11, "backend"),
    "a backend given twice": (
        'backends:\n  - "http://a.test:1"\n  - "http://a.test:1"\n', 3, 5, "a.test"),
    "a URL of another scheme": ('backends: ["https://a.test"]\n', 1, 12, "http"),
    "a URL without host": ('backends: ["http://:80"]\n', 1, 12, "host"),
    "a URL with a bad port": ('backends: ["http://a.test:70000"]\n', 1, 12, "port"),
    "a weight out of range": ('backends: [{url: "http://a.test", weight: 1000}]\n', 1, 43, "weight"),
    "a backend without url": ("backends: [{weight: 2}]\n", 1, 12, "url"),
    "a bad port to listen on": (HEAD + 'lb_port: ":99999"\n', 2, 10, "port"),
    "a bad network": (HEAD + 'trusted_proxies: ["10.0.0.0/33"]\n', 2, 19, "10.0.0.0/33|network|prefix"),
    "a bad range of statuses": (HEAD + "health_check: {expect: 399-200}\n", 2, 24, "expect|status"),
    "a path without slash": (HEAD + "metrics: {path: metrics}\n", 2, 17, "slash"),
    "a bad boolean": (HEAD + "metrics: {public: maybe}\n", 2, 19, "true"),
    "an anchor": ("backends: &b [\"http://a.test\"]\n", 1, 11, "anchor"),
    "an alias": (HEAD + "trusted_proxies: *b\n", 2, 18, "alias"),
    "a tag": (HEAD + "retries: !!int 1\n", 2, 10, "tag"),
    "a second document": (HEAD + "---\nretries: 1\n", 2, 1, "document"),
    "broken syntax": (HEAD + "retries: [1\n", 3, 1, "."),
    "a tab as indentation": (HEAD + "limits:\n\theaders: 10\n", 3, 1, "."),
    "deeper than 32": (HEAD + "retries: " + "[" * 40 + "]" * 40 + "\n", 2, 41, "deep|32|nest"),
    "a list at the top": ("- 1\n", 1, 1, "mapping|key"),
}


class Broken(harness.Case):
    def complain(self, text, flags=(), env=None):
        lb = self.prepare([])
        lb.write_text(text)
        done = harness.run(*lb.arguments(), *flags, env=env)
        return lb, done

    def test_every_kind_of_error_is_one_line_with_line_and_column(self):
        for name, (text, line, column, words) in BROKEN.items():
            with self.subTest(name):
                lb, done = self.complain(text, ["-t"])
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertNotIn("ok", done.stdout)
                lines = done.stderr.splitlines()
                self.assertEqual(len(lines), 1, done.stderr)
                self.assertTrue(lines[0].startswith("%s:%d:%d: " % (lb.file, line, column)),
                                "%s, expected :%d:%d:" % (lines[0], line, column))
                self.assertRegex(lines[0].split(": ", 1)[1], words)

    def test_all_errors_are_reported_in_one_go_in_order(self):
        lb, done = self.complain(HEAD + "retries: x\nstrategy: y\nlimits: {headers: z}\n", ["-t"])
        self.assertEqual([line[len(lb.file):].split(": ")[0] for line in done.stderr.splitlines()],
                         [":2:10", ":3:11", ":4:19"])

    def test_a_start_refuses_what_the_test_refuses(self):
        _, done = self.complain(HEAD + "retries: x\n")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r":2:10: ")

    def test_a_file_that_is_too_large_is_refused(self):
        _, done = self.complain(HEAD + "#" * (1 << 20) + "\n", ["-t"])
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "1 MiB|large|1048576")

    def test_two_hundred_thousand_brackets_end_at_once(self):
        _, done = self.complain(HEAD + "retries: " + "[" * 200000, ["-t"])
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr[:1000])

    def test_a_missing_file_is_named(self):
        done = harness.run("-t", "-c", "/nonexistent/config.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/config.yaml", done.stderr)

    def test_errors_of_ballast_cfg_have_line_and_column(self):
        lb = self.prepare(["http://127.0.0.1:1"])
        with open(lb.path("ballast.cfg"), "w", encoding="ascii") as file:
            file.write('workers = 2;\nevent_engin = "poll";\n')
        done = harness.run(*lb.arguments(), "-t")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"ballast\.cfg:2:\d+: .*event_engine")

    def test_a_bad_value_from_the_environment_names_its_variable(self):
        lb = self.prepare(["http://127.0.0.1:1"])
        done = harness.run(*lb.arguments(), "-t", env={"LB_STRATEGY": "none"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("LB_STRATEGY", done.stderr)


class CommandLine(harness.Case):
    def test_ok_opens_no_socket_and_says_ok(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            lb = self.prepare(["http://127.0.0.1:1"],
                              lb_port="127.0.0.1:%d" % taken.getsockname()[1])
            done = harness.run(*lb.arguments(), "-t")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "ok\n", ""))
        self.assertFalse(os.path.exists(lb.pidfile))

    def test_the_shipped_configuration_is_good(self):
        done = harness.run("-t", "-c", "conf/config.yaml", "-C", "conf/ballast.cfg")
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_the_dump_tells_every_value_and_its_origin(self):
        lb = self.prepare(["http://127.0.0.1:1"], strategy="least-connection")
        done = harness.run(*lb.arguments(), "-T", "-w", "3", "-l", "warn", env={"LB_PORT": "4000"})
        self.assertEqual(done.returncode, 0, done.stderr)
        said = done.stdout
        self.assertRegex(said, r"strategy: *\"?least-connection\"? +# .*config\.yaml:\d+")
        self.assertRegex(said, r"lb_port: .*4000.*# .*LB_PORT")
        self.assertRegex(said, r"retries: *1 +# *default")
        self.assertRegex(said, r"level: *\"?warn\"? +# .*-l")
        self.assertRegex(said, r"workers = 3; +# .*-w")

    def test_what_was_dumped_can_be_loaded_again(self):
        lb = self.prepare(["http://127.0.0.1:1", "http://127.0.0.1:2"], retries=2)
        first = harness.run(*lb.arguments(), "-T").stdout
        lb.write_text(first)
        again = harness.run(*lb.arguments(), "-T")
        self.assertEqual(again.returncode, 0, again.stderr)

        def values(text):
            return [re.sub(r" *#.*", "", line) for line in text.splitlines()
                    if not line.startswith("#")]
        self.assertEqual(values(first), values(again.stdout))

    def test_wrong_usage_exits_2_and_shows_the_usage_on_stderr(self):
        for flags in (["--no-such-flag"], ["-Z"], ["-c"], ["-w", "many"], ["-s", "dance"],
                      ["-l", "loud"], ["extra"], ["--", "-t"]):
            with self.subTest(flags):
                done = harness.run(*flags)
                self.assertEqual(done.returncode, 2)
                self.assertIn("usage: ballast", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help_and_version_go_to_stdout(self):
        for flag, words in (("-h", "usage: ballast"), ("--help", "--healthcheck"),
                            ("-v", "ballast "), ("--version", "ballast "), ("-V", "libyaml")):
            with self.subTest(flag):
                done = harness.run(flag)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(words, done.stdout)


class Overrides(harness.Case):
    def test_the_environment_beats_the_file_and_is_logged_once(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.prepare([one.url], env={"LB_BACKENDS": two.url, "LB_STRATEGY": "least-connection",
                                          "LB_PORT": "127.0.0.1:0", "LOG_ENV": "prod"})
        lb.start()
        self.assertEqual(lb.ask("/").get("X-Origin"), "two")
        options = [line["option"] for line in lb.logs("config overridden")]
        for option in ("lb_port", "strategy", "backends"):
            self.assertEqual(options.count(option), 1, options)

    def test_workers_come_from_the_flag_then_the_environment(self):
        one = self.origin()
        for flags, wanted in (((), 3), (("-w", "1"), 1)):
            with self.subTest(wanted):
                lb = self.prepare([one.url], env={"LB_WORKERS": "3"})
                lb.flags = list(flags)
                lb.start()
                self.assertEqual(len(lb.workers()), wanted)

    def test_three_lines_are_enough(self):
        one = self.origin()
        lb = self.prepare([])
        lb.write_text('lb_port: "127.0.0.1:0"\nbackends:\n  - "%s"\n' % one.url)
        lb.launch()
        said = harness.wait_for(
            lambda: re.search(r"load balancer listening.*?port[\"=: ]+(\d+)", lb.read("stderr")),
            "listening on stderr")
        lb.segments = harness.segments_of(lb.pid)
        self.assertEqual(wire.ask(int(said.group(1))).status, 200)

    def test_localhost_works_with_a_backend_on_ipv4_only(self):
        script = self.script(harness.answers(harness.OK))
        lb = self.ballast(["http://localhost:%d" % script.port])
        for _ in range(4):
            self.assertEqual(lb.ask().status, 200)


if __name__ == "__main__":
    unittest.main()
