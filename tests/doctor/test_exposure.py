"""What doctor says of GitHub, systemd's patience, private places and secrets."""

import dataclasses
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jarvis.doctor import cli, condition, stopping
from jarvis.doctor.examine import examine
from jarvis.doctor.findings import Patient
from jarvis.secrets.actions import rotating, standing
from jarvis.system.server import Running
from tests.commandline import Start, as_cli, run
from tests.conftest import make_settings
from tests.kernel.test_secrets import SHAPES
from tests.repository.history import Maker

HOUR = 3600


@pytest.fixture
def settings(home: Path) -> Any:
    (home / ".env").write_text("")
    (home / ".env").chmod(0o600)
    (home / "jarvis.db").chmod(0o600)
    return make_settings(home, bind_port=0, files=(home / ".env",))


@pytest.fixture
def look(ctx: Any, settings: Any, clock: Any) -> Any:
    """look(**changed settings) → findings by id."""

    def examined(**changes: Any) -> dict[str, Any]:
        changed = dataclasses.replace(settings, **changes)
        acting = dataclasses.replace(as_cli(ctx), settings=changed)
        return {finding.id: finding for finding in examine(Patient(changed, clock, acting))}

    return examined


def test_github_without_what_it_needs_is_told(look: Any) -> None:
    found = look(github_pr_summary_enabled=True)["github-misconfigured"]
    assert "GITHUB_TOKEN and GITHUB_WEBHOOK_SECRET" in found.message
    keys = {"github_token": "words-of-a-token", "github_webhook_secret": "words-of-a-hook"}
    assert "GITHUB_ISSUE_SYNC_REPO" in look(github_issue_sync_enabled=True, **keys)["github-misconfigured"].message
    whole = look(github_issue_sync_enabled=True, github_issue_sync_repo="a/b", **keys)
    assert "github-misconfigured" not in whole


