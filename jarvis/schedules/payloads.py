"""What a schedule does when due: ask a question or run a task; checked on the way in and before each run."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel import schema
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, Invalid, invalid
from jarvis.kernel.registry import TaskHandler
from jarvis.schedules import fields
from jarvis.schedules.store import POST_PROMPT, Schedule


@dataclass(frozen=True, slots=True)
class Work:
    """The task that an instant leads to, short of what tells instants apart."""

    handler: TaskHandler
    args: dict[str, Any]
    is_prompt: bool

    def payload(self, schedule: Schedule, dispatch_id: str) -> dict[str, Any]:
        if not self.is_prompt:
            return self.args
        return {**self.args, "schedule_id": schedule.id, "dispatch_id": dispatch_id, "title": schedule.name}


def check(ctx: Context, value: dict[str, Any]) -> dict[str, Any]:
    """A payload as it is stored; raises Invalid, or Denied when it takes an admin."""
    known = _only_known(value)
    if known["kind"] == "task":
        if not ctx.is_admin:
            raise Denied("Only an admin may schedule a task by name; schedule a prompt instead.")
        work_of(ctx, known)
    return known


def _only_known(value: Any) -> dict[str, Any]:
    try:
        known = schema.check(fields.PAYLOAD_FIELDS, value)
    except Invalid as error:
        raise Invalid(fields=[type(f)(f"payload.{f.field}".rstrip("."), f.message) for f in error.fields]) from None
    if known["kind"] == "prompt":
        if not known.get("text"):
            raise invalid("payload.text", "is required")
        return {"kind": "prompt", "text": known["text"]}
    if not known.get("name"):
        raise invalid("payload.name", "is required")
    if len(json.dumps(known.get("args") or {})) > fields.LONGEST_ARGS:
        raise invalid("payload.args", f"is too large (at most {fields.LONGEST_ARGS:,} bytes)")
    return {"kind": "task", "name": known["name"], "args": known.get("args") or {}}


def read(text: str) -> dict[str, Any]:
    """A stored payload; raises Invalid when it is damaged."""
    try:
        value = json.loads(text)
    except ValueError:
        raise invalid("payload", "is no JSON") from None
    return _only_known(value)


def work_of(ctx: Context, payload: dict[str, Any]) -> Work:
    """What a checked payload runs; raises Invalid when this release has no such task, or not for schedules."""
    if payload["kind"] == "prompt":
        return Work(ctx.registry.tasks[POST_PROMPT], {"text": payload["text"]}, True)
    handler = ctx.registry.tasks.get(payload["name"])
    if handler is None or not handler.is_runnable_by_hand:
        known = ", ".join(sorted(h.name for h in ctx.registry.tasks.values() if h.is_runnable_by_hand))
        raise invalid("payload.name", f"{payload['name']!r} is no task that can be scheduled; there are: {known}")
    return Work(handler, payload["args"], False)
