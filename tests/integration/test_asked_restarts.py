"""Restarts that somebody asks for, on the real server: by command, by API, and while scripts keep asking."""

import json
import threading

from tests.integration.real import Host, Serve
from tests.integration.test_restarts import Script


def test_a_restart_asked_for_is_waited_for_and_loses_nothing(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host, RATE_LIMIT_MESSAGES_PER_MINUTE="1000000")
    is_over = threading.Event()
    scripts = [Script(server, tokens["alice"], number, is_over) for number in range(4)]
    for script in scripts:
        script.thread.start()
    workers = {server.worker_pid()}
    for _ in range(2):
        ran = host.run("restart", "--wait", "--json", "drill")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["state"] == "complete"
        workers.add(server.worker_pid())
    is_over.set()
    for script in scripts:
        script.thread.join()
    assert len(workers) == 3
    assert [fault for script in scripts for fault in script.faults] == []
    ada = server.http(tokens["ada"])
    assert ada.get("/readyz").json["restarting"] is False
    types = [event["type"] for event in ada.get("/api/v1/events?type=system.restart&limit=200").json["items"]]
    assert types[::-1] == [f"system.restart.{step}" for step in ("start", "drain", "exec", "complete")] * 2
    for script in scripts:
        messages = server.settled(tokens["alice"], script.conversation)
        assert [found["id"] for found in messages if found["role"] == "user"] == script.acknowledged
    assert server.stop() == 0


def test_without_a_server_the_command_says_so(host: Host) -> None:
    ran = host.run("restart", "--wait")
    assert ran.code == 69
    assert "No server runs on this home" in ran.err
