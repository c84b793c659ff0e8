"""Restarts and stops of the real server while scripts keep asking: nothing is refused, lost or made twice."""

import os
import signal
import threading

from tests.integration.real import Host, Running, Serve

RESTARTS, CLIENTS = (20, 16) if os.environ.get("JARVIS_PROOF") else (4, 8)


class Script:
    """Asks over one keep-alive connection until told to stop; a request that fails is a fault."""

    def __init__(self, server: Running, token: str, number: int, is_over: threading.Event) -> None:
        self._client = server.http(token)
        self._is_over = is_over
        self._number = number
        self.conversation = self._client.new_thread()
        self.acknowledged: list[str] = []
        self.faults: list[str] = []
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.is_set():
            client_id = f"{self._number}-{len(self.acknowledged)}"
            try:
                answer = self._client.ask(self.conversation, "hello", client_id)
            except Exception as error:  # each is a failure of the promise
                self.faults.append(f"{client_id}: {error!r}")
                return
            if answer.status != 202:
                self.faults.append(f"{client_id}: {answer.status} {answer.text}")
                return
            self.acknowledged.append(answer.json["message"]["id"])


def test_no_request_fails_across_restarts(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host, RATE_LIMIT_MESSAGES_PER_MINUTE="1000000")
    is_over = threading.Event()
    scripts = [Script(server, tokens["alice"], number, is_over) for number in range(CLIENTS)]
    for script in scripts:
        script.thread.start()
    workers = {server.worker_pid()}
    for _ in range(RESTARTS):
        server.restart()
        workers.add(server.worker_pid())
    is_over.set()
    for script in scripts:
        script.thread.join()

    assert len(workers) == RESTARTS + 1
    assert [fault for script in scripts for fault in script.faults] == []
    for script in scripts:
        messages = server.settled(tokens["alice"], script.conversation)
        assert [found["id"] for found in messages if found["role"] == "user"] == script.acknowledged
        replies = [found["status"] for found in messages if found["role"] == "assistant"]
        assert replies == ["done"] * len(script.acknowledged)
    assert server.stop() == 0


def test_a_stop_in_the_middle_of_a_reply_loses_nothing(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host, WORKSPACE=str(host.cwd))
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    listener = server.listener(tokens["alice"], thread)
    client.ask(thread, "is there enough disk, and how is the load?")
    while "agent.thinking" not in listener.text():
        pass
    server.signal(signal.SIGTERM)
    assert listener.close_code() == 1001
    assert server.process.wait(60) == 0

    again = serve(host)
    asked, reply = [m for m in again.settled(tokens["alice"], thread) if m["role"] in ("user", "assistant")]
    assert (asked["status"], reply["status"]) == ("done", "done")
    assert "isk" in reply["content"]


def test_the_file_renamed_over_the_running_one_goes_live_only_when_asked(
    host: Host, serve: Serve, tokens: dict[str, str]
) -> None:
    server = serve(host)
    broken = host.archive.with_suffix(".new")
    broken.write_text("raise SystemExit('this is not Jarvis')\n")
    good = host.archive.with_suffix(".old")
    os.link(host.archive, good)
    broken.rename(host.archive)
    server.kill_worker()  # revived from the file that was started
    assert server.http(tokens["alice"]).get("/api/v1/auth/me").json["username"] == "alice"
    good.rename(host.archive)
    server.restart()
    assert server.http().get("/readyz").json["ok"]
