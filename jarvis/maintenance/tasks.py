"""The durable task behind every maintenance run: one at a time on a home, and never begun twice for one wish."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.maintenance import actions
from jarvis.maintenance.commands import Command, Outcome
from jarvis.maintenance.output import Output
from jarvis.maintenance.store import Run, Step

OUTPUT = "maintenance.output"
"""Type of the frames that carry output to whoever watches in this process."""


def _run(ctx: Context, task: TaskRun) -> dict[str, Any] | None:
    cause = "interval" if task.payload.get("cause") == "interval" else "asked"
    reason = actions.refusal(ctx)
    if reason:  # it has become so since it was asked for
        run = actions.refuse(ctx, cause, reason, task.id)
        return {"run_id": run.id, "state": run.state, "reason": reason}
    if not ctx.settings.maintenance_commands:
        raise Conflict(actions.NOT_CONFIGURED)
    run = actions.begin(ctx, cause, task.id)
    try:
        run = Performance(ctx, run, task).all()
    except KeyboardInterrupt:
        actions.end(ctx, run.id, "cancelled", "Stopped at the keyboard.")
        raise
    except BaseException as error:
        actions.end(ctx, run.id, "interrupted", f"It could not go on: {ctx.db.redact(str(error))[:200]}")
        raise
    return None if run.state == "cancelled" else {"run_id": run.id, "state": run.state}


class Performance:
    """One run, command by command."""

    def __init__(self, ctx: Context, run: Run, task: TaskRun) -> None:
        self._ctx, self._run, self._task = ctx, run, task
        self._commands = ctx.settings.maintenance_commands

    def all(self) -> Run:
        """Run every command; one that fails does not keep the others from running."""
        failed = 0
        for position, command in enumerate(self._commands, 1):
            if self._task.is_cancelled():
                return actions.end(self._ctx, self._run.id, "cancelled", "It was cancelled.")
            shown = self._ctx.db.redact(command)
            self._task.progress(f"{position} of {len(self._commands)}: {shown[:200]}")
            step = self._one(position, command)
            failed += step.state in ("failed", "timed_out")
            if step.state == "cancelled":
                return actions.end(self._ctx, self._run.id, "cancelled", "It was cancelled.")
        reason = f"{failed} of {len(self._commands)} commands failed." if failed else None
        return actions.end(self._ctx, self._run.id, "failed" if failed else "passed", reason)

    def _one(self, position: int, command: str) -> Step:
        ctx, run = self._ctx, self._run
        actions.make_folder(ctx, run.id)
        actions.begin_step(ctx, run, position)
        output = Output(actions.output_path(ctx, run.id, position), ctx.db.redact, self._teller(position))
        try:
            outcome = self._execute(position, command, output)
        except OSError as error:  # no process could be started
            output.add(f"jarvis: cannot run it: {error.strerror}\n".encode())
            outcome = Outcome("exit", 126, 0, 0)
        finally:
            ends = output.close()
        return actions.end_step(ctx, run, position, outcome, ends)

    def _execute(self, position: int, command: str, output: Output) -> Outcome:
        ctx, run = self._ctx, self._run

        return Command(
            command,
            actions.workdir(ctx),
            actions.environment(ctx, run, position),
            ctx.settings.maintenance_timeout_seconds,
            output,
            self._task.is_cancelled,
            lambda process: actions.note_process(ctx, run, position, process),
        ).run()

    def _teller(self, position: int) -> Any:
        def tell(text: str) -> None:
            frame = {"type": OUTPUT, "run_id": self._run.id, "position": position, "text": text}
            self._ctx.registry.streams.tell(frame)

        return tell


def _gave_up(ctx: Context, payload: dict[str, Any], error: str) -> None:
    actions.settle_lost(ctx, "interrupted", error)
    actions.note_unbegun(ctx, "interval" if payload.get("cause") == "interval" else "asked", error)


def _cancelled(ctx: Context, payload: dict[str, Any]) -> None:
    actions.settle_lost(ctx, "cancelled", "It was cancelled.")


TASKS = (
    TaskHandler(
        actions.TASK,
        _run,
        "Runs every maintenance command once.",
        max_attempts=1,
        concurrency=1,
        is_runnable_by_hand=True,
        runs_in_lockdown=True,  # to refuse, and say so
        gave_up=_gave_up,
        cancelled=_cancelled,
    ),
)
