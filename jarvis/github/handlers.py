"""Which deliveries cause what: a table from (event, action) to what handles it.

A handler is called with (tx, ctx, delivery, payload) in the transaction that stores the delivery. It enqueues what is
to be done and returns the task's id, returns "" when nothing is left to do, or Ignored with the reason. It looks at
nothing but the payload and the database: GitHub waits for the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.github import payload as reading
from jarvis.github.actions import issues, questions, summaries
from jarvis.github.store import issues as links
from jarvis.github.store.deliveries import Delivery
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.queue import actions as queue

SYNC, TAKE = "jarvis.tasks.github.sync_bug", "jarvis.tasks.github.take_issue"
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


def _issue(tx: Tx, ctx: Context, delivery: Delivery, payload: Mapping[str, Any]) -> Outcome:
    """Closed, reopened or edited on GitHub: the bug follows."""
    bug_id = _bug_of(tx, ctx, payload)
    if isinstance(bug_id, Ignored):
        return bug_id
    told = {name: reading.text(payload, "issue", name) for name in ("title", "body", "state", "updated_at")}
    about = {"bug_id": bug_id, "issue": told, "sender": delivery.sender}
    return queue.enqueue(ctx, TAKE, about, group_key=f"github:{bug_id}").id


def _issue_gone(tx: Tx, ctx: Context, delivery: Delivery, payload: Mapping[str, Any]) -> Outcome:
    """Deleted, or moved to another repository: the bug has no issue any more."""
    bug_id = _bug_of(tx, ctx, payload)
    if isinstance(bug_id, Ignored):
        return bug_id
    number = reading.number(payload, "issue", "number")
    issues.unlink(ctx, bug_id, issues.GONE.format(number=number, repo=delivery.repo))
    return ""


def _bug_of(tx: Tx, ctx: Context, payload: Mapping[str, Any]) -> str | Ignored:
    if not issues.is_on(ctx):
        return Ignored("Issue sync is off: GITHUB_ISSUE_SYNC_ENABLED and GITHUB_ISSUE_SYNC_REPO.")
    repo, number = reading.repo(payload), reading.number(payload, "issue", "number")
    if not repo or not number:
        return Ignored("It names no issue of a repository.")
    link = links.find_by_number(tx, repo, number)
    return link.bug_id if link is not None else Ignored(f"No bug belongs to {repo}#{number}.")


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ping", ANY): _ping,
    ("pull_request", "opened"): _pull,
    ("pull_request", "reopened"): _pull,
    ("pull_request", "synchronize"): _pull,
    ("pull_request", "ready_for_review"): _pull,
    ("issue_comment", "created"): _comment,
    ("pull_request_review_comment", "created"): _review_comment,
    ("issues", "closed"): _issue,
    ("issues", "reopened"): _issue,
    ("issues", "edited"): _issue,
    ("issues", "deleted"): _issue_gone,
    ("issues", "transferred"): _issue_gone,
}


def find(event: str, action: str) -> Handler | None:
    """What handles an event, by its action or for any."""
    return HANDLERS.get((event, action)) or HANDLERS.get((event, ANY))


def is_known(event: str) -> bool:
    """Whether any action of an event is handled."""
    return any(event == known for known, _ in HANDLERS)
