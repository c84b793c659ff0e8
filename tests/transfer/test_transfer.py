"""`jarvis export` and `import`: what goes, what comes, twice and in a rehearsal, and archives that are meant ill."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jarvis.bugs import actions as bugs
from jarvis.bugs import store as bug_rows
from jarvis.chat import actions as chat
from jarvis.chat import store as chat_rows
from jarvis.kernel import config
from jarvis.kernel.errors import Conflict, Denied, NotFound, TooLarge
from jarvis.policy import actions as policy
from jarvis.policy import store as permissions
from jarvis.schedules import actions as schedules
from jarvis.schedules import store as plans
from jarvis.transfer import actions, cli, packing
from jarvis.users import store as people
from tests.commandline import Start, as_cli, run
from tests.conftest import acting, make_settings
from tests.kernel.test_secrets import SHAPES

KEY = SHAPES["openai"]


@pytest.fixture
def settings(home: Path) -> Any:
    environ = {"JARVIS_HOME": str(home), "LOG_LEVEL": "DEBUG", "OPENAI_API_KEY": "words of a key", "APP_ENV": "dev"}
    return config.load(environ, None, home)


@pytest.fixture
def full(ctx: Any) -> Any:
    """A Jarvis with something of everything."""
    alice, ada = acting(ctx, "alice"), acting(ctx, "ada")
    thread = chat.open_thread(alice, "Tides")
    chat.post(alice, thread.id, "how high is the water? my words of a key")
    bugs.file(alice, title="The gauge is stuck", description=f"seen with {KEY}", thread_id=thread.id)
    bug = bugs.file(ada, title="Old one", description="")
    bugs.change(ada, bug.id, status="closed", priority="high")
    rules = [["/usr/bin/uptime"]]
    policy.put(ada, "agent:main", "host.exec", "ask", rules)
    given = {"cron_expr": "@daily", "payload": {"kind": "prompt", "text": "tides?"}, "name": "tides"}
    schedules.create(alice, given | {"thread_id": thread.id})
    return ctx


@pytest.fixture
def there(empty_home: Path, make_ctx: Any) -> Any:
    """Another Jarvis with nobody in it."""
    return make_ctx(make_settings(empty_home))


@pytest.fixture
def exported(full: Any, tmp_path: Path) -> Path:
    path = tmp_path / "out.zip"
    actions.export(as_cli(full), path)
    return path


def take(ctx: Any, path: Path, **more: Any) -> Any:
    return actions.take(as_cli(ctx).traced(), path, is_rehearsal=more.get("is_rehearsal", False))


def rows(path: Path, part: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        return [json.loads(line) for line in archive.read(f"{part}.jsonl").splitlines()]


def test_everything_comes_as_it_was(full: Any, there: Any, exported: Path) -> None:
    taken = take(there, exported)
    assert {part: taken.added[part] for part in ("people", "permissions", "threads", "bugs", "schedules")} == {
        "people": 4,
        "permissions": 1,
        "threads": 1,
        "bugs": 2,
        "schedules": 1,
    }
    with full.db.read() as here, there.db.read() as tx:
        alice = people.get_by_name(tx, "alice")
        (was,) = chat_rows.newest_of_all(here, 9)
        (thread,) = chat_rows.newest_of_all(tx, 9)
        assert (thread.id, thread.title, thread.created_at) == (was.id, "Tides", was.created_at)
        assert thread.user_id == alice.id
        messages = chat_rows.messages_since(tx, thread.id, 0, 9)
        assert [m.seq for m in messages] == [m.seq for m in chat_rows.messages_since(here, was.id, 0, 9)]
        assert {m.status for m in messages} <= {"done", "stopped", "failed"}
        assert thread.last_seq == was.last_seq
        old, stuck = bug_rows.newest(tx, bug_rows.Filter(kind="bug"), 9)
        assert sorted([old.title, stuck.title]) == ["Old one", "The gauge is stuck"]
        closed = bug_rows.newest(tx, bug_rows.Filter(status="closed", priority="high"), 9)
        assert [bug.title for bug in closed] == ["Old one"]
        found = permissions.find_permission(tx, "agent:main", "host.exec")
        assert found is not None
        assert (found.effect, found.rule_list()) == ("ask", [["/usr/bin/uptime"]])
        (plan,) = plans.newest(tx, None, 9)
        assert (plan.name, bool(plan.is_enabled), plan.thread_id) == ("tides", False, thread.id)


def test_what_came_is_found_by_its_words_and_goes_on(there: Any, exported: Path) -> None:
    take(there, exported)
    alice = acting(there, "alice")
    with there.db.read() as tx:
        assert alice.user_id is not None
        assert [m.content[:8] for m, _ in chat_rows.search(tx, alice.user_id, '"water"', 9)] == ["how high"]
        assert [b.title for b, _ in bug_rows.search(tx, None, '"gauge"', 9)] == ["The gauge is stuck"]
        (thread,) = chat_rows.newest_of_all(tx, 9)
    posted = chat.post(alice, thread.id, "and now?")
    assert posted.message.seq == thread.last_seq + 1


def test_taken_up_twice_nothing_changes(there: Any, exported: Path) -> None:
    first = take(there, exported)
    before = dump(there)
    again = take(there, exported)
    assert (again.count, again.changes, dump(there)) == (0, [], before)
    assert again.kept["messages"] == first.added["messages"]


def test_taken_up_where_it_came_from_nothing_changes(full: Any, exported: Path) -> None:
    before = dump(full)
    assert take(full, exported).count == 0
    assert dump(full) == before


def test_a_rehearsal_tells_the_same_and_changes_nothing(there: Any, exported: Path) -> None:
    before = dump(there)
    rehearsed = take(there, exported, is_rehearsal=True)
    assert dump(there) == before
    assert rehearsed.as_json() == take(there, exported).as_json()


def dump(ctx: Any) -> list[Any]:
    """Every row there is."""
    with ctx.db.read() as tx:
        names = tx.all(str, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT%'")
        return [(name, tx.all(lambda *row: row, f"SELECT * FROM {name}")) for name in names]


def test_no_secret_is_in_it(full: Any, exported: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    for secret in ("words of a key", KEY, "scrypt"):
        assert secret not in everything
    assert "OPENAI_API_KEY" not in everything
    with full.db.read() as tx:
        hashes = tx.all(str, "SELECT password FROM users WHERE password IS NOT NULL")
    assert hashes
    assert not any(kept in everything for kept in hashes)
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600


def test_an_archive_makes_nobody_an_admin_and_gives_nobody_a_password(there: Any, exported: Path) -> None:
    taken = take(there, exported)
    with there.db.read() as tx:
        ada = people.get_by_name(tx, "ada")
        assert (ada.role, ada.password) == ("user", None)
    assert any("admin there" in change for change in taken.changes)


def test_settings_that_differ_are_told_and_not_written(there: Any, exported: Path) -> None:
    taken = take(there, exported)
    assert "LOG_LEVEL=DEBUG" in taken.settings
    assert not (there.settings.jarvis_home / ".env").exists()


def test_a_permission_that_differs_is_changed_and_told(full: Any, exported: Path) -> None:
    policy.put(acting(full, "ada"), "agent:main", "host.exec", "deny", [])
    taken = take(full, exported)
    assert taken.changes == ["ask host.exec for agent:main, deny until now"]


def test_the_record_tells_of_both(full: Any, there: Any, exported: Path) -> None:
    take(there, exported)
    for ctx, type_ in ((full, "transfer.exported"), (there, "transfer.imported")):
        with ctx.db.read() as tx:
            assert tx.one(int, "SELECT count(*) FROM events WHERE type = :type", type=type_) == 1


def test_nothing_is_written_over(full: Any, exported: Path) -> None:
    before = exported.read_bytes()
    with pytest.raises(Conflict, match="there already"):
        actions.export(as_cli(full), exported)
    assert exported.read_bytes() == before


@pytest.mark.parametrize("line", ["export {}", "import {}", "import {} --dry-run"])
def test_only_an_admin_may(as_user: Any, settings: Any, clock: Any, tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.zip"
    with pytest.raises(Denied):
        run(cli, line.format(path), Start(as_user("alice"), settings, clock))
    assert not path.exists()
    with pytest.raises(Denied):
        actions.take(as_user("alice"), path, is_rehearsal=True)


def test_the_command_tells_what_it_did(full: Any, there: Any, clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "it.zip"
    assert "1 threads" in run(cli, f"export {path}", Start(as_cli(full), full.settings, clock)).out
    start = Start(as_cli(there), there.settings, clock)
    assert "would add alice as a user" in run(cli, f"import {path} --dry-run", start).out
    assert run(cli, f"import {path}", start, is_json=True).json["added"]["bugs"] == 2
    assert "0 new" in run(cli, f"import {path}", start).out
    with pytest.raises(NotFound):
        run(cli, f"import {tmp_path / 'nothing'}", start)


Change = Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]]


def altered(path: Path, target: Path, part: str, **changes: Any) -> Path:
    """The archive with the first row of a part changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == f"{part}.jsonl":
                lines = [json.loads(line) for line in text.splitlines()]
                lines[0] |= changes
                text = "".join(json.dumps(line) + "\n" for line in lines).encode()
            new.writestr(name, text)
    return target


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("bugs", {"status": "done"}),
        ("bugs", {"title": 7}),
        ("bugs", {"occurrences": -1}),
        ("bugs", {"occurrences": 2**70}),
        ("bugs", {"id": "bug_1"}),
        ("bugs", {"id": "../../etc/passwd"}),
        ("threads", {"owner": "nobody-here"}),
        ("messages", {"role": "admin"}),
        ("messages", {"status": "pending"}),
        ("people", {"username": "two words"}),
        ("people", {"username": "system"}),
        ("permissions", {"tool": "no.tool"}),
        ("permissions", {"rules": []}),
        ("permissions", {"principal": "user:root-of-all"}),
        ("schedules", {"cron_expr": "whenever"}),
        ("schedules", {"payload": {"kind": "task", "name": "jarvis.tasks.system.rotate_unlock_code", "args": {}}}),
    ],
)
def test_one_row_that_is_wrong_takes_all_of_it_back(
    there: Any, exported: Path, tmp_path: Path, part: str, changes: dict[str, Any]
) -> None:
    before = dump(there)
    with pytest.raises(Conflict):
        take(there, altered(exported, tmp_path / "bad.zip", part, **changes))
    assert dump(there) == before


