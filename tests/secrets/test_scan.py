"""`jarvis secrets scan`: files, history, database; what is let stand, what is never opened, what it tells."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from jarvis.kernel.errors import Denied, NotFound
from jarvis.secrets import cli, scanning
from jarvis.secrets.rules import Rules
from jarvis.secrets.scanning import Scanner
from tests.commandline import Start, as_cli, run
from tests.conftest import make_settings
from tests.kernel.test_secrets import SHAPES
from tests.repository.history import Maker

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = SHAPES["github"]
OTHER = SHAPES["gitlab"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "code"
    made.mkdir()
    return made


@pytest.fixture
def scan(settings: Any, clock: Any) -> Any:
    """scan("--no-history") of a path: what the command answers, without a database."""
    return lambda path, more="": run(cli, f"secrets scan {path} {more}", Start(None, settings, clock), is_json=True)


def found(ran: Any) -> list[tuple[str, str]]:
    return [(finding["where"], finding["rule"]) for finding in ran.json["findings"]]


def test_this_repository_holds_none(scan: Any) -> None:
    ran = scan(ROOT, "--no-history")
    assert (found(ran), ran.code) == ([], 0)
    assert ran.json["files"] > 300


def test_a_file_is_told_with_its_line_and_exit_1(scan: Any, place: Path) -> None:
    (place / "deep").mkdir()
    (place / "deep" / "a.py").write_text(f"one\ntwo\nkey = '{KEY}'\n")
    ran = scan(place)
    assert (found(ran), ran.code) == ([("deep/a.py:3", "github-token")], 1)
    assert KEY not in ran.out + ran.err
    assert found(scan(place / "deep" / "a.py")) == [("a.py:3", "github-token")]


def test_a_clean_folder_exits_0(scan: Any, place: Path) -> None:
    (place / "a.py").write_text("token = make_token()\n")
    assert scan(place).code == 0


def test_history_tells_what_the_files_no_longer_hold_and_who_brought_it(scan: Any, place: Path) -> None:
    with Maker(place) as maker:
        first = maker.commit("Begin", files={"kept.py": f"x = '{OTHER}'\n"})
        second = maker.commit("Leak", files={"gone.py": f"\n\nx = '{KEY}'\n"})
        maker.remove("gone.py")
        third = maker.commit(f"Forget {KEY}")
        maker.check_out()
    assert sorted(found(scan(place))) == sorted(
        [
            ("kept.py:1", "gitlab-token"),
            (f"{second[:12]}:gone.py:3", "github-token"),
            (f"the message of {third[:12]}:1", "github-token"),
        ]
    )
    assert found(scan(place, "--no-history")) == [("kept.py:1", "gitlab-token")]
    assert first


def test_every_branch_and_the_message_of_a_tag_are_read(scan: Any, place: Path) -> None:
    with Maker(place, bare=True) as maker:
        first = maker.commit("Begin")
        maker.commit("Aside", branch="side", files={"b.env": f"TOKEN={KEY}\n"})
        maker.tag("v1", first, annotated=True)
    ran = scan(place)
    assert [rule for _, rule in found(ran)] == ["github-token"]
    assert ran.json["commits"] == 2


def test_of_a_folder_within_a_repository_only_its_own_history_is_read(scan: Any, place: Path) -> None:
    with Maker(place) as maker:
        brought = maker.commit("Begin", files={"a/x.py": f"x = '{KEY}'\n", "b/y.py": f"y = '{OTHER}'\n"})
    (place / "a").mkdir()
    assert found(scan(place / "a")) == [(f"{brought[:12]}:x.py:1", "github-token")]


def test_packs_are_read_and_damage_is_told(scan: Any, place: Path) -> None:
    with Maker(place) as maker:
        maker.commit("Begin", files={"a.py": f"x = '{KEY}'\n"})
        commit = maker.commit("More", files={"b.py": f"y = '{OTHER}'\n"})
        maker.repo.object_store.pack_loose_objects()
        blob = maker.repo.object_store
        assert not list(blob._iter_loose_objects())
    assert {rule for _, rule in found(scan(place))} == {"github-token", "gitlab-token"}
    (pack,) = (place / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(60)
        file.write(b"\xff" * 40)
    assert scan(place).json["left_out"] != []
    assert commit


def test_a_line_or_a_fingerprint_lets_a_value_stand(scan: Any, place: Path) -> None:
    (place / "a.py").write_text(f"x = '{KEY}'  # secrets:allow, made up\ny = '{OTHER}'\n")
    ran = scan(place)
    assert [rule for _, rule in found(ran)] == ["gitlab-token"]
    mark = ran.json["findings"][0]["fingerprint"]
    (place / ".secretsallow").write_text(f"# seen by Ada\n{mark}  # a sample\n")
    ran = scan(place)
    assert (ran.code, ran.json["allowed"]) == (0, 2)


def test_a_value_in_use_may_stand_nowhere(place: Path, home: Path, clock: Any) -> None:
    settings = make_settings(home, openai_api_key="plain words in use")
    (place / "a.py").write_text("x = 'plain words in use'  # secrets:allow\n")
    ran = run(cli, f"secrets scan {place}", Start(None, settings, clock), is_json=True)
    assert found(ran) == [("a.py:1", "configured")]
    (place / ".secretsallow").write_text(ran.json["findings"][0]["fingerprint"])
    assert run(cli, f"secrets scan {place}", Start(None, settings, clock)).code == 1


def test_large_files_are_read_in_portions_and_nothing_is_cut_at_a_seam(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(scanning, "MIB", 4096)
    monkeypatch.setattr(scanning, "OVERLAP", 512)
    for before in range(4000, 4200, 7):
        path = tmp_path / "big"
        line = "x" * 61 + "\n"
        text = (line * 100)[: before - before % 62] + "x" * (before % 62) + f" {KEY}\n" + line * 200
        path.write_text(text)
        scanner = Scanner(Rules({}))
        scanner.file(path, "big")
        (only,) = scanner.report.findings
        assert only.line == text[: text.index(KEY)].count("\n") + 1
        assert scanner.report.bytes == len(text)


def test_one_endless_line_is_read_too(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(scanning, "MIB", 4096)
    monkeypatch.setattr(scanning, "OVERLAP", 512)
    path = tmp_path / "line"
    path.write_text("x " * 5000 + KEY + " y" * 5000)
    scanner = Scanner(Rules({}))
    scanner.file(path, "line")
    assert [finding.where for finding in scanner.report.findings] == ["line:1"]


def test_links_pipes_and_devices_are_not_opened(scan: Any, place: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text(KEY)
    (place / "link").symlink_to(outside)
    (place / "file").symlink_to(outside / "a")
    os.mkfifo(place / "pipe")
    assert found(scan(place)) == []


def test_the_database_and_the_settings_file_are_never_opened_as_files(home: Path, clock: Any, monkeypatch: Any) -> None:
    (home / ".env").write_text(f"GITHUB_TOKEN={KEY}\n")
    (home / ".env").chmod(0o600)
    (home / "run.log").write_text(f"sent {KEY}\n")
    os.link(home / "jarvis.db", home / "another-name")
    settings = make_settings(home, github_token=KEY, files=(home / ".env",))
    opened = []
    real = os.open
    monkeypatch.setattr(scanning.os, "open", lambda path, *more, **named: opened.append(path) or real(path, *more))
    ran = run(cli, f"secrets scan {home}", Start(None, settings, clock), is_json=True)
    assert found(ran) == [("run.log:1", "configured")]
    assert not {"jarvis.db", "another-name", ".env"} & {Path(path).name for path in opened}


def test_without_a_path_workspace_home_and_database_are_read(ctx: Any, home: Path, place: Path, clock: Any) -> None:
    settings = make_settings(home, workspace=place, openai_api_key="plain words in use")
    (place / "a.py").write_text(f"x = '{KEY}'\n")
    (home / "patches" / "t").mkdir(parents=True)
    (home / "patches" / "t" / "proposal.diff").write_text("+plain words in use\n")
    with ctx.db.write() as tx:  # past the redaction, as rows from before the key was known are
        tx.run("UPDATE users SET theme = 'dark', password = :key WHERE username = 'bob'", key="plain words in use")
    acting = dataclasses.replace(as_cli(ctx), settings=settings)
    ran = run(cli, "secrets scan", Start(acting, settings, clock), is_json=True)
    assert ("a.py:1", "github-token") in found(ran)
    assert (f"{home}/patches/t/proposal.diff:1", "configured") in found(ran)
    assert any(where.startswith("database: users.password of row") for where, _ in found(ran))
    assert len(found(ran)) == 3
    assert ran.json["rows"] > 10
    with ctx.db.read() as tx:
        data = tx.one(str, "SELECT data FROM events WHERE type = 'secret.scanned'")
    assert '"findings":3' in data.replace(" ", "")
    assert "plain words" not in ran.out + data


def test_only_an_admin_scans_the_database(as_user: Any, settings: Any, clock: Any) -> None:
    with pytest.raises(Denied):
        run(cli, "secrets scan", Start(as_user("alice"), settings, clock))


def test_nothing_at_a_path_is_said(scan: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        scan(tmp_path / "nothing")


def test_bounds_are_told(monkeypatch: Any, scan: Any, place: Path) -> None:
    monkeypatch.setattr(scanning, "MOST_FINDINGS", 3)
    for number in range(9):
        (place / f"{number}.py").write_text(f"x = '{KEY[:-1]}{number}'\n")
    ran = scan(place)
    assert len(found(ran)) == 3
    assert ran.json["left_out"] == ["findings beyond 3"]


def test_the_text_for_people_names_place_rule_and_how_much_was_read(settings: Any, clock: Any, place: Path) -> None:
    (place / "a.py").write_text(f"x = '{KEY}'\n")
    ran = run(cli, f"secrets scan {place}", Start(None, settings, clock))
    assert "a.py:1" in ran.out
    assert "1 found in 1 files" in ran.out
    assert KEY[:12] not in ran.out
