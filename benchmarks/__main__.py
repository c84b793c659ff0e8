"""`make bench`: one table, each figure beside its yardstick measured in the same run."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = ROOT / "jarvis.pyz"
PYTHON = sys.executable
SECONDS = 2.0
ROUNDS = 5
CLIENTS = 8
PASSWORD = "bench horse battery"  # noqa: S105 — of a throw-away home


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, its yardstick, their ratio and the aim."""

    name: str
    ours: str
    yardstick: str
    ratio: str
    aim: str


def cpu_seconds(command: list[str], runs: int = 15, **more: object) -> float:
    """Median user+system time of a command, as the kernel accounts it."""
    found = []
    for _ in range(runs):
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir(), **more)  # type: ignore[call-overload]
        after = os.times()
        found.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(found)


def start_up() -> Iterator[Figure]:
    nothing = cpu_seconds([PYTHON, "-c", "pass"])
    version = cpu_seconds([PYTHON, str(ARCHIVE), "--version"])
    yield _ratio("--version, CPU", version, nothing, "python -c pass", "≤ 2.5", "ms", 1000)


def _ratio(name: str, ours: float, yardstick: float, what: str, aim: str, unit: str, scale: float = 1.0) -> Figure:
    return Figure(
        name, f"{ours * scale:.1f} {unit}", f"{what}: {yardstick * scale:.1f} {unit}", f"{ours / yardstick:.2f}", aim
    )


def load(jobs: list[dict[str, object]], seconds: float = SECONDS) -> float:
    """Answers per second for one connection per job, from a second process."""
    job = json.dumps({"requests": jobs, "seconds": seconds})
    ran = subprocess.run(
        [PYTHON, "-m", "benchmarks.load"], input=job, capture_output=True, text=True, check=True, cwd=ROOT
    )
    result = json.loads(ran.stdout)
    if result["failed"]:
        raise SystemExit(f"{result['failed']:.0f} requests failed: {jobs[0]['url']}")
    return float(result["per_second"])


@contextmanager
def yardstick(*words: str) -> Iterator[str]:
    """A yardstick server in a process of its own; yields its address."""
    process = subprocess.Popen(
        [PYTHON, "-m", "benchmarks.yardsticks", *words], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
    finally:
        process.terminate()
        process.wait()


@dataclass
class Server:
    """A real Jarvis from the archive on a throw-away home."""

    url: str
    token: str
    home: Path
    supervisor_pid: int

    def call(self, method: str, path: str, body: object | None = None) -> dict[str, object]:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            found: dict[str, object] = json.load(answer)
            return found

    def worker_pid(self) -> int:
        children = Path(f"/proc/{self.supervisor_pid}/task/{self.supervisor_pid}/children").read_text()
        return int(children.split()[0])


@contextmanager
def jarvis(fill: Callable[[Path], None] = lambda home: None, **settings: str) -> Iterator[Server]:
    """Start the archive alone in an empty directory, ready and signed in; `fill` makes its home first."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        home = Path(folder) / "home"
        environment = {
            **os.environ,
            "JARVIS_HOME": str(home),
            "WEB_AUTH_SETUP_PASSWORD": PASSWORD,
            "RATE_LIMIT_MESSAGES_PER_MINUTE": "1000000",
            "LOG_LEVEL": "WARNING",
            **settings,
        }
        fill(home)
        process = subprocess.Popen(
            [PYTHON, str(ARCHIVE), "serve", "--port", "0"], env=environment, cwd=folder, stderr=subprocess.DEVNULL
        )
        try:
            server = Server(_address(home), "", home, process.pid)
            signed_in = server.call("POST", "/api/v1/auth/login", {"username": "admin", "password": PASSWORD})
            server.token = str(signed_in["token"])
            yield server
        finally:
            process.terminate()
            process.wait(60)


def _address(home: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            url = str(json.loads((home / "run" / "server.json").read_text())["url"])
            with urlopen(url + "/readyz", timeout=5):  # noqa: S310
                return url
        except (OSError, ValueError):
            time.sleep(0.05)
    raise SystemExit("the server did not become ready")


def ready() -> Iterator[Figure]:
    """From exec to the first 200 of /readyz, in CPU time of all processes, beside the imports alone."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        modules = _modules(folder)
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        kept |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(Path(folder) / "pyc")}
        imports = cpu_seconds([PYTHON, "-c", f"import {','.join(modules)}"], 9, env=kept)  # the first one compiles
        found = [_time_to_ready(Path(folder) / str(n)) for n in range(7)]
    yield _ratio("ready, CPU of both processes", statistics.median(found), imports, "same imports", "≤ 1.5", "ms", 1000)


