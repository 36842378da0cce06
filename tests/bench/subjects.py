"""What is measured: two floors, nginx, HAProxy, ballast in any number of builds; and the origins.

A subject's name says how it is started:

    floor, splice          tests/bench/floor.c, without and with -s
    nginx, haproxy         the installed ones
    ballast                the program of this build, event_engine auto
    ballast-epoll          the same with another event engine (poll, epoll, auto)
    ballast-old            the program that the environment names in BALLAST_OLD
    ballast-old-epoll      both
    ballast+sandbox=off    with that line in ballast.cfg (any name above may have such ends)

All have two workers (threads), their upstream connections kept, no access log unless the
scenario wants one.  ballast runs with all that it does by default (metrics, histograms, health
checks) and with a rate limit that it judges every request by and that nobody reaches.
"""

import json
import os
import re

import machine

BUILD = os.environ.get("BUILD", "build")
WORKERS = 2
ENGINES = ("auto", "poll", "epoll")
FOREVER_S = 36000
NEVER_REFUSES = {"requests_per_second": 1000000, "burst": 1000000}


def built(name):
    return os.path.abspath(os.path.join(BUILD, name))


def named_builds():
    """The further programs of the environment: {"old": path} for BALLAST_OLD=path."""
    return {key[len("BALLAST_"):].lower(): value for key, value in sorted(os.environ.items())
            if re.fullmatch(r"BALLAST_[A-Z0-9]+", key) and key != "BALLAST_ENGINE"}


# -- origins ------------------------------------------------------------------------

