"""Proposing an update: a patch, why, and what would prove it wrong."""

import hashlib
from typing import Any

from jarvis.kernel import schema
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, invalid
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from jarvis.queue.store import Task
from jarvis.selfupdate import artefacts, fields, states, store
from jarvis.selfupdate.actions import moving
from jarvis.selfupdate.store import Update

TASK = "jarvis.tasks.selfupdate.self_update_propose"
MOST_WAITING = 50
"""So many proposals may wait to be looked at: whoever proposes must not drown whoever decides."""


def propose(ctx: Context, patch: str, rationale: str, evidence: dict[str, Any]) -> Update:
    """Keep a proposal under a trace of its own; raises Invalid naming each field that is wrong.

    The same patch proposed again in one trace is the one that is there: a task may run twice.
    """
    ctx.require_admin()
    lockdown.require_open(ctx, "proposing an update")
    wish = check(ctx, {"patch": patch, "rationale": rationale, "evidence": evidence})
    artefacts.require_place(ctx)
    raw = wish["patch"].encode()
    digest = hashlib.sha256(raw).hexdigest()
    with ctx.db.write() as tx:
        there = store.find(tx, ctx.trace_id)
        if there is not None and there.patch_sha256 == digest:
            return there
        update = _insert(ctx if there is None else ctx.traced(), tx, wish, raw, digest)
    artefacts.write(ctx, update.id)
    return update


def _insert(ctx: Context, outer: Tx, wish: dict[str, Any], raw: bytes, digest: str) -> Update:
    if len(store.in_state(outer, states.PROPOSED, MOST_WAITING)) == MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} proposals wait already; validate or reject some first.")
    with ctx.db.write() as tx:  # as whoever proposes, in the proposal's trace
        update = store.insert(
            tx,
            ctx.ids.new("upd"),
            rationale=wish["rationale"],
            evidence=wish["evidence"],
            patch=raw,
            sha256=digest,
            user_id=ctx.user_id,
        )
        moving.tell(tx, update, states.PROPOSED, "", patch_sha256=digest, bytes=len(raw))
    return update


def check(ctx: Context, wish: dict[str, Any]) -> dict[str, Any]:
    """A proposal without secrets and within its limits; raises Invalid."""
    known = schema.check(fields.PROPOSAL, wish)
    added = "\n".join(line for line in known["patch"].splitlines() if line.startswith("+"))
    if ctx.db.redact(added) != added:
        raise invalid("patch", "adds something that is or looks like a secret; it would be kept and shown")
    return {
        "patch": known["patch"],
        "rationale": ctx.db.redact(known["rationale"].strip()),
        "evidence": {name: _redacted(ctx, value) for name, value in known["evidence"].items()},
    }


def _redacted(ctx: Context, value: str | list[str]) -> str | list[str]:
    return ctx.db.redact(value.strip()) if isinstance(value, str) else [ctx.db.redact(one.strip()) for one in value]


def ask(ctx: Context, wish: dict[str, Any]) -> Task:
    """Have a worker propose it."""
    ctx.require_admin()
    return queue.enqueue(ctx, TASK, check(ctx, wish))
