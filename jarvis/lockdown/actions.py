"""What can be done: lock, unlock with a code, make a fresh code, and count the failures that lock by themselves."""

import hashlib
import hmac
import json
import logging
import os
import secrets
from dataclasses import dataclass, replace
from typing import Any

from jarvis.events import store as events
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Conflict, Denied
from jarvis.kernel.events import Event
from jarvis.kernel.files import write_whole
from jarvis.kernel.registry import Refused
from jarvis.lockdown import store
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.queue.store import Task
from jarvis.system import store as system
from jarvis.system.store import State

log = logging.getLogger(__name__)

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""32 characters that are not taken for one another."""
CODE_LENGTH = 10
TRIES = 5
LONGEST_REASON = 500
MANUAL, READYZ, ROLLBACK, EXEC = "manual", "readyz_failures", "rollback_burst", "exec_host_failures"
REFUSALS = {"lockdown.refused": "Request", "policy.decision": "Tool"}
"""Events that tell of a refusal; what features count themselves they bring as REFUSED."""
MOST_LOOKED_AT = 500
REHEARSAL = "jarvis.tasks.system.lockdown_rehearsal"
SCRYPT_N = 1 << 12
"""50 random bits that are good for minutes need little stretching: about 10 ms."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a code somebody gave."""

    is_good: bool
    why: str


def lock(ctx: Context, reason: str, trigger: str = MANUAL) -> State:
    """Lock everything but reading, and write a fresh code. Locked already, whoever was first stays named."""
    told = " ".join(ctx.db.redact(reason).split())[:LONGEST_REASON] or "no reason was given"
    with ctx.db.write() as tx:
        if system.set_lockdown(tx, told, ctx.actor if trigger == MANUAL else trigger, trigger):
            code_path = _make_code(ctx)[1]
            about = {"reason": told, "trigger": trigger, "by": ctx.actor, "code": code_path}
            tx.record("lockdown.triggered", "system", about)
            log.warning("locked down by %s (%s): %s", ctx.actor, trigger, told)
        return system.state(tx)


def lock_by_hand(ctx: Context, reason: str) -> State:
    """An admin locks."""
    ctx.require_admin()
    return lock(ctx, reason)


def strike(ctx: Context, trigger: str, detail: str) -> bool:
    """Count a failure, in the caller's transaction; True when it was the one that locks."""
    threshold, minutes = _limits(ctx, trigger)
    with ctx.db.write() as tx:
        store.insert_strike(tx, trigger, ctx.db.redact(detail)[:LONGEST_REASON])
        count = store.strikes_since(tx, trigger, tx.now - minutes * 60 * SECOND)
        if count < threshold or system.state(tx).lockdown:
            return False
        what = "rollbacks" if trigger == ROLLBACK else "failed host.exec runs"
        system_ctx = ctx.acting(actor="system", user_id=None, username="", role="admin")
        lock(system_ctx, f"{count} {what} within {minutes} min, the last: {detail}", trigger)
        return True


def _limits(ctx: Context, trigger: str) -> tuple[int, int]:
    settings = ctx.settings
    return {
        ROLLBACK: (settings.lockdown_rollback_threshold, settings.lockdown_rollback_window_minutes),
        EXEC: (settings.lockdown_exec_host_fail_threshold, settings.lockdown_exec_host_fail_window_minutes),
    }[trigger]


