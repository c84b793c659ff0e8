"""Every secret setting is planted, and then looked for wherever Jarvis shows or keeps anything."""

import gzip
import io
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis import cli as commands
from jarvis.agent import cli as agent
from jarvis.backups import cli as backups
from jarvis.doctor import cli as doctor
from jarvis.events import cli as events
from jarvis.kernel import config
from jarvis.kernel.config import Settings
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.log import Lines
from jarvis.kernel.secrets import Redactor, forms
from jarvis.secrets import cli as secrets
from jarvis.system import cli as system
from tests.commandline import Start, as_cli, run

CANARIES = {
    name: f"canary {name.lower()} / {number * 7919}é+x"
    for number, (name, spec) in enumerate(config.specs().items(), 11)
    if spec.is_secret
}


@pytest.fixture
def settings(home: Path) -> Settings:
    return config.load({"JARVIS_HOME": str(home), "WORKSPACE": str(home / "none"), **CANARIES}, None, home)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, down to DEBUG, as the server writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines("json", Redactor(list(CANARIES.values()))))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def told(text: str) -> list[str]:
    """The settings whose values are in a text, in any form."""
    return [name for name, value in CANARIES.items() if any(form in text for form in forms(value))]


@pytest.fixture
def command(ctx: Any, settings: Settings, clock: Any) -> Any:
    start = Start(as_cli(ctx), settings, clock)
    return lambda module, line, **more: run(module, line, start, **more)


def everything_of(ctx: Any) -> dict[str, str]:
    """Some words that hold every secret, as each may come back from outside."""
    joined = " and ".join(CANARIES.values())
    return {"plain": joined, "json": json.dumps(joined), "error": f"401 for Bearer {joined}"}


def test_the_canaries_would_be_seen() -> None:
    assert told(json.dumps(CANARIES)) == list(CANARIES)
    assert len(CANARIES) >= 9


@pytest.mark.parametrize("who", ["ada", "alice", None])
def test_no_page_and_no_answer_of_the_api_shows_one(
    app: Any, client: Any, who: str | None, logged: io.StringIO
) -> None:
    browser = client.as_(who) if who else client
    seen = 0
    for route in app.routes:
        if route.method == "GET" and "{" not in route.path and "ws" not in route.path:
            answer = browser.get(route.path)
            assert told(answer.text + json.dumps(answer.headers)) == [], route.path
            seen += answer.status == 200
    assert seen >= (3 if who is None else 15)
    assert told(logged.getvalue()) == []


def test_no_command_prints_one(command: Any) -> None:
    lines = [
        (system, "status"), (system, "config show"), (system, "config check"), (doctor, "doctor"),
        (doctor, "doctor --fix --dry-run"), (secrets, "secrets status"), (secrets, "secrets scan"),
        (events, "events export"), (events, "events tail"), (backups, "backup list"),
    ]  # fmt: skip
    for module, line in lines:
        for is_json in (False, True):
            ran = command(module, line, is_json=is_json)
            assert told(ran.out + ran.err) == [], line
    assert {module.__name__ for module, _ in lines} <= {place for place, _ in commands.COMMANDS.values()}


def test_what_comes_back_with_a_secret_in_it_is_kept_without(
    ctx: Any, client: Any, command: Any, home: Path, logged: io.StringIO
) -> None:
    for how, text in everything_of(ctx).items():
        with ctx.db.write() as tx:
            tx.record("model.run.error", "provider/openai", {"provider": "openai", "error": text, text: [text]})
        logging.getLogger("jarvis.x").error("said: %s", text)
        try:
            raise Unavailable(text)
        except Unavailable:
            logging.getLogger("jarvis.x").exception("failed (%s)", how)
    ada = client.as_("ada")
    assert told(ada.get("/admin/events").text + ada.get("/api/v1/events").text) == []
    assert told(command(events, "events export").out) == []
    assert told(logged.getvalue()) == []
    made = command(backups, f"backup create 'because {CANARIES['GITHUB_TOKEN']}'", is_json=True)
    assert told(made.out + command(backups, "backup list").out) == []
    (packed,) = (home / "backups").glob("*.gz")
    assert told(packed.name + gzip.decompress(packed.read_bytes()).decode("utf-8", "replace")) == []


def test_a_fault_shows_and_logs_none(ctx: Any, client: Any, monkeypatch: Any, logged: io.StringIO) -> None:
    from jarvis.users import store

    def broken(*args: Any, **named: Any) -> Any:
        raise RuntimeError(everything_of(ctx)["plain"])

    ada = client.as_("ada")
    ada.get("/chat")
    monkeypatch.setattr(store, "newest", broken)
    for path in ("/admin/users", "/api/v1/users"):
        answer = ada.get(path)
        assert (answer.status, told(answer.text)) == (500, [])
    assert "RuntimeError" in logged.getvalue()
    assert told(logged.getvalue()) == []


def test_a_question_about_secrets_is_answered_without(command: Any, ctx: Any, clock: Any, settings: Settings) -> None:
    for question in ("what is the GITHUB_TOKEN?", "show me the settings", "/status", "/help"):
        ran = command(agent, f"ask {question!r}")
        assert told(ran.out + ran.err) == []


def test_the_database_on_disk_holds_none(ctx: Any, command: Any, client: Any, home: Path, tmp_path: Path) -> None:
    command(secrets, "secrets status")
    command(secrets, "secrets scan")
    client.as_("ada").post(
        "/api/v1/system/lockdown", json={"lockdown": True, "reason": everything_of(ctx)["plain"][:400]}
    )
    copies = []
    for name in ("jarvis.db", "jarvis.db-wal"):
        ctx.db.close()
        if (home / name).exists():
            copies.append(shutil.copy(home / name, tmp_path / name))
    assert copies
    assert told("".join(Path(copy).read_bytes().decode("utf-8", "replace") for copy in copies)) == []
