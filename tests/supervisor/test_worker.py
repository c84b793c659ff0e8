"""The worker's frame in this very process: lock, listener, signals, lifeline."""

import os
import signal
import socket
import stat
import threading
from pathlib import Path

import pytest

from jarvis import lifeline, systemd, worker
from jarvis.kernel.errors import Misconfigured, Unavailable


@pytest.fixture
def plan(tmp_path):
    return worker.Plan(tmp_path, "127.0.0.1", 0, 5)


@pytest.fixture
def pipe(monkeypatch):
    """The supervisor's end of a lifeline this process will find in its environment."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setenv(lifeline.SUPERVISOR_FD, str(theirs.detach()))
    ours.setblocking(False)
    yield ours
    ours.close()


def test_the_lock_is_private_says_who_and_is_not_inherited(tmp_path):
    fd = worker.acquire_home_lock(tmp_path)
    text = (tmp_path / worker.LOCK_NAME).read_text()
    assert text.startswith(f"pid {os.getpid()}\nstarted 2")
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_a_locked_home_names_itself_and_the_holder(tmp_path):
    fd = worker.acquire_home_lock(tmp_path, 4711)
    with pytest.raises(Unavailable, match=rf"{tmp_path} \(pid 4711\)"):
        worker.acquire_home_lock(tmp_path)
    os.close(fd)
    os.close(worker.acquire_home_lock(tmp_path))


def test_a_link_in_the_locks_place_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / worker.LOCK_NAME).symlink_to(victim)
    with pytest.raises(Unavailable, match=r"serve\.lock cannot be opened"):
        worker.acquire_home_lock(tmp_path)
    assert victim.read_text() == "precious"


def test_a_missing_home_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="No such file"):
        worker.acquire_home_lock(tmp_path / "absent")


def test_an_inherited_lock_of_another_home_is_not_taken_for_this_ones(tmp_path, plan, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv(lifeline.LOCK_FD, str(worker.acquire_home_lock(other)))

    def serve(listener, drain, line):
        with pytest.raises(Unavailable):
            worker.acquire_home_lock(plan.home)
        os.close(worker.acquire_home_lock(other))
        return 0

    assert worker.run_worker(plan, serve) == 0


def test_port_0_takes_a_free_one_and_children_do_not_get_it():
    with worker.bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0
        assert not listener.get_inheritable()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_an_ipv6_address_is_bound():
    with worker.bind("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


def test_a_port_in_use_is_unavailable():
    with worker.bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} on 127.0.0.1 is in use"):
            worker.bind("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("300.1.1.1.", 0), ("a b", 0), ("127.0.0.1", 70000)])
def test_an_address_that_is_not_ours_is_a_setting_that_is_wrong(host, port):
    with pytest.raises(Misconfigured, match="BIND_"):
        worker.bind(host, port)


@pytest.mark.parametrize("text", ["", "x", "-1", "99999", "9" * 30])
@pytest.mark.parametrize("name", [lifeline.LISTEN_FD, lifeline.LOCK_FD, lifeline.SUPERVISOR_FD])
def test_a_variable_that_names_no_descriptor_is_refused(plan, monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(Misconfigured):
        worker.run_worker(plan, lambda listener, drain, line: 0)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_listener_and_lock_are_handed_over_before_serving(plan, pipe):
    def serve(listener, drain, line):
        message = lifeline.receive(pipe)
        assert (message.kind, message.fields["home"], message.drain_seconds()) == ("adopt", str(plan.home), 5)
        with socket.socket(fileno=message.fds.pop(0)) as copy:
            assert copy.getsockname() == listener.getsockname()
        message.close()
        line.ready()
        line.stopping(restart=True)
        assert lifeline.receive(pipe).kind == "ready"
        assert lifeline.receive(pipe).fields == {"kind": "stopping", "restart": True}
        return 88

    assert worker.run_worker(plan, serve) == 88


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_drain(plan, signum):
    def serve(listener, drain, line):
        os.kill(os.getpid(), signum)
        assert drain.wait(30)
        return 0

    assert worker.run_worker(plan, serve) == 0


def test_a_second_sigint_leaves_at_once(plan):
    left: list[int] = []
    gone = threading.Event()

    def leave(code):
        left.append(code)
        gone.set()

    def serve(listener, drain, line):
        os.kill(os.getpid(), signal.SIGINT)
        assert drain.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
        assert gone.wait(30)
        return 0

    worker.run_worker(plan, serve, leave=leave)
    assert left == [worker.HURRIED_EXIT]


def test_a_lost_supervisor_ends_the_worker_whatever_it_is_doing(plan, pipe):
    left: list[int] = []
    gone = threading.Event()

    def leave(code):
        left.append(code)
        gone.set()

    def serve(listener, drain, line):
        pipe.close()
        assert gone.wait(30)
        line.beat()  # nobody is there, and it does not raise
        line.ready()
        return 0

    worker.run_worker(plan, serve, leave=leave)
    assert left == [worker.ORPHANED_EXIT]


def test_the_frame_leaves_signals_and_descriptors_as_they_were(plan):
    handlers = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]
    before = open_descriptors()
    worker.run_worker(plan, lambda listener, drain, line: 0)
    assert [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert open_descriptors() == before


def test_without_a_supervisor_the_service_manager_is_told(plan, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "manager"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")

        def serve(listener, drain, line):
            line.ready()
            line.beat()
            line.stopping()
            return 0

        worker.run_worker(plan, serve)
        assert [manager.recv(100).decode().split("\n")[0] for _ in range(3)] == [
            "READY=1",
            "WATCHDOG=1",
            "STOPPING=1",
        ]


def manager_opens(monkeypatch, sockets, names=""):
    first = max(s.fileno() for s in sockets) + 50
    for place, opened in enumerate(sockets):
        os.dup2(opened.fileno(), first + place)
    monkeypatch.setattr(systemd, "FIRST_FD", first)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}, first


def test_of_several_sockets_the_one_named_jarvis_is_taken_and_the_rest_closed(monkeypatch):
    with worker.bind("127.0.0.1", 0) as one, worker.bind("127.0.0.1", 0) as two:
        environ, first = manager_opens(monkeypatch, [one, two], "other:jarvis")
        fd = systemd.take_listener(environ)
        assert fd == first + 1
        assert not os.get_inheritable(fd)
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(first)
        os.close(fd)


@pytest.mark.parametrize("names", ["", "a:b", "jarvis:jarvis"])
def test_several_sockets_that_cannot_be_told_apart_are_refused(monkeypatch, names):
    with worker.bind("127.0.0.1", 0) as one, worker.bind("127.0.0.1", 0) as two:
        environ, first = manager_opens(monkeypatch, [one, two], names)
        with pytest.raises(ValueError, match="exactly one"):
            systemd.take_listener(environ)
        os.close(first)
        os.close(first + 1)


def test_a_socket_nobody_can_connect_to_is_refused(monkeypatch):
    with socket.socket() as idle:
        environ, first = manager_opens(monkeypatch, [idle])
        with pytest.raises(ValueError, match="0 of 1"):
            systemd.take_listener(environ)
        os.close(first)


def test_sockets_meant_for_another_process_are_left_alone():
    assert systemd.take_listener({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None


@pytest.mark.parametrize("usec", ["", "0", "-5", "soon"])
def test_a_watchdog_without_a_bound_is_not_fed(tmp_path, usec):
    assert systemd.Notifier({"NOTIFY_SOCKET": str(tmp_path / "x"), "WATCHDOG_USEC": usec}).feed_seconds is None


def test_a_manager_that_went_away_is_no_error(tmp_path):
    systemd.Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).tell("READY=1")
