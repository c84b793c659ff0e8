"""Applying, verifying and taking back: what the database, the files and the archive's place say at each point."""

import json
import os
from pathlib import Path

import pytest

from jarvis.archive import swap
from jarvis.kernel import migrate
from jarvis.kernel.errors import Conflict, JarvisError, TryAgain, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.queue import epochs
from jarvis.restart import actions as restarts
from jarvis.restart import store as restart_rows
from jarvis.selfupdate import artefacts, health, source, states, store
from jarvis.selfupdate.actions import applying, approving, settling
from jarvis.selfupdate.services import Settler
from jarvis.system import actions as system
from tests.selfupdate.archives import installed, pack


@pytest.fixture
def place(tmp_path):
    with installed(tmp_path / "opt") as found:
        yield found


@pytest.fixture
def server(ctx):
    found = epochs.begin(ctx, "server")
    yield found
    found.close()


@pytest.fixture
def answers(monkeypatch):
    """What this home's server says at /readyz; tests change it."""
    said = {"ok": True, "checks": {"database": {"ok": True}, "loops": {"ok": True}}}
    monkeypatch.setattr(system, "ask_server", lambda ctx: (dict(said), 0.002))
    return said


@pytest.fixture
def approved(ada, tested, place):
    """An update whose candidate lies where testing leaves it."""
    return approve(ada, tested)


def approve(ada, update, **more):
    path = applying.candidate_of(ada, update)
    path.parent.mkdir(parents=True, exist_ok=True)
    pack(path, "new", **more)
    with source.opened(ada) as repository:
        tree = repository.baseline().tree
    with ada.db.write() as tx:
        found = {"base": tree, "tree": tree, "base_version": "0.1.0", "files": [], "protected_why": []}
        store.set_result(tx, update.id, **found)
        store.set_candidate(tx, update.id, version="0.1.0", sha256=swap.sha256_of(str(path)), size=path.stat().st_size)
    return approving.approve(ada, update.id)


def state_file(ctx, update):
    return json.loads((artefacts.folder(ctx, update) / artefacts.STATE).read_text())


def now(ctx, update):
    with ctx.db.read() as tx:
        return store.get(tx, update.id)


def restart(ctx, place):
    """A new process, of whatever file lies there."""
    system.clear_stale_flags(ctx)
    restarts.conclude(ctx, True)
    place.start()
    settling.recover(ctx)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def settle(ctx, seconds=11.0, *, is_supervised=False):
    clock = Clock()
    settler = Settler(ctx, is_supervised, clock(), clock)
    clock.now = seconds
    settler.step()


def test_an_approved_update_is_put_in_place_with_a_backup_and_a_restart(ada, ctx, approved, place, server, answers):
    old = place.sha256
    done = applying.apply(ada, approved.id)
    assert done.state == states.APPLIED
    assert place.sha256 == approved.candidate_sha256 != old
    assert restarts.is_under_way(ctx)
    told = state_file(ctx, approved)
    assert told["marker"] == {
        "active_sha256": approved.candidate_sha256, "previous_sha256": old, "outcome": "trial", "readyz": None,
    }  # fmt: skip
    with ctx.db.read() as tx:
        trial = store.trial_of(tx, approved.id)
    assert trial.backup_id.startswith("bkp_")
    assert trial.health_of()["checks"] == ["database", "loops"]


def test_it_ends_verified_once_it_has_served_as_well_as_before(ada, ctx, approved, place, server, answers, events):
    applying.apply(ada, approved.id)
    restart(ctx, place)
    settle(ctx, 9.0)
    assert now(ctx, approved).state == states.APPLIED
    settle(ctx, 11.0)
    assert now(ctx, approved).state == states.VERIFIED
    assert place.marker.state == swap.VERIFIED
    assert state_file(ctx, approved)["marker"]["readyz"] == "ok"
    assert events("self_update.")[-2:] == ["self_update.apply", "self_update.verified"]
    with source.opened(ctx) as repository:
        assert repository.head() is not None


def test_under_a_supervisor_only_after_that_runs_the_new_code_too(ada, ctx, approved, place, server, answers):
    applying.apply(ada, approved.id)
    restart(ctx, place)
    settle(ctx, is_supervised=True)
    assert now(ctx, approved).state == states.APPLIED
    swap.change_marker(str(place.path), approved.trace_id, holder=approved.candidate_sha256)
    settle(ctx, is_supervised=True)
    assert now(ctx, approved).state == states.VERIFIED


def test_what_is_ready_but_not_as_well_as_before_goes_back(ada, ctx, approved, place, server, answers):
    old = place.sha256
    applying.apply(ada, approved.id)
    restart(ctx, place)
    answers["checks"]["loops"] = {"ok": False}
    settle(ctx, 12.0)
    assert now(ctx, approved).state == states.APPLIED  # it has a little longer
    settle(ctx, 26.0)
    assert place.sha256 == old
    assert restarts.is_under_way(ctx)
    restart(ctx, place)
    settle(ctx, 1.0)
    assert now(ctx, approved).state == states.ROLLED_BACK
    assert "not as well as before: check loops" in now(ctx, approved).error