def rotate(ctx: Context) -> str:
    """Make a fresh code, the only one that counts from now on; returns it, to be shown once."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        code, path = _make_code(ctx)
        tx.record("lockdown.code_rotated", "system", {"path": path})
    return code


def _make_code(ctx: Context) -> tuple[str, str]:
    """A new code on disk and its digest in the database: (code, where it was written or why not).

    The file comes before the commit: one without its row is worthless, a row without its file a locked door.
    """
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    salt = os.urandom(16)
    path = ctx.settings.admin_unlock_code_path
    try:
        write_whole(path, code.encode() + b"\n")
        where = str(path)
    except OSError as error:
        where = f"not written: {path}: {error.strerror}"
        log.error("the unlock code is %s; make one with: jarvis unlock-code rotate", where)
    with ctx.db.write() as tx:
        expires_at = tx.now + ctx.settings.admin_unlock_code_ttl_minutes * 60 * SECOND
        store.set_code(tx, salt, digest(code, salt), TRIES, expires_at)
    return code, where


def digest(code: str, salt: bytes) -> bytes:
    """What is kept of a code: letters in either case, spaces and dashes do not matter."""
    plain = "".join(character for character in code.upper() if character.isalnum())
    return hashlib.scrypt(plain.encode(), salt=salt, n=SCRYPT_N, r=8, p=1, dklen=32)


def unlock(ctx: Context, code: str) -> Verdict:
    """Lift the lockdown with a code. Not locked, nothing happens and the code stays good."""
    with ctx.db.write() as tx:  # one for both: a code is never spent without lifting it
        before = system.state(tx)
        if not before.lockdown:
            return Verdict(True, "Jarvis is not locked down.")
        verdict = spend_code(ctx, code, "unlock")
        if verdict.is_good:
            system.clear_lockdown(tx)
            store.delete_strikes(tx)
            since = rfc3339(before.lockdown_at) if before.lockdown_at else None
            tx.record("lockdown.cleared", "system", {"by": ctx.actor, "reason": before.lockdown_reason, "since": since})
        return verdict


def unlock_or_refuse(ctx: Context, code: str) -> State:
    """As `unlock`, for faces that answer with a status; raises Denied with what is wrong."""
    ctx.require_admin()
    verdict = unlock(ctx, code)
    if not verdict.is_good:
        raise Denied(verdict.why)
    with ctx.db.read() as tx:
        return system.state(tx)


def check_code(ctx: Context, code: str, purpose: str) -> None:
    """Use a code up for one purpose, such as approving a protected patch; raises Denied when it is not good.

    Not inside a write: what raises there takes back the try it has cost, and guessing would be free.
    """
    forbid_inside_write("checking an unlock code")
    verdict = spend_code(ctx, code, purpose)
    if not verdict.is_good:
        raise Denied(verdict.why)


def spend_code(ctx: Context, code: str, purpose: str) -> Verdict:
    """Use a code up for one purpose. A wrong one costs a try, taken before it is compared.

    The caller commits whatever the verdict: one that raises would take the try back.
    """
    if not ctx.is_admin:
        return Verdict(False, "Only an admin may use an unlock code.")
    with ctx.db.write() as tx:
        kept = store.code(tx)
        may_try = kept is not None and store.take_try(tx)
    if kept is None or not may_try:
        return _refused(ctx, purpose, _why_none(ctx, kept))
    if not hmac.compare_digest(digest(code, kept.salt), kept.digest):
        left = kept.tries_left - 1
        tries = f"{left} of {TRIES} tries left" if left else "that was the last try; make a fresh code"
        return _refused(ctx, purpose, f"That code is not right: {tries}.")
    with ctx.db.write() as tx:
        is_ours = store.spend(tx, kept.digest)
    return Verdict(True, "") if is_ours else _refused(ctx, purpose, "That code was used at the same moment.")


def _why_none(ctx: Context, kept: store.Code | None) -> str:
    how = "Make a fresh one on the host: jarvis unlock-code rotate"
    if kept is None:
        return f"There is no unlock code. {how}"
    return f"The code {'has expired' if kept.expires_at <= ctx.clock() else 'has no tries left'}. {how}"


def _refused(ctx: Context, purpose: str, why: str) -> Verdict:
    with ctx.db.write() as tx:
        tx.record("lockdown.unlock_failed", "system", {"by": ctx.actor, "for": purpose, "why": why})
    return Verdict(False, why)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state with what is known of the code, for every face."""

    state: State
    code: store.Code | None
    now: int

    @property
    def tries_left(self) -> int:
        return self.code.tries_left if self.code and self.code.is_good(self.now) else 0

    def as_json(self) -> dict[str, object]:
        state = self.state
        good = self.code if self.code and self.code.is_good(self.now) else None
        return {
            "lockdown": state.lockdown,
            "lockdown_reason": state.lockdown_reason,
            "lockdown_by": state.lockdown_by,
            "lockdown_at": rfc3339(state.lockdown_at) if state.lockdown_at is not None else None,
            "lockdown_trigger": state.lockdown_trigger,
            "code": {"expires_at": rfc3339(good.expires_at), "tries_left": good.tries_left} if good else None,
        }


