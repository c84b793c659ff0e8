"""A release as small as can be: the real ring, supervisor and files around a worker that does as it is told.

It is packed as `__main__.py` of an archive; what it is comes from the line below.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, os.environ["TEST_ROOT"])

from jarvis import lifeline, supervisor
from jarvis.archive import ring, swap
from jarvis.life import Bounds
from jarvis.process import HeldArchive
from jarvis.worker import Plan, run_worker

NAME, BEHAVIOUR = "NAME_OF_THIS_RELEASE", "BEHAVIOUR_OF_THIS_RELEASE"
FATAL = ("rename", "fsync", "unlink", "execve")
"""Before each of these the test may kill: between them nothing changes on disk."""
SOAK_SECONDS = 1.2 if BEHAVIOUR == "crashes later" else 0.3


class Archive:
    """As much of an archive as the ring asks for."""

    def __init__(self) -> None:
        folder, _, number = sys.argv[0].rpartition("/")
        is_held = folder == "/proc/self/fd"
        self.fd = int(number) if is_held else os.open(sys.argv[0], os.O_RDONLY | os.O_CLOEXEC)
        os.set_inheritable(self.fd, False)
        self.path = os.environ[lifeline.ARCHIVE_PATH] if is_held else os.path.realpath(sys.argv[0])

    def sha256(self) -> str:
        return swap.sha256_of(self.fd)


def kill_at(role: str) -> None:
    """Kill where the test's file says, once: "role number with-the-parent"."""
    orders = Path(os.environ["TEST_HOME"], "kill")
    count = 0

    def deadly(call):
        def passes(*args, **kwargs):
            nonlocal count
            if orders.exists():
                wanted, number, with_parent = orders.read_text().split()
                count += wanted == role
                if wanted == role and count == int(number):
                    orders.replace(orders.with_suffix(".done"))
                    if with_parent == "1":
                        os.kill(os.getppid(), signal.SIGKILL)
                    os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return passes

    for name in FATAL:
        setattr(os, name, deadly(getattr(os, name)))


class Site:
    def __init__(self, archive: Archive, line: lifeline.Lifeline, drain: threading.Event) -> None:
        self.archive, self.line, self.drain = archive, line, drain
        self.running = archive.sha256()
        self.started_at = time.monotonic()
        self.is_restart = False

    def answer(self, path: str) -> tuple[int, str]:
        match path:
            case "/readyz":
                return (503 if BEHAVIOUR == "503" else 200), NAME
            case "/version":
                return 200, NAME
            case "/pids":
                return 200, f"{os.getpid()} {os.getppid()}"
            case "/back":
                marker = swap.read_marker(self.archive.path)
                swap.put_back(self.archive.path, marker, "admin", "asked for")
                self.restart()
        if path.startswith("/install/"):
            self.install(path.removeprefix("/install/"))
        return 200, "ok"

    def install(self, seconds: str) -> None:
        candidate = str(Path(os.environ["TEST_HOME"], "candidate.pyz"))
        marker = swap.Marker("trc_1", self.running, swap.sha256_of(candidate), seconds=seconds, tries="1")
        swap.install(self.archive.path, self.archive.fd, candidate, marker)
        self.restart()

    def restart(self) -> None:
        self.is_restart = True
        self.line.stopping(restart=True)
        self.drain.set()

    def recover(self) -> None:
        """The part of the app that is about files, at its start."""
        path = self.archive.path
        marker = swap.read_marker(path)
        what = swap.decide(marker, self.running, swap.sha256_of(path))
        if what == swap.NEVER_LIVE:
            swap.drop_marker(path)
        elif what == swap.UNDO:
            swap.put_back(path, marker, "start", "interrupted")

    def settle(self) -> None:
        """The same, as long as it runs."""
        path, running = self.archive.path, self.running
        marker = swap.read_marker(path)
        match swap.decide(marker, running, swap.sha256_of(path)):
            case swap.GOING_BACK:
                swap.put_back(path, marker, marker.by, marker.why)
                self.restart()
            case swap.IS_BACK:
                swap.settle(path, marker.trace_id, swap.ROLLED_BACK)
            case swap.ON_TRIAL:
                is_old_enough = time.monotonic() - self.started_at > SOAK_SECONDS
                if is_old_enough and marker.holder == running and BEHAVIOUR != "503":
                    swap.settle(path, marker.trace_id, swap.VERIFIED)

    def converse(self, connection) -> None:
        with connection:
            request = connection.recv(4096).decode()
            if not request:
                return
            status, text = self.answer(request.split(" ")[1])
            connection.sendall(f"HTTP/1.0 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())

    def accept(self, listener) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def serve(self, listener) -> int:
        self.recover()
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        self.line.ready()
        while not self.drain.wait(0.05):
            self.line.beat()
            self.settle()
            if BEHAVIOUR == "crashes later" and time.monotonic() - self.started_at > 0.8:
                os._exit(3)
        self.line.stopping(restart=self.is_restart)
        return lifeline.RESTART_EXIT if self.is_restart else 0


def work(archive: Archive) -> int:
    kill_at(f"{NAME}-worker")
    if BEHAVIOUR == "dies at start":
        return 1
    if BEHAVIOUR == "hangs":
        threading.Event().wait()
    plan = Plan(Path(os.environ["TEST_HOME"]), "127.0.0.1", 0, 2)
    return run_worker(plan, lambda listener, drain, line: Site(archive, line, drain).serve(listener))


def supervise(archive: Archive, argv: list[str]) -> int:
    if BEHAVIOUR == "its supervisor fails":
        raise RuntimeError("no supervisor in this release")
    if BEHAVIOUR == "its supervisor dies":
        os._exit(4)
    bounds = Bounds()
    for name, seconds in json.loads(os.environ.get("TEST_BOUNDS", "{}")).items():
        setattr(bounds, name, seconds)
    return supervisor.main(argv, HeldArchive(archive.path, archive.fd), bounds)


def main() -> int:
    is_first = lifeline.SUPERVISOR_FD not in os.environ and lifeline.TAKEOVER not in os.environ
    if is_first:  # as systemd would, before anything of ours can have that number
        os.dup2(int(os.environ["TEST_LISTENER"]), 3)
        os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "jarvis"}
    archive = Archive()
    if lifeline.SUPERVISOR_FD in os.environ:
        return work(archive)
    kill_at(f"{NAME}-supervisor")
    return ring.run(archive, sys.argv[1:], lambda argv: lambda argv: supervise(archive, argv))


if __name__ == "__main__":
    sys.exit(main())