# Nothing that could limit or time out a connection; a warm one may wait long for its first request.
ORIGIN_CONF = """
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
pid {place}/origin.pid; error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
	access_log off; server_tokens off; default_type ""; types {{ }}
	sendfile on; tcp_nopush on; tcp_nodelay on; open_file_cache max=16;
	keepalive_requests 1000000000; keepalive_timeout {forever}s; client_header_timeout {forever}s;
	{temp}
	server {{
		{listens}
		root {place}/www; etag off;
		location = /small {{ return 200 "{small}"; }}
		location = / {{ return 200 "{small}"; }}
	}}
}}
"""
TEMP = "\n\t".join(kind + "_temp_path {place}/%s;" % kind
                   for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


class Origins:
    """One nginx with two listeners; tests/origin for answers that wait and bodies that are read."""

    def __init__(self, family, small):
        os.makedirs(family.path("www"))
        for name, n in (("64k", 65536), ("1m", 1048576)):
            with open(family.path("www/" + name), "wb") as file:
                file.write(b"0123456789abcde\n" * (n // 16))
        listens = [machine.free_port() for _ in range(2)]
        start_nginx(family, small, ["127.0.0.1:%d" % port for port in listens])
        self.ports = {"nginx": listens, "own": start_own(family)}


def start_own(family):
    """tests/origin; its two ports."""
    def told():
        found = [int(port) for port in re.findall(r"listening on 127.0.0.1:(\d+)", own.said())]
        return found if len(found) == 2 else None
    own = family.start("own-origin", [built("origin"), "0", "0"])
    return own.wait_until(told, "two ports")


def start_nginx(family, small, listens):
    """An origin at those addresses ("127.0.0.1:9001")."""
    conf = ORIGIN_CONF.format(
        place=family.place, forever=FOREVER_S, temp=TEMP.format(place=family.place),
        listens="\n\t\t".join("listen %s backlog=4096;" % listen for listen in listens),
        small=small.decode().replace("\n", "\\n"))
    nginx = family.start("origin", ["nginx", "-e", "stderr", "-c",
                                    family.write("origin.conf", conf)])
    host, port = listens[-1].split(":")
    nginx.wait_until(lambda: machine.answers(int(port), "/small", host), "answers")
    return nginx


# -- subjects -----------------------------------------------------------------------

class Subject:
    """start() returns the running process; port is then where it listens."""

    needs = ()  # programs

    def __init__(self, name):
        self.name = name
        self.port = None
        self.workers = WORKERS

    def start(self, family, scenario, origins):
        self.port = machine.free_port()
        if os.path.exists(self.access_log(family)):
            os.unlink(self.access_log(family))
        process = family.start(self.name, self.prepare(family, scenario, origins))
        process.wait_until(lambda: machine.answers(self.port), "answers")
        return process

    def access_log(self, family):
        return family.path(self.name + ".access")

    def prepare(self, family, scenario, origins):
        """Writes what it needs; its command line."""
        raise NotImplementedError

    def version_command(self):
        """What tells its version, or None."""
        return None


class Floor(Subject):
    needs = (built("floor"),)

    def prepare(self, family, scenario, origins):
        flags = ["-s"] if self.name == "splice" else []
        return [built("floor")] + flags + ["-n", str(self.workers), "-p", str(scenario.connections),
                                           str(self.port)] + [str(port) for port in origins]


NGINX_CONF = """
daemon off; worker_processes {workers}; worker_rlimit_nofile 20000;
pid {place}/nginx.pid; error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
	access_log {log};
	keepalive_requests 1000000000; keepalive_timeout {forever}s;
	{temp}
	upstream origins {{
		{servers}
		keepalive 1024; keepalive_requests 1000000000; keepalive_timeout {forever}s;
	}}
	server {{
		listen 127.0.0.1:{port} reuseport backlog=4096;
		client_max_body_size 0;
		location / {{
			proxy_pass http://origins;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			{buffering}
		}}
	}}
}}
"""


class Nginx(Subject):
    needs = ("nginx",)

    def prepare(self, family, scenario, origins):
        conf = NGINX_CONF.format(
            workers=self.workers, place=family.place, forever=FOREVER_S, port=self.port,
            log=self.access_log(family) if scenario.log else "off",
            temp=TEMP.format(place=family.place),
            servers=" ".join("server 127.0.0.1:%d;" % port for port in origins),
            buffering="proxy_request_buffering off;" if scenario.post else "")
        return ["nginx", "-e", "stderr", "-c", family.write("nginx.conf", conf)]

    def version_command(self):
        return ["nginx", "-v"]


HAPROXY_CONF = """
global
	nbthread {workers}
	maxconn 9500
defaults
	mode http
	maxconn 9500
	timeout connect 5s
	timeout client {forever}s
	timeout server {forever}s
	http-reuse always
frontend in
	bind 127.0.0.1:{port} backlog 4096
	default_backend origins
backend origins
	balance roundrobin
	{servers}
"""


class Haproxy(Subject):
    needs = ("haproxy",)

    def prepare(self, family, scenario, origins):
        conf = HAPROXY_CONF.format(
            workers=self.workers, forever=FOREVER_S, port=self.port,
            servers="\n\t".join("server o%d 127.0.0.1:%d" % pair for pair in enumerate(origins)))
        return ["haproxy", "-db", "-q", "-f", family.write("haproxy.cfg", conf)]

    def version_command(self):
        return ["haproxy", "-v"]


class Ballast(Subject):
    def __init__(self, name):
        super().__init__(name)
        plain, *lines = name.split("+")
        words = plain.split("-")[1:]
        self.engine = words.pop() if words and words[-1] in ENGINES else "auto"
        self.program = self.find_program(words)
        self.needs = (self.program,)
        self.values = {}      # of config.yaml, for those who measure something else
        self.process = dict(line.split("=", 1) for line in lines)

    @staticmethod
    def find_program(words):
        if not words:
            return os.path.abspath(os.environ.get("BALLAST", built("ballast")))
        builds = named_builds()
        if len(words) != 1 or words[0] not in builds:
            raise machine.BenchError("unknown ballast-%s: BALLAST_%s=/path/of/ballast names one" % (
                "-".join(words), words[-1].upper()))
        return os.path.abspath(builds[words[0]])

    def config(self, family, scenario, origins):
        values = {
            "lb_port": "127.0.0.1:%d" % self.port,
            "backends": ["http://127.0.0.1:%d" % port for port in origins],
            "rate_limit": NEVER_REFUSES,
            "timeouts": {"keep_alive": "%ds" % FOREVER_S},
            "log": {"level": "warn"},
        }
        if scenario.log:
            values["access_log"] = self.access_log(family)
        values.update(self.values)
        return "".join("%s: %s\n" % (key, json.dumps(value)) for key, value in values.items())

    def files(self, family):
        return ["-c", family.path(self.name + ".yaml"), "-C", family.path(self.name + ".cfg"),
                "-p", family.path(self.name + ".pid")]

    def prepare(self, family, scenario, origins):
        process = {"runtime_dir": family.path("run-" + self.name), "event_engine": self.engine}
        process.update(self.process)
        family.write(self.name + ".yaml", self.config(family, scenario, origins))
        family.write(self.name + ".cfg", "".join(
            "%s = %s;\n" % (key, value if str(value).isdigit() else json.dumps(value))
            for key, value in process.items()))
        return [self.program, "-w", str(self.workers)] + self.files(family)

    def version_command(self):
        return [self.program, "-V"]


KINDS = {"floor": Floor, "splice": Floor, "nginx": Nginx, "haproxy": Haproxy}


def find(name):
    if name in KINDS:
        return KINDS[name](name)
    if re.match(r"ballast($|[-+])", name):
        return Ballast(name)
    raise machine.BenchError("unknown subject %s; there are %s, ballast, ballast-poll, "
                             "ballast-epoll" % (name, ", ".join(KINDS)))


def default_names():
    return list(KINDS) + ["ballast", "ballast-poll", "ballast-epoll"] + [
        "ballast-" + name for name in named_builds()]
