"""An approval is for exact bytes, for a while, and for a protected patch only with the code."""

import pytest

from jarvis.kernel.errors import Conflict, Denied, Invalid
from jarvis.lockdown import actions as lockdown
from jarvis.selfupdate import protected, states, store
from jarvis.selfupdate.actions import approving, moving
from tests.selfupdate.conftest import bring_to_tested

HOUR = 3600


def test_approving_says_by_whom_for_what_and_until_when(ada, tested, events, clock):
    update = approving.approve(ada, tested.trace_id)
    assert (update.state, update.approved_by) == ("approved", "ada")
    assert update.expires_at == clock() + 24 * HOUR * 1_000_000
    assert "self_update.approve" in events()
    assert approving.require_good(ada, update.id).id == update.id


def test_only_an_admin_approves_and_never_in_a_lockdown(as_user, ada, tested):
    with pytest.raises(Denied):
        approving.approve(as_user("alice").traced(), tested.id)
    lockdown.lock_by_hand(ada, "drill")
    with pytest.raises(Conflict, match="Locked down"):
        approving.approve(ada, tested.id)


def test_an_approval_expires(ada, tested, clock, events):
    approving.approve(ada, tested.id)
    clock.step(24 * HOUR)
    with pytest.raises(Conflict, match=r"it has expired\. Next: approve"):
        approving.require_good(ada, tested.id)
    with ada.db.read() as tx:
        now = store.get(tx, tested.id)
    assert (now.state, now.approved_by, now.expires_at) == ("tested", None, None)
    assert events("self_update.")[-1] == "self_update.void"


@pytest.mark.parametrize("what", ["base", "tree", "report", "candidate"])
def test_anything_that_changes_afterwards_voids_it(ada, tested, what):
    approving.approve(ada, tested.id)
    with ada.db.write() as tx:
        if what == "report":
            store.set_report(tx, tested.id, '{"ok": false}', "f" * 64)
        elif what == "candidate":
            store.set_candidate(tx, tested.id, version="0.1.0", sha256="f" * 64, size=1)
        else:
            result = {"base": "b" * 40, "tree": "t" * 40, what: "f" * 40}
            store.set_result(tx, tested.id, **result, base_version="0.1.0", files=[], protected_why=[])
    with pytest.raises(Conflict, match="what was approved has changed"):
        approving.require_good(ada, tested.id)
    approving.approve(ada, tested.id)
    assert approving.require_good(ada, tested.id)


def test_a_protected_patch_takes_the_code_and_spends_it(ada, proposed):
    why = ["policy: it decides what the assistant and programs may do (jarvis/policy/store.py)"]
    update = bring_to_tested(ada, proposed, protected_why=why)
    with pytest.raises(Invalid, match=r"jarvis/policy/store\.py"):
        approving.approve(ada, update.id)
    code = lockdown.rotate(ada)
    with pytest.raises(Denied, match="not right: 4 of 5"):
        approving.approve(ada, update.id, "AAAAAAAAAA")
    assert approving.approve(ada, update.id, code).state == states.APPROVED
    approving.void(ada, approving.require_good(ada, update.id), "a test")
    with pytest.raises(Denied, match="no unlock code"):
        approving.approve(ada, update.id, code)


def test_what_was_not_applied_may_be_approved_again(ada, tested):
    update = approving.approve(ada, tested.id)
    moving.close(ada, update, states.APPLY_FAILED, "the disk is full", error="the disk is full")
    again = approving.approve(ada, tested.id)
    assert (again.state, again.error) == (states.APPROVED, None)


@pytest.mark.parametrize(
    "path",
    [
        "jarvis/policy/actions/deciding.py",
        "jarvis/users/passwords.py",
        "jarvis/events/store.py",
        "jarvis/kernel/events.py",
        "jarvis/lockdown/actions.py",
        "jarvis/selfupdate/protected.py",
        "jarvis/patch/engine.py",
        "jarvis/archive/launch.py",
        "jarvis/supervisor.py",
        "tests/conftest.py",
        "tests/integration/test_authorization.py",
        ".github/workflows/ci.yml",
        "deploy/boot-guard.sh",
        "requirements.lock",
    ],
)
def test_what_decides_and_what_would_tell_is_protected(path):
    file = {"path": path, "old_path": None, "kind": "changed", "added_lines": 1, "removed_lines": 0, "flags": []}
    found = protected.why([file])
    assert len(found) == 1
    assert path in found[0]
    moved = {**file, "path": "docs/elsewhere.md", "old_path": path, "kind": "renamed"}
    assert any(path in reason for reason in protected.why([moved]))


def test_an_ordinary_patch_is_ordinary_with_its_new_test_but_not_without_an_old_one():
    change = {"path": "jarvis/doctor/examine.py", "old_path": None, "kind": "changed", "removed_lines": 2, "flags": []}
    added = {**change, "path": "tests/doctor/test_disk.py", "kind": "added", "removed_lines": 0}
    assert protected.why([change, added]) == []
    assert protected.why([{**added, "kind": "deleted", "removed_lines": 9}])
    found = protected.why([{**change, "flags": ["new executable", "database"]}])
    assert found == ["a file becomes executable (jarvis/doctor/examine.py)"]


def test_the_page_takes_the_approval_and_asks_for_the_code_where_it_needs_one(ada, client, proposed):
    bring_to_tested(ada, proposed, protected_why=["policy: it decides (jarvis/policy/store.py)"])
    browser, here = client.as_("ada"), f"/admin/selfupdate/{proposed.id}"
    shown = browser.get(here).text
    assert "Protected." in shown
    assert "sha256:" + "r" * 64 in shown
    wrong = browser.submit(here, f"{here}/approve", code="AAAAAAAAAA")
    assert (wrong.status, "no unlock code" in wrong.text) == (403, True)
    code = lockdown.rotate(ada)
    assert browser.submit(here, f"{here}/approve", code=code).status == 303
    assert "Approved" in browser.get(f"{here}?done=approved").text


def test_what_waits_for_a_person_is_counted_in_the_strip(ada, client, tested):
    assert "1 needs you" in client.as_("ada").get("/admin/selfupdate").text
    approving.approve(ada, tested.id)
    assert "1 needs you" not in client.as_("ada").get("/admin/selfupdate").text