def test_a_unit_that_does_not_wait_for_the_drain_is_told(look: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(condition.server, "running", lambda settings: Running(os.getpid(), ""))
    monkeypatch.setattr(stopping, "unit_of", lambda pid: "jarvis.service")
    asked = []

    def systemctl(command: list[str], **more: Any) -> Any:
        asked.append((command[1:], more["timeout"]))
        return subprocess.CompletedProcess(command, 0, "20s\n", "")

    monkeypatch.setattr(stopping.shutil, "which", lambda name, path: "/usr/bin/systemctl")
    monkeypatch.setattr(stopping.subprocess, "run", systemctl)
    found = look(restart_drain_timeout_seconds=20)["drain-budget"]
    assert "TimeoutStopSec=30" in found.fix
    assert asked == [(["show", "--property=TimeoutStopUSec", "--value", "--", "jarvis.service"], 0.5)]
    assert "drain-budget" not in look(restart_drain_timeout_seconds=10)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1min 30s\n", 90), ("20s", 20), ("500ms", 0.5), ("1h 5min", 3900), ("infinity", None), ("", None)],
)
def test_time_spans_as_systemd_prints_them(text: str, seconds: float | None) -> None:
    assert stopping.parse_span(text) == seconds


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/jarvis.service\n", "jarvis.service"),
        ("0::/system.slice/system-jarvis.slice/jarvis@a.service/worker\n", "jarvis@a.service"),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/x.scope\n", ""),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/jarvis.service\n", "jarvis.service"),
        ("0::/\n", ""),
    ],
)
def test_the_unit_of_a_process_is_read_from_its_cgroup(tmp_path: Path, cgroup: str, unit: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(cgroup)
    assert stopping.unit_of(7, tmp_path) == unit
    assert stopping.unit_of(8, tmp_path) == ""


def test_private_places_that_are_open_are_closed_and_put_back(ctx: Any, settings: Any, clock: Any) -> None:
    home = settings.jarvis_home
    for folder in ("backups", "tokens"):
        (home / folder).mkdir()
        (home / folder).chmod(0o755)
    for file in ("unlock_code", "tokens/google.json"):
        (home / file).write_text("x")
        (home / file).chmod(0o644)
    start = Start(as_cli(ctx), settings, clock)
    planned = run(cli, "doctor --fix --dry-run", start, is_json=True).json
    assert [f"- {home}/backups mode 0755", f"+ {home}/backups mode 0700"] in planned["diffs"]
    assert stat.S_IMODE((home / "backups").stat().st_mode) == 0o755
    done = run(cli, "doctor --fix", start, is_json=True).json["fixed"]
    assert sorted(one["finding"] for one in done) == ["folder-permissions"] * 2 + ["secret-permissions"] * 2
    modes = [stat.S_IMODE((home / name).stat().st_mode) for name in ("backups", "tokens", "unlock_code")]
    assert modes == [0o700, 0o700, 0o600]
    run(cli, f"doctor --undo {done[0]['id']}", start)
    assert 0o755 in [stat.S_IMODE((home / name).stat().st_mode) for name in ("backups", "tokens")]


def test_dry_run_shows_what_would_be_written(tmp_path: Path, ctx: Any, clock: Any) -> None:
    (ctx.settings.jarvis_home / ".env").unlink()
    ran = run(cli, "doctor --fix --dry-run", Start(as_cli(ctx), ctx.settings, clock))
    assert f"    +++ {ctx.settings.jarvis_home}/.env\n" in ran.out
    assert "more lines" in ran.out
    assert not (ctx.settings.jarvis_home / ".env").exists()


def test_a_secret_in_a_setting_that_is_shown_is_told_without_it(look: Any) -> None:
    key = SHAPES["github"]
    sources = {"MAINTENANCE_COMMANDS": "environment", "OPENAI_BASE_URL": "environment"}
    found = look(maintenance_commands=(f"curl -H 'Authorization: {key}' https://x",), sources=sources)[
        "secret-in-setting"
    ]
    assert "MAINTENANCE_COMMANDS" in found.message
    assert key not in found.message + found.fix
    assert "secret-in-setting" in look(
        openai_base_url="https://x/?k=words-in-use", openai_api_key="words-in-use", sources=sources
    )
    assert "secret-in-setting" not in look(openai_base_url="https://x/v1", sources=sources)


def test_a_settings_file_in_a_repository_is_told(look: Any, tmp_path: Path) -> None:
    with Maker(tmp_path / "code") as maker:
        maker.commit("Begin", files={"deploy/.env": "X=1\n", "a.py": ""})
    (tmp_path / "code" / "deploy").mkdir()
    for name in (".env", "deploy/.env"):
        (tmp_path / "code" / name).write_text("X=1\n")
        (tmp_path / "code" / name).chmod(0o600)
    assert "secret-committed" in look(files=(tmp_path / "code/deploy/.env",))
    assert "secret-committed" not in look(files=(tmp_path / "code/.env",))


def test_what_the_last_scan_found_stays_told_until_one_finds_nothing(look: Any, ctx: Any) -> None:
    for count, is_told in ((2, True), (0, False)):
        with ctx.db.write() as tx:
            tx.record("secret.scanned", "system", {"findings": count})
        assert ("secrets-found" in look()) is is_told


def test_a_setup_password_that_is_no_longer_needed_is_told(look: Any) -> None:
    assert look(web_auth_setup_password="words of the first day")["setup-password-left"].severity == "warning"


def test_a_rotation_nobody_finished_is_told(look: Any, ctx: Any, settings: Any, clock: Any) -> None:
    keyed = dataclasses.replace(settings, github_webhook_secret="words-of-old")
    rotating.rotate_webhook(dataclasses.replace(as_cli(ctx), settings=keyed), 1)
    both = "words-of-new,words-of-old"
    assert "secret-overdue" not in look(github_webhook_secret=both)
    clock.step(HOUR + 1)
    assert "--finish" in look(github_webhook_secret=both)["secret-overdue"].fix
    assert "secret-overdue" not in look(github_webhook_secret="words-of-new")
    assert standing.overdue(dataclasses.replace(as_cli(ctx), settings=keyed)) == []


def test_names_that_mean_nothing_are_a_note_and_stay(look: Any, settings: Any) -> None:
    (settings.jarvis_home / ".env").write_text("FLUX=1\nBIND_PORT=1\n")
    assert "FLUX" in look()["unknown-key"].message
    assert look()["unknown-key"].severity == "info"
