"""One archive of this tree, and a shell beside it in a home of its own for each page that is tried."""

import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.reading import Step, missing

ADDRESS = "127.0.0.1:8000"
PATIENCE_SECONDS = 30.0


class Process:
    """A program whose lines can be waited for within bounds."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line)
        self._lines.put("")

    def line(self) -> str:
        """The next line, "" at the end."""
        return self._lines.get(timeout=PATIENCE_SECONDS)

    def say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)


class Shell:
    """One bash for a page, and the servers that it leaves running."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.folder = folder
        self.home = folder / "home" / "jarvis"
        self.address = f"127.0.0.1:{_free_port()}"
        (folder / "home").mkdir()
        shutil.copy(archive, folder)
        self._environment = {
            "PATH": f"{_python_first(folder)}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "JARVIS_HOME": str(self.home),
            "BIND_PORT": self.address.rpartition(":")[2],
            "LANG": "C.UTF-8",
        }
        self._servers: list[Process] = []
        self._bash = Process(["bash", "--noprofile", "--norc"], folder, self._environment)

    def here(self, text: str) -> str:
        """A text of a page with the address that this page's server has."""
        return text.replace(ADDRESS, self.address)

    def fault(self, step: Step) -> str:
        """What is wrong when this step is done as the page says; "" when nothing is."""
        command, expected = self.here(step.command), tuple(map(self.here, step.expected))
        code, printed = self._serve(command, expected) if step.is_server else self._run(command)
        lacking = missing(expected, printed)
        if code == 0 and lacking is None:
            return ""
        return f"$ {command}\nexit {code}, without the line: {lacking}\n{printed}"

    def _run(self, command: str) -> tuple[int, str]:
        mark = f"::ended {os.urandom(4).hex()}"
        self._bash.say(f"{{ {command}\n}} < /dev/null; code=$?; echo; echo {mark} $code\n")
        printed = ""
        while not (line := self._bash.line()).startswith(mark):
            assert line, f"{command} ended the shell: {printed}"
            printed += line
        return int(line.split()[-1]), printed

    def _serve(self, command: str, expected: tuple[str, ...]) -> tuple[int, str]:
        server = Process(["bash", "-c", f"exec {command}"], self.folder, self._environment)
        self._servers.append(server)
        printed = ""
        while missing(expected, printed) is not None:
            line = server.line()
            if not line:
                return 1, printed
            printed += line
        return 0, printed

    def close(self) -> None:
        for process in (self._bash, *self._servers):
            process.end()


def _python_first(folder: Path) -> Path:
    """A folder for PATH in which python3 is the Python of these tests, with its packages."""
    place = folder / "bin"
    place.mkdir()
    script = place / "python3"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return place


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def make_shell(tmp_path: Path, archive: Path) -> Iterator[Callable[[], Shell]]:
    """A shell for one page."""
    made: list[Shell] = []

    def make() -> Shell:
        made.append(Shell(tmp_path, archive))
        return made[-1]

    yield make
    for one in made:
        one.close()
