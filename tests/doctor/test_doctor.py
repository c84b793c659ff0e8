"""`jarvis doctor`: finds, explains, mends, and puts back."""

import dataclasses
import os
import socket
import stat
import time

import pytest

from jarvis import app as composition
from jarvis.doctor import cli, places, store
from jarvis.doctor.examine import examine
from jarvis.doctor.findings import SEVERITIES, Patient
from jarvis.kernel.errors import Conflict, Denied, Misconfigured, NotFound, Usage
from tests.commandline import Start, as_cli, run
from tests.conftest import make_settings


@pytest.fixture
def settings(home):
    (home / ".env").write_text("")
    (home / ".env").chmod(0o600)
    (home / "jarvis.db").chmod(0o600)
    return make_settings(home, bind_port=0, files=(home / ".env",))


@pytest.fixture
def jarvis(ctx, settings, clock):
    return lambda line, **more: run(cli, line, Start(as_cli(ctx), more.pop("settings", settings), clock), **more)


@pytest.fixture
def look(ctx, settings, clock):
    """look(**changed settings) → severities by id."""

    def examined(**changes):
        patient = Patient(dataclasses.replace(settings, **changes), clock, ctx)
        return {finding.id: finding.severity for finding in examine(patient)}

    return examined


@pytest.fixture
def fresh(tmp_path, clock, monkeypatch):
    """A home that does not exist, as the command line meets it: fresh("doctor --fix")."""
    place = tmp_path / "fresh"
    opened = []

    class Beginning(Start):
        def __init__(self):
            super().__init__(None, make_settings(place, bind_port=0), clock)

        def context(self, *, registry=False):
            opened.append(composition.command_context(self.settings, clock, None, registry=registry))
            return opened[-1]

    yield lambda line, **more: run(cli, line, Beginning(), **more)
    for ctx in opened:
        ctx.db.close()


def test_a_home_that_is_well_has_nothing_but_a_note(jarvis, look):
    assert look() == {"server-not-running": "info"}
    ran = jarvis("doctor")
    assert ran.code == 0
    assert ran.out.startswith("Nothing is wrong.")


def test_json_tells_id_severity_message_and_fix(jarvis):
    found = jarvis("doctor", is_json=True).json
    assert found["ok"] is True
    (finding,) = found["findings"]
    assert finding == {
        "id": "server-not-running",
        "severity": "info",
        "message": "No server runs on this home.",
        "fix": "jarvis serve",
        "mendable": False,
    }


def test_looking_makes_nothing(fresh, tmp_path):
    ran = fresh("doctor", is_json=True)
    assert {finding["id"] for finding in ran.json["findings"]} >= {"home-missing", "database-missing"}
    rehearsed = fresh("doctor --fix --dry-run").out
    assert f"would make the home {tmp_path / 'fresh'}" in rehearsed
    assert "would make a setup link" in rehearsed
    assert not (tmp_path / "fresh").exists()


def test_fix_makes_home_settings_database_and_link(fresh, tmp_path):
    ran = fresh("doctor --fix", is_json=True)
    place = tmp_path / "fresh"
    modes = [stat.S_IMODE((place / name).stat().st_mode) for name in (".", ".env", "jarvis.db")]
    assert modes == [0o700, 0o600, 0o600]
    assert ran.code == 0
    assert [done["finding"] for done in ran.json["fixed"]] == ["home-missing", "database-missing", "env-missing"]
    assert "/setup?token=" in ran.json["setup_link"]
    again = fresh("doctor --fix", is_json=True)
    assert again.json["fixed"] == []


def test_the_settings_file_made_changes_no_setting(fresh, tmp_path):
    fresh("doctor --fix")
    assert make_settings(tmp_path / "fresh").warnings == ()
    assert set(make_settings(tmp_path / "fresh").sources.values()) == {"default", "environment"}
    assert "#BIND_PORT=8000" in (tmp_path / "fresh" / ".env").read_text()


def test_what_is_too_open_is_closed_and_can_be_opened_again(jarvis, settings, events):
    place = settings.jarvis_home
    place.chmod(0o755)
    (place / ".env").chmod(0o644)
    (place / "jarvis.db").chmod(0o644)
    fixed = jarvis("doctor --fix", is_json=True).json["fixed"]
    assert sorted(done["finding"] for done in fixed) == ["database-permissions", "env-permissions", "home-permissions"]
    modes = [stat.S_IMODE((place / name).stat().st_mode) for name in (".", ".env", "jarvis.db")]
    assert modes == [0o700, 0o600, 0o600]
    of_env = next(done["id"] for done in fixed if done["finding"] == "env-permissions")
    assert jarvis(f"doctor --undo {of_env}").out == f"Put back: chmod 644 {place / '.env'}.\n"
    assert stat.S_IMODE((place / ".env").stat().st_mode) == 0o644
    assert events("doctor.") == ["doctor.fix"] * 3 + ["doctor.undo"]


