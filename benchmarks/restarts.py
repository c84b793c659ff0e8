"""Restarts under load, and a broken update: what is refused or lost, and how long anybody waits."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.__main__ import ARCHIVE, PYTHON, Figure, Server, jarvis

CLIENTS, RESTARTS = 16, 20
ANSWER_SECONDS = 60.0
DRILL = "jarvis.tasks.selfupdate.rollback_drill"


class Client:
    """One keep-alive connection that posts a message, waits for its acceptance, and posts the next."""

    def __init__(self, server: Server, number: int, is_over: threading.Event) -> None:
        self.thread_id = str(server.call("POST", "/api/v1/threads", {"title": f"restart {number}"})["id"])
        self._path = f"/api/v1/threads/{self.thread_id}/messages"
        self._headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        self._host, self._number, self._is_over = urlsplit(server.url).netloc, number, is_over
        self.accepted: list[str] = []
        self.failures: list[str] = []
        self.longest = 0.0
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=ANSWER_SECONDS)
        while not self._is_over.is_set():
            body = json.dumps({"content": "/help", "client_id": f"{self._number}-{len(self.accepted)}"})
            started = time.perf_counter()
            try:
                connection.request("POST", self._path, body, self._headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            self.longest = max(self.longest, time.perf_counter() - started)
            if answer.status == 202:
                self.accepted.append(str(told["message"]["id"]))
            else:
                self.failures.append(str(answer.status))
        connection.close()


def figures() -> Iterator[Figure]:
    """Restarts under load first, then the drill's broken update."""
    with jarvis() as server:
        yield from _under_load(server)
    yield _broken_update()


def _under_load(server: Server) -> Iterator[Figure]:
    is_over = threading.Event()
    clients = [Client(server, number, is_over) for number in range(CLIENTS)]
    for client in clients:
        client.thread.start()
    for _ in range(RESTARTS):
        _restart(server)
    is_over.set()
    for client in clients:
        client.thread.join()
    failures = [failure for client in clients for failure in client.failures]
    wrong = sum(_wrong(server, client) for client in clients)
    asked = sum(len(client.accepted) for client in clients)
    name = f"{RESTARTS} restarts under {CLIENTS} clients"
    yield Figure(f"{name}, failed or refused", str(len(failures)), f"{asked} requests", "", "0")
    yield Figure(f"{name}, messages lost or doubled", str(wrong), f"{asked} accepted", "", "0")
    longest = max(client.longest for client in clients)
    yield Figure(f"{name}, longest wait", f"{longest:.2f} s", "", "", "reported")


def _restart(server: Server) -> None:
    before = server.worker_pid()
    os.kill(server.supervisor_pid, signal.SIGHUP)
    while True:
        time.sleep(0.05)
        children = [int(pid) for pid in _children(server)]
        if children and before not in children and _is_ready(server):
            return


def _children(server: Server) -> list[str]:
    with open(f"/proc/{server.supervisor_pid}/task/{server.supervisor_pid}/children") as file:
        return file.read().split()


def _is_ready(server: Server) -> bool:
    try:
        return bool(server.call("GET", "/readyz").get("ok"))
    except OSError:  # 503 among them
        return False


def _wrong(server: Server, client: Client) -> int:
    found: list[str] = []
    path = f"/api/v1/threads/{client.thread_id}/messages?limit=200"
    after = ""
    while True:
        page = server.call("GET", path + after)
        items = page["items"]
        assert isinstance(items, list)
        found += [str(item["id"]) for item in items if item["role"] == "user"]
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    return len(set(found) ^ set(client.accepted)) + len(found) - len(set(found))


def _broken_update() -> Figure:
    with jarvis() as server:
        ran = subprocess.run(
            [PYTHON, str(ARCHIVE), "task", "run", DRILL, "--json"],
            env={**os.environ, "JARVIS_HOME": str(server.home)},
            capture_output=True,
            text=True,
            check=True,
        )
    report = json.loads(ran.stdout)["result"]
    assert report["ok"], report["problem"]
    broken = next(step for step in report["steps"] if step["name"].startswith("broken"))
    after = broken["seconds"] - report["broken_limit_seconds"]
    name = "an update that hangs → old version ready, after the trial's limit"
    return Figure(name, f"{after:.1f} s", f"limit {report['broken_limit_seconds']} s", "", "≤ 10 s")
