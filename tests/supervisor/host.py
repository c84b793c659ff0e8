"""A host of the tests: an archive at a path, a listener, and a service manager that starts it whenever it ends."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

from jarvis.archive import swap

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PATIENCE_SECONDS = 30.0
GUARD = ROOT / "deploy" / "boot-guard.sh"


def pack(path: Path, name: str, behaviour: str = "good") -> Path:
    source = (HERE / "fake_release.py").read_text()
    source = source.replace("NAME_OF_THIS_RELEASE", name).replace("BEHAVIOUR_OF_THIS_RELEASE", behaviour)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", source)
    path.chmod(0o755)
    return path


class Host:
    """Starts and restarts one release; `close` ends all of it."""

    def __init__(self, home: Path, *, guards: bool = False) -> None:
        self.home = home
        self.archive = pack(home / "jarvis.pyz", "old")
        self.path = str(self.archive)
        self.old = swap.sha256_of(self.path)
        self.new = ""
        self.guards = guards
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.starts = 0
        self.is_closing = False
        self.errors = (home / "stderr").open("ab")
        self.process = self._start()
        self.manager = threading.Thread(target=self._keep, daemon=True)
        self.manager.start()

    def _start(self) -> subprocess.Popen:
        fd = self.listener.fileno()
        if self.guards:
            subprocess.run(["/bin/sh", str(GUARD), self.path], check=True, stderr=self.errors)
        self.starts += 1
        environ = {
            **os.environ,
            "TEST_ROOT": str(ROOT),
            "TEST_HOME": str(self.home),
            "TEST_LISTENER": str(fd),
            "TEST_BOUNDS": json.dumps({"first_delay": 0.1, "haste": 0.5}),
        }
        command = [sys.executable, "-I", "-S", self.path, "serve"]
        return subprocess.Popen(command, env=environ, pass_fds=[fd], stderr=self.errors)

    def _keep(self) -> None:
        while not self.is_closing:
            self.process.wait()
            threading.Event().wait(0.05)  # RestartSec=
            if not self.is_closing:
                self.process = self._start()

    def candidate(self, behaviour: str = "good") -> None:
        self.new = swap.sha256_of(str(pack(self.home / "candidate.pyz", "new", behaviour)))

    def tell(self, path: str) -> None:
        """Ask once; a kill may cut the answer short."""
        address = ("127.0.0.1", self.port)
        with (
            contextlib.suppress(ConnectionResetError),
            socket.create_connection(address, PATIENCE_SECONDS) as connection,
        ):
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            connection.recv(65536)

    def get(self, path: str) -> str:
        """Ask until there is an answer: what a kill cut short is asked again."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
                    connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                    received = b""
                    while chunk := connection.recv(65536):
                        received += chunk
                if received:
                    return received.partition(b"\r\n\r\n")[2].decode()
            except ConnectionResetError:
                pass
        raise AssertionError(f"{path} is never answered: {self.said()}")

    def marker(self) -> swap.Marker | None:
        return swap.read_marker(self.path)

    def settled(self) -> str:
        """What serves once the update is over, one way or the other; the files must agree with it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            serving, marker, at_path = self.get("/version"), self.marker(), swap.sha256_of(self.path)
            state = marker.state if marker else ""
            is_new = (serving, state, at_path) == ("new", swap.VERIFIED, self.new)
            is_old = serving == "old" and state in ("", swap.ROLLED_BACK) and at_path == self.old
            if is_new or is_old:
                return serving
            threading.Event().wait(0.02)
        raise AssertionError(f"{serving} serves, the marker says {state}: {self.said()}")

    def said(self) -> str:
        return (self.home / "stderr").read_text()

    def close(self) -> None:
        self.is_closing = True
        self.process.kill()
        self.manager.join(PATIENCE_SECONDS)
        self.process.wait()
        self.listener.close()
        self.errors.close()