def test_a_message_cannot_be_put_into_a_conversation_that_is_here(full: Any, exported: Path, tmp_path: Path) -> None:
    before = dump(full)
    forged = altered(exported, tmp_path / "f.zip", "messages", id="msg_01HZZZZZZZZZZZZZZZZZZZZZZZ", content="forged")
    assert take(full, forged).count == 0
    assert dump(full) == before


def archive_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), text)
    return path


MANIFEST = json.dumps({"format": 1}).encode()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"manifest_DOT_json": b"no json"},
        {"manifest_DOT_json": b"[1]"},
        {"manifest_DOT_json": b'{"format": 2}'},
        {"manifest_DOT_json": b"[" * 200_000},
        {"manifest_DOT_json": MANIFEST, "_DOT__DOT___etc__passwd": b"x"},
        {"manifest_DOT_json": MANIFEST, "bugs_DOT_jsonl": b"no json\n"},
        {"manifest_DOT_json": MANIFEST, "bugs_DOT_jsonl": b"[1]\n"},
        {"manifest_DOT_json": MANIFEST, "bugs_DOT_jsonl": b"[" * 100_000},
        {"manifest_DOT_json": MANIFEST, "bugs_DOT_jsonl": b"{}\n"},
    ],
)
def test_what_is_no_export_is_refused(there: Any, tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(Conflict):
        take(there, archive_of(tmp_path / "x.zip", **members))


def test_a_file_that_is_no_zip_is_refused(there: Any, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(Conflict, match="no export"):
        take(there, tmp_path / "x.zip")


def test_a_bomb_is_refused_before_it_goes_off(there: Any, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "x.zip", manifest_DOT_json=MANIFEST, bugs_DOT_jsonl=b" " * 50_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(TooLarge):
        take(there, path)


def test_what_lies_about_its_size_is_refused(there: Any, tmp_path: Path) -> None:
    """The directory says a few bytes; the stream has many more."""
    path = archive_of(tmp_path / "x.zip", manifest_DOT_json=MANIFEST, bugs_DOT_jsonl=b'{"id": 1}\n' * 400_000)
    raw = bytearray(path.read_bytes())
    size = (400_000 * 10).to_bytes(4, "little")
    while size in raw:
        at = raw.index(size)
        raw[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(Conflict):
        take(there, path)


def test_too_many_rows_and_too_long_ones_are_refused(there: Any, tmp_path: Path, monkeypatch: Any) -> None:
    line = json.dumps({"username": "alice", "role": "user"}).encode() + b"\n"
    path = archive_of(tmp_path / "x.zip", manifest_DOT_json=MANIFEST, people_DOT_jsonl=line * 30)
    monkeypatch.setattr(packing, "MOST_ROWS", 20)
    with pytest.raises(TooLarge):
        take(there, path)
    monkeypatch.setattr(packing, "MOST_ROWS", 50)
    monkeypatch.setattr(packing, "LARGEST_LINE", 30)
    with pytest.raises((TooLarge, Conflict)):
        take(there, path)
    monkeypatch.setattr(packing, "LARGEST_ARCHIVE", 100)
    with pytest.raises(TooLarge):
        take(there, path)


def test_a_name_twice_is_refused(there: Any, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("manifest.json", MANIFEST)
    (tmp_path / "x.zip").write_bytes(raw.getvalue())
    with pytest.raises(Conflict, match="no export does"):
        take(there, tmp_path / "x.zip")


def test_many_rows_come_in_portions(full: Any, there: Any, tmp_path: Path) -> None:
    alice = acting(full, "alice")
    for number in range(2 * actions.PORTION + 1):
        bugs.file(alice, title=f"Number {number}", description="")
    path = tmp_path / "many.zip"
    counts = actions.export(as_cli(full), path)
    assert counts["bugs"] == len({row["id"] for row in rows(path, "bugs")}) == 2 * actions.PORTION + 3
    assert take(there, path).added["bugs"] == counts["bugs"]
