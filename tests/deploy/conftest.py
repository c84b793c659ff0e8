"""A host below a temporary directory: the scripts as they are, a service manager that is none, a real archive."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jarvis.archive.build import SHEBANG
from jarvis.archive.writer import ZipWriter

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEPLOY = ROOT / "deploy"
PATIENCE_SECONDS = 60.0
RECORDER = '#!/bin/sh\nprintf "%s\\n" "${0##*/} $*" >>"$FAKES/calls"\n'
"""A program of which only is known how it was called."""
AS_USER = RECORDER + 'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Host:
    """What the scripts find: a root of its own, and on PATH what would change this machine."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.fakes = folder / "fakes"
        self.home = self.root / "var/lib/jarvis"
        self.etc = self.root / "etc/jarvis"
        self.units = self.root / "etc/systemd/system"
        self.lib = self.root / "usr/local/lib/jarvis"
        self.archive = self.home / "app/jarvis.pyz"
        self._env = {
            "PATH": f"{self.fakes}:{os.environ['PATH']}",
            "HOME": str(folder),
            "FAKES": str(self.fakes),
            "FAKE_UNITS": str(self.units),
            "JARVIS_INSTALL_CONF": str(self.etc / "install.conf"),
            "BIND_PORT": "0",
            "READY_SECONDS": "30",
            "LANG": "C.UTF-8",
        }
        self.fakes.mkdir(parents=True)
        self.fake("systemctl", f"#!{sys.executable} -IS\n" + (HERE / "fake_systemctl.py").read_text())

    def fake(self, name: str, text: str = RECORDER) -> None:
        """Put a program first on PATH."""
        path = self.fakes / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, *words: str | Path, env: dict[str, str] | None = None) -> Ran:
        """Run one of the scripts to its end."""
        ended = subprocess.run(
            [DEPLOY / script, *map(str, words)],
            env={**self._env, **(env or {})}, cwd="/", capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    def install(self, archive: Path, *words: str, env: dict[str, str] | None = None) -> Ran:
        """Install below the root, with this interpreter."""
        where = ("--root", self.root, "--archive", archive, "--python", os.path.realpath(sys.executable))
        return self.run("install-systemd.sh", *where, *words, env=env)

    def jarvis(self, *words: str, stdin: str = "") -> str:
        """What a command of the installed archive prints."""
        env = {"JARVIS_HOME": str(self.home), "PATH": os.environ["PATH"]}
        command = [sys.executable, "-I", "-S", self.archive, *words]
        ended = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False, cwd="/")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def calls(self, name: str) -> list[str]:
        """How a fake was called."""
        log = self.fakes / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.split()[0] == name]

    @property
    def pid(self) -> int:
        """The service's process."""
        return int((self.fakes / "pid").read_text())

    def end(self) -> None:
        """Leave no server behind."""
        if (self.fakes / "pid").exists():
            subprocess.run([self.fakes / "systemctl", "stop", "jarvis.service"], env=self._env, check=False)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host on which nothing is installed."""
    made = Host(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="session")
def other(archive: Path) -> Iterator[Callable[[str], Path]]:
    """Another release, made from this one: the same modules, and a __main__ that does something first."""
    folder = Path(tempfile.mkdtemp(prefix="jarvis-deploy-"))
    made: dict[str, Path] = {}

    def make(first: str) -> Path:
        if first not in made:
            path = folder / f"{len(made)}.pyz"
            patched(archive, path, first)
            made[first] = path
        return made[first]

    yield make
    shutil.rmtree(folder)


def patched(archive: Path, path: Path, first: str) -> None:
    """Write the archive anew with these lines at the head of its entry."""
    with zipfile.ZipFile(archive) as old:
        new = ZipWriter(SHEBANG)
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == "__main__.py":
                data = data.replace(b"import sys\n", f"import sys\n{first}\n".encode(), 1)
            (new.add if entry.compress_type else new.add_nested)(entry.filename, data)
    path.write_bytes(new.finish())


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Look again and again, within bounds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
