"""The fixed order of a decision, and who may do what."""

import pytest

from jarvis.kernel.errors import Denied, Invalid, NotFound
from jarvis.lockdown import actions as lockdown
from jarvis.policy import actions
from jarvis.policy.actions import Asker

ALICE, ADA = Asker("alice", "user"), Asker("ada", "admin")
LS = [["/bin/ls", "-l", {"slot": "path", "under": "/etc"}]]


@pytest.fixture
def ada(as_user, done):
    return as_user("ada")


def effect(ctx, asker, tool, **arguments):
    return actions.decide(ctx, asker, tool, arguments).effect


def test_as_shipped_reading_is_allowed_changing_asks_and_running_is_denied(ada):
    for asker in (ALICE, ADA):
        assert effect(ada, asker, "test.look") == "allow"
        assert effect(ada, asker, "test.change") == "ask"
        assert effect(ada, asker, "host.exec", argv=["/bin/ls"]) == "deny"
    assert "no tool" in actions.decide(ada, ADA, "test.nothing", {}).reason


def test_the_role_comes_before_any_permission(ada):
    actions.put(ada, "user:alice", "test.admin", "allow")
    assert effect(ada, ALICE, "test.admin") == "deny"
    assert effect(ada, ADA, "test.admin") == "ask"


def test_lockdown_and_restart_come_before_any_permission(ada):
    actions.put(ada, "agent:main", "test.change", "allow")
    assert effect(ada, ADA, "test.change") == "allow"
    with ada.db.write() as tx:
        tx.run("UPDATE system_state SET restarting = 1")
    assert effect(ada, ADA, "test.change") == "deny"
    with ada.db.write() as tx:
        tx.run("UPDATE system_state SET restarting = 0")
    lockdown.lock_by_hand(ada, "odd")
    assert effect(ada, ADA, "test.change") == "deny"
    assert effect(ada, ADA, "test.look") == "allow"


@pytest.mark.parametrize(
    ("person", "agent", "expected"),
    [
        ("allow", None, "allow"),
        (None, "allow", "allow"),
        ("allow", "allow", "allow"),
        ("allow", "ask", "ask"),
        ("ask", "allow", "ask"),
        ("deny", "allow", "deny"),
        ("allow", "deny", "deny"),
    ],
)
def test_the_strictest_of_person_and_agent_holds(ada, person, agent, expected):
    for principal, said in (("user:alice", person), ("agent:main", agent)):
        if said:
            actions.put(ada, principal, "test.change", said)
    assert effect(ada, ALICE, "test.change") == expected


def test_a_persons_own_permission_stands_before_their_roles(ada):
    actions.put(ada, "role:user", "test.change", "deny")
    actions.put(ada, "user:alice", "test.change", "allow")
    assert effect(ada, ALICE, "test.change") == "allow"
    assert effect(ada, Asker("bob", "user"), "test.change") == "deny"


def test_removing_a_permission_brings_the_default_back(ada, events):
    actions.put(ada, "agent:main", "test.look", "deny")
    assert effect(ada, ADA, "test.look") == "deny"
    actions.remove(ada, "agent:main", "test.look")
    assert effect(ada, ADA, "test.look") == "allow"
    with pytest.raises(NotFound):
        actions.remove(ada, "agent:main", "test.look")
    assert events("permission") == ["permission.set", "permission.removed"]


def test_the_agents_grant_for_programs_is_no_users(ada):
    actions.put(ada, "agent:main", "host.exec", "allow", LS)
    argv = ["/bin/ls", "-l", "/etc/passwd"]
    assert effect(ada, ADA, "host.exec", argv=argv) == "allow"
    assert effect(ada, ALICE, "host.exec", argv=argv) == "deny"
    actions.put(ada, "user:alice", "host.exec", "allow", [["/bin/ls", "-l", "/etc/hostname"]])
    assert effect(ada, ALICE, "host.exec", argv=["/bin/ls", "-l", "/etc/hostname"]) == "allow"
    assert effect(ada, ALICE, "host.exec", argv=argv) == "deny", "both must allow it"


@pytest.mark.parametrize("argv", [None, [], "ls", ["/bin/ls"], ["/bin/ls", "-la", "/etc"], ["ls", "-l", "/etc"], [1]])
def test_what_no_rule_names_is_denied(ada, argv):
    actions.put(ada, "agent:main", "host.exec", "allow", LS)
    assert effect(ada, ADA, "host.exec", argv=argv) == "deny"


def test_only_an_admin_changes_permissions(as_user, done):
    for change in (
        lambda: actions.put(as_user("alice"), "agent:main", "test.change", "allow"),
        lambda: actions.remove(as_user("alice"), "agent:main", "test.change"),
    ):
        with pytest.raises(Denied):
            change()


@pytest.mark.parametrize("principal", ["agent:other", "user:", "alice", "role:owner", "user:Alice", "user:a b", ""])
def test_a_principal_that_is_none_is_refused(ada, principal):
    with pytest.raises(Invalid):
        actions.put(ada, principal, "test.change", "allow")


def test_every_decision_is_on_record(ada, events):
    decision = actions.decide(ada, ALICE, "test.change", {"text": "x"})
    actions.record(ada, ALICE, "test.change", {"text": "x"}, decision, thread_id=None)
    assert events("policy") == ["policy.decision"]
