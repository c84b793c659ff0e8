"""Locking, unlocking with the one code, and what locks by itself."""

import threading

import pytest

from jarvis.kernel.errors import Denied, Unavailable
from jarvis.lockdown import actions, store
from jarvis.lockdown.services import ReadinessWatch


@pytest.fixture
def ada(as_user):
    return as_user("ada")


def code_of(ctx):
    return ctx.settings.admin_unlock_code_path.read_text().strip()


def is_locked(ctx):
    return actions.standing(ctx).state.lockdown


def test_locking_writes_a_code_that_nobody_else_can_read(ada, events):
    state = actions.lock_by_hand(ada, "Something is odd\nhere")
    assert (state.lockdown, state.lockdown_reason, state.lockdown_by) == (True, "Something is odd here", "ada")
    path = ada.settings.admin_unlock_code_path
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(code_of(ada)) == actions.CODE_LENGTH
    assert set(code_of(ada)) <= set(actions.ALPHABET)
    assert len(set(actions.ALPHABET)) == 32
    assert events("lockdown") == ["lockdown.triggered"]


def test_the_code_itself_is_in_no_table(ada):
    actions.lock_by_hand(ada, "odd")
    database = b"".join(path.read_bytes() for path in ada.settings.jarvis_home.glob("jarvis.db*"))
    assert code_of(ada).encode() not in database


def test_locking_twice_names_whoever_was_first(ada, as_user, events):
    actions.lock_by_hand(ada, "first")
    code = code_of(ada)
    assert actions.lock(as_user("ada"), "second").lockdown_reason == "first"
    assert code_of(ada) == code
    assert events("lockdown") == ["lockdown.triggered"]


def test_only_the_code_unlocks_and_only_once(ada, events):
    actions.lock_by_hand(ada, "odd")
    code = code_of(ada)
    assert not actions.unlock(ada, "AAAAAAAAAA").is_good
    assert is_locked(ada)
    assert actions.unlock(ada, f" {code[:5].lower()}-{code[5:]} ").is_good
    assert not is_locked(ada)
    assert events("lockdown") == ["lockdown.triggered", "lockdown.unlock_failed", "lockdown.cleared"]
    actions.lock_by_hand(ada, "again")
    assert not actions.unlock(ada, code).is_good


def test_five_tries_and_the_code_is_dead(ada):
    actions.lock_by_hand(ada, "odd")
    code = code_of(ada)
    said = [actions.unlock(ada, "WRONGWRONG").why for _ in range(5)]
    assert "4 of 5 tries left" in said[0]
    assert "last try" in said[4]
    assert "no tries left" in actions.unlock(ada, code).why
    assert is_locked(ada)
    assert actions.unlock(ada, actions.rotate(ada)).is_good


def test_a_code_expires(ada, clock):
    actions.lock_by_hand(ada, "odd")
    clock.step(ada.settings.admin_unlock_code_ttl_minutes * 60)
    assert "expired" in actions.unlock(ada, code_of(ada)).why
    assert is_locked(ada)


def test_a_wrong_code_costs_nothing_when_nothing_is_locked(ada):
    code = actions.rotate(ada)
    assert actions.unlock(ada, "WRONGWRONG").is_good
    with ada.db.read() as tx:
        assert store.code(tx).tries_left == actions.TRIES
    assert code_of(ada) == code


def test_nobody_but_an_admin_locks_unlocks_or_rotates(ada, as_user):
    alice = as_user("alice")
    for refused in (lambda: actions.lock_by_hand(alice, "x"), lambda: actions.rotate(alice)):
        with pytest.raises(Denied):
            refused()
    actions.lock_by_hand(ada, "odd")
    assert not actions.unlock(alice, code_of(ada)).is_good
    assert is_locked(ada)


