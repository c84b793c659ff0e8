"""kill -9 at random moments under load: what was acknowledged is there once, and is answered once."""

import http.client
import os
import random
import signal
import threading
from dataclasses import dataclass, field

from tests.integration.real import Host, Http, Running, Serve, wait_for_exit

KILLS = 200 if os.environ.get("JARVIS_PROOF") else 10
CLIENTS = 6
SEED = 20_261_123


@dataclass
class Load:
    """Scripts that ask without a pause; each tries a message again until it is acknowledged."""

    server: Running
    token: str
    acknowledged: dict[str, dict[str, str]] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    faults: list[str] = field(default_factory=list)
    count: int = 0
    lost_connections: int = 0

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Block until so many more messages are acknowledged."""
        with self.changed:
            wanted = self.count + more
            assert self.changed.wait_for(lambda: self.count >= wanted or self.faults, 60), "nothing is acknowledged"

    def _ask(self, number: int) -> None:
        client = self.server.http(self.token)
        conversation = client.new_thread()
        ids = self.acknowledged[conversation] = {}
        turn = 0
        while not self.is_over.is_set():
            turn += 1
            client_id = f"{number}-{turn}"
            ids[client_id] = self._until_acknowledged(client, conversation, client_id)
            with self.changed:
                self.count += 1
                self.changed.notify()
        client.close()

    def _until_acknowledged(self, client: Http, conversation: str, client_id: str) -> str:
        while True:
            try:
                answer = client.ask(conversation, f"hello, this is {client_id}", client_id)
            except ConnectionRefusedError as error:
                self.faults.append(f"{client_id}: {error}")
                raise
            except (OSError, http.client.HTTPException):  # killed under it: unknown, so asked again
                self.lost_connections += 1
                client.close()
                continue
            if answer.status != 202:
                self.faults.append(f"{client_id}: {answer.status} {answer.text}")
            return str(answer.json["message"]["id"])


def wait_for_spare_attempts(server: Running, token: str) -> None:
    """Until no reply has died so often that once more would be too often: what kills every server is given up."""
    client = server.http(token)
    while any(
        task["attempts"] >= 4
        for state in ("queued", "running")
        for task in client.get(f"/api/v1/tasks?state={state}&limit=200").json["items"]
    ):
        pass
    client.close()


def test_what_was_acknowledged_survives_kill_9(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    rng = random.Random(SEED)
    server = serve(host, RATE_LIMIT_MESSAGES_PER_MINUTE="1000000")
    with Load(server, tokens["alice"]) as load:
        for _ in range(KILLS):
            load.wait_for(rng.randrange(1, 40))
            wait_for_spare_attempts(server, tokens["ada"])
            server.kill_worker()
        load.wait_for(CLIENTS)
    assert load.faults == []
    assert load.lost_connections >= KILLS  # the kills did hit requests under way

    for conversation, ids in load.acknowledged.items():
        messages = server.settled(tokens["alice"], conversation)
        asked = [found for found in messages if found["role"] == "user"]
        replies = [found for found in messages if found["role"] == "assistant"]
        assert {found["client_id"]: found["id"] for found in asked} == ids
        assert len(asked) == len(ids)  # each stands there once
        assert [found["status"] for found in replies] == ["done"] * len(asked)
        assert sorted(found["task_id"] for found in replies) == sorted(found["task_id"] for found in asked)
        assert all(found["content"].startswith("Hello, alice.") for found in replies)

    verified = host.run("events", "verify", "--json")
    assert verified.code == 0, verified.out
    assert server.stop() == 0
    assert server.left_behind() == []
    assert list((host.home / "run").iterdir()) == []


def test_a_dead_supervisor_takes_its_worker_along(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host)
    worker = server.worker_pid()
    server.process.kill()
    server.process.wait()
    wait_for_exit(worker)
    again = serve(host)  # neither the lock nor the port is held
    assert again.http(tokens["alice"]).get("/readyz").json["ok"]


def test_both_killed_at_once_leave_a_home_that_starts(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host)
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    acknowledged = client.ask(thread, "hello").json["message"]["id"]
    worker = server.worker_pid()
    os.kill(worker, signal.SIGKILL)
    server.process.kill()
    server.process.wait()
    again = serve(host)
    asked, reply = again.settled(tokens["alice"], thread)
    assert asked["id"] == acknowledged
    assert reply["status"] == "done"
