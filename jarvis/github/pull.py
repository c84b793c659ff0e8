"""A pull request as GitHub tells of it, of which nothing is believed before it is looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.github.changes import count_of, text_of

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
    if not isinstance(found, Mapping) or not count_of(found, "number"):
        return None
    base, head = _object(found, "base"), _object(found, "head")
    return Pull(
        repo,
        count_of(found, "number"),
        text_of(found, "title"),
        text_of(found, "body")[:LONGEST_BODY],
        text_of(_object(found, "user"), "login"),
        text_of(base, "ref"),
        text_of(base, "sha"),
        text_of(head, "sha"),
        text_of(found, "state"),
        found.get("draft") is True,
        count_of(found, "changed_files"),
        count_of(found, "commits"),
    )


def _object(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}
