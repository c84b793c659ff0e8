"""What can be done: decide on a call, and change what is decided."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound, invalid
from jarvis.kernel.registry import Tool
from jarvis.policy import store
from jarvis.policy.actions import rules
from jarvis.policy.store import Permission
from jarvis.system import store as system
from jarvis.users import store as users

AGENT = "agent:main"
PRINCIPAL = re.compile(r"agent:main|role:(?:user|admin)|user:[a-z0-9][a-z0-9._-]{0,63}")
DEFAULTS = {"read": "allow", "write": "ask", "host": "deny"}
"""What holds for a tool of each risk while no permission says otherwise."""
STRICTNESS = ("deny", "ask", "allow")
WITH_RULES = "host.exec"
"""The one tool whose arguments are matched by rules."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow, ask or deny, and why in words a person and a model understand."""

    effect: str
    reason: str

    @property
    def is_allowed(self) -> bool:
        return self.effect == "allow"

    def as_json(self) -> dict[str, str]:
        return {"decision": self.effect, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a tool is called, and by which agent ("" when they do it themselves)."""

    username: str
    role: str
    agent: str = AGENT

    @property
    def principals(self) -> tuple[str, ...]:
        """Whose permissions hold, the most particular of the person's first."""
        return (f"user:{self.username}", f"role:{self.role}")


def decide(ctx: Context, asker: Asker, name: str, arguments: Mapping[str, Any]) -> Decision:
    """Whether a call may happen. In this order: unknown tool, restarting, lockdown, role, permission, arguments."""
    tool = ctx.registry.tools.get(name)
    if tool is None:
        return Decision("deny", f"There is no tool {name[:80]}.")
    with ctx.db.read() as tx:
        state = system.state(tx)
        if tool.risk != "read" and state.restarting:
            return Decision("deny", "Jarvis is restarting; ask again in a moment.")
        if tool.risk != "read" and state.lockdown:
            why = state.lockdown_reason or "no reason was given"
            return Decision("deny", f"Locked down ({why}): only tools that read work.")
        if tool.admin_only and asker.role != "admin":
            return Decision("deny", f"{asker.username or 'This user'} may not use {name}: it is for admins.")
        rows = _rows(tx, asker, name)
    return _by_permission(tool, asker, rows, arguments)


def offered(ctx: Context, asker: Asker) -> list[Tool]:
    """The tools worth telling the agent of: those that this person could get to use, now or after being asked."""
    with ctx.db.read() as tx:
        is_locked = system.state(tx).lockdown
        return [tool for tool in ctx.registry.tools.values() if _is_offered(tx, asker, tool, is_locked=is_locked)]


def _is_offered(tx: Tx, asker: Asker, tool: Tool, *, is_locked: bool) -> bool:
    if (tool.admin_only and asker.role != "admin") or (is_locked and tool.risk != "read"):
        return False
    rows = _rows(tx, asker, tool.name)
    effects = [row.effect for row in rows] or [DEFAULTS[tool.risk]]
    return "deny" not in effects


def _rows(tx: Tx, asker: Asker, tool: str) -> list[Permission]:
    """The permissions that hold: the person's own, else their role's; and the agent's."""
    found = (store.find_permission(tx, principal, tool) for principal in asker.principals)
    person = next((row for row in found if row is not None), None)
    agent = store.find_permission(tx, asker.agent, tool) if asker.agent else None
    return [row for row in (person, agent) if row is not None]


def _by_permission(tool: Tool, asker: Asker, rows: list[Permission], arguments: Mapping[str, Any]) -> Decision:
    if not rows:
        return _by_default(tool)
    strictest = min(rows, key=lambda row: STRICTNESS.index(row.effect))
    who = f"the permission of {strictest.principal}"
    if strictest.effect == "deny":
        return Decision("deny", f"{who} denies {tool.name}.".capitalize())
    if tool.risk == "host" and asker.role != "admin" and all(row.principal == AGENT for row in rows):
        why = f"No permission grants {tool.name} to {asker.username}: the agent's alone is not theirs."
        return Decision("deny", why)
    if tool.name == WITH_RULES:
        refused = _by_rules(rows, arguments)
        if refused:
            return Decision("deny", refused)
    return Decision(strictest.effect, f"{who} says {strictest.effect}.".capitalize())


def _by_default(tool: Tool) -> Decision:
    effect = DEFAULTS[tool.risk]
    reason = {
        "allow": f"{tool.name} only reads.",
        "ask": f"{tool.name} changes something, and no permission allows it unasked.",
        "deny": f"No permission grants {tool.name}.",
    }
    return Decision(effect, reason[effect])


def _by_rules(rows: list[Permission], arguments: Mapping[str, Any]) -> str:
    """Why no rule lets this program run with these arguments, or ""; every permission's rules must."""
    argv = arguments.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        return "argv must be a list of words."
    for row in rows:
        if not rules.matches(rules.parse(row.rule_list()), argv):
            shown = " ".join(argv)[:200]
            return f"No rule of {row.principal} allows exactly these arguments: {shown}"
    why = rules.unfit(argv[0])
    return f"The rule {why}." if why else ""


def record(
    ctx: Context, asker: Asker, name: str, arguments: Mapping[str, Any], decision: Decision, *, thread_id: str | None
) -> None:
    """Keep a decision in the audit log."""
    about = {
        "tool": name[:100],
        "principal": asker.agent or f"user:{asker.username}",
        "for": asker.username,
        "role": asker.role,
        "arguments": arguments,
        **decision.as_json(),
    }
    with ctx.db.write() as tx:
        tx.record("policy.decision", f"tool/{name[:100]}", about, thread_id=thread_id)


def asker_of(ctx: Context, principal: str) -> Asker:
    """Who a principal stands for when a decision is tried out. Raises Invalid, or NotFound for an unknown user."""
    if not PRINCIPAL.fullmatch(principal):
        raise invalid("principal", "is agent:main, user:NAME, role:user or role:admin")
    kind, _, name = principal.partition(":")
    if kind == "role":
        return Asker("", name, agent="")
    if kind == "agent":
        return Asker("", "admin")
    with ctx.db.read() as tx:
        user = users.get_by_name(tx, name)
    return Asker(user.username, user.role)


# Permissions


def put(ctx: Context, principal: str, tool: str, effect: str, rule_list: Any = None) -> Permission:
    """Say what a principal may do with a tool."""
    ctx.require_admin()
    given = _checked(ctx, principal, tool, effect, rule_list or [])
    with ctx.db.write() as tx:
        store.put_permission(tx, principal, tool, effect, given)
        store.raise_version(tx)
        about = {"principal": principal, "tool": tool, "effect": effect, "rules": json.loads(given)}
        tx.record("permission.set", f"permission/{principal}/{tool}", about)
        found = store.find_permission(tx, principal, tool)
    assert found is not None
    return found


def _checked(ctx: Context, principal: str, tool: str, effect: str, rule_list: Any) -> str:
    """The rules as they are kept, once everything is as it must be."""
    asker_of(ctx, principal)
    if tool not in ctx.registry.tools:
        raise NotFound(f"There is no tool {tool[:80]}.")
    if effect not in store.EFFECTS:
        raise invalid("effect", f"must be one of {', '.join(store.EFFECTS)}")
    parsed = rules.parse(rule_list)
    if parsed and tool != WITH_RULES:
        raise invalid("rules", f"are for {WITH_RULES} only")
    if tool == WITH_RULES and effect != "deny" and not parsed:
        raise invalid("rules", "are needed: without any, no program may run")
    rules.check(parsed)
    return json.dumps(rule_list, ensure_ascii=False, separators=(",", ":"))


def remove(ctx: Context, principal: str, tool: str) -> None:
    """Forget a permission; the default holds again."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        if not store.delete_permission(tx, principal, tool):
            raise NotFound("There is no such permission.")
        store.raise_version(tx)
        tx.record("permission.removed", f"permission/{principal}/{tool}", {"principal": principal, "tool": tool})
