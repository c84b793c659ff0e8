"""Answer what people ask in the comments of a pull request, each comment once."""

from collections.abc import Callable, Mapping
from typing import Any

from jarvis.github import answers, asking, payload, reading
from jarvis.github.actions import failures, summaries
from jarvis.github.asking import Asked
from jarvis.github.changes import Account
from jarvis.github.client import Client, GitHubRefused
from jarvis.github.pull import Pull
from jarvis.github.store import pulls as store
from jarvis.github.summary import Said
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.queue import actions as queue

TASK = "jarvis.tasks.github.pr_answer"
MOST_A_MINUTE, MOST_A_DAY = 6, 200
"""From one person: whoever may not write here is not told so, and makes little work."""
KEEP_DAYS, FORGOTTEN_AT_ONCE = 400, 4
NO_WRITER = "They may not write to this repository."
NO_MODEL = "I have no model to answer questions with."
SILENT = "The model I would ask does not answer just now."
SOON = 10
"""Somebody waits for it, so it goes before summaries."""


def hear(tx: Tx, ctx: Context, repo: str, kind: str, delivered: Mapping[str, Any]) -> tuple[str, str]:
    """Somebody wrote a comment: the task that answers it, or "" and why there is none."""
    if not ctx.settings.github_token:
        return "", "GITHUB_TOKEN is not set, so nothing can be answered."
    comment = asking.read(delivered, kind)
    if isinstance(comment, str) or not repo:
        return "", comment if isinstance(comment, str) else "It names no repository."
    bot = ctx.settings.github_bot_login
    reason = asking.why_not(comment, bot) or ("It was written by Jarvis." if store.is_answer(tx, comment.id) else "")
    asked = asking.asked(comment.body, bot) if not reason else None
    if asked is None:
        return "", reason or f"Nothing in it is addressed to Jarvis: no line begins with /jarvis or @{bot}."
    known = store.find_question(tx, repo, kind, comment.id)
    if known is not None and known.state != "failed":
        return "", f"It was {known.state} before."
    if known is None:
        reason = _too_often(tx, comment.login)
        if reason:
            return "", reason
        store.forget_questions(tx, tx.now - KEEP_DAYS * 86_400 * SECOND, FORGOTTEN_AT_ONCE)
        store.insert_question(tx, repo, comment.number, kind, comment.id, comment.login, asked.name or "question")
    wish = {
        "repo": repo, "number": comment.number, "kind": kind, "comment_id": comment.id, "login": comment.login,
        "line": ctx.db.redact(asked.line), "path": comment.path, "thread": comment.answers,
    }  # fmt: skip
    key, together = f"github.answer:{repo}:{kind}:{comment.id}", summaries.group(repo, comment.number)
    return queue.enqueue(ctx, TASK, wish, unique_key=key, group_key=together, priority=SOON).id, ""


def _too_often(tx: Tx, login: str) -> str:
    for most, seconds, word in ((MOST_A_MINUTE, 60, "minute"), (MOST_A_DAY, 86_400, "day")):
        if store.asked_since(tx, login, tx.now - seconds * SECOND) >= most:
            return f"{login} has asked {most} times within a {word}; no more is answered for now."
    return ""


def answer(ctx: Context, wish: dict[str, Any], is_cancelled: Callable[[], bool]) -> dict[str, Any]:
    """Write the answer, unless it stands there already. Raises GitHubRetry and GitHubRefused."""
    client, repo, number = Client(ctx), str(wish["repo"]), int(wish["number"])
    asked = asking.asked(str(wish["line"]), ctx.settings.github_bot_login)
    if asked is None:  # GITHUB_BOT_LOGIN has changed since
        return _end(ctx, wish, "refused", "It is not addressed to Jarvis any more.")
    if not reading.may_write(client, repo, str(wish["login"])):
        return _end(ctx, wish, "refused", NO_WRITER)
    try:
        since = _written_at(client, wish)
        about = reading.pull_request(ctx, client, repo, number)
    except reading.Gone as gone:
        return _end(ctx, wish, "refused", str(gone))
    found_id = _find(ctx, client, wish, since)
    if found_id:
        return _end(ctx, wish, "answered", "", found_id)
    empty = Account((), about.changed_files)
    found = reading.account(ctx, client, about) if answers.needs_the_diff(asked) else empty
    body = _body(ctx, wish, asked, about, found, is_cancelled)
    return _end(ctx, wish, "answered", "", payload.number(client.post(_place(wish), {"body": body}), "id"))


