"""Asking for a restart: who may, when not, what it lists, and how it is reconciled."""

import dataclasses
import sys

import pytest

from jarvis.kernel.errors import Conflict, Denied, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.restart import actions, store
from jarvis.restart.services import Restarter, run_command
from jarvis.system import actions as system
from jarvis.system.actions import status

PATH = "/api/v1/system/restart"


@pytest.fixture
def ada(as_user):
    return as_user("ada")


@pytest.fixture
def server(ctx):
    """A server's epoch: somebody is there to restart."""
    found = epochs.begin(ctx, "server")
    yield found
    found.close()


def test_without_a_server_it_says_so(ada):
    with pytest.raises(Unavailable, match="No server runs"):
        actions.request(ada)
    assert not status(ada)["system"]["restarting"]


def test_only_an_admin_asks(as_user, server, client):
    with pytest.raises(Denied):
        actions.request(as_user("alice"))
    assert client.bearer("alice").post(PATH, json={}).status == 403
    assert client.as_("alice").get("/admin/restart").status == 403


def test_in_a_lockdown_it_is_refused_and_that_is_kept(ada, server, client, events):
    lockdown.lock_by_hand(ada, "odd")
    assert client.bearer("ada").post(PATH, json={}).status == 409
    assert "lockdown.refused" in events("lockdown")


def test_asking_puts_the_flag_up_and_stops_claims(ada, server, client, events):
    queue.enqueue(ada, "jarvis.tasks.system.rotate_unlock_code", {})
    answer = client.bearer("ada").post(PATH, json={"reason": "new settings"})
    assert (answer.status, answer.json["state"]) == (202, "asked")
    assert status(ada)["system"]["restarting"]
    assert queue.claim(ada, server.number) == []
    assert client.bearer("ada").post(PATH, json={}).status == 409
    assert events("system.restart") == ["system.restart.start"]


def test_what_was_in_flight_is_listed_before_and_reconciled_after(ada, ctx, server, events):
    task = queue.enqueue(ada, "jarvis.tasks.system.rotate_unlock_code", {})
    gone = queue.enqueue(ada, "jarvis.tasks.agent.step", {"reply_id": "msg_x"})
    claimed = [queue.claim_one(ctx, one.id, server.number) for one in (task, gone)]
    found = actions.request(ada, "why not")
    assert {one["task_id"] for one in found.tasks()} == {task.id, gone.id}
    assert actions.expected_seconds(ada, found) == ada.settings.restart_drain_timeout_seconds
    drained = []
    Restarter(ctx, lambda: drained.append(True)).step()
    assert drained == [True]
    queue.give_back(ctx, claimed[0])
    actions.leave(ctx)
    system.clear_stale_flags(ctx)
    ended = actions.conclude(ctx, True)
    became = {one["task_id"]: one["became"] for one in ended.tasks()}
    assert became == {task.id: "resumed", gone.id: "resumed"}
    assert events("system.restart") == [f"system.restart.{step}" for step in ("start", "drain", "exec", "complete")]
    assert not status(ada)["system"]["restarting"]


def test_it_is_taken_up_once(ada, ctx, server):
    actions.request(ada)
    drained = []
    restarter = Restarter(ctx, lambda: drained.append(True))
    restarter.step()
    restarter.step()
    assert drained == [True]


def test_one_that_does_not_come_back_ready_says_so(ada, ctx, server, events):
    actions.request(ada)
    ended = actions.conclude(ctx, False, "database: disk I/O error")
    assert (ended.state, ended.error) == ("failed", "database: disk I/O error")
    assert events("system.restart")[-1] == "system.restart.failed"
    assert actions.conclude(ctx, True) is None


def test_a_start_that_nobody_asked_for_concludes_nothing(ctx, events):
    assert actions.conclude(ctx, True) is None
    assert events("system.restart") == []


@pytest.mark.parametrize("command", [f"{sys.executable} -c 'raise SystemExit(3)'", "/nowhere/restart", "'unbalanced"])
def test_a_restart_command_that_fails_is_told_and_jarvis_goes_on(ada, ctx, server, command):
    settings = dataclasses.replace(ctx.settings, restart_command=command)
    commanded = dataclasses.replace(ctx, settings=settings)
    actions.request(dataclasses.replace(ada, settings=settings))
    Restarter(commanded, lambda: pytest.fail("the command restarts, not we")).step()
    with ctx.db.read() as tx:
        (ended,) = store.newest(tx, 1)
    assert (ended.state, "RESTART_COMMAND" in ended.error) == ("failed", True)
    assert not status(ada)["system"]["restarting"]


def test_a_command_that_restarts_nothing_is_given_up_on(ada, ctx, server):
    settings = dataclasses.replace(ctx.settings, restart_command=f"{sys.executable} -c pass")
    actions.request(dataclasses.replace(ada, settings=settings))
    now = [0.0]
    restarter = Restarter(dataclasses.replace(ctx, settings=settings), lambda: None, lambda: now[0])
    restarter.step()
    now[0] = settings.restart_drain_timeout_seconds + 30.0
    restarter.step()
    assert status(ada)["system"]["restarting"]
    now[0] += 1
    restarter.step()
    assert not status(ada)["system"]["restarting"]
    with ctx.db.read() as tx:
        assert "nothing has restarted Jarvis" in store.newest(tx, 1)[0].error


def test_a_restart_command_that_works_says_nothing():
    assert run_command(f"{sys.executable} -c pass") == ""


def test_the_page_asks_and_lists(ada, ctx, server, client):
    browser = client.as_("ada")
    assert "Nobody has asked for a restart yet" in browser.get("/admin/restart").text
    assert browser.submit("/admin/restart", "/admin/restart").status == 303
    assert "Restarting. In flight: nothing." in browser.get("/admin/restart").text
    system.clear_stale_flags(ctx)
    actions.conclude(ctx, True)
    assert "Complete" in browser.get("/admin/restart").text


def test_a_second_one_conflicts(ada, server):
    actions.request(ada)
    with pytest.raises(Conflict, match="under way"):
        actions.request(ada)