def standing(ctx: Context) -> Standing:
    """How things stand now."""
    with ctx.db.read() as tx:
        return Standing(system.state(tx), store.code(tx), tx.now)


def refusal(ctx: Context) -> str:
    """Why nothing that changes anything may begin now, or ""."""
    with ctx.db.read() as tx:
        state = system.state(tx)
    return f"Locked down: {state.lockdown_reason or 'no reason was given'}" if state.lockdown else ""


def require_open(ctx: Context, what: str) -> None:
    """Raise Conflict, and keep that it was refused, unless Jarvis is open."""
    reason = refusal(ctx)
    if reason:
        note_refused(ctx, what, reason)
        raise Conflict(f"{reason.rstrip('.')}. An admin lifts it with /unlock CODE.")


def note_refused(ctx: Context, what: str, reason: str) -> None:
    """Keep that something was refused because of the lockdown."""
    with ctx.db.write() as tx:
        tx.record("lockdown.refused", "system", {"what": what, "reason": reason, "by": ctx.actor})


def refused(ctx: Context, since: int, limit: int = 50) -> list[Refused]:
    """What the lockdown has kept from happening, newest first; the same thing by the same one is counted."""
    found = [one for part in ctx.registry.refusals.values() for one in part.run(ctx, since)]
    wanted = events.Filter(types=tuple(REFUSALS), since=since)
    with ctx.db.read() as tx:
        told = [_refused_event(event) for event in events.newest(tx, wanted, MOST_LOOKED_AT) if _is_of_lockdown(event)]
    counted: dict[tuple[str, str, str], Refused] = {}
    for one in told:  # newest first
        known = counted.setdefault((one.kind, one.what, one.by), replace(one, count=0))
        counted[one.kind, one.what, one.by] = replace(known, count=known.count + 1)
    found += [replace(one, detail="once" if one.count == 1 else f"{one.count} times") for one in counted.values()]
    return sorted(found, key=lambda one: one.at, reverse=True)[:limit]


def _is_of_lockdown(event: Event) -> bool:
    data = event.payload()
    reason = str(data.get("reason", "")).lower()
    is_about_it = "lockdown" in reason or "locked down" in reason
    return event.type == "lockdown.refused" or (data.get("decision") != "allow" and is_about_it)


def _refused_event(event: Event) -> Refused:
    data = event.payload()
    what = next((str(data[key]) for key in ("what", "tool") if data.get(key)), REFUSALS[event.type])
    return Refused(REFUSALS[event.type], what, "", str(data.get("for") or event.actor), event.at)


def ask_rehearsal(ctx: Context) -> Task:
    """Enqueue a rehearsal; one that waits or runs already is that one."""
    ctx.require_admin()
    return queue.enqueue(ctx, REHEARSAL, {}, unique_key=REHEARSAL)


def is_rehearsing(ctx: Context) -> bool:
    """Whether a rehearsal waits or runs."""
    with ctx.db.read() as tx:
        return tasks.find_active(tx, REHEARSAL) is not None


def keep_rehearsal(ctx: Context, report: dict[str, Any]) -> None:
    """Store what a rehearsal found, for the pages and as evidence."""
    with ctx.db.write() as tx:
        store.insert_rehearsal(tx, report["ok"], json.dumps(report, ensure_ascii=False))
        about = {"ok": report["ok"], "tried": len(report["attempts"]), "leaks": len(report["leaks"])}
        tx.record("lockdown.rehearsed", "system", about)


def last_rehearsal(ctx: Context) -> dict[str, Any] | None:
    """The newest rehearsal's report; None when there was none."""
    with ctx.db.read() as tx:
        found = store.last_rehearsal(tx)
    return json.loads(found.report) if found else None
