"""What every test may ask for: a home, a clock that stands still, the cast, the application and a client.

The cast: Alice owns things, Bob is a colleague, Charlie must see nothing, Ada is the admin.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jarvis import app as composition
from jarvis.kernel import config, migrate
from jarvis.kernel.clock import SECOND
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.registry import Registry
from jarvis.users import actions, passwords, store
from tests.built import archive  # noqa: F401 — a fixture
from tests.chromium import chromium  # noqa: F401 — a fixture
from tests.client import Client

with contextlib.suppress(ModuleNotFoundError):  # the archive carries pytest alone, for its smoke tests
    from hypothesis import settings as examples

    examples.register_profile("jarvis", deadline=None)  # how long an example takes is the machine's affair
    examples.load_profile("jarvis")

MORNING = 1_795_401_960_000_000  # 2026-11-23 02:46 UTC
CAST = {"alice": "user", "bob": "user", "charlie": "user", "ada": "admin"}


class StillClock:
    """A clock that moves only when told to."""

    def __init__(self, now: int = MORNING) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def step(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


def password_of(username: str) -> str:
    """The password of somebody of the cast."""
    return f"the password of {username}"


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """scrypt at its cheapest: a hundred milliseconds for each sign-in would be the whole run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(passwords, "N", 16)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def cast_database(tmp_path_factory: pytest.TempPathFactory, cheap_passwords: None) -> Path:
    """A migrated database with the cast in it; tests work on copies."""
    home = tmp_path_factory.mktemp("cast")
    settings = make_settings(home)
    clock = StillClock()
    migrate.migrate(settings.app_db, clock)
    ctx = composition.make_context(settings, clock, Registry())
    admin = replace(ctx, role="admin")
    for username, role in CAST.items():
        actions.create(admin, username, password_of(username), role)
    ctx.db.close()
    return settings.app_db


def make_settings(home: Path, **changes: Any) -> Settings:
    """Settings of a home, with some of them given as values."""
    found = config.load({"JARVIS_HOME": str(home)}, None, home)
    return dataclasses.replace(found, **changes)


@pytest.fixture
def home(tmp_path: Path, cast_database: Path) -> Path:
    """$JARVIS_HOME with a database in which the cast has accounts."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    shutil.copy(cast_database, place / "jarvis.db")
    return place


@pytest.fixture
def empty_home(tmp_path: Path) -> Path:
    """$JARVIS_HOME with a migrated database and nobody in it."""
    place = tmp_path / "empty"
    place.mkdir(mode=0o700)
    migrate.migrate(place / "jarvis.db", StillClock())
    return place


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def settings(home: Path) -> Settings:
    return make_settings(home)


@pytest.fixture
def make_ctx(clock: StillClock) -> Iterator[Callable[[Settings], Context]]:
    """Opens a home; every database opened is closed again."""
    opened: list[Context] = []

    def make(settings: Settings) -> Context:
        opened.append(composition.make_context(settings, clock, composition.make_registry()))
        return opened[-1]

    yield make
    for ctx in opened:
        ctx.db.close()


@pytest.fixture
def ctx(settings: Settings, make_ctx: Callable[[Settings], Context]) -> Context:
    """The system's own context."""
    return make_ctx(settings)


@pytest.fixture
def as_user(ctx: Context) -> Callable[[str], Context]:
    """The context of somebody of the cast: as_user("alice")."""
    return lambda username: acting(ctx, username)


def acting(ctx: Context, username: str) -> Context:
    """A context on behalf of somebody."""
    with ctx.db.read() as tx:
        user = store.get_by_name(tx, username)
    return ctx.acting(actor=user.username, user_id=user.id, username=user.username, role=user.role)


@pytest.fixture
def app(ctx: Context) -> Any:
    """The whole application."""
    return composition.build_application(ctx)


@pytest.fixture
def client(app: Any, ctx: Context) -> Client:
    """Somebody who is not signed in; `client.as_("alice")` is Alice's browser, `client.bearer("alice")` her script."""
    return make_client(app, ctx)


def make_client(app: Any, ctx: Context) -> Client:
    """A client for an application built on a context."""

    def start_session(username: str) -> str:
        with ctx.db.read() as tx:
            user = store.get_by_name(tx, username)
        return actions.start_session(acting(ctx, username), user, "a test").token

    def make_token(username: str) -> str:
        person = acting(ctx, username)
        assert person.user_id is not None
        return actions.create_token(person, person.user_id, "a script", None)[1]

    return Client(app, start_session, make_token)


@pytest.fixture
def events(ctx: Context) -> Callable[..., list[str]]:
    """Types of the events recorded since the cast was made: events() or events("user.")."""
    with ctx.db.read() as tx:
        before = tx.one(int, "SELECT coalesce(max(seq), 0) FROM events") or 0

    def since(prefix: str = "") -> list[str]:
        with ctx.db.read() as tx:
            types = tx.all(str, "SELECT type FROM events WHERE seq > :seq ORDER BY seq", seq=before)
        return [found for found in types if found.startswith(prefix)]

    return since
