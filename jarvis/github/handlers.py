"""Which deliveries cause what: a table from (event, action) to what handles it.

A handler is called with (tx, ctx, delivery, payload) in the transaction that stores the delivery. It enqueues what is
to be done and returns the task's id, returns "" when nothing is left to do, or Ignored with the reason. It looks at
nothing but the payload and the database: GitHub waits for the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.github.actions import questions, summaries
from jarvis.github.store.deliveries import Delivery
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx

ANY = "*"
"""Stands for every action of an event, also for none."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing is done, for this reason."""

    reason: str


Outcome = str | Ignored
Handler = Callable[[Tx, Context, Delivery, Mapping[str, Any]], Outcome]


def _ping(tx: Tx, ctx: Context, delivery: Delivery, payload: Mapping[str, Any]) -> Outcome:
    return ""


def _pull(tx: Tx, ctx: Context, delivery: Delivery, payload: Mapping[str, Any]) -> Outcome:
    task_id, reason = summaries.hear(tx, ctx, delivery.repo, payload)
    return task_id or Ignored(reason)


def _comment(tx: Tx, ctx: Context, delivery: Delivery, payload: Mapping[str, Any]) -> Outcome:
    task_id, reason = questions.hear(tx, ctx, delivery.repo, "issue", payload)
    return task_id or Ignored(reason)


def _review_comment(tx: Tx, ctx: Context, delivery: Delivery, payload: Mapping[str, Any]) -> Outcome:
    task_id, reason = questions.hear(tx, ctx, delivery.repo, "review", payload)
    return task_id or Ignored(reason)


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ping", ANY): _ping,
    ("pull_request", "opened"): _pull,
    ("pull_request", "reopened"): _pull,
    ("pull_request", "synchronize"): _pull,
    ("pull_request", "ready_for_review"): _pull,
    ("issue_comment", "created"): _comment,
    ("pull_request_review_comment", "created"): _review_comment,
}


def find(event: str, action: str) -> Handler | None:
    """What handles an event, by its action or for any."""
    return HANDLERS.get((event, action)) or HANDLERS.get((event, ANY))


def is_known(event: str) -> bool:
    """Whether any action of an event is handled."""
    return any(event == known for known, _ in HANDLERS)
