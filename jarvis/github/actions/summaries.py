"""Keep one comment under each pull request that says what it changes."""

import logging
import re
import secrets
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from jarvis.github import payload, pull, reading, summary, telling
from jarvis.github.actions import failures
from jarvis.github.changes import Account
from jarvis.github.client import Client, GitHubRefused
from jarvis.github.pull import Pull
from jarvis.github.reading import Own
from jarvis.github.store import pulls as store
from jarvis.github.summary import Said
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import JarvisError
from jarvis.queue import actions as queue

log = logging.getLogger(__name__)

TASK = "jarvis.tasks.github.pr_summary"
LONGEST_NOTES = 6000
OVERTAKEN = {"outcome": "overtaken", "reason": "something newer was pushed; that is summarised instead"}


def group(repo: str, number: int) -> str:
    """What is done about one pull request is done one after the other."""
    return f"github.pull:{repo}#{number}"


def hear(tx: Tx, ctx: Context, repo: str, delivered: Any) -> tuple[str, str]:
    """A pull request was opened, pushed to or made ready: the task that summarises it, or "" and why there is none."""
    if not ctx.settings.github_pr_summary_enabled:
        return "", "Summaries are off: set GITHUB_PR_SUMMARY_ENABLED=1."
    about = pull.read(repo, payload.inside(delivered, "pull_request"))
    if about is None or not repo:
        return "", "There is no pull request in it."
    reason = unwanted(ctx, about)
    if reason:
        return "", reason
    asked = store.ask(tx, repo, about.number, about.head_sha[:64])
    wish = {"repo": repo, "number": about.number, "asked": asked}
    key = f"github.summary:{repo}#{about.number}:{asked}"
    return queue.enqueue(ctx, TASK, wish, unique_key=key, group_key=group(repo, about.number)).id, ""


def unwanted(ctx: Context, about: Pull) -> str:
    """Why a pull request is not summarised, or ""."""
    if about.state != "open":
        return f"It is {'closed' if about.state == 'closed' else 'not open'}."
    if about.is_draft:
        return "It is a draft; it is summarised once it is ready for review."
    wanted = ctx.settings.github_pr_base_branches
    if wanted and not any(fnmatchcase(about.base, pattern) for pattern in wanted):
        return "Its base branch is not on GITHUB_PR_BASE_BRANCHES."
    return ""


def summarise(ctx: Context, wish: dict[str, Any], is_cancelled: Callable[[], bool]) -> dict[str, Any]:
    """Write or edit the comment. Raises GitHubRetry and GitHubRefused.

    The comment is looked for before each writing, so an attempt that died after its request is not repeated; it
    always tells of the pull request as it is now, so of several that wait only the last has work to do.
    """
    repo, number = str(wish["repo"]), int(wish["number"])
    if _is_overtaken(ctx, wish):
        return OVERTAKEN
    client = Client(ctx)
    try:
        about = reading.pull_request(ctx, client, repo, number)
    except reading.Gone as gone:
        return _end(ctx, wish, "skipped", str(gone))
    reason = unwanted(ctx, about)
    if reason:
        return _end(ctx, wish, "skipped", reason, about.head_sha)
    found = reading.account(ctx, client, about)
    text = ctx.db.redact(summary.render(about, found, ctx.settings.github_bot_login))
    return _publish(ctx, client, wish, about, found, text, is_cancelled)


def _publish(
    ctx: Context,
    client: Client,
    wish: dict[str, Any],
    about: Pull,
    found: Account,
    text: str,
    is_cancelled: Callable[[], bool],
) -> dict[str, Any]:
    comments = f"/repos/{about.repo}/issues/{about.number}/comments"
    own = [one for one in reading.own_comments(ctx, client, comments) if summary.digest_in(one.body) is not None]
    model = asked_model(ctx)
    marked = summary.digest(text, model)
    if own and summary.digest_in(own[0].body) == marked:
        _remove(client, about.repo, own[1:])
        return _end(ctx, wish, "untouched", "", about.head_sha, own[0].id)
    said = ask_model(ctx, about, found, "summarize", "", is_cancelled) if model else None
    if model and said is None:
        marked = summary.digest(text, f"{model} failed")  # so that the next delivery asks it again
    if _is_overtaken(ctx, wish):
        return OVERTAKEN
    body = summary.comment(text, marked, said)
    outcome, comment_id = _write(client, about.repo, comments, own, body)
    _remove(client, about.repo, own[1:])
    return _end(ctx, wish, outcome, "", about.head_sha, comment_id)


def _write(client: Client, repo: str, comments: str, own: list[Own], body: str) -> tuple[str, int]:
    if own and own[0].body == body:
        return "untouched", own[0].id
    if own:
        try:
            client.patch(f"/repos/{repo}/issues/comments/{own[0].id}", {"body": body})
            return "edited", own[0].id
        except GitHubRefused as refused:
            if refused.answer not in (404, 410):  # else somebody has deleted it just now
                raise
    return "created", payload.number(client.post(comments, {"body": body}), "id")


def _remove(client: Client, repo: str, extra: list[Own]) -> None:
    """Take away what is one too many of our own."""
    for one in extra:
        try:
            client.delete(f"/repos/{repo}/issues/comments/{one.id}")
        except GitHubRefused as refused:
            if refused.answer not in (404, 410):
                raise


def _is_overtaken(ctx: Context, wish: dict[str, Any]) -> bool:
    with ctx.db.read() as tx:
        row = store.find(tx, str(wish["repo"]), int(wish["number"]))
    return row is not None and row.asked > int(wish["asked"])


def _end(
    ctx: Context, wish: dict[str, Any], outcome: str, reason: str, head: str = "", comment_id: int | None = None
) -> dict[str, Any]:
    repo, number = str(wish["repo"]), int(wish["number"])
    told: dict[str, Any] = {"repo": repo, "number": number, "outcome": outcome}
    told |= {"reason": reason} if reason else {}
    told |= {"head": head[:64], "comment_id": comment_id} if comment_id else {}
    with ctx.db.write() as tx:
        store.set_outcome(tx, repo, number, outcome, reason[:500], head[:64], comment_id)
        tx.record("github.summary", f"pull/{repo}#{number}", told)
    return told


def gave_up(ctx: Context, wish: dict[str, Any], error: str) -> None:
    """A summary could not be written; that is a bug of its own, once for each reason."""
    _end(ctx, wish, "failed", error)
    about = {"repo": wish["repo"], "number": wish["number"]}
    failures.note(ctx, "summarise a pull request", error, about, kind=kind_of(error))


def kind_of(error: str) -> str:
    """The same failure with other pull requests and comments is one bug."""
    return re.sub(r"(?<=/)\d+", "N", error)


def asked_model(ctx: Context) -> str:
    """Which model would be asked, "" without one."""
    model = ctx.registry.models.get("plain")
    return model.asks(ctx) if model is not None else ""


def ask_model(
    ctx: Context, about: Pull, found: Account, name: str, question: str, is_cancelled: Callable[[], bool]
) -> Said | None:
    """What a model writes about a pull request, which it is shown as data; None when it does not answer."""
    mark = secrets.token_hex(8)
    prompt = telling.prompt(about, found, name, question, mark, ctx.db.redact)
    try:
        answer = ctx.registry.models["plain"].run(ctx, telling.system(mark), prompt, LONGEST_NOTES, is_cancelled)
    except JarvisError as fault:
        log.warning("no model wrote about %s#%s: %s", about.repo, about.number, fault)
        return None
    return Said(answer.by, ctx.db.redact(answer.text))