def _modules(folder: str) -> list[str]:
    code = (
        "import sys, json, importlib; from jarvis import app, serve, worker; app.make_registry();"
        "from jarvis.chat import live; from jarvis.web import docs, application, server;"
        "import jarvis.users.recognition;"
        "[importlib.import_module(n) for n in app.FEATURE_ROUTES];"
        "print(json.dumps(sorted(n for n in sys.modules if n.split('.')[0] in "
        "('jarvis','bottle','waitress','jinja2','apsw','websockets','markdown_it','dotenv','docopt'))))"
    )
    ran = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return list(json.loads(ran.stdout))


def _time_to_ready(home: Path) -> float:
    environment = {**os.environ, "JARVIS_HOME": str(home), "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(
        [PYTHON, str(ARCHIVE), "serve", "--port", "0"], env=environment, cwd=home.parent, stderr=subprocess.DEVNULL
    )
    try:
        _address(home)
        ticks = 0
        for pid in (process.pid, Server("", "", home, process.pid).worker_pid()):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")
    finally:
        process.terminate()
        process.wait(60)


def serving() -> Iterator[Figure]:
    with yardstick("hello") as hello, jarvis() as server:
        bare = {"url": hello}
        me = {"url": server.url + "/api/v1/auth/me", "token": server.token}
        pairs = _paired(lambda: load([me] * CLIENTS), lambda: load([bare] * CLIENTS))
        yield _median("GET /api/v1/auth/me, signed in", pairs, "bare hello", "≥ 0.6", "/s")
        yield from _pages(server)
        yield from _posts(server, bare)
    with jarvis() as server:
        time.sleep(3)
        yield _memory("worker idle", server.worker_pid(), 60)
        yield _memory("supervisor", server.supervisor_pid, 15)


def _pages(server: Server) -> Iterator[Figure]:
    thread = server.call("POST", "/api/v1/threads", {"title": "bench"})["id"]
    for n in range(25):
        server.call("POST", f"/api/v1/threads/{thread}/messages", {"content": f"hello {n}, who are you?"})
    while True:
        listed = server.call("GET", f"/api/v1/threads/{thread}/messages?limit=200")["items"]
        if isinstance(listed, list) and all(m["status"] == "done" for m in listed):
            break
        time.sleep(0.2)
    page = {"url": f"{server.url}/chat/{thread}", "token": server.token}
    request = Request(str(page["url"]), headers={"Authorization": f"Bearer {server.token}"})  # noqa: S310
    with urlopen(request) as answer:  # noqa: S310
        size = len(answer.read())
    with yardstick("page", str(size)) as bare:
        pairs = _paired(lambda: load([page] * CLIENTS), lambda: load([{"url": bare}] * CLIENTS))
    yield _median(f"thread page of {len(listed)} messages, {size // 1000} kB", pairs, "bare Jinja page", "≥ 0.5", "/s")


def _posts(server: Server, bare: dict[str, str]) -> Iterator[Figure]:
    threads = [server.call("POST", "/api/v1/threads", {"title": f"post {n}"})["id"] for n in range(CLIENTS)]
    jobs = [
        {"url": f"{server.url}/api/v1/threads/{t}/messages", "token": server.token, "body": {"content": "/help"}}
        for t in threads
    ]
    asks = [{**job, "body": {"content": "hello"}} for job in jobs]
    raw = float(
        subprocess.run(
            [PYTHON, "-m", "benchmarks.yardsticks", "commits", str(ROOT / "build")],
            capture_output=True, text=True, check=True, cwd=ROOT,
        ).stdout
    )  # fmt: skip
    pairs = _paired(lambda: load(asks), lambda: load([bare] * CLIENTS))
    figure = _median("POST message with its task, 8 clients", pairs, "bare hello", "≥ 0.15", "/s")
    yield figure
    yield Figure("… beside raw commits", figure.ours, f"apsw, synchronous=FULL: {raw:.0f} /s", "", "")