def test_a_link_where_the_code_goes_is_replaced_and_not_followed(ada, tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious")
    ada.settings.admin_unlock_code_path.symlink_to(target)
    actions.lock_by_hand(ada, "odd")
    assert target.read_text() == "precious"
    assert not ada.settings.admin_unlock_code_path.is_symlink()


def test_where_no_code_can_be_written_it_locks_all_the_same(ada, caplog):
    ada.settings.admin_unlock_code_path.mkdir()
    assert actions.lock_by_hand(ada, "odd").lockdown
    assert "jarvis unlock-code rotate" in caplog.text
    ada.settings.admin_unlock_code_path.rmdir()
    assert actions.unlock(ada, actions.rotate(ada)).is_good


def test_strikes_within_the_window_lock(ctx, clock):
    window = ctx.settings.lockdown_rollback_window_minutes * 60
    assert not actions.strike(ctx, actions.ROLLBACK, "first")
    clock.step(window)
    assert not actions.strike(ctx, actions.ROLLBACK, "second, too late to count with the first")
    clock.step(1)
    assert actions.strike(ctx, actions.ROLLBACK, "third")
    state = actions.standing(ctx).state
    assert state.lockdown_trigger == "rollback_burst"
    assert "2 rollbacks within 30 min, the last: third" in state.lockdown_reason


def test_after_an_unlock_counting_begins_anew(ada):
    for n in range(5):
        actions.strike(ada, actions.EXEC, f"run {n}")
    assert is_locked(ada)
    actions.unlock(ada, code_of(ada))
    assert not actions.strike(ada, actions.EXEC, "one more")


def test_a_strike_that_is_rolled_back_does_not_count(ctx):
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), ctx.db.write():
            actions.strike(ctx, actions.ROLLBACK, "undone")
            raise ZeroDivisionError
    assert not is_locked(ctx)


def test_readiness_that_fails_in_a_row_locks(ctx):
    watch = ReadinessWatch(ctx)
    for is_ok in (True, False, False, True, False, False):
        watch.heard(is_ok, "database: disk I/O error")
    assert not is_locked(ctx)
    watch.heard(False, "database: disk I/O error")
    state = actions.standing(ctx).state
    assert state.lockdown_trigger == "readyz_failures"
    assert "disk I/O error" in state.lockdown_reason


def test_failures_while_starting_or_leaving_do_not_count(ctx):
    leaving = [False]
    watch = ReadinessWatch(ctx, lambda: leaving[0])
    for _ in range(9):
        watch.heard(False, "still starting")
    watch.heard(True, "")
    leaving[0] = True
    for _ in range(9):
        watch.heard(False, "draining")
    assert not is_locked(ctx)


def test_being_ready_or_not_never_lifts_or_renames_a_manual_lockdown(ada):
    actions.lock_by_hand(ada, "by hand")
    watch = ReadinessWatch(ada)
    for is_ok in (True, False, False, False, False, True):
        watch.heard(is_ok, "disk")
    state = actions.standing(ada).state
    assert (state.lockdown, state.lockdown_reason, state.lockdown_trigger) == (True, "by hand", "manual")


def test_a_lockdown_that_could_not_be_stored_comes_when_it_can(ctx, monkeypatch):
    watch = ReadinessWatch(ctx)
    watch.heard(True, "")

    def full(*_):
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(actions, "lock", full)
        for _ in range(3):
            watch.heard(False, "database: disk full")
    watch.heard(True, "")
    assert "disk full" in actions.standing(ctx).state.lockdown_reason


def test_a_code_is_spent_for_others_too_and_a_wrong_one_costs_a_try(ada):
    code = actions.rotate(ada)
    with pytest.raises(Denied, match="4 of 5"):
        actions.check_code(ada, "WRONGWRONG", "an update")
    actions.check_code(ada, code, "an update")
    with pytest.raises(Denied, match="no unlock code"):
        actions.check_code(ada, code, "an update")


def test_a_try_cannot_be_taken_back_by_the_transaction_around_it(ada):
    code = actions.rotate(ada)
    with pytest.raises(RuntimeError), ada.db.write():
        actions.check_code(ada, code, "an update")


def at_once(ada, codes):
    """What each of some codes came to when all are given at the same moment."""
    ready, found = threading.Barrier(len(codes)), []

    def give(code):
        ready.wait(30)
        found.append(actions.unlock(ada, code))
        ada.db.close()

    givers = [threading.Thread(target=give, args=(code,)) for code in codes]
    for giver in givers:
        giver.start()
    for giver in givers:
        giver.join(60)
    return found


def test_guessing_with_many_hands_has_five_tries_too(ada):
    actions.lock_by_hand(ada, "odd")
    said = at_once(ada, [f"WRONG{n:05}" for n in range(12)])
    assert sum("is not right" in verdict.why for verdict in said) == actions.TRIES
    assert not actions.unlock(ada, code_of(ada)).is_good


def test_one_code_given_twice_at_once_unlocks_once(ada, events):
    actions.lock_by_hand(ada, "odd")
    assert all(verdict.is_good for verdict in at_once(ada, [code_of(ada)] * 4))
    assert events("lockdown.cleared") == ["lockdown.cleared"]
    assert not is_locked(ada)