def test_undoing_twice_conflicts(jarvis, settings):
    settings.jarvis_home.chmod(0o755)
    (done,) = jarvis("doctor --fix", is_json=True).json["fixed"]
    jarvis(f"doctor --undo {done['id']}")
    with pytest.raises(Conflict):
        jarvis(f"doctor --undo {done['id']}")
    with pytest.raises(NotFound):
        jarvis("doctor --undo fix_nothing")


def test_undo_leaves_alone_what_was_changed_since(jarvis, settings):
    settings.jarvis_home.chmod(0o755)
    (done,) = jarvis("doctor --fix", is_json=True).json["fixed"]
    settings.jarvis_home.chmod(0o711)
    with pytest.raises(Conflict):
        jarvis(f"doctor --undo {done['id']}")
    assert stat.S_IMODE(settings.jarvis_home.stat().st_mode) == 0o711


def test_undo_never_removes_data(fresh, tmp_path):
    fixed = {done["finding"]: done["id"] for done in fresh("doctor --fix", is_json=True).json["fixed"]}
    for finding in ("database-missing", "home-missing"):
        with pytest.raises(Conflict):
            fresh(f"doctor --undo {fixed[finding]}")
    (tmp_path / "fresh" / ".env").write_text("BIND_PORT=9000\n")
    with pytest.raises(Conflict, match="was changed since"):
        fresh(f"doctor --undo {fixed['env-missing']}")


def test_undo_takes_an_untouched_settings_file_away(fresh, tmp_path):
    fixed = {done["finding"]: done["id"] for done in fresh("doctor --fix", is_json=True).json["fixed"]}
    fresh(f"doctor --undo {fixed['env-missing']}")
    assert not (tmp_path / "fresh" / ".env").exists()


