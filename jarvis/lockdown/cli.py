"""Lock everything but reading, see how that stands, and make the code that lifts it.

Usage:
  jarvis lockdown on [REASON...]
  jarvis lockdown off CODE
  jarvis lockdown status
  jarvis lockdown rehearse
  jarvis unlock-code [rotate]

`unlock-code rotate` makes a fresh code, writes it to ADMIN_UNLOCK_CODE_PATH and prints it; without `rotate` it says
how long the newest is good, never what it is. `lockdown status` exits 0 either way.
`lockdown rehearse` locks a copy of everything, tries every tool, route, command, schedule, webhook and task on it,
and exits 1 when anything got through. What runs is not touched.

Every command also takes --json and --as USER.
"""

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskRun
from jarvis.lockdown import actions
from jarvis.lockdown.actions import Standing


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one of these commands; returns its exit code."""
    ctx = start.context(registry=args["rehearse"]).traced()
    ctx.require_admin()
    if args["rehearse"]:
        return _rehearse(ctx, console)
    if args["unlock-code"]:
        return _rotate(ctx, console) if args["rotate"] else _code(ctx, console)
    if args["on"]:
        actions.lock_by_hand(ctx, " ".join(args["REASON"]))
    elif args["off"]:
        actions.unlock_or_refuse(ctx, args["CODE"])
    found = actions.standing(ctx)
    console.answer(found.as_json(), _sentence(ctx, found))
    return 0


def _rehearse(ctx: Context, console: Console) -> int:
    here = TaskRun("", 1, {}, lambda: False, lambda said: None)
    ctx.registry.tasks[actions.REHEARSAL].run(ctx, here)
    report = actions.last_rehearsal(ctx)
    assert report is not None
    tried = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in report["tried"].items())
    rows = [(leak["kind"], leak["name"], leak["what"]) for leak in report["leaks"]]
    text = console.table(rows, ("kind", "got through", "what it did"), "Nothing got through.")
    console.answer(report, f"Tried on a locked copy: {tried}, in {report['seconds']} s.\n{text}")
    return 0 if report["ok"] else 1


def _sentence(ctx: Context, found: Standing) -> str:
    state = found.state
    if not state.lockdown:
        return "Not locked down."
    since = rfc3339(state.lockdown_at or 0)
    return (
        f"Locked down since {since} by {state.lockdown_by}: {state.lockdown_reason}\n"
        f"  unlock: jarvis lockdown off CODE, or /unlock CODE in the chat\n  code:   {_about(ctx, found)}"
    )


def _about(ctx: Context, found: Standing) -> str:
    if found.code is None or not found.tries_left:
        return "none that is good; make one: jarvis unlock-code rotate"
    until = rfc3339(found.code.expires_at)
    return f"in {ctx.settings.admin_unlock_code_path}, good until {until}, {found.tries_left} tries left"


def _code(ctx: Context, console: Console) -> int:
    found = actions.standing(ctx)
    console.answer(found.as_json()["code"], f"Unlock code: {_about(ctx, found)}")
    return 0


def _rotate(ctx: Context, console: Console) -> int:
    code = actions.rotate(ctx)
    found = actions.standing(ctx)
    assert found.code is not None
    until = rfc3339(found.code.expires_at)
    shown = {"code": code, "expires_at": until, "path": str(ctx.settings.admin_unlock_code_path)}
    console.answer(shown, f"{code}\n  good until {until}, once; also in {shown['path']}")
    return 0
