"""Fetch a pull request and what it changes; find what Jarvis itself has written under it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from jarvis.github import changes, payload, pull
from jarvis.github.changes import Account
from jarvis.github.client import Client, GitHubRefused, segment
from jarvis.github.pull import Pull
from jarvis.kernel.context import Context

MOST_COMMENTS = 10_000
WRITERS = frozenset(("admin", "maintain", "write"))


class Gone(Exception):
    """The pull request, or the comment, is not there any more."""


def pull_request(ctx: Context, client: Client, repo: str, number: int) -> Pull:
    """The pull request as it is now, without secrets. Raises Gone."""
    try:
        found = pull.read(repo, client.get(f"/repos/{repo}/pulls/{number}"))
    except GitHubRefused as refused:
        if refused.answer in (404, 410):
            raise Gone(str(refused)) from refused
        raise
    if found is None:
        raise Gone("what GitHub shows is no pull request")
    redact = ctx.db.redact
    return replace(found, title=redact(found.title), body=redact(found.body), base=redact(found.base))


def account(ctx: Context, client: Client, about: Pull) -> Account:
    """What it changes, page by page up to a cap. Paths are without secrets; lines are not, as those are looked for."""
    listed = client.pages(f"/repos/{about.repo}/pulls/{about.number}/files", cap=changes.MOST_FILES)
    return changes.account((_redacted(one, ctx.db.redact) for one in listed), about.changed_files)


def _redacted(found: Any, redact: Callable[[str], str]) -> Any:
    names = ("filename", "previous_filename")
    return (
        found | {name: redact(found[name]) for name in names if isinstance(found.get(name), str)}
        if isinstance(found, dict)
        else found
    )


@dataclass(frozen=True, slots=True)
class Own:
    """A comment that Jarvis wrote."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class Author:
    """Whose comments are our own: the token's, and where that is an app's, the bot of that name."""

    login: str
    bot: str

    def wrote(self, comment: Any) -> bool:
        """Whether a comment is ours. What stands in it proves nothing: anybody can write a marker."""
        login = payload.login(comment, "user").lower()
        if self.login:
            return login == self.login.lower()
        is_bot = payload.text(comment, "user", "type") == "Bot"
        return is_bot and login.removesuffix("[bot]") == self.bot.lower().removesuffix("[bot]")


def author(ctx: Context, client: Client) -> Author:
    """Who we are at GitHub. An app's token may not ask, and is told by the bot's name."""
    bot = ctx.settings.github_bot_login
    try:
        return Author(payload.login(client.get("/user")), bot)
    except GitHubRefused as refused:
        if refused.answer in (403, 404):
            return Author("", bot)
        raise


def own_comments(ctx: Context, client: Client, path: str, **query: Any) -> Iterator[Own]:
    """Our own comments of a list, over all its pages."""
    us = author(ctx, client)
    for found in client.pages(path, cap=MOST_COMMENTS, **query):
        if us.wrote(found) and payload.number(found, "id"):
            yield Own(payload.number(found, "id"), payload.text(found, "body"))


def may_write(client: Client, repo: str, login: str) -> bool:
    """Whether somebody may write to a repository, by GitHub's word: an association in a comment is not enough."""
    try:
        found = client.get(f"/repos/{repo}/collaborators/{segment(login)}/permission")
    except GitHubRefused as refused:
        if refused.answer == 404:  # no such user, or no collaborator
            return False
        raise
    return payload.text(found, "permission") in WRITERS
