"""What may be done, by whom; and the calls that wait for a person.

Usage:
  jarvis permission list
  jarvis permission set PRINCIPAL TOOL EFFECT [--rules JSON]
  jarvis permission remove PRINCIPAL TOOL
  jarvis permission check PRINCIPAL TOOL [JSON]
  jarvis approval list [--state STATE]
  jarvis approval show ID
  jarvis approval approve ID
  jarvis approval deny ID [REASON]

Options:
  --rules JSON   for host.exec: a list of rules, each a list of words and slots
  --state STATE  pending, approved, denied, expired, used or all [default: pending]

PRINCIPAL is agent:main, user:NAME, role:user or role:admin; EFFECT is allow, ask or deny.
`permission check` prints what would be decided about a call with these arguments and exits 77 when that is deny.

Every command also takes --json and --as USER.
"""

import json
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, Usage
from jarvis.policy import actions, store
from jarvis.policy.actions import approvals
from jarvis.policy.store import Approval


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one of these commands; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    commands = PERMISSION if args["permission"] else APPROVAL
    return next(command for name, command in commands.items() if args[name])(ctx, args, console) or 0


def _json(text: str | None, kind: type, what: str) -> Any:
    try:
        found = json.loads(text) if text else kind()
    except ValueError as error:
        raise Usage(f"{what} is not valid JSON: {error}.") from None
    if not isinstance(found, kind):
        raise Usage(f"{what} must be a JSON {'object' if kind is dict else 'list'}.")
    return found


def _list(ctx: Context, args: Arguments, console: Console) -> None:
    with ctx.db.read() as tx:
        found = store.permissions(tx)
    rows = [(p.tool, p.principal, p.effect, p.rules if p.rules != "[]" else "") for p in found]
    empty = "No permission is set: reading is allowed, changing asks, host.exec is denied."
    text = console.table(rows, ("tool", "principal", "effect", "rules"), empty)
    console.answer({"items": [row.as_json() for row in found], "next": None}, text)


def _set(ctx: Context, args: Arguments, console: Console) -> None:
    given = _json(args["--rules"], list, "--rules")
    row = actions.put(ctx, args["PRINCIPAL"], args["TOOL"], args["EFFECT"], given)
    console.answer(row.as_json(), f"{row.tool}: {row.effect} for {row.principal}.")


def _remove(ctx: Context, args: Arguments, console: Console) -> None:
    actions.remove(ctx, args["PRINCIPAL"], args["TOOL"])
    console.answer({"removed": True}, "Removed; the default holds again.")


def _check(ctx: Context, args: Arguments, console: Console) -> int:
    asker = actions.asker_of(ctx, args["PRINCIPAL"])
    decision = actions.decide(ctx, asker, args["TOOL"], _json(args["JSON"], dict, "The arguments"))
    console.answer(decision.as_json(), f"{decision.effect}: {decision.reason}")
    return Denied.exit_code if decision.effect == "deny" else 0


def _approvals(ctx: Context, args: Arguments, console: Console) -> None:
    state = args["--state"]
    if state not in (*store.STATES, "all"):
        raise Usage(f"--state is one of {', '.join(store.STATES)} or all, not {state!r}.")
    with ctx.db.read() as tx:
        found = store.newest_approvals(tx, 200, "" if state == "all" else state)
    rows = [(a.id, a.state, a.tool, a.username, rfc3339(a.expires_at), a.arguments[:80]) for a in found]
    text = console.table(rows, ("id", "state", "tool", "for", "until", "arguments"), "Nothing waits for an approval.")
    console.answer({"items": [one.as_json() for one in found], "next": None}, text)


def _show(ctx: Context, args: Arguments, console: Console) -> None:
    with ctx.db.read() as tx:
        found = store.get_approval(tx, args["ID"])
    console.answer(found.as_json(), _whole(found))


def _whole(found: Approval) -> str:
    """Everything a person has to know, with what cannot be seen spelled out."""
    shown = json.dumps(json.loads(found.arguments), ensure_ascii=True, indent=2)
    return (
        f"{found.tool} for {found.username}: {found.state}\n{shown}\n  why asked: {found.reason}\n"
        f"  bound to:  sha256:{found.digest}\n  until:     {rfc3339(found.expires_at)}"
    )


def _approve(ctx: Context, args: Arguments, console: Console) -> None:
    done = approvals.approve(ctx, args["ID"])
    console.answer(done.as_json(), f"Approved once: {done.tool} for {done.username}.")


def _deny(ctx: Context, args: Arguments, console: Console) -> None:
    done = approvals.deny(ctx, args["ID"], args["REASON"] or "")
    console.answer(done.as_json(), f"Denied: {done.tool} for {done.username}.")


PERMISSION = {"list": _list, "set": _set, "remove": _remove, "check": _check}
APPROVAL = {"list": _approvals, "show": _show, "approve": _approve, "deny": _deny}
