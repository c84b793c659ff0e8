"""One real archive for the whole run, of this very tree with a probe for a command line."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import build_zipapp
from jarvis.archive import build, bytecode, hosts, sources, wheels
from jarvis.archive.sources import BuildError, Source

ROOT = Path(__file__).resolve().parents[2]
MINORS = bytecode.find_interpreters(hosts.RELEASE_MINORS)

PROBE = b"""
import sys

def main(argv=None):
    from jarvis.archive import launch
    command, *words = argv
    if command == "where":
        import json
        held = launch.archive()
        seen = {"path": held.path, "fd": held.fd, "sha256": held.sha256(), "command": launch.command()}
        print(json.dumps(seen))
    elif command == "modules":
        print("\\\\n".join(sorted(sys.modules)))
    elif command == "late":
        print("ready", flush=True)
        sys.stdin.readline()
        from jarvis import late
        import apsw, dulwich.repo, jinja2
        print(late.MARK, jinja2.__file__, apsw.sqlite_lib_version())
    elif command == "sql":
        import apsw, apsw.unicode, apsw._unicode
        print(apsw.Connection(":memory:").execute("select 6 * 7").get)
        print(apsw.__spec__.loader.loaded_from)
        print(apsw._unicode.__spec__.loader.loaded_from)
    elif command == "import":
        print(__import__(words[0]).__file__)
    return 0
"""
PROBE_SUPERVISOR = b"def main(argv, archive=None):\n    print('supervised', *argv)\n    return 3\n"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def probed(mark: str) -> Source:
    """This tree with the probe in it."""
    source = sources.from_checkout(ROOT)
    probe = {
        "jarvis/cli.py": PROBE.replace(b"\\\\n", b"\\n"),
        "jarvis/supervisor.py": PROBE_SUPERVISOR,
        "jarvis/late.py": f"MARK = {mark!r}\n".encode(),
    }
    return Source({**source.files, **probe}, source.executables)


def host_tags() -> list[str]:
    _, platform, machine = hosts.host_tag().split("-")
    return [f"cp3{minor}-{platform}-{machine}" for minor in MINORS]


def wanted() -> tuple[list[wheels.Wanted], list[wheels.Wanted]]:
    lock, development = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))
    runtime = wheels.runtime_wheels(wheels.read_lock(lock), host_tags())
    return runtime, wheels.test_wheels(wheels.read_lock(development))


@pytest.fixture(scope="session")
def dependencies() -> build.Dependencies:
    cache = ROOT / "build" / "wheels"
    runtime, tests = wanted()
    try:
        build_zipapp.fetch([*runtime, *tests], cache)
    except BuildError as failure:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the wheels are neither cached in build/wheels nor to be fetched: {failure}")
    return build.from_wheels(cache, runtime, tests)


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Path]:
    """A folder any user may read, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="jarvis-archive-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def built(dependencies: build.Dependencies) -> build.Built:
    return build.build(probed("old"), dependencies, MINORS.values())


@pytest.fixture(scope="session")
def pyz(built: build.Built, public_folder: Path) -> Path:
    """The archive on disk, for every interpreter found here; tests copy it before they harm it."""
    path = public_folder / "jarvis.pyz"
    build.write(built, path, checkers=())
    return path


@pytest.fixture(scope="session")
def newer_bytes(dependencies: build.Dependencies) -> bytes:
    """Another version of the archive, without bytecode."""
    return build.build(probed("new"), dependencies, []).data


@pytest.fixture
def alone(pyz: Path, tmp_path: Path) -> Path:
    """A copy with nothing beside it."""
    folder = tmp_path / "alone"
    folder.mkdir()
    return Path(shutil.copy(pyz, folder))


@pytest.fixture
def run() -> Run:
    """Run an archive in its own folder with an empty environment."""

    def run(path: Path | str, *words: str, flags: tuple[str, ...] = (), python: str = sys.executable, **more):
        environment = more.pop("env", {})
        cwd = more.pop("cwd", Path(path).parent)
        command = [python, *flags, str(path), *words]
        ended = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False, **more
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture(scope="session")
def nobodys_python() -> str:
    """An interpreter that ships in the archive and that any user may run."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for python in ("/usr/bin/python3", "/usr/local/bin/python3", *(found.path for found in MINORS.values())):
        if Path(python).exists():
            ask = [python, "-I", "-S", "-c", "import pkgutil, sys; print(sys.version_info[1])"]
            asked = subprocess.run(ask, user="nobody", cwd="/", capture_output=True, text=True, check=False)
            if asked.returncode == 0 and int(asked.stdout) in MINORS:
                return python
    pytest.skip("no interpreter here that nobody may run")
