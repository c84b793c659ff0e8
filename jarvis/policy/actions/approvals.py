"""Asking a person about a call, and taking their answer: durable, single-use, and bound to exactly what was shown."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict
from jarvis.policy import store
from jarvis.policy.actions import AGENT, Decision
from jarvis.policy.store import Approval, NewApproval
from jarvis.queue import actions as queue
from jarvis.system import store as system
from jarvis.users import store as users

EXPIRE = "jarvis.tasks.policy.expire_approval"
RESUME = "jarvis.tasks.agent.step"
TTL_SECONDS = 15 * 60
MOST_PENDING, MOST_PENDING_IN_THREAD = 50, 5
LONGEST_ARGUMENTS, LONGEST_NOTE = 64 * 1024, 500


def canonical(arguments: Mapping[str, Any]) -> str:
    """Arguments as the one text that digests are taken of."""
    return json.dumps(arguments, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def digest(tx: Tx, principal: str, user_id: str, tool: str, arguments: str, workspace: str) -> str:
    """What an approval is bound to: the exact call, for whom, where, the program's file, and the policy."""
    return _sha256(principal, user_id, tool, arguments, workspace, _program(arguments), str(store.version(tx)))


def _program(arguments: str) -> str:
    argv = json.loads(arguments).get("argv")
    if not isinstance(argv, list) or not argv or not isinstance(argv[0], str):
        return ""
    try:
        real = os.path.realpath(argv[0])
        status = Path(real).stat()
    except (OSError, ValueError):
        return "gone"
    return f"{real} {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"


@dataclass(frozen=True, slots=True)
class Wish:
    """A call somebody's agent wants to make, and where its answer belongs."""

    tool: str
    arguments: Mapping[str, Any]
    workspace: str
    thread_id: str
    reply_id: str
    call_id: str


def ask(ctx: Context, wish: Wish, reason: str) -> Approval | str:
    """Ask a person about a call: the approval that waits, or why nobody is asked."""
    arguments = canonical(wish.arguments)
    if len(arguments) > LONGEST_ARGUMENTS:
        return f"Its arguments are too long to be shown to a person ({len(arguments):,} characters)."
    arguments_digest = _sha256(wish.tool, arguments)
    with ctx.db.write() as tx:
        known = store.of_call(tx, wish.reply_id, wish.call_id)
        if known is not None:
            is_same = (known.tool, known.arguments_digest) == (wish.tool, arguments_digest) and known.is_pending
            return known if is_same else "Another call of this reply had the same id, so nobody is asked about this."
        refused = _not_asked(tx, wish, arguments_digest)
        if refused:
            return refused
        assert ctx.user_id is not None
        approval_id = ctx.ids.new("apr")
        expires_at = tx.now + TTL_SECONDS * SECOND
        new = NewApproval(
            approval_id,
            wish.tool,
            arguments,
            arguments_digest,
            digest(tx, AGENT, ctx.user_id, wish.tool, arguments, wish.workspace),
            AGENT,
            ctx.user_id,
            ctx.username,
            wish.workspace,
            reason,
            wish.thread_id,
            wish.reply_id,
            wish.call_id,
            expires_at,
        )
        store.insert_approval(tx, new)
        queue.enqueue(ctx, EXPIRE, {"approval_id": approval_id}, run_at=expires_at, unique_key=f"expire:{approval_id}")
        return store.get_approval(tx, approval_id)


def _not_asked(tx: Tx, wish: Wish, arguments_digest: str) -> str:
    if store.was_denied(tx, wish.thread_id, wish.tool, arguments_digest):
        return "An admin has denied this very call in this conversation; it is not asked again."
    if store.pending_in(tx, wish.thread_id) >= MOST_PENDING_IN_THREAD:
        return f"{MOST_PENDING_IN_THREAD} calls of this conversation wait for a person already."
    if store.pending(tx) >= MOST_PENDING:
        return f"{MOST_PENDING} calls wait for a person already."
    return ""


def told(approval: Approval) -> dict[str, Any]:
    """What events say of an approval."""
    return {
        "approval_id": approval.id,
        "tool": approval.tool,
        "arguments": json.loads(approval.arguments),
        "for": approval.username,
        "reply_id": approval.reply_id,
        "message_id": approval.reply_id,
        "call_id": approval.call_id,
        "digest": approval.digest,
    }


def approve(ctx: Context, approval_id: str) -> Approval:
    """Let one call happen, once."""
    return _answer(ctx, approval_id, "approved", "approval.granted", "")


