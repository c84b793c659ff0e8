"""A server of real processes: supervisor, fake worker, and a service manager that listens to them."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PATIENCE_SECONDS = 30.0


def pack(path: Path, version: str) -> Path:
    """Write an archive of the fake worker that answers /version with this version."""
    source = (HERE / "fake_worker.py").read_text().replace("VERSION_OF_THIS_ARCHIVE", version)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", source)
    return path


def wait_for_exit(pid: int) -> None:
    """Block until this process, not a child of ours, is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], PATIENCE_SECONDS)[0], f"process {pid} stays"
    finally:
        os.close(fd)


class Server:
    """One supervisor and what it said to the service manager."""

    def __init__(
        self, directory: Path, orders: dict, bounds: dict, env: dict, listener: int | None, address: str
    ) -> None:
        self.home = Path(orders.get("home", directory / "home"))
        self.home.mkdir(exist_ok=True)
        self.archive = directory / "fake.pyz"
        if not self.archive.exists():
            pack(self.archive, "one")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(PATIENCE_SECONDS)
        self.manager.bind("\0" + address[1:] if address.startswith("@") else address)
        self.heard: list[str] = []
        self.errors = directory / f"stderr-{address.rpartition('/')[2].strip('@')}"
        orders = {"home": str(self.home), **orders}
        command = [sys.executable, "-I", "-S", HERE / "drive.py"]  # a host's .pth files are not our memory
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [
                    *command,
                    json.dumps(bounds),
                    self.archive,
                    str(listener or ""),
                    "serve",
                    json.dumps(orders),
                ],
                env={**os.environ, "TEST_ROOT": str(ROOT), "NOTIFY_SOCKET": address, **env},
                pass_fds=[listener] if listener else [],
                stderr=stderr,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int((self.home / "port").read_text())

    def hear(self, start: str) -> str:
        """The next datagram that starts like this; those before it are kept in `heard`."""
        while True:
            self.heard.append(self.manager.recv(4096).decode())
            if self.heard[-1].startswith(start):
                return self.heard[-1]

    def get(self, path: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        return received.partition(b"\r\n\r\n")[2].decode()

    def worker_pid(self) -> int:
        return int(self.get("/pid"))

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def replace_archive(self, version: str) -> None:
        """Rename another archive over the one this server was started from."""
        pack(self.archive.with_suffix(".new"), version).rename(self.archive)

    def wait_for_exit(self, pid: int) -> None:
        wait_for_exit(pid)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def said(self) -> str:
        return self.errors.read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.manager.close()


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers; each is killed at the end, and its worker leaves because of it."""
    servers: list[Server] = []

    def starter(
        bounds: dict | None = None,
        env: dict | None = None,
        listener: int | None = None,
        address: str = "",
        **orders,
    ) -> Server:
        address = address or str(tmp_path / f"notify-{len(servers)}")
        servers.append(Server(tmp_path, orders, bounds or {}, env or {}, listener, address))
        return servers[-1]

    yield starter
    for server in servers:
        server.close()


@pytest.fixture
def stranger() -> Iterator[Callable[[int], int]]:
    """Kill at the end what is handed in: children of a dead worker."""
    pids: list[int] = []

    def remember(pid: int) -> int:
        pids.append(pid)
        return pid

    yield remember
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
