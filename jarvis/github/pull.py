"""A pull request as GitHub tells of it, of which nothing is believed before it is looked at."""

import re
from dataclasses import dataclass
from typing import Any

from jarvis.github import payload

LONGEST_BODY = 20_000
CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+((?:[\w.-]+/[\w.-]+)?#\d{1,9})\b", re.IGNORECASE)
NOT_SAID = re.compile(r"\s*(?:#.*|[-*]\s*\[[ xX]?\].*|[-=]{3,}|!\[.*|<.*>)\s*")
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull request."""

    repo: str
    number: int
    title: str
    body: str
    author: str
    """"" where the account is gone."""
    base: str
    base_sha: str
    head_sha: str
    state: str
    is_draft: bool
    changed_files: int
    commits: int

    @property
    def closes(self) -> list[str]:
        """The issues its description says it closes."""
        return list(dict.fromkeys(CLOSES.findall(self.body)))[:10]

    @property
    def said(self) -> str:
        """The first words of the description: no headings, checklists, pictures or hidden comments of a template."""
        for paragraph in re.split(r"\n\s*\n", COMMENT.sub("", self.body.replace("\r\n", "\n"))):
            words = "\n".join(one for one in paragraph.splitlines() if not NOT_SAID.fullmatch(one)).strip()
            if words:
                return words
        return ""


def read(repo: str, found: Any) -> Pull | None:
    """A pull request from GitHub's JSON, or None when it is none."""
    if not payload.number(found, "number"):
        return None
    return Pull(
        repo,
        payload.number(found, "number"),
        payload.text(found, "title"),
        payload.text(found, "body")[:LONGEST_BODY],
        payload.login(found, "user"),
        payload.text(found, "base", "ref"),
        payload.text(found, "base", "sha"),
        payload.text(found, "head", "sha"),
        payload.text(found, "state"),
        payload.flag(found, "draft"),
        payload.number(found, "changed_files"),
        payload.number(found, "commits"),
    )
