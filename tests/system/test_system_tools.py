"""/help and /status, and the tools over status, host, people and repositories."""

import pytest

from jarvis.agent import toolbox
from jarvis.agent.providers import ToolCall
from jarvis.chat import slash


@pytest.fixture
def call(ctx, as_user):
    """call("alice", "status.read", …) → (outcome, result)."""

    def run(who, tool, workspace="", /, **arguments):
        person = as_user(who)
        checked = toolbox.check(person, ToolCall("1", tool, arguments), "thr_x")
        return toolbox.run(person, checked, workspace or str(ctx.settings.workspace))

    return run


def test_help_lists_what_one_may_use(ctx, as_user):
    answer = slash.answer(as_user("alice"), "/help", "thr_x")
    assert "- `/search WORDS`: find messages and events" in answer
    for command in ctx.registry.slash.values():
        assert (f"`{command.usage}`" in answer) is not command.admin_only
    assert slash.answer(as_user("alice"), "/help search", "thr_x").splitlines()[0].startswith("- `/search")


def test_status_in_the_chat(as_user):
    assert slash.answer(as_user("alice"), "/status", "thr_x").startswith("**No server is running here.**")


def test_status_read_is_the_status(call):
    outcome, result = call("alice", "status.read")
    assert outcome == "done"
    assert {"time", "version", "system", "tasks", "ready", "checks"} <= set(result)


def test_host_facts_and_disk(call):
    _, facts = call("alice", "host.facts")
    assert facts["hostname"]
    assert facts["now_at"].endswith("Z")
    _, disks = call("alice", "host.disk", path="/")
    assert len(disks["disks"]) <= 1
    assert call("alice", "host.disk", path="relative")[0] == "failed"


def test_users_are_listed_for_admins_alone(call):
    assert {user["username"] for user in call("ada", "users.list")[1]["users"]} == {"alice", "bob", "charlie", "ada"}
    assert call("alice", "users.list")[0] == "refused"


def test_sessions_are_ones_own_unless_admin(call, client):
    client.as_("alice"), client.as_("bob")
    assert [row["username"] for row in call("alice", "sessions.list")[1]["sessions"]] == ["alice"]
    assert {row["username"] for row in call("ada", "sessions.list")[1]["sessions"]} == {"alice", "bob"}


@pytest.fixture
def workspace(tmp_path):
    """A directory with a folder, beside one that is none of a user's business."""
    place = tmp_path / "work"
    (place / "inner").mkdir(parents=True)
    (place / "README.md").write_text("# Tidepool\n\nTells the tides.\n")
    (place / "inner" / "tide.py").write_text("def tide():\n    return 'high'\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("a secret\n")
    return place


def test_the_workspace_is_read(call, workspace):
    at = str(workspace)
    assert call("alice", "repository.summary", at)[0] == "done"
    assert [item["name"] for item in call("alice", "repository.tree", at)[1]["items"]] == ["inner", "README.md"]
    assert "Tells the tides" in call("alice", "repository.file", at, name="README")[1]["text"]
    (hit,) = call("alice", "repository.search", at, pattern="high")[1]["hits"]
    assert (hit["file"], hit["line"]) == ("inner/tide.py", 2)
    assert call("alice", "repository.tree", at, path="inner")[1]["items"][0]["name"] == "tide.py"
    assert call("alice", "repository.log", at)[0] == "failed"  # it is no git repository, and says so


@pytest.mark.parametrize("path", ["..", "../outside", "inner/../../outside", "link", "ABSOLUTE"])
def test_nobody_but_an_admin_leaves_the_workspace(call, workspace, path):
    (workspace / "link").symlink_to(workspace.parent / "outside")
    wanted = str(workspace.parent / "outside") if path == "ABSOLUTE" else path
    for tool in ("summary", "tree", "file"):
        outcome, result = call("alice", f"repository.{tool}", str(workspace), path=wanted)
        assert outcome == "failed"
        assert "only an admin" in result["error"]
        assert "secret" not in result["error"]
    assert call("ada", "repository.tree", str(workspace), path=wanted)[0] == "done"


def test_the_model_cannot_choose_the_workspace(call, workspace):
    outcome, result = call("alice", "repository.tree", str(workspace), workspace="/")
    assert outcome == "failed"
    assert "workspace" in result["error"]


def test_the_agent_is_offered_what_looks_and_what_may_be_asked_for(ctx, as_user):
    for name in ("alice", "ada"):
        assert {tool.risk for tool in toolbox.offered(as_user(name))} == {"read", "write"}