def test_a_rollback_counts_only_when_the_old_one_is_ready_again(ada, ctx, approved, place, server, answers, events):
    applying.apply(ada, approved.id)
    swap.put_back(str(place.path), place.marker, "supervisor", "it was not ready within 30 s")
    restart(ctx, place)
    answers["ok"] = False
    settle(ctx)
    assert now(ctx, approved).state == states.APPLIED
    answers["ok"] = True
    settle(ctx)
    told = state_file(ctx, approved)
    assert (told["state"], told["marker"]["readyz"], told["marker"]["outcome"]) == ("rolled_back", "ok", "rolled_back")
    assert told["marker"]["active_sha256"] == place.sha256
    assert "self_update.rollback" in events()
    settle(ctx)
    assert events("self_update.rollback") == ["self_update.rollback"]


def test_taking_back_by_hand(ada, ctx, approved, place, server, answers):
    old = place.sha256
    applying.apply(ada, approved.id)
    restart(ctx, place)
    settle(ctx)
    applying.take_back(ada, approved.id)
    assert place.sha256 == old
    restart(ctx, place)
    settle(ctx)
    assert now(ctx, approved).state == states.ROLLED_BACK
    assert now(ctx, approved).error is None
    with pytest.raises(Conflict, match="taken back"):
        applying.ask_rollback(ada, approved.id)


def test_a_lockdown_bars_the_way_on_and_never_the_way_back(ada, ctx, approved, place, server, answers):
    lockdown.lock_by_hand(ada, "odd")
    with pytest.raises(Conflict, match="Locked down"):
        applying.ask_apply(ada, approved.id)
    with pytest.raises(Conflict, match="Locked down"):
        applying.apply(ada, approved.id)
    lockdown.unlock(ada, lockdown.rotate(ada))
    applying.apply(ada, approved.id)
    restart(ctx, place)
    settle(ctx)
    lockdown.lock_by_hand(ada, "odd again")
    assert ctx.registry.tasks[applying.ask_rollback(ada, approved.id).name].runs_in_lockdown
    applying.take_back(ada, approved.id)
    restart(ctx, place)
    settle(ctx)
    assert now(ctx, approved).state == states.ROLLED_BACK


def test_a_burst_of_rollbacks_locks_down(ada, ctx, approved, place, server, answers):
    for number in range(ctx.settings.lockdown_rollback_threshold):
        assert not lockdown.refusal(ctx), number
        applying.apply(ada, approved.id)
        swap.put_back(str(place.path), place.marker, "supervisor", "late")
        restart(ctx, place)
        settle(ctx)
        if not lockdown.refusal(ctx):
            with ctx.db.write() as tx:  # as one proposed, tested and approved anew
                tx.run("UPDATE updates SET state = 'approved' WHERE id = :id", id=approved.id)
    assert "rollbacks within" in lockdown.refusal(ctx)


@pytest.mark.parametrize("harm", ["changed", "linked", "irreversible", "no archive"])
def test_what_speaks_against_it_ends_apply_failed_and_changes_nothing(
    ada, ctx, tested, place, server, answers, harm, monkeypatch
):
    too_new = {"9999_far": "-- oldest-release: 9.9.9\nCREATE TABLE far (id INTEGER PRIMARY KEY) STRICT;\n"}
    approved = approve(ada, tested, migrations=too_new if harm == "irreversible" else None)
    old = place.sha256
    if harm == "changed":
        applying.candidate_of(ada, approved).write_bytes(b"another")
        wanted = "is not the archive that was tested"
    elif harm == "linked":
        os.link(place.path, place.path.with_name("other"))
        wanted = "hard links"
    elif harm == "irreversible":
        wanted = "it could not be taken back: its migration 9999_far"
    else:
        monkeypatch.setattr(applying.launch, "archive", lambda: None)
        wanted = "runs from a checkout"
    done = applying.apply(ada, approved.id)
    assert (done.state, place.sha256) == (states.APPLY_FAILED, old)
    assert wanted in done.error
    assert not restarts.is_under_way(ctx)
    assert place.marker is None
    assert state_file(ctx, approved)["state"] == "apply_failed"


