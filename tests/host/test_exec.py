"""host.exec: exactly the words that are allowed, in a cage, on record; and failures that lock."""

import dataclasses
from pathlib import Path

import pytest

from jarvis.agent import toolbox
from jarvis.agent.providers import ToolCall
from jarvis.host import actions, store
from jarvis.kernel import sandbox
from jarvis.kernel.errors import Denied, Invalid, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.policy import actions as policy

pytestmark = pytest.mark.skipif(not sandbox.kinds(), reason="no cage works on this host")
LS = ["/bin/ls", "-a"]


@pytest.fixture
def place(tmp_path):
    found = tmp_path / "work"
    found.mkdir()
    (found / "tide.txt").write_text("high")
    return found


@pytest.fixture
def ada(as_user, place):
    """Ada, whose workspace may be run in."""
    person = as_user("ada")
    settings = dataclasses.replace(person.settings, exec_host_allowed_cwd_prefixes=(str(place),))
    return dataclasses.replace(person, settings=settings)


def call(ctx, argv, **more):
    found = toolbox.check(ctx, ToolCall("c1", "host.exec", {"argv": argv, **more}), "")
    return toolbox.run(ctx, found, str(ctx.settings.workspace))


def test_as_shipped_it_is_denied_and_not_offered(ada):
    outcome, result = call(ada, LS)
    assert (outcome, "No permission grants" in result["error"]) == ("refused", True)
    assert "host.exec" not in [tool.name for tool in toolbox.offered(ada)]


def test_what_a_rule_names_runs_and_is_on_record(ada, place, events):
    policy.put(ada, "agent:main", "host.exec", "allow", [LS])
    outcome, result = call(ada, LS, cwd=str(place))
    assert (outcome, result["exit_code"]) == ("done", 0)
    assert "tide.txt" in result["output"]
    assert events("host") == ["host.exec.start", "host.exec.end"]
    with ada.db.read() as tx:
        assert store.newest(tx, 1)[0].is_ok
    assert call(ada, ["/bin/ls", "-l"], cwd=str(place))[0] == "refused"


def test_it_does_not_see_jarvis_or_the_home_of_anybody(ada, place):
    found = actions.execute(ada, ["/bin/cat", str(ada.settings.app_db)], str(place), 10)
    assert found.exit_code != 0
    assert "SQLite" not in found.output


@pytest.mark.parametrize("cwd", ["/etc", "/", "{place}/../..", "{link}"])
def test_it_runs_nowhere_else(ada, place, cwd):
    (place / "out").symlink_to("/etc")
    with pytest.raises(Invalid):
        actions.execute(ada, LS, cwd.format(place=place, link=place / "out"), 10)


def test_a_directory_that_holds_jarvis_is_refused(ada):
    home = ada.settings.jarvis_home
    settings = dataclasses.replace(ada.settings, exec_host_allowed_cwd_prefixes=(str(home.parent),))
    with pytest.raises(Invalid, match="home"):
        actions.execute(dataclasses.replace(ada, settings=settings), LS, str(home.parent), 10)


def test_a_program_of_ours_is_refused_at_the_last_moment_too(ada, place):
    program = place / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    with pytest.raises(Denied):
        actions.execute(ada, [str(program)], str(place), 10)


def test_secrets_are_kept_from_it_and_from_the_record(ada, place, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "planted")
    settings = dataclasses.replace(ada.settings, exec_host_env_allowlist=("GITHUB_TOKEN", "LANG"))
    found = actions.execute(dataclasses.replace(ada, settings=settings), ["/usr/bin/printenv"], str(place), 10)
    assert "planted" not in found.output


def test_without_a_cage_it_is_denied_unless_that_is_meant(ada, place, monkeypatch):
    monkeypatch.setattr(sandbox, "kinds", lambda: ())
    with pytest.raises(Unavailable, match="bubblewrap"):
        actions.execute(ada, LS, str(place), 10)
    settings = dataclasses.replace(ada.settings, exec_host_sandbox="none")
    assert actions.execute(dataclasses.replace(ada, settings=settings), LS, str(place), 10).sandbox == "none"


def test_failures_in_a_row_lock_jarvis_down(ada, place):
    for _ in range(ada.settings.lockdown_exec_host_fail_threshold):
        actions.execute(ada, ["/bin/ls", "/nowhere"], str(place), 10)
    state = lockdown.standing(ada).state
    assert (state.lockdown, state.lockdown_trigger) == (True, "exec_host_failures")


def test_time_is_up_is_told(ada, place):
    found = actions.execute(ada, ["/bin/sleep", "60"], str(place), 1)
    assert found.killed_for == "timeout"


def test_a_missing_directory_is_told(ada, place):
    with pytest.raises(Invalid, match="no directory"):
        actions.execute(ada, LS, str(Path(place) / "none"), 10)
