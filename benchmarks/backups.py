"""Whether a backup keeps writers waiting: the same paced messages with and without one being made beside them."""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load import Client, request_bytes

MEGABYTES = 200
PER_SECOND = 100
CLIENTS = 8
SECONDS = 12.0
WORDS = [
    "what",
    "the",
    "host",
    "said",
    "when",
    "it",
    "was",
    "asked",
    "about",
    "its",
    "disks",
    "services",
    "packages",
    "logs",
    "and",
    "users",
    "at",
    "night",
]


@dataclass(frozen=True, slots=True)
class Waits:
    """How long each message took from the moment it was due until its answer, in milliseconds, sorted."""

    all: tuple[float, ...]

    def at(self, share: float) -> float:
        return self.all[min(len(self.all) - 1, int(len(self.all) * share))]

    @property
    def longest(self) -> float:
        return self.all[-1]

    def __str__(self) -> str:
        return f"median {self.at(0.5):.0f}, 99 % {self.at(0.99):.0f}, longest {self.longest:.0f} ms of {len(self.all)}"


def fill(home: Path, megabytes: int = MEGABYTES) -> None:
    """Make a home whose database is so large, as years of events would make it."""
    from jarvis import app
    from jarvis.kernel import config, migrate
    from jarvis.kernel.clock import system_clock
    from jarvis.kernel.registry import Registry

    settings = config.load({"JARVIS_HOME": str(home)}, None, home)
    migrate.migrate(settings.app_db, system_clock)
    ctx = app.make_context(settings, system_clock, Registry())
    number = 0
    while settings.app_db.stat().st_size < megabytes * 10**6:
        with ctx.db.write() as tx:
            for number in range(number, number + 500):  # noqa: B020 — it goes on where the last stopped
                said = " ".join(WORDS[(number * 7 + n * n) % len(WORDS)] + str(number % 977) for n in range(220))
                tx.record("bench.filled", f"bench/{number}", {"number": number, "said": said})
    ctx.db.close()


def paced(requests: list[bytes], address: tuple[str, int], per_second: float, stop_after: float) -> Waits:
    """Send so many a second, whatever the answers do; until told to stop on standard input, or for so long."""
    selector, idle, due_of, waits = selectors.DefaultSelector(), [], {}, []
    for request in requests:
        sock = socket.create_connection(address, timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock, request)
        selector.register(sock, selectors.EVENT_READ, client)
        idle.append(client)
    selector.register(0, selectors.EVENT_READ, None)
    started, sent, is_over = time.perf_counter(), 0, False
    while not is_over or due_of:
        now = time.perf_counter()
        is_over = is_over or now - started >= stop_after
        due = started + sent / per_second
        if not is_over and idle and now >= due:
            client = idle.pop(0)
            due_of[client.sock] = due
            client.send()
            sent += 1
            continue
        for key, _ in selector.select(max(0.0, min(due - now, 1.0)) if idle and not is_over else 1.0):
            if key.data is None:
                selector.unregister(0)
                is_over = True
            elif key.data.receive():
                waits.append((time.perf_counter() - due_of.pop(key.data.sock)) * 1000)
                idle.append(key.data)
                if key.data.failed:
                    raise SystemExit("a message was refused")
    return Waits(tuple(sorted(waits)))


def main() -> None:
    """The load as a process of its own: the job as the first line of standard input, the waits as JSON."""
    job = json.loads(sys.stdin.readline())
    requests = [request_bytes(r["url"], r["token"], r["body"]) for r in job["requests"]]
    parts = urlsplit(job["requests"][0]["url"])
    assert parts.hostname is not None and parts.port is not None
    print(json.dumps(paced(requests, (parts.hostname, parts.port), PER_SECOND, job["seconds"]).all))


def _load(server: object, threads: list[object], seconds: float) -> "subprocess.Popen[str]":
    url, token = server.url, server.token  # type: ignore[attr-defined]
    jobs = [
        {"url": f"{url}/api/v1/threads/{thread}/messages", "token": token, "body": {"content": "/help"}}
        for thread in threads
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.backups"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps({"requests": jobs, "seconds": seconds}) + "\n")
    process.stdin.flush()
    return process


def _waits(process: "subprocess.Popen[str]", *, is_over: bool = True) -> Waits:
    if not is_over:
        process.wait()
    return Waits(tuple(json.loads(process.communicate()[0])))


def measure(server: object, rounds: int = 3) -> Iterator[tuple[Waits, Waits, float]]:
    """(without a backup, while one is made, how long that took) a round."""
    call = server.call  # type: ignore[attr-defined]
    threads = [call("POST", "/api/v1/threads", {"title": f"load {n}"})["id"] for n in range(CLIENTS)]
    for _ in range(rounds):
        quiet = _waits(_load(server, threads, SECONDS), is_over=False)
        process = _load(server, threads, 120.0)
        time.sleep(1.0)
        began = time.perf_counter()
        task = call("POST", "/api/v1/backups")["task_id"]
        while (state := call("GET", f"/api/v1/tasks/{task}")["state"]) in ("queued", "running"):
            time.sleep(0.25)
        took = time.perf_counter() - began
        if state != "done":
            raise SystemExit(f"the backup {state}")
        time.sleep(1.0)
        yield quiet, _waits(process), took


if __name__ == "__main__":
    main()
