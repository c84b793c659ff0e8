"""What somebody asks of Jarvis in a comment: the first line that is addressed to it, if any is."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.github import payload
from jarvis.github.summary import OWN

COMMANDS = {
    "help": "what can be asked here",
    "summarize": "what this pull request changes, and why it matters",
    "review": "lines worth a second look; with words after it, only files whose path has one of them",
    "risks": "migrations, sign-in, dependencies, CI, strings like secrets and generated files",
    "tests": "which tests change, and which files change without one",
}
ALIASES = {"summary": "summarize", "summarise": "summarize", "risk": "risks", "test": "tests", "": "help", "?": "help"}
LONGEST_ASKED = 500
MOST_LINES = 400
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, or a question in the person's own words (`name` is then "")."""

    name: str
    words: str
    line: str

    @property
    def nearest(self) -> str:
        """The command that a word which is none resembles, or ""."""
        first = self.words.split(" ")[0].lower()
        return next(iter(difflib.get_close_matches(first, [*COMMANDS, *ALIASES], 1, 0.7)), "")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as a delivery tells of it."""

    kind: str
    """"issue" for the conversation, "review" for one at a line of the diff."""
    id: int
    number: int
    login: str
    """"" where the account is gone."""
    is_bot: bool
    body: str
    path: str = ""
    answers: int = 0
    """The comment at the head of its thread, which is where an answer goes."""


def asked(body: str, bot: str) -> Asked | None:
    """The first line for Jarvis: it begins with /jarvis or @<bot>, and stands in no quote and no code."""
    address = re.compile(rf"(?:/jarvis|@{re.escape(bot)}(?:\[bot\])?)(?![\w/-])[:,]?\s*(.*)", re.IGNORECASE)
    fence = ""
    for one in body.splitlines()[:MOST_LINES]:
        mark = FENCE.match(one)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        found = address.match(one[:LONGEST_ASKED].strip()) if not fence and not _is_code(one) else None
        if found:
            return _read(found[1].strip(), one.strip()[:LONGEST_ASKED])
    return None


def _is_code(one: str) -> bool:
    return one.startswith(("    ", "\t"))


def _read(words: str, line: str) -> Asked:
    first, _, rest = words.partition(" ")
    name = ALIASES.get(first.lower(), first.lower())
    if name in COMMANDS:
        return Asked(name, rest.strip(), line)
    return Asked("", words, line)


def read(delivered: Mapping[str, Any], kind: str) -> Comment | str:
    """The comment of a delivery, or why it is none that could ask something."""
    about = "issue" if kind == "issue" else "pull_request"
    if kind == "issue" and not isinstance(payload.inside(delivered, "issue", "pull_request"), dict):
        return "It is not on a pull request."
    login = payload.login(delivered, "comment", "user")
    comment = Comment(
        kind,
        payload.number(delivered, "comment", "id"),
        payload.number(delivered, about, "number"),
        login,
        payload.text(delivered, "comment", "user", "type") == "Bot" or login.endswith("[bot]"),
        payload.text(delivered, "comment", "body"),
        payload.text(delivered, "comment", "path"),
        payload.number(delivered, "comment", "in_reply_to_id") or payload.number(delivered, "comment", "id"),
    )
    return comment if comment.id and comment.number else "There is no comment in it."


def why_not(comment: Comment, bot: str) -> str:
    """Why a comment is not answered whatever it says, or ""."""
    if OWN in comment.body:
        return "It was written by Jarvis."
    if not comment.login:
        return "Its author is gone."
    if comment.is_bot or comment.login.lower() == bot.lower():
        return "It was written by a bot."
    return ""