def deny(ctx: Context, approval_id: str, note: str = "") -> Approval:
    """Say no; the agent is told why."""
    return _answer(ctx, approval_id, "denied", "approval.denied", note)


def _answer(ctx: Context, approval_id: str, state: str, event: str, note: str) -> Approval:
    ctx.require_admin()
    kept = " ".join(ctx.db.redact(note).split())[:LONGEST_NOTE] or None
    with ctx.db.write() as tx:
        found = store.get_approval(tx, approval_id)
        problem = _problem(ctx, tx, found, state)
        if not problem:
            store.set_state(tx, approval_id, "pending", state, kept)
            decided = store.get_approval(tx, approval_id)
            tx.record(event, f"approval/{approval_id}", told(decided) | {"note": kept}, thread_id=decided.thread_id)
            _go_on(ctx, tx, decided)
            return decided
    raise Conflict(problem)


def _problem(ctx: Context, tx: Tx, found: Approval, state: str) -> str:
    """Why it cannot be decided so, or ""; what no longer counts is expired on the way."""
    if not found.is_pending:
        return f"It is {found.state} already."
    if found.expires_at <= tx.now:
        _expire(ctx, found)
        return "Nobody decided in time, so it has expired."
    if state == "denied":
        return ""
    if digest(tx, found.principal, found.user_id, found.tool, found.arguments, found.workspace) != found.digest:
        _expire(ctx, found)
        return "The policy or the program has changed since it was asked, so this no longer counts. Ask again."
    locked = system.state(tx)
    if locked.lockdown:
        return f"Locked down: {locked.lockdown_reason or 'no reason was given'}. Nothing is approved meanwhile."
    return ""


def expire(ctx: Context, approval_id: str) -> bool:
    """Nobody decided in time; False when somebody has."""
    with ctx.db.write() as tx:
        found = store.find_approval(tx, approval_id)
        return found is not None and found.is_pending and found.expires_at <= tx.now and _expire(ctx, found)


def _expire(ctx: Context, found: Approval) -> bool:
    with ctx.db.write() as tx:
        if not store.set_state(tx, found.id, "pending", "expired"):
            return False
        tx.record("approval.expired", f"approval/{found.id}", told(found), thread_id=found.thread_id)
        _go_on(ctx, tx, found)
        return True


def _go_on(ctx: Context, tx: Tx, decided: Approval) -> None:
    """Continue the reply once nothing of it waits for a person any more."""
    if any(other.is_pending for other in store.of_reply(tx, decided.reply_id)):
        return
    owner = users.get(tx, decided.user_id)
    asker = ctx.acting(actor=owner.username, user_id=owner.id, username=owner.username, role=owner.role)
    payload = {"reply_id": decided.reply_id}
    queue.enqueue(asker, RESUME, payload, group_key=f"thread:{decided.thread_id}", priority=10)


def withdraw(ctx: Context, reply_id: str) -> None:
    """The reply has ended: nobody need decide on its calls any more."""
    with ctx.db.write() as tx:
        for found in store.of_reply(tx, reply_id):
            if store.set_state(tx, found.id, "pending", "expired", "The reply was stopped."):
                tx.record("approval.expired", f"approval/{found.id}", told(found), thread_id=found.thread_id)


def use(ctx: Context, reply_id: str, call_id: str, arguments: Mapping[str, Any]) -> Decision:
    """Spend the approval of a call, in the caller's transaction; allowed once, and only for exactly what was shown."""
    with ctx.db.write() as tx:
        found = store.of_call(tx, reply_id, call_id)
        if found is None:
            return Decision("deny", "Nobody was asked about this call.")
        if found.state == "denied":
            return Decision("deny", f"An admin denied it{f': {found.note}' if found.note else ''}.")
        if found.state == "expired":
            return Decision("deny", "Nobody decided in time, so it was not done.")
        if found.state == "used":
            return Decision("deny", "It was begun before Jarvis stopped; how it ended is not known.")
        if found.is_pending:
            return Decision("ask", "It still waits for a person.")
        now = digest(tx, found.principal, found.user_id, found.tool, found.arguments, found.workspace)
        if canonical(arguments) != found.arguments:
            return Decision("deny", "These are not the arguments that were approved.")
        if now != found.digest or found.expires_at + TTL_SECONDS * SECOND <= tx.now:
            store.set_state(tx, found.id, "approved", "expired")
            return Decision("deny", "The policy or the program has changed since it was approved, so it was not done.")
        store.set_state(tx, found.id, "approved", "used")
        return Decision("allow", f"{found.decided_by} approved it.")
