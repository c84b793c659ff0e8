"""The maintenance commands: how they went, run them here and now, or let the server run them.

Usage:
  jarvis maintenance status [--limit N]
  jarvis maintenance run
  jarvis maintenance enqueue
  jarvis maintenance show RUN

Options:
  --limit N  how many runs to show [default: 10]

`run` works without a server and with MAINTENANCE_ENABLED=0 too. It shows the output as it comes and
exits 0 when every command passed, 1 when one failed, 65 when a run is at work already, 78 when no
command is configured. `enqueue` asks a server to do it.

Every command also takes --json and --as USER.
"""

from collections.abc import Callable

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Misconfigured, Usage
from jarvis.kernel.streams import Frame
from jarvis.maintenance import actions, report, store
from jarvis.maintenance.store import Run, Step
from jarvis.maintenance.tasks import OUTPUT
from jarvis.queue import actions as queue


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `maintenance` command; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    for name, command in COMMANDS.items():
        if args[name]:
            return command(ctx, args, console) or 0
    return 64


def _status(ctx: Context, args: Arguments, console: Console) -> None:
    if not args["--limit"].isdecimal() or not 1 <= int(args["--limit"]) <= 200:
        raise Usage("--limit takes a whole number from 1 to 200.")
    found = report.standing(ctx)
    shown = report.with_runs(ctx, int(args["--limit"]))
    every = f"every {found.interval_seconds} s" if found.interval_seconds else "only when asked"
    lines = [
        report.sentence(found),
        f"  {'enabled' if found.is_enabled else 'not enabled'}, {every}, {len(found.commands)} commands"
        f" in {found.workdir}",
    ]
    if found.next_due_at is not None:
        lines.append(f"  next at {rfc3339(found.next_due_at)}")
    rows = [(r["id"], r["state"], r["started_at"], _seconds(r["seconds"]), r["reason"] or "") for r in shown["runs"]]
    table = console.table(
        rows, ("run", "state", "began", "took", "says"), "No run yet. Make one: jarvis maintenance run"
    )
    console.answer(shown, "\n".join([*lines, "", table]))


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _run(ctx: Context, args: Arguments, console: Console) -> int:
    if not ctx.settings.maintenance_commands:
        raise Misconfigured(actions.NOT_CONFIGURED)
    queue.take_back(ctx)  # a run whose process died must not stand in the way
    stop = ctx.registry.streams.subscribe(_printer(console))
    try:
        with ctx.db.read() as tx:
            waiting = actions.waiting(tx)
        task = queue.run_here(ctx, waiting or actions.ask(ctx, priority=queue.BY_HAND))
    finally:
        stop()
    with ctx.db.read() as tx:
        done = [run for run in store.newest(tx, 5) if run.task_id == task.id]
        steps = store.steps(tx, done[0].seq) if done else []
    if not done:
        console.say(f"jarvis: {task.error or 'the run did not begin'}")
        return 1
    console.answer(report.whole(done[0], steps), "\n".join(["", *_lines(done[0], steps)]))
    return 0 if done[0].state == "passed" else 1


def _printer(console: Console) -> Callable[[Frame], None]:
    def show(frame: Frame) -> None:
        if frame.get("type") == OUTPUT and not console.is_json:
            console.write(str(frame["text"]))

    return show


def _lines(run: Run, steps: list[Step]) -> list[str]:
    lines = []
    for step in steps:
        code = f", exit {step.exit_code}" if step.exit_code else ""
        error = f". {step.error}" if step.error else ""
        bug = f" (bug {step.bug_id})" if step.bug_id else ""
        lines.append(
            f"  {step.state.replace('_', ' ')}: {step.command}{code}, {_seconds(step.seconds) or 'not run'}{error}{bug}"
        )
    return [*lines, f"Maintenance {run.state}{f': {run.reason}' if run.reason else ''} ({run.id})"]


def _enqueue(ctx: Context, args: Arguments, console: Console) -> None:
    if not ctx.settings.maintenance_commands:
        raise Misconfigured(actions.NOT_CONFIGURED)
    task = actions.ask(ctx)
    console.answer({"task_id": task.id}, f"Asked for: {task.id}")
    if not queue.is_served(ctx):
        console.say("jarvis: no server is running here; the run begins when one does.")


def _show(ctx: Context, args: Arguments, console: Console) -> None:
    with ctx.db.read() as tx:
        found = store.get(tx, args["RUN"])
        steps = store.steps(tx, found.seq)
    lines = _lines(found, steps)
    for step in steps:
        kept = step.excerpt_of()
        if kept:
            gap = [f"    … {kept['left_out']:,} lines left out …"] if kept["left_out"] else []
            lines += [
                "",
                f"  $ {step.command}",
                *(f"    {x}" for x in kept["first"]),
                *gap,
                *(f"    {x}" for x in kept["last"]),
            ]
    console.answer(report.whole(found, steps), "\n".join(lines))


COMMANDS = {"status": _status, "run": _run, "enqueue": _enqueue, "show": _show}
