"""People's words as a full-text query: whatever is typed, SQLite gets a query it understands."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MOST_TERMS = 16
LONGEST_QUERY = 500
WORD = re.compile(r"\w+")
PIECE = re.compile(r'"([^"]*)"?(\*?)|([^\s"]+)')
SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&!])")


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand next to each other; the last may be the beginning of one."""

    words: tuple[str, ...]
    is_prefix: bool

    @property
    def fts(self) -> str:
        return '"' + " ".join(self.words) + ('"*' if self.is_prefix else '"')

    @property
    def pattern(self) -> str:
        """The term as a regular expression over folded text."""
        return r"(?<!\w)" + r"[\W]+".join(map(re.escape, self.words)) + (r"\w*" if self.is_prefix else r"(?!\w)")


@dataclass(frozen=True, slots=True)
class Words:
    """What was asked for. Without terms it matches nothing, and must not be sent to SQLite."""

    terms: tuple[Term, ...]

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def fts(self) -> str:
        """An FTS5 query: every term must be there."""
        return " AND ".join(term.fts for term in self.terms)

    def marks(self, text: str) -> list[tuple[int, int]]:
        """Where the terms stand in a text, as start and end, in order and apart."""
        if not self.terms:
            return []
        found = re.finditer("|".join(term.pattern for term in self.terms), fold(text))
        return [match.span() for match in found]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a text on one line, and where the words looked for stand in it."""

    text: str
    marks: tuple[tuple[int, int], ...]

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """The text in parts: (part, whether it is a match)."""
        at = 0
        for start, end in self.marks:
            yield self.text[at:start], False
            yield self.text[start:end], True
            at = end
        yield self.text[at:], False


def parse(text: str) -> Words:
    """Words must all be there, in any order; "a phrase" stands together; a star takes any ending."""
    terms = []
    for match in PIECE.finditer(_clean(text)):
        phrase, phrase_star, plain = match.groups()
        piece = plain if plain is not None else phrase + phrase_star
        words = tuple(WORD.findall(piece))
        if words:
            terms.append(Term(words, piece.endswith("*")))
    return Words(tuple(dict.fromkeys(terms))[:MOST_TERMS])


def _clean(text: str) -> str:
    return "".join(c for c in text[:LONGEST_QUERY] if (c >= " " and not "\ud800" <= c <= "\udfff") or c.isspace())


def fold(text: str) -> str:
    """Lower case without accents, character for character, as the full-text index folds."""
    if text.isascii():
        return text.lower()
    return "".join(unicodedata.normalize("NFD", character)[0].lower()[:1] for character in text)


def snippet(text: str, words: Words, width: int = 160) -> Snippet:
    """About `width` characters around the first match, cut between words."""
    line = " ".join(text[:100_000].split())
    marks = words.marks(line)
    start = max(0, marks[0][0] - width // 3) if marks else 0
    if start and " " in line[start : start + 20]:
        start = line.index(" ", start) + 1
    end = min(len(line), start + width)
    if end < len(line) and " " in line[end - 20 : end]:
        end = line.rindex(" ", 0, end)
    head, tail = "…" if start else "", "…" if end < len(line) else ""
    moved = len(head) - start
    inside = tuple((a + moved, b + moved) for a, b in marks if a >= start and b <= end)
    return Snippet(head + line[start:end] + tail, inside)


def escape_markdown(text: str) -> str:
    """Text from outside in which nothing is markup."""
    return SPECIAL.sub(r"\\\1", text)


def as_markdown(text: str) -> str:
    """Text from outside on one line of Markdown, where nothing in it is markup."""
    return escape_markdown(" ".join(text.split()))