def test_a_full_disk_changes_nothing(ada, ctx, approved, place, server, answers, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(swap, "place_copies", full)
    done = applying.apply(ada, approved.id)
    assert (done.state, place.marker) == (states.APPLY_FAILED, None)
    assert "No space left" in done.error


def test_when_no_restart_can_be_asked_for_the_old_file_is_back(ada, ctx, approved, place, server, answers, monkeypatch):
    old = place.sha256

    def refused(*args, **kwargs):
        raise Unavailable("the disk is full")

    monkeypatch.setattr(restarts, "request", refused)
    with pytest.raises(JarvisError):
        applying.apply(ada, approved.id)
    assert (place.sha256, place.marker, now(ctx, approved).state) == (old, None, states.APPROVED)


def test_while_a_restart_is_under_way_it_waits(ada, ctx, approved, place, server, answers):
    restarts.request(ada)
    with pytest.raises(TryAgain):
        applying.apply(ada, approved.id)


def test_only_an_admin_with_a_server_asks(ada, as_user, approved):
    with pytest.raises(Unavailable, match="No server"):
        applying.ask_apply(ada, approved.id)
    with pytest.raises(JarvisError):
        applying.ask_rollback(as_user("alice"), approved.id)


def test_killed_before_its_restart_it_is_undone_at_the_next_start(ada, ctx, approved, place, server, answers):
    old, marker = place.sha256, swap.Marker(approved.trace_id, place.sha256, approved.candidate_sha256)
    swap.install(str(place.path), place.running.fd, str(applying.candidate_of(ada, approved)), marker)
    settling.recover(ctx)  # the same file still runs: revived, not restarted
    assert place.sha256 == old
    settle(ctx)
    told = state_file(ctx, approved)
    assert [each["state"] for each in told["history"]][-2:] == ["applied", "rolled_back"]


def test_killed_before_the_rename_it_never_was(ada, ctx, approved, place, server):
    marker = swap.Marker(approved.trace_id, place.sha256, approved.candidate_sha256)
    swap.place_copies(str(place.path), place.running.fd, str(applying.candidate_of(ada, approved)), marker)
    swap.write_marker(str(place.path), marker)
    settling.recover(ctx)
    assert (now(ctx, approved).state, place.marker) == (states.APPLY_FAILED, None)
    assert state_file(ctx, approved)["state"] == "apply_failed"


def test_started_anew_in_a_trial_that_was_not_stored_it_is_told(ada, ctx, approved, place, server, answers):
    marker = swap.Marker(approved.trace_id, place.sha256, approved.candidate_sha256)
    swap.install(str(place.path), place.running.fd, str(applying.candidate_of(ada, approved)), marker)
    restart(ctx, place)
    assert now(ctx, approved).state == states.APPLIED
    settle(ctx)
    assert now(ctx, approved).state == states.VERIFIED


def test_an_update_the_database_does_not_know_is_settled_all_the_same(ctx, place, server, answers, tmp_path):
    candidate = pack(tmp_path / "candidate", "new")
    marker = swap.Marker("trc_of_another_home", place.sha256, swap.sha256_of(str(candidate)))
    swap.install(str(place.path), place.running.fd, str(candidate), marker)
    restart(ctx, place)
    settle(ctx)
    assert place.marker.state == swap.VERIFIED


def test_the_old_one_is_not_put_back_on_a_database_it_cannot_read(ada, ctx, approved, place, server, answers):
    applying.apply(ada, approved.id)
    restart(ctx, place)
    settle(ctx)
    with ctx.db.write() as tx:
        tx.run("INSERT INTO schema_migrations VALUES (9999, '9999_far', 'x', '9.9.9', 0)")
    with pytest.raises(Conflict, match=r"cannot live with the database: .* needs at least 9\.9\.9"):
        applying.take_back(ada, approved.id)
    assert place.sha256 == approved.candidate_sha256


def test_a_restart_into_a_file_that_cannot_serve_is_refused_with_the_reason(ada, ctx, place, server):
    with ctx.db.write() as tx:
        tx.run("INSERT INTO schema_migrations VALUES (9999, '9999_far', 'x', '0.2.0', 0)")
    pack(place.path.with_name("older"), "older", version="0.1.0").rename(place.path)
    with pytest.raises(Conflict, match=r"needs at least 0\.2\.0; this is 0\.1\.0"):
        restarts.request(ada)
    place.path.with_name("half").write_bytes(b"half an archive")
    place.path.with_name("half").rename(place.path)
    with pytest.raises(Conflict, match="is damaged"):
        restarts.request(ada)
    pack(place.path.with_name("newer"), "newer", version="0.3.0").rename(place.path)
    restarts.request(ada)
    with ctx.db.read() as tx:
        assert restart_rows.under_way(tx) is not None


def test_worse_is_what_was_well_and_is_not():
    before = health.Health(("database", "disk"), ("openai",), 3.0)
    assert health.worse(before, health.Health(("database", "disk", "more"), ("openai", "builtin"), 400.0)) == ""
    assert "check disk" in health.worse(before, health.Health(("database",), ("openai",), 3.0))
    assert "provider openai" in health.worse(before, health.Health(before.checks, (), 3.0))
    assert "900 ms instead of 3" in health.worse(before, health.Health(before.checks, before.providers, 900.0))


def test_migrations_that_are_all_known_leave_a_way_back(tmp_path):
    found = applying.fitting.read(pack(tmp_path / "a.pyz", "a"))
    assert len(found.migrations) == len(migrate.shipped())
    assert applying.fitting.why_no_way_back(found) == ""
    assert "is damaged" in applying.fitting.read(Path(__file__))
