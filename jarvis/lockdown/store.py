"""Rows of lockdown: the code's digest and the strikes. The flag itself stands with the system's state."""

from dataclasses import dataclass

from jarvis.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Code:
    """What is kept of an unlock code."""

    salt: bytes
    digest: bytes
    tries_left: int
    made_at: int
    expires_at: int

    def is_good(self, now: int) -> bool:
        """Whether somebody who knows it may still use it."""
        return self.tries_left > 0 and now < self.expires_at


CODE = "salt, digest, tries_left, made_at, expires_at"


def code(tx: Tx) -> Code | None:
    """The newest code, good or not; None when none was made or it was spent."""
    return tx.one(Code, f"SELECT {CODE} FROM lockdown_code WHERE id = 1")


def set_code(tx: Tx, salt: bytes, digest: bytes, tries: int, expires_at: int) -> None:
    """Make this the only code."""
    tx.run(
        "INSERT INTO lockdown_code (id, salt, digest, tries_left, made_at, expires_at)"
        " VALUES (1, :salt, :digest, :tries, :now, :expires) ON CONFLICT (id) DO UPDATE SET salt = :salt,"
        " digest = :digest, tries_left = :tries, made_at = :now, expires_at = :expires",
        salt=salt,
        digest=digest,
        tries=tries,
        now=tx.now,
        expires=expires_at,
    )


def take_try(tx: Tx) -> bool:
    """Use up one try; False when none is left or the code has expired."""
    sql = "UPDATE lockdown_code SET tries_left = tries_left - 1 WHERE id = 1 AND tries_left > 0 AND expires_at > :now"
    return tx.run(sql, now=tx.now) == 1


def spend(tx: Tx, digest: bytes) -> bool:
    """Forget the code of this digest; False when it is another by now."""
    return tx.run("DELETE FROM lockdown_code WHERE id = 1 AND digest = :digest", digest=digest) == 1


def insert_strike(tx: Tx, trigger: str, detail: str) -> None:
    tx.run(
        "INSERT INTO lockdown_strikes (trigger, at, detail) VALUES (:trigger, :now, :detail)",
        trigger=trigger,
        now=tx.now,
        detail=detail,
    )


def strikes_since(tx: Tx, trigger: str, since: int) -> int:
    """How many strikes of a trigger came after an instant."""
    sql = "SELECT count(*) FROM lockdown_strikes WHERE trigger = :trigger AND at > :since"
    return tx.one(int, sql, trigger=trigger, since=since) or 0


def delete_strikes(tx: Tx) -> None:
    """Begin counting anew: what locked once must not lock again by itself after an unlock."""
    tx.run("DELETE FROM lockdown_strikes")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rehearsal and what it found, as JSON text."""

    at: int
    actor: str
    is_ok: bool
    report: str


def insert_rehearsal(tx: Tx, is_ok: bool, report: str) -> None:
    """Keep a rehearsal, and of those before it the newest few."""
    tx.run(
        "INSERT INTO lockdown_rehearsals (at, actor, is_ok, report) VALUES (:now, :actor, :ok, :report)",
        now=tx.now,
        actor=tx.who.actor,
        ok=int(is_ok),
        report=report,
    )
    tx.run("DELETE FROM lockdown_rehearsals WHERE seq <= (SELECT max(seq) FROM lockdown_rehearsals) - 20")


def last_rehearsal(tx: Tx) -> Rehearsal | None:
    """The newest rehearsal; None when there was none."""
    return tx.one(
        lambda at, actor, is_ok, report: Rehearsal(at, actor, bool(is_ok), report),
        "SELECT at, actor, is_ok, report FROM lockdown_rehearsals ORDER BY seq DESC LIMIT 1",
    )