def test_a_link_is_not_followed_to_change_modes(jarvis, settings, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text("x")
    target.chmod(0o644)
    (settings.jarvis_home / ".env").unlink()
    (settings.jarvis_home / ".env").symlink_to(target)
    assert jarvis("doctor --fix", is_json=True).json["fixed"] == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_only_admins_may_ask(ctx, settings, clock, as_user):
    with pytest.raises(Denied):
        run(cli, "doctor", Start(as_user("alice"), settings, clock))


def test_a_rehearsal_of_nothing_is_a_usage_error(jarvis):
    with pytest.raises(Usage):
        cli.run(None, {"--undo": None, "--fix": False, "--dry-run": True}, None)


def test_settings_that_do_not_parse_are_findings(clock):
    class Broken(Start):
        settings = property(lambda self: (_ for _ in ()).throw(Misconfigured("BIND_PORT (from x): 'y' is wrong.")))

        def __init__(self):
            self.clock = clock

    ran = run(cli, "doctor", Broken(), is_json=True)
    assert ran.code == 1
    assert [(found["id"], found["severity"]) for found in ran.json["findings"]] == [("setting-invalid", "error")]


def test_an_unknown_setting_is_found_and_never_rewritten(fresh, tmp_path):
    place = tmp_path / "fresh"
    place.mkdir(mode=0o700)
    (place / ".env").write_text("BIND_PROT=1\n")
    (place / ".env").chmod(0o600)
    found = fresh("doctor --fix", is_json=True).json["findings"]
    assert "unknown-setting" in {finding["id"] for finding in found}
    assert (place / ".env").read_text() == "BIND_PROT=1\n"


def test_a_settings_file_others_may_write_is_an_error(fresh, tmp_path):
    place = tmp_path / "fresh"
    place.mkdir(mode=0o700)
    (place / ".env").write_text("BIND_PORT=1\n")
    (place / ".env").chmod(0o666)
    found = {finding["id"]: finding for finding in fresh("doctor", is_json=True).json["findings"]}
    assert (found["env-permissions"]["severity"], found["env-permissions"]["mendable"]) == ("error", True)
    fresh("doctor --fix")
    assert stat.S_IMODE((place / ".env").stat().st_mode) == 0o600


def test_a_database_that_is_behind_or_foreign(look, settings, ctx):
    with ctx.db.write() as tx:
        tx.run("UPDATE schema_migrations SET sha256 = 'x' WHERE number = 1")
    assert look()["database-unusable"] == "error"
    with ctx.db.write() as tx:
        tx.run("DELETE FROM schema_migrations WHERE number >= 1")
    assert look()["migrations-pending"] == "error"


def test_a_damaged_database_is_an_error(fresh, tmp_path):
    place = tmp_path / "fresh"
    place.mkdir(mode=0o700)
    (place / "jarvis.db").write_bytes(b"no database " * 1000)
    (place / "jarvis.db").chmod(0o600)
    ran = fresh("doctor --fix", is_json=True)
    assert ran.code == 1
    assert "database-unusable" in {finding["id"] for finding in ran.json["findings"]}


def test_a_lost_database_is_worse_than_none_yet(fresh, tmp_path):
    place = tmp_path / "fresh"
    place.mkdir(mode=0o700)
    (place / "serve.lock").touch()
    ran = fresh("doctor --fix", is_json=True)
    found = {finding["id"]: finding for finding in ran.json["findings"]}
    assert (ran.code, found["database-missing"]["severity"]) == (1, "error")
    assert not (place / "jarvis.db").exists()


def test_a_broken_chain_is_an_error(look, ctx):
    with ctx.db.write() as tx:
        tx.run("UPDATE events SET actor = 'x' WHERE seq = 2")
    assert look()["chain-broken"] == "error"


def test_a_clock_set_back_is_noticed(look, clock):
    clock.step(-3600)
    assert look()["clock-skew"] == "warning"


def test_no_admin_is_a_warning(look, ctx):
    with ctx.db.write() as tx:
        tx.run("UPDATE users SET is_disabled = 1 WHERE role = 'admin' AND is_builtin = 0")
    assert look()["no-admin"] == "warning"


def test_a_lockdown_is_a_warning(look, ctx):
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 1, lockdown_reason = 'a drill'")
    assert look()["locked-down"] == "warning"


def test_another_program_on_the_port_is_an_error(look):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert look(bind_port=other.getsockname()[1])["port-in-use"] == "error"
    assert look(bind_host="192.0.2.7")["bind-impossible"] == "error"


def test_what_production_would_refuse_is_an_error_there(look):
    assert look(app_env="prod", bind_host="0.0.0.0")["prod-unsafe"] == "error"
    assert "prod-unsafe" not in look(bind_host="0.0.0.0")


def test_a_model_that_cannot_be_asked_is_named(look):
    assert look(primary_provider="openai")["provider-misconfigured"] == "warning"
    assert look(primary_provider="openai", app_env="prod")["prod-unsafe"] == "error"
    assert "provider-misconfigured" not in look()


def test_a_workspace_that_is_gone_is_a_warning(look, tmp_path):
    assert look(workspace=tmp_path / "gone")["workspace-missing"] == "warning"


@pytest.mark.parametrize(("free", "severity"), [(10_000_000, "error"), (500_000_000, "warning")])
def test_little_room_is_found(look, monkeypatch, free, severity):
    room = os.statvfs_result((4096, 4096, 10**8, free // 4096, free // 4096, 1, 1, 1, 0, 255))
    monkeypatch.setattr(places.os, "statvfs", lambda path: room)
    assert look()["disk-low"] == severity


def test_errors_come_first(ctx, settings, clock, tmp_path):
    with ctx.db.write() as tx:
        tx.run("UPDATE events SET actor = 'x' WHERE seq = 2")
    patient = Patient(dataclasses.replace(settings, workspace=tmp_path / "gone"), clock, ctx)
    found = [SEVERITIES.index(finding.severity) for finding in examine(patient)]
    assert found == sorted(found)
    assert len(found) >= 3


def test_doctor_is_quick(jarvis):
    started = time.process_time()
    jarvis("doctor")
    assert time.process_time() - started < 1


def test_the_page_tells_the_same(client, ctx, settings, jarvis):
    settings.jarvis_home.chmod(0o755)
    (done,) = jarvis("doctor --fix", is_json=True).json["fixed"]
    page = client.as_("ada").get("/admin/doctor").text
    assert "server-not-running" in page
    assert f"jarvis doctor --undo {done['id']}" in page
    with ctx.db.read() as tx:
        assert store.newest(tx)[0].actor == "cli:root"
