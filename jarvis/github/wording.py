"""A bug as an issue, and back: what stands in the title and the body, and what is ours in it."""

import re
from dataclasses import dataclass
from typing import Any

from jarvis.bugs.store import Bug
from jarvis.github import payload
from jarvis.kernel.context import Context

LONGEST_TITLE, LONGEST_DESCRIPTION = 200, 20_000
MARK = "<!-- jarvis:bug="
OUR_MARK = re.compile(r"<!-- jarvis:bug=(bug_[0-9A-Z]{26}) -->")
FENCE = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class Shown:
    """What both sides have of a bug: title, description, and "open" or "closed"."""

    title: str
    description: str
    state: str


def of_bug(ctx: Context, bug: Bug) -> Shown:
    """A bug as it goes out: without secrets, and without anything that looks like our mark."""
    title, description = (ctx.db.redact(text).replace(MARK, "<! jarvis:bug=") for text in (bug.title, bug.description))
    return Shown(line(title), block(description), "open" if bug.is_active else "closed")


def of_issue(issue: Any) -> Shown:
    """An issue as it comes in, whatever its shape; our own part of the body is left out."""
    body = payload.text(issue, "body").replace("\r\n", "\n")
    found = OUR_MARK.search(body)
    state = "closed" if payload.text(issue, "state") == "closed" else "open"
    return Shown(line(payload.text(issue, "title")), block(body[: found.start()] if found else body), state)


def line(text: str) -> str:
    """A title as a bug has it: one line, not too long."""
    return " ".join(text.split())[:LONGEST_TITLE].strip()


def block(text: str) -> str:
    return text.replace("\r\n", "\n").strip()[:LONGEST_DESCRIPTION].strip()


def body(ctx: Context, bug: Bug, shown: Shown) -> str:
    """The body of an issue: the description, our mark, and what was seen of the failure."""
    parts = [shown.description, f"{MARK}{bug.id} -->", _evidence(ctx, bug), f"<sub>Filed by Jarvis as {bug.id}</sub>"]
    return "\n\n".join(part for part in parts if part)


def bug_marked(issue: Any) -> str:
    """The id of the bug whose mark an issue bears, or ""."""
    found = OUR_MARK.search(payload.text(issue, "body"))
    return found[1] if found else ""


def _evidence(ctx: Context, bug: Bug) -> str:
    """Command, exit code and telling lines of the last failure, as quoted text in which nothing is markup."""
    evidence = bug.evidence_of()
    lines = [str(one) for one in evidence.get("lines") or ()]
    what = evidence.get("command")
    if not what:
        return ""
    told = "\n".join([f"$ {what}", *lines, f"exit {evidence.get('exit_code')}"])
    clean = ctx.db.redact(told).replace(MARK, "<! jarvis:bug=")
    longest = max((len(run) for run in FENCE.findall(clean)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{clean[:10_000]}\n{fence}"
