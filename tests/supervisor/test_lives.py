"""Real processes: what outlives a worker, which file the next one runs, and how everything ends."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from jarvis import worker


def ready(server):
    server.hear("READY=1")
    return server


def load(server, requests: int, tally: dict[str, int]) -> None:
    """Ask again until each request is answered; what a kill cut short is counted apart from refusals."""
    for _ in range(requests):
        answer = ""
        while not answer:
            try:
                answer = server.get("/version")
            except ConnectionRefusedError:
                tally["refused"] += 1
                return
            except ConnectionResetError:
                pass
            tally["cut short" if not answer else "answered"] += 1


def test_connections_wait_while_the_worker_is_killed_under_load(start):
    server = ready(start())
    tallies = [dict.fromkeys(("refused", "cut short", "answered"), 0) for _ in range(8)]
    threads = [threading.Thread(target=load, args=(server, 200, tally)) for tally in tallies]
    for thread in threads:
        thread.start()
    for _ in range(3):
        victim = server.worker_pid()
        os.kill(victim, signal.SIGKILL)
        ready(server)
    for thread in threads:
        thread.join()
    assert sum(tally["refused"] for tally in tallies) == 0
    assert sum(tally["answered"] for tally in tallies) == 8 * 200


def test_a_connection_made_while_no_worker_lives_is_answered(start):
    server = ready(start(bounds={"first_delay": 0.5}))
    os.kill(server.worker_pid(), signal.SIGKILL)
    server.hear("STATUS=The worker died with signal 9")
    assert server.get("/version") == "one"


@pytest.mark.parametrize("code", [64, 78, 88, 0])
def test_the_first_workers_exit_before_it_adopts_is_the_servers(start, code):
    server = start(exit=code)
    assert server.wait() == code
    assert server.said().count("started") == 1


def test_a_crash_comes_back_from_the_file_that_was_started(start):
    server = ready(start())
    server.replace_archive("two")
    server.get("/crash")
    assert ready(server).get("/version") == "one"


def test_a_restart_the_worker_asks_for_takes_the_file_now_at_the_path(start):
    server = ready(start())
    server.replace_archive("two")
    server.get("/restart")
    assert ready(server).get("/version") == "two"
    server.get("/crash")
    assert ready(server).get("/version") == "two"


def test_sighup_restarts_from_the_file_now_at_the_path(start):
    server = ready(start())
    server.replace_archive("two")
    before = server.worker_pid()
    server.signal(signal.SIGHUP)
    assert ready(server).get("/version") == "two"
    assert server.worker_pid() != before


def test_a_restart_with_no_file_at_the_path_uses_the_held_one(start):
    server = ready(start())
    server.archive.unlink()
    server.signal(signal.SIGHUP)
    assert ready(server).get("/version") == "one"
    assert "cannot be opened again" in server.said()


def test_a_killed_supervisor_leaves_neither_worker_nor_port_nor_lock(start, stranger):
    server = ready(start())
    port, last = server.port, server.worker_pid()
    stranger(int(server.get("/child")))  # alive, and started with close_fds=False
    server.signal(signal.SIGKILL)
    server.wait()
    server.wait_for_exit(last)
    worker.bind("127.0.0.1", port).close()
    os.close(worker.acquire_home_lock(server.home))


def test_ctrl_c_reaches_the_supervisor_alone(start):
    server = ready(start())
    last = server.worker_pid()
    assert os.getpgid(last) == last


def test_sigterm_drains_and_exits_0(start):
    server = ready(start())
    last = server.worker_pid()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    server.wait_for_exit(last)
    os.close(worker.acquire_home_lock(server.home))


def test_a_worker_that_ignores_sigterm_is_killed_after_the_drains_bound(start):
    server = ready(start(bounds={"margin": 0.1}, drain_seconds=0.1, is_deaf=True))
    last = server.worker_pid()
    server.signal(signal.SIGTERM)
    assert server.wait() == 1
    server.wait_for_exit(last)
    assert f"worker {last} does not leave: SIGKILL" in server.said()


def test_a_second_sigint_hastens(start):
    server = ready(start(drain_seconds=600, is_deaf=True))
    server.signal(signal.SIGINT)
    server.hear("STATUS=Draining, worker")  # before that the two could become one
    server.signal(signal.SIGINT)
    assert server.wait() == worker.HURRIED_EXIT


def test_a_stop_while_no_worker_lives_exits_0(start):
    server = ready(start(bounds={"first_delay": 600.0}))
    server.get("/crash")
    server.hear("STATUS=The worker died with exit code 3")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_a_second_server_on_the_home_exits_69_and_names_the_first(start):
    first = ready(start())
    second = start()
    assert second.wait() == 69
    assert f"(pid {first.pid})" in second.said()
    assert str(first.home) in second.said()
    os.kill(first.worker_pid(), signal.SIGKILL)  # the lock outlives the worker too
    ready(first)
    assert start().wait() == 69


def test_pages_only_run_beside_the_homes_server_and_are_revived_too(start):
    ready(start())
    pages = ready(start(takes_lock=False))
    os.kill(pages.worker_pid(), signal.SIGKILL)
    assert ready(pages).get("/version") == "one"


def test_a_port_in_use_exits_69(start):
    with worker.bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        server = start(port=port)
        assert server.wait() == 69
        assert f"Port {port} on 127.0.0.1 is in use" in server.said()


def test_a_socket_from_the_service_manager_is_served_and_outlives_the_worker(start):
    with worker.bind("127.0.0.1", 0) as listener:
        server = ready(start(listener=listener.fileno()))
        port = listener.getsockname()[1]
    assert server.port == port
    os.kill(server.worker_pid(), signal.SIGKILL)
    assert ready(server).get("/version") == "one"


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_hears_each_change(start, tmp_path, kind):
    address = f"@jarvis-test-{os.getpid()}-{tmp_path.name}" if kind == "abstract" else str(tmp_path / "manager")
    server = ready(start(address=address))
    server.signal(signal.SIGHUP)
    ready(server)
    server.signal(signal.SIGTERM)
    server.hear("STOPPING=1")
    assert server.wait() == 0
    changes = [text for text in server.heard if not text.startswith("STATUS=")]
    assert [text.partition("=")[0] for text in changes] == ["READY", "RELOADING", "READY", "STOPPING"]
    assert changes[1].split("\n")[1].startswith("MONOTONIC_USEC=")


def test_the_watchdog_is_fed_and_a_silent_worker_is_replaced(start):
    server = ready(start(bounds={"beat": 1.5, "abort": 0.2}, env={"WATCHDOG_USEC": "100000"}))
    server.hear("WATCHDOG=1")
    hung = server.worker_pid()
    server.get("/silence")
    ready(server)
    assert server.worker_pid() != hung
    assert f"worker {hung} is silent for" in server.said()


def test_what_is_meant_for_the_supervisor_does_not_reach_the_worker(start):
    environ = {
        "WATCHDOG_USEC": "60000000",
        "JARVIS_LOCK_FD": "0",
        "LISTEN_PID": "1",
        "LISTEN_FDS": "1",
        "KEPT": "yes",
    }
    server = ready(start(env=environ))
    seen = json.loads(server.get("/environ"))
    assert seen["KEPT"] == "yes"
    assert seen["JARVIS_ARCHIVE_PATH"] == str(server.archive)
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC"} & seen.keys()
    assert not {"JARVIS_SUPERVISOR_FD", "JARVIS_LISTEN_FD", "JARVIS_LOCK_FD"} & seen.keys()


def test_the_log_speaks_json_when_asked(start):
    server = ready(start(env={"LOG_FORMAT": "json"}))
    first = server.said().splitlines()[0]
    assert json.loads(first)["logger"] == "supervisor"


def test_the_supervisor_stays_small(start):
    server = ready(start())
    os.kill(server.worker_pid(), signal.SIGKILL)
    ready(server)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
    assert int(status["VmRSS"].split()[0]) <= 15 * 1024
