"""The system's own state: one row that says whether it is restarting or locked down."""

from dataclasses import dataclass

from jarvis.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class State:
    """Flags that outlive the process."""

    restarting: bool
    lockdown: bool
    lockdown_reason: str | None
    lockdown_by: str | None
    lockdown_at: int | None
    lockdown_trigger: str | None = None


def state(tx: Tx) -> State:
    found = tx.one(
        lambda restarting, lockdown, *rest: State(bool(restarting), bool(lockdown), *rest),
        "SELECT restarting, lockdown, lockdown_reason, lockdown_by, lockdown_at,"
        " lockdown_trigger FROM system_state WHERE id = 1",
    )
    assert found is not None
    return found


def clear_restarting(tx: Tx) -> bool:
    """Take the flag down; True when it was up."""
    return tx.run("UPDATE system_state SET restarting = 0 WHERE id = 1 AND restarting = 1") == 1


def set_lockdown(tx: Tx, reason: str, by: str, trigger: str) -> bool:
    """Put the flag up; False when it is up already, and then whoever was first stays named."""
    return (
        tx.run(
            "UPDATE system_state SET lockdown = 1, lockdown_reason = :reason, lockdown_by = :by, lockdown_at = :now,"
            " lockdown_trigger = :trigger WHERE id = 1 AND lockdown = 0",
            reason=reason,
            by=by,
            now=tx.now,
            trigger=trigger,
        )
        == 1
    )


def clear_lockdown(tx: Tx) -> bool:
    """Take the flag down; True when it was up."""
    return (
        tx.run(
            "UPDATE system_state SET lockdown = 0, lockdown_reason = NULL, lockdown_by = NULL, lockdown_at = NULL,"
            " lockdown_trigger = NULL WHERE id = 1 AND lockdown = 1"
        )
        == 1
    )


def newest_migration(tx: Tx) -> int:
    return tx.one(int, "SELECT max(number) FROM schema_migrations") or 0


def probe(tx: Tx) -> None:
    """A write that changes nothing anybody reads: it only shows that writing works."""
    tx.run("INSERT INTO readiness_probe (id, at) VALUES (1, :now) ON CONFLICT (id) DO UPDATE SET at = :now", now=tx.now)