def _paired(ours: Callable[[], float], theirs: Callable[[], float]) -> list[tuple[float, float]]:
    ours(), theirs()  # warm up
    return [(ours(), theirs()) for _ in range(ROUNDS)]


def _median(name: str, pairs: list[tuple[float, float]], what: str, aim: str, unit: str) -> Figure:
    ratio = statistics.median(a / b for a, b in pairs)
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Figure(name, f"{mine:.0f} {unit}", f"{what}: {other:.0f} {unit}", f"{ratio:.2f}", aim)


def _memory(name: str, pid: int, aim_mb: int) -> Figure:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return Figure(f"{name}, resident memory", f"{int(line.split()[1]) / 1024:.1f} MB", "", "", f"≤ {aim_mb} MB")


def fan_out() -> Iterator[Figure]:
    from benchmarks import hub

    found = hub.measure()
    yield Figure(
        "hub fan-out to 1,000 sockets",
        f"{found['hub']:.0f} frames/s",
        f"asyncio server of websockets: {found['asyncio']:.0f} frames/s",
        f"{found['hub'] / found['asyncio']:.2f}",
        "≥ 2",
    )


def tasks() -> Iterator[Figure]:
    """Against Huey where it is installed (pip install huey); it is no dependency of ours."""
    from importlib.util import find_spec

    from benchmarks import queue

    if find_spec("huey") is None:
        mine = statistics.median(queue.ours() for _ in range(3))
        yield Figure("no-op tasks end to end", f"{mine:.0f} /s", "SqliteHuey: not installed here", "", "≥ 1")
    else:
        yield from queue.figures(Figure)


def patches() -> Iterator[Figure]:
    from benchmarks import patch

    yield from patch.figures()


def scheduling() -> Iterator[Figure]:
    from benchmarks import schedules

    for found in schedules.figures():
        yield Figure(found.name, found.ours, found.yardstick, found.ratio, found.aim)


def restarting() -> Iterator[Figure]:
    from benchmarks import restarts

    yield from restarts.figures()


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| figure | measured | yardstick, same run | ratio | aim |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {f.name} | {f.ours} | {f.yardstick} | {f.ratio} | {f.aim} |" for f in figures]
    return "\n".join(lines)


def assistant() -> Iterator[Figure]:
    from benchmarks import assistant as measured

    yield from measured.deciding()
    yield from measured.first_words()


def backing_up() -> Iterator[Figure]:
    """Writers while a 200 MB database is backed up, beside the same writers without."""
    from benchmarks import backups

    with jarvis(fill=backups.fill, BACKUP_INTERVAL_SECONDS="0") as server:
        for quiet, busy, took in backups.measure(server):
            name = f"message while {backups.MEGABYTES} MB are backed up ({took:.0f} s), longest wait"
            ratio = busy.longest / quiet.longest
            yield Figure(name, str(busy), f"no backup: {quiet}", f"{ratio:.2f}", "≤ 100 ms")


def github() -> Iterator[Figure]:
    from benchmarks import github as measured
    from tests.github.fake import running

    with running() as fake, yardstick("hello") as hello:
        fake.remaining = 10**6
        fake.repo(measured.REPO)
        with jarvis(**measured.settings(fake.url)) as server:
            yield from measured.webhooks(Figure, server, hello)
    yield from measured.syncing(Figure)


def main() -> None:
    (ROOT / "build").mkdir(exist_ok=True)
    wanted = sys.argv[1:]
    figures = []
    everything = (
        start_up,
        ready,
        serving,
        fan_out,
        tasks,
        patches,
        scheduling,
        assistant,
        backing_up,
        github,
        restarting,
    )
    for part in everything:
        if not wanted or part.__name__ in wanted:
            for figure in part():
                print(f"{figure.name}: {figure.ours} {figure.yardstick} ratio {figure.ratio}", file=sys.stderr)
                figures.append(figure)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    )
    print(table(figures))


if __name__ == "__main__":
    main()
