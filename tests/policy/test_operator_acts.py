"""The built-in operator changes things under the same policy: it says what it will do, is approved, and does it."""

import pytest

from jarvis.bugs import store as bugs
from jarvis.chat import actions as chat
from jarvis.chat import store as chats
from jarvis.policy import store
from jarvis.policy.actions import approvals
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.queue.services import Runner
from jarvis.schedules import actions as scheduled
from jarvis.schedules import store as schedules


@pytest.fixture
def operator(ctx):
    """operator(person, "…") asks in a new conversation and works; operator.go_on() works on; then the reply's text."""

    class Operator:
        def __call__(self, person, text):
            self.thread = chat.open_thread(person)
            chat.post(person.traced(), self.thread.id, text)
            return self.go_on()

        def go_on(self):
            epoch = epochs.begin(ctx, "server")
            runner = Runner(ctx, epoch)
            while claimed := queue.claim(ctx, epoch.number):
                for task in claimed:
                    runner.run(task)
            epoch.close()
            with ctx.db.read() as tx:
                messages = chats.messages_since(tx, self.thread.id, 0, 100)
            return [m for m in messages if m.role == "assistant"][-1].content

    return Operator()


def the_one_that_waits(ctx):
    with ctx.db.read() as tx:
        (found,) = store.newest_approvals(tx, 10, "pending")
    return found


def test_filing_a_bug_is_said_approved_and_done(ctx, as_user, operator):
    said = operator(as_user("alice"), "file a bug that the login page is slow")
    assert said == "I will file the bug “The login page is slow” in your name."
    with ctx.db.read() as tx:
        assert bugs.newest(tx, bugs.Filter(), 5) == []
    approvals.approve(as_user("ada"), the_one_that_waits(ctx).id)
    said = operator.go_on()
    with ctx.db.read() as tx:
        (bug,) = bugs.newest(tx, bugs.Filter(), 5)
    assert (bug.title, bug.reporter_id) == ("The login page is slow", as_user("alice").user_id)
    assert said.endswith(f"Filed as `{bug.id}`: /admin/bugs/{bug.id}")


def test_a_recurring_wish_becomes_a_schedule(ctx, as_user, operator):
    ada = as_user("ada")
    assert "I will be asked “check the disk”" in operator(ada, "every weekday at 7 check the disk")
    approvals.approve(ada, the_one_that_waits(ctx).id)
    assert "It has begun: next at" in operator.go_on()
    with ctx.db.read() as tx:
        (schedule,) = schedules.newest(tx, scheduled.scope(ada), 5)
    assert schedule.cron_expr == "0 7 * * 1-5"


def test_denied_it_says_so(ctx, as_user, operator):
    operator(as_user("alice"), "file a bug that the login page is slow")
    approvals.deny(as_user("ada"), the_one_that_waits(ctx).id, "we know")
    assert "I have not done that: An admin denied it: we know." in operator.go_on()


def test_maintenance_is_for_admins_and_a_user_hears_who_does_it(ctx, as_user, operator):
    assert "jarvis maintenance run" in operator(as_user("alice"), "run maintenance now")
    assert "I will run every maintenance command now" in operator(as_user("ada"), "run maintenance now")
    assert the_one_that_waits(ctx).tool == "maintenance.run"


def test_remembering_and_forgetting_by_the_chat(ctx, as_user, operator):
    alice, ada = as_user("alice"), as_user("ada")
    assert operator(alice, "remember that deploys happen on Tuesdays") == (
        "I will remember: deploys happen on Tuesdays."
    )
    approvals.approve(ada, the_one_that_waits(ctx).id)
    assert "Remembered." in operator.go_on()
    assert "deploys happen on Tuesdays" in operator(alice, "what do you remember?")
    assert "I will forget" in operator(alice, "forget the note about deploys")
    approvals.approve(ada, the_one_that_waits(ctx).id)
    assert "Forgotten: deploys happen on Tuesdays." in operator.go_on()
