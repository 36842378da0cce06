"""What is asked of every subject, and what is hoped for.

Each row of SCENARIOS is one kind of load; GOALS are the ratios that docs/performance.md
answers for, each against something that was measured in the same run.
"""

import dataclasses

SMALL_BODY = b"fifteen octets\n"  # with the head of the nginx that is the origin: 130 octets

# What a browser sends beside Host, some 600 octets with it.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
              "image/png,image/svg+xml,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://www.example.org/catalogue/garden/chairs?page=3&sort=price",
    "Cookie": "session=9f1c5a0e7b3d42688e6c0417a5b9c2d1; theme=light; consent=necessary; basket=17",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Priority": "u=0, i",
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    meaning: str
    path: str = "/small"
    length: int = len(SMALL_BODY)  # of the answer's body, -1: whatever
    connections: int = 64
    headers: dict = dataclasses.field(default_factory=dict)
    post: int = 0        # octets of the request's body
    idle: int = 0        # connections that stay open beside the active ones
    origin: str = "nginx"  # or own: tests/origin
    log: bool = False    # with an access log to a file
    without: tuple = ()  # subjects that cannot do this or say nothing here


NO_SPLICE = ("splice",)
SCENARIOS = [
    Scenario("small", "64 keep-alive connections, 130-byte answers", without=NO_SPLICE),
    Scenario("browser", "the same with 600 bytes of request headers", headers=BROWSER,
             without=NO_SPLICE),
    Scenario("small1k", "small over 1,000 connections", connections=1000, without=NO_SPLICE),
    # The floor would hand the client's "Connection: close" to the origin.
    Scenario("close", "a connection for every request", headers={"Connection": "close"},
             without=("floor", "splice")),
    Scenario("64k", "answers of 64 KiB", path="/64k", length=65536),
    Scenario("1m", "answers of 1 MiB", path="/1m", length=1048576),
    Scenario("upload", "POST of 64 KiB, small answers", path="/", length=-1, post=65536,
             origin="own", without=NO_SPLICE),
    Scenario("idle8k", "small beside 8,000 idle connections", idle=8000,
             without=("floor", "splice")),
    Scenario("slow", "500 connections, the origin answers after 50 ms", path="/sleep/50",
             length=-1, connections=500, origin="own", without=NO_SPLICE),
    # HAProxy logs to a syslog server only.
    Scenario("log", "small with an access log to a file", log=True,
             without=("floor", "splice", "haproxy")),
]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}

PEERS = ("nginx", "haproxy")


@dataclasses.dataclass(frozen=True)
class Goal:
    scenario: str
    figure: str   # of a measurement
    at_most: float
    against: str  # a subject; "peer": the better of PEERS; "own small": itself in that scenario


def cpu(scenario, at_most, against):
    return Goal(scenario, "cpu_us", at_most, against)


GOALS = [
    cpu("small", 1.10, "floor"), cpu("small", 0.85, "peer"),
    cpu("browser", 1.12, "floor"), cpu("browser", 0.80, "peer"),
    cpu("small1k", 1.20, "floor"), cpu("small1k", 0.75, "peer"),
    cpu("close", 0.75, "nginx"),
    cpu("64k", 1.25, "splice"), cpu("64k", 0.65, "peer"),
    cpu("1m", 1.20, "splice"), cpu("1m", 0.60, "peer"),
    cpu("upload", 0.80, "peer"),
    cpu("idle8k", 1.05, "own small"), Goal("idle8k", "pss_mb", 0.50, "peer"),
    cpu("slow", 0.85, "peer"),
    cpu("log", 1.05, "own small"),
] + [Goal(scenario.name, "p99_ms", 1.10, "peer") for scenario in SCENARIOS]
