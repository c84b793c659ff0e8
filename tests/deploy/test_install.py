"""Installing below a root of its own: what is written, whose it is, and that doing it again changes nothing."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from tests.deploy.conftest import AS_USER, DEPLOY, RECORDER, Host


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def lines(path):
    return path.read_text().splitlines()


def test_the_scripts_are_clean_to_shellcheck():
    if shutil.which("shellcheck") is None:
        assert "CI" not in os.environ, "the gate installs shellcheck"
        pytest.skip("there is no shellcheck")
    scripts = [*DEPLOY.glob("*.sh"), DEPLOY.parent / "tests/deploy/boot.sh"]
    checked = subprocess.run(["shellcheck", "-x", *scripts], cwd=DEPLOY.parent, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture(scope="module")
def installed(archive, tmp_path_factory):
    """A host on which it is installed and was never started."""
    made = Host(tmp_path_factory.mktemp("installed"))
    ran = made.install(archive)
    assert ran.code == 0, ran.err
    return made


def test_everything_is_in_its_place_and_secrets_are_closed(installed, archive):
    host = installed
    assert host.archive.read_bytes() == archive.read_bytes()
    closed = [host.home, host.home / "app", host.etc / "credentials"]
    assert [mode(path) for path in closed] == [0o700] * 3
    secret = [host.etc / "jarvis.env", host.home / ".env", host.home / "jarvis.db"]
    assert [mode(path) for path in secret] == [0o600] * 3
    assert mode(host.etc / "install.conf") == 0o644
    assert mode(host.lib / "healthcheck.sh") == 0o755
    assert mode(host.root / "usr/local/bin/jarvis") == 0o755
    assert not host.calls("systemctl"), "a root of its own is not systemd's business"


def test_the_unit_starts_the_installed_archive_isolated(installed):
    host = installed
    found = lines(host.units / "jarvis.service.d/10-host.conf")
    start = next(line for line in reversed(found) if line.startswith("ExecStart="))
    assert start.endswith(f" -I -S {host.archive} serve")
    assert f"LoadCredential=jarvis:{host.etc}/credentials" in lines(host.units / "jarvis.service")


def test_a_second_time_what_was_chosen_holds_and_the_rest_follows_the_settings(installed, archive, tmp_path):
    host, drop_ins = installed, installed.units / "jarvis.service.d"
    assert "TimeoutStopSec=50" in lines(drop_ins / "10-host.conf")
    (host.home / ".env").write_text("RESTART_DRAIN_TIMEOUT_SECONDS=120\n")
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    assert host.install(archive, "--workdir", str(first), "--workdir", str(second)).code == 0
    assert "TimeoutStopSec=150" in lines(drop_ins / "10-host.conf")
    found = lines(drop_ins / "20-workdir.conf")
    assert [line for line in found if "=" in line] == [
        f"Environment=WORKSPACE={first}",
        f"ReadWritePaths={first}",
        f"ReadWritePaths={second}",
    ]
    again = host.install(archive)
    assert again.code == 0, again.err
    assert "wrote" not in again.out
    assert lines(drop_ins / "20-workdir.conf") == found
    assert (host.home / ".env").read_text() == "RESTART_DRAIN_TIMEOUT_SECONDS=120\n"
    assert len(list((host.home / "releases").iterdir())) == 1


@pytest.mark.parametrize("workdir", ["/tmp/no such\nExecStartPre=/bin/evil", "/tmp/%n", "/nowhere/at/all"])
def test_a_workdir_that_would_say_something_else_to_systemd_is_refused(installed, archive, workdir):
    drop_in = installed.units / "jarvis.service.d/20-workdir.conf"
    before = lines(drop_in) if drop_in.exists() else []
    ran = installed.install(archive, "--workdir", workdir)
    assert ran.code == 64
    assert (lines(drop_in) if drop_in.exists() else []) == before


def test_an_archive_that_does_not_run_here_changes_nothing(installed, archive, tmp_path):
    host = installed
    cut = tmp_path / "cut.pyz"
    cut.write_bytes(archive.read_bytes()[:-50_000])
    ran = host.install(cut)
    assert ran.code == 69
    assert "cut off" in ran.err
    assert host.archive.read_bytes() == archive.read_bytes()
    assert not list(host.home.glob(".install*"))


def test_the_service_user_is_made_once_and_everything_of_the_home_happens_as_that_user(host, archive):
    host.fake("getent", RECORDER + '[ -e "$FAKES/made" ]\n')
    host.fake("useradd", RECORDER + 'touch "$FAKES/made"\n')
    host.fake("runuser", AS_USER)
    host.fake("chown")
    host.fake("id", '#!/bin/sh\ncase $* in "-gn jarvis") echo jarvis ;; *) exec /usr/bin/id "$@" ;; esac\n')
    for _ in range(2):
        ran = host.install(archive, "--user", "jarvis")
        assert ran.code == 0, ran.err
    (made,) = host.calls("useradd")
    assert "--system" in made
    assert "nologin" in made
    ran_as = host.calls("runuser")
    assert all(call.startswith("-u jarvis -- ") for call in ran_as)
    assert any(".install.pyz version" in call for call in ran_as), (
        "not even to look does root run what the user may write"
    )
    assert "User=jarvis" in lines(host.units / "jarvis.service.d/10-host.conf")


def test_a_configuration_that_others_may_write_is_not_sourced(host, tmp_path):
    conf = host.etc / "install.conf"
    host.etc.mkdir(parents=True)
    conf.write_text(f"touch {tmp_path}/owned\n")
    conf.chmod(0o666)
    ran = host.run("healthcheck.sh")
    assert ran.code == 78
    assert not (tmp_path / "owned").exists()


def test_the_command_runs_as_the_service_does_and_with_its_credentials(installed):
    host = installed
    key = "sk-" + "a1B2" * 8
    (host.etc / "jarvis.env").write_text("# a remark\nLOG_LEVEL=ERROR\nOPENAI_MODEL='a model'\nlower=no\nBIND HOST=no")
    (host.etc / "credentials/OPENAI_API_KEY").write_text(key)
    command = host.root / "usr/local/bin/jarvis"
    env = {**os.environ, "JARVIS_INSTALL_CONF": str(host.etc / "install.conf")}
    names = ["OPENAI_API_KEY", "JARVIS_HOME", "APP_ENV", "LOG_LEVEL", "OPENAI_MODEL"]
    ran = subprocess.run([command, "config", "show", *names], env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "••••" in ran.stdout
    assert key not in ran.stdout
    assert str(host.home) in ran.stdout
    assert "prod" in ran.stdout
    assert "ERROR" in ran.stdout
    assert re.search(r"^OPENAI_MODEL +a model +environment ", ran.stdout, re.M)


def test_uninstalling_leaves_the_data(installed):  # the last: the others share what goes here
    host = installed
    before = host.archive.read_bytes()
    ran = host.run("install-systemd.sh", "--root", host.root, "--start", "--uninstall")
    assert ran.code == 0, ran.err
    assert host.archive.read_bytes() == before
    assert (host.home / "jarvis.db").exists()
    assert (host.etc / "credentials").is_dir()
    assert not host.lib.exists()
    assert not list(host.units.glob("jarvis*"))
    assert not (host.root / "usr/local/bin/jarvis").exists()
    assert host.run("install-systemd.sh", "--root", host.root, "--uninstall").code == 0, "twice is as good"