def _body(
    ctx: Context, wish: dict[str, Any], asked: Asked, about: Pull, found: Account, is_cancelled: Callable[[], bool]
) -> str:
    bot, path = ctx.settings.github_bot_login, str(wish["path"])
    said = _said(ctx, asked, about, found, path, is_cancelled)
    silence = "" if said else SILENT if summaries.asked_model(ctx) else NO_MODEL
    text = answers.text(asked, about, found, bot, path, silence)
    marked = answers.marker(str(wish["kind"]), int(wish["comment_id"]))
    return answers.comment(asked, str(wish["login"]), ctx.db.redact(text), marked, said)


def _said(
    ctx: Context, asked: Asked, about: Pull, found: Account, path: str, is_cancelled: Callable[[], bool]
) -> Said | None:
    """A model's share of the answer, where there is a model and a question for it."""
    if not summaries.asked_model(ctx) or not answers.is_for_a_model(asked):
        return None
    chosen = answers.narrowed(found, asked.words if asked.name else "", path)[0]
    return summaries.ask_model(ctx, about, chosen, asked.name, asked.words, is_cancelled)


def _place(wish: dict[str, Any]) -> str:
    repo, number = wish["repo"], wish["number"]
    if wish["kind"] == "review":
        return f"/repos/{repo}/pulls/{number}/comments/{wish['thread']}/replies"
    return f"/repos/{repo}/issues/{number}/comments"


def _written_at(client: Client, wish: dict[str, Any]) -> str:
    """When the comment was written. Raises Gone when it was taken away meanwhile."""
    part = "issues" if wish["kind"] == "issue" else "pulls"
    try:
        found = client.get(f"/repos/{wish['repo']}/{part}/comments/{wish['comment_id']}")
    except GitHubRefused as refused:
        if refused.answer in (404, 410):
            raise reading.Gone("the comment was deleted") from refused
        raise
    return payload.text(found, "created_at")


def _find(ctx: Context, client: Client, wish: dict[str, Any], since: str) -> int:
    """The answer that an attempt before this one has written, 0 when there is none."""
    part = "issues" if wish["kind"] == "issue" else "pulls"
    path = f"/repos/{wish['repo']}/{part}/{wish['number']}/comments"
    kind, comment_id = str(wish["kind"]), int(wish["comment_id"])
    own = reading.own_comments(ctx, client, path, since=since or None)
    return next((one.id for one in own if answers.is_answer_to(one.body, kind, comment_id)), 0)


def _end(ctx: Context, wish: dict[str, Any], state: str, reason: str, answer_id: int | None = None) -> dict[str, Any]:
    repo, number, login = str(wish["repo"]), int(wish["number"]), str(wish["login"])
    told = {"repo": repo, "number": number, "login": login, "outcome": state}
    told |= {"reason": reason} if reason else {}
    told |= {"comment_id": answer_id} if answer_id else {}
    with ctx.db.write() as tx:
        kind, comment_id = str(wish["kind"]), int(wish["comment_id"])
        if store.settle_question(tx, repo, kind, comment_id, state, reason[:500], answer_id):
            tx.record("github.answer", f"pull/{repo}#{number}", told)
    return told


def cancelled(ctx: Context, wish: dict[str, Any]) -> None:
    """Somebody stopped it; a redelivery asks again."""
    _end(ctx, wish, "failed", "It was cancelled.")


def gave_up(ctx: Context, wish: dict[str, Any], error: str) -> None:
    """A question could not be answered; that is a bug of its own, once for each reason."""
    _end(ctx, wish, "failed", error)
    about = {"repo": wish["repo"], "number": wish["number"]}
    failures.note(ctx, "answer in a pull request", error, about, kind=summaries.kind_of(error))
