"""One flag a process, raised by its own commits and by those of its neighbours."""

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jarvis.kernel.wake import PREFIX, Wake

LONG = 60.0

LISTENER = """
import sys
from pathlib import Path
from jarvis.kernel.wake import Wake
Wake().listen(Path(sys.argv[1]))
print("listening", flush=True)
sys.stdin.readline()
"""


def sockets(run_dir: Path) -> list[str]:
    return sorted(name for name in os.listdir(run_dir) if name.startswith(PREFIX))


def wake_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wake"]


def test_waiting_ends_when_the_count_is_not_what_was_seen() -> None:
    wake = Wake()
    assert wake.wait(-1, LONG) == 0
    wake.signal()
    assert wake.wait(0, LONG) == 1
    assert wake.wait(1, 0.01) == 1


def test_a_signal_between_looking_and_waiting_is_not_lost() -> None:
    wake = Wake()
    seen = wake.count
    wake.signal()
    assert wake.wait(seen, LONG) == seen + 1


def test_neighbours_are_woken_and_oneself_is_not_poked_twice(tmp_path: Path) -> None:
    here, there = Wake(), Wake()
    listeners = [here.listen(tmp_path / "run"), there.listen(tmp_path / "run")]
    here.signal()
    assert there.wait(0, LONG) == 1
    assert here.count == 1
    there.signal()
    assert here.wait(1, LONG) == 2
    for listener in listeners:
        listener.close()


def test_one_who_only_tells_needs_no_socket(tmp_path: Path) -> None:
    teller, hearer = Wake(), Wake()
    listener = hearer.listen(tmp_path / "run")
    teller.among(tmp_path / "run")
    teller.signal()
    assert hearer.wait(0, LONG) == 1
    assert len(sockets(tmp_path / "run")) == 1
    listener.close()


def test_two_listeners_of_one_process_both_hear(tmp_path: Path) -> None:
    """As when two containers share a home: their process ids may be the same."""
    first, second, teller = Wake(), Wake(), Wake()
    listeners = [first.listen(tmp_path / "run"), second.listen(tmp_path / "run")]
    teller.among(tmp_path / "run")
    teller.signal()
    assert (first.wait(0, LONG), second.wait(0, LONG)) == (1, 1)
    for listener in listeners:
        listener.close()


def test_closing_ends_the_thread_and_removes_the_socket(tmp_path: Path) -> None:
    open_before, threads_before = len(os.listdir("/proc/self/fd")), len(wake_threads())
    for _ in range(5):
        listener = Wake().listen(tmp_path / "run")
        listener.close()
    assert sockets(tmp_path / "run") == []
    assert len(wake_threads()) == threads_before
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_closing_works_when_the_directory_is_gone(tmp_path: Path) -> None:
    listener = Wake().listen(tmp_path / "run")
    for name in sockets(tmp_path / "run"):
        (tmp_path / "run" / name).unlink()
    (tmp_path / "run").rmdir()
    listener.close()


def test_a_socket_left_by_a_killed_process_is_removed(tmp_path: Path, child: Callable) -> None:
    killed = child(LISTENER, tmp_path / "run")
    assert killed.line() == "listening"
    killed.process.kill()
    killed.process.wait()
    assert len(sockets(tmp_path / "run")) == 1
    wake = Wake()
    wake.among(tmp_path / "run")
    wake.signal()
    assert sockets(tmp_path / "run") == []


def test_a_home_deeper_than_a_socket_address_may_be_long(tmp_path: Path) -> None:
    run_dir = tmp_path / ("d" * 120) / "run"
    run_dir.parent.mkdir()
    wake, teller = Wake(), Wake()
    listener = wake.listen(run_dir)
    assert not listener.is_deaf
    teller.among(run_dir)
    teller.signal()
    assert wake.wait(0, LONG) == 1
    listener.close()


def test_telling_does_not_block_when_a_neighbour_does_not_read(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stuck:
        stuck.bind(str(run_dir / f"{PREFIX}stuck"))
        wake = Wake()
        wake.among(run_dir)
        for _ in range(2000):
            wake.signal()
    assert sockets(run_dir) == [f"{PREFIX}stuck"]


def test_a_burst_of_pokes_is_few_wake_ups(tmp_path: Path) -> None:
    wake = Wake()
    listener = wake.listen(tmp_path / "run")
    assert listener._socket is not None
    with wake._changed, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:  # its thread waits for us
        for _ in range(8):
            sender.sendto(b"!", str(tmp_path / "run" / listener.name))
    wake.wait(0, LONG)
    wake.wait(1, 0.05)
    assert 1 <= wake.count <= 2
    listener.close()


def test_telling_survives_the_directory_going_away(tmp_path: Path) -> None:
    wake = Wake()
    wake.among(tmp_path / "never")
    wake.signal()
    assert wake.count == 1


def test_telling_survives_running_out_of_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit has happened: an error now would tell the caller that it had not."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"{PREFIX}other").touch()
    wake = Wake()
    wake.among(tmp_path / "run")

    def refuse(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    wake.signal()
    assert wake.count == 1


def test_where_no_socket_can_be_made_it_is_deaf_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "run").write_text("in the way")
    wake = Wake()
    listener = wake.listen(tmp_path / "run")
    assert listener.is_deaf
    assert "are seen late" in caplog.text
    wake.signal()
    assert wake.wait(0, 0) == 1
    listener.close()


def test_the_directory_is_private(tmp_path: Path) -> None:
    listener = Wake().listen(tmp_path / "run")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    listener.close()
