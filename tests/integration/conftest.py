"""The real archive, built once for the run and copied alone into empty directories, and homes with the cast in them."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jarvis import app as composition
from jarvis.archive import build, sources
from jarvis.kernel import migrate
from jarvis.kernel.clock import system_clock
from jarvis.kernel.registry import Registry
from jarvis.users import actions
from tests.archive.conftest import MINORS, dependencies, nobodys_python, public_folder  # noqa: F401
from tests.conftest import CAST, acting, make_settings, password_of
from tests.integration.real import Host, Running, Serve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real_archive(dependencies: build.Dependencies, public_folder: Path) -> Path:  # noqa: F811
    """jarvis.pyz of this tree, for every interpreter found here."""
    path = public_folder / "real.pyz"
    build.write(build.build(sources.from_checkout(ROOT), dependencies, MINORS.values()), path, checkers=())
    return path


@pytest.fixture(scope="session")
def cast_home(tmp_path_factory: pytest.TempPathFactory, cheap_passwords: None) -> tuple[Path, dict[str, str]]:
    """A home with the cast, and a token for each of them; tests work on copies."""
    home = tmp_path_factory.mktemp("real") / "home"
    settings = make_settings(home)
    migrate.migrate(settings.app_db, system_clock)
    ctx = composition.make_context(settings, system_clock, Registry())
    tokens = {}
    for username, role in CAST.items():
        user = actions.create(replace(ctx, role="admin"), username, password_of(username), role)
        tokens[username] = actions.create_token(acting(ctx, username), user.id, "a script", None)[1]
    ctx.db.close()
    shutil.rmtree(home / "run", ignore_errors=True)
    return home, tokens


@pytest.fixture
def empty_host(real_archive: Path, tmp_path: Path) -> Host:
    """One file in an empty directory, as a stranger copies it; nothing has run yet."""
    folder = tmp_path / "alone"
    folder.mkdir()
    return Host(Path(shutil.copy(real_archive, folder / "jarvis.pyz")), tmp_path / "jarvis", folder)


@pytest.fixture
def host(empty_host: Host, cast_home: tuple[Path, dict[str, str]]) -> Host:
    """The same with the cast in its database."""
    shutil.copytree(cast_home[0], empty_host.home)
    return empty_host


@pytest.fixture
def tokens(cast_home: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """An API token for each of the cast."""
    return cast_home[1]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(host, *flags, **environment) → a server that is ready; each is ended with the test."""
    started: list[Running] = []

    def start(host: Host, *flags: str, **more: str) -> Running:
        server = Running(host, *flags, **more)
        started.append(server)
        server.until_ready()
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def refused() -> Callable[..., tuple[int, str]]:
    """refused(host, *flags) → exit code and words of a `serve` that does not come up."""

    def start(host: Host, *flags: str, **env: str) -> tuple[int, str]:
        ran = host.run("serve", *flags, env=env)
        return ran.code, ran.err

    return start
