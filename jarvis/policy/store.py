"""Rows of policy: what each principal may do, and the calls that wait for a person."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

LAST = 2**62
EFFECTS = ("allow", "ask", "deny")
STATES = ("pending", "approved", "denied", "expired", "used")


@dataclass(frozen=True, slots=True)
class Permission:
    """One row: what a principal may do with a tool. `rules` is JSON, a list of argv rules."""

    principal: str
    tool: str
    effect: str
    rules: str
    set_by: str
    set_at: int

    def rule_list(self) -> list[list[Any]]:
        found: list[list[Any]] = json.loads(self.rules)
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "principal": self.principal,
            "tool": self.tool,
            "effect": self.effect,
            "rules": self.rule_list(),
            "set_by": self.set_by,
            "set_at": rfc3339(self.set_at),
        }


@dataclass(frozen=True, slots=True)
class Approval:
    """One call that waits, or waited, for a person; `arguments` is canonical JSON."""

    seq: int
    id: str
    state: str
    tool: str
    arguments: str
    arguments_digest: str
    digest: str
    principal: str
    user_id: str
    username: str
    workspace: str
    reason: str
    thread_id: str
    reply_id: str
    call_id: str
    trace_id: str
    requested_at: int
    expires_at: int
    decided_at: int | None
    decided_by: str | None
    note: str | None

    @property
    def is_pending(self) -> bool:
        return self.state == "pending"

    @property
    def call(self) -> Any:
        """The arguments as they would be used."""
        return json.loads(self.arguments)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state,
            "tool": self.tool,
            "arguments": self.call,
            "digest": self.digest,
            "principal": self.principal,
            "for": self.username,
            "workspace": self.workspace,
            "reason": self.reason,
            "thread_id": self.thread_id,
            "trace_id": self.trace_id,
            "requested_at": rfc3339(self.requested_at),
            "expires_at": rfc3339(self.expires_at),
            "decided_at": rfc3339(self.decided_at) if self.decided_at is not None else None,
            "decided_by": self.decided_by,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class NewApproval:
    """What is known when a person is asked."""

    id: str
    tool: str
    arguments: str
    arguments_digest: str
    digest: str
    principal: str
    user_id: str
    username: str
    workspace: str
    reason: str
    thread_id: str
    reply_id: str
    call_id: str
    expires_at: int


PERMISSION = "principal, tool, effect, rules, set_by, set_at"
APPROVAL = (
    "seq, id, state, tool, arguments, arguments_digest, digest, principal, user_id, username, workspace, reason,"
    " thread_id, reply_id, call_id, trace_id, requested_at, expires_at, decided_at, decided_by, note"
)


def version(tx: Tx) -> int:
    """Of the policy as a whole."""
    return tx.one(int, "SELECT version FROM policy_version WHERE id = 1") or 0


def raise_version(tx: Tx) -> None:
    tx.run("UPDATE policy_version SET version = version + 1 WHERE id = 1")


def permissions(tx: Tx) -> list[Permission]:
    """Every row, by tool."""
    return tx.all(Permission, f"SELECT {PERMISSION} FROM permissions ORDER BY tool, principal")


def find_permission(tx: Tx, principal: str, tool: str) -> Permission | None:
    sql = f"SELECT {PERMISSION} FROM permissions WHERE principal = :principal AND tool = :tool"
    return tx.one(Permission, sql, principal=principal, tool=tool)


def put_permission(tx: Tx, principal: str, tool: str, effect: str, rules: str) -> None:
    tx.run(
        "INSERT INTO permissions (principal, tool, effect, rules, set_by, set_at)"
        " VALUES (:principal, :tool, :effect, :rules, :by, :now) ON CONFLICT (principal, tool)"
        " DO UPDATE SET effect = :effect, rules = :rules, set_by = :by, set_at = :now",
        principal=principal,
        tool=tool,
        effect=effect,
        rules=rules,
        by=tx.who.actor,
        now=tx.now,
    )


def delete_permission(tx: Tx, principal: str, tool: str) -> bool:
    sql = "DELETE FROM permissions WHERE principal = :principal AND tool = :tool"
    return tx.run(sql, principal=principal, tool=tool) == 1


def insert_approval(tx: Tx, new: NewApproval) -> None:
    tx.run(
        "INSERT INTO approvals (id, state, tool, arguments, arguments_digest, digest, principal, user_id, username,"
        " workspace, reason, thread_id, reply_id, call_id, trace_id, requested_at, expires_at)"
        " VALUES (:id, 'pending', :tool, :arguments, :arguments_digest, :digest, :principal, :user_id, :username,"
        " :workspace, :reason, :thread_id, :reply_id, :call_id, :trace, :now, :expires_at)",
        trace=tx.who.trace_id,
        now=tx.now,
        **asdict(new),
    )


def find_approval(tx: Tx, approval_id: str) -> Approval | None:
    return tx.one(Approval, f"SELECT {APPROVAL} FROM approvals WHERE id = :id", id=approval_id)


def get_approval(tx: Tx, approval_id: str) -> Approval:
    found = find_approval(tx, approval_id)
    if found is None:
        raise NotFound("There is no such approval.")
    return found


def of_call(tx: Tx, reply_id: str, call_id: str) -> Approval | None:
    """The approval of one call of one reply."""
    sql = f"SELECT {APPROVAL} FROM approvals WHERE reply_id = :reply AND call_id = :call"
    return tx.one(Approval, sql, reply=reply_id, call=call_id)


def of_reply(tx: Tx, reply_id: str) -> list[Approval]:
    """Every approval one reply asked for, in order."""
    return tx.all(Approval, f"SELECT {APPROVAL} FROM approvals WHERE reply_id = :reply ORDER BY seq", reply=reply_id)


def newest_approvals(tx: Tx, limit: int, state: str = "", before: int = LAST) -> list[Approval]:
    where = "state = :state AND " if state else ""
    sql = f"SELECT {APPROVAL} FROM approvals WHERE {where}seq < :before ORDER BY seq DESC LIMIT :limit"
    parameters: dict[str, Any] = {"before": before, "limit": limit} | ({"state": state} if state else {})
    return tx.all(Approval, sql, **parameters)


def pending(tx: Tx) -> int:
    """How many wait for a person."""
    return tx.one(int, "SELECT count(*) FROM approvals WHERE state = 'pending'") or 0


def pending_in(tx: Tx, thread_id: str) -> int:
    sql = "SELECT count(*) FROM approvals WHERE thread_id = :thread AND state = 'pending'"
    return tx.one(int, sql, thread=thread_id) or 0


def was_denied(tx: Tx, thread_id: str, tool: str, arguments_digest: str) -> bool:
    """Whether somebody has said no to this very call in this conversation."""
    sql = (
        "SELECT 1 FROM approvals WHERE thread_id = :thread AND tool = :tool AND arguments_digest = :digest"
        " AND state = 'denied' LIMIT 1"
    )
    return tx.one(int, sql, thread=thread_id, tool=tool, digest=arguments_digest) is not None


def set_state(tx: Tx, approval_id: str, before: str, after: str, note: str | None = None) -> bool:
    """Move on from one state to another; False when it is in another by now."""
    sql = (
        "UPDATE approvals SET state = :after, decided_at = coalesce(decided_at, :now),"
        " decided_by = coalesce(decided_by, :by), note = coalesce(:note, note) WHERE id = :id AND state = :before"
    )
    return tx.run(sql, id=approval_id, before=before, after=after, now=tx.now, by=tx.who.actor, note=note) == 1
