"""What a request names: files, revisions, people, words to look for, spans of time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from jarvis.agent.builtin import patterns
from jarvis.agent.builtin.periods import Period, find_period


@dataclass(frozen=True, slots=True)
class Slots:
    """What was named; empty where nothing was."""

    period: Period | None = None
    quoted: str = ""
    file: str = ""
    folder: str = ""
    ref: str = ""
    other_ref: str = ""
    id: str = ""
    person: str = ""
    term: str = ""
    count: int | None = None
    has_code_word: bool = False

    def filled(self) -> frozenset[str]:
        names = ("period", "quoted", "file", "folder", "ref", "id", "person", "term", "count")
        return frozenset(name for name in names if getattr(self, name))


def find_slots(text: str, now: int, where: tzinfo, is_known: Callable[[str], bool]) -> tuple[Slots, str]:
    """The slots of one clause, and the text left when the named things are taken out of it."""
    reader = _Reader(text, is_known)
    period = reader.period(now, where)
    quoted = reader.take(patterns.QUOTED)
    found_id = reader.take(patterns.ID)
    ref, other = reader.pair()
    ref = ref or reader.take(patterns.RELATIVE) or reader.branch() or reader.take(patterns.HEX) or reader.release()
    file = (reader.take(patterns.NAMED_FILE) or reader.take(patterns.PATH) or reader.spoken_file()).rstrip(".")
    folder, file = (file, "") if file.endswith("/") else ("", file)
    count = reader.count()
    code = "" if quoted else reader.take(patterns.CODE_WORD)
    term = quoted or code or reader.term()
    person = reader.person()
    is_code = bool(code or patterns.CODE_WORD.fullmatch(quoted))
    slots = Slots(period, quoted, file, folder, ref, other, found_id, person, _trimmed(term), count, is_code)
    return slots, reader.text


class _Reader:
    """Takes named things out of a clause one after another, so none is read twice."""

    def __init__(self, text: str, is_known: Callable[[str], bool]) -> None:
        self.text = text
        self._is_known = is_known

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.search(self.text)
        if match is None:
            return ""
        self._cut(match.start(), match.end())
        return next((group for group in match.groups() if group), match[0]) if match.groups() else match[0]

    def period(self, now: int, where: tzinfo) -> Period | None:
        found = find_period(self.text, now, where)
        if found is None:
            return None
        self._cut(*found[1])
        return found[0]

    def pair(self) -> tuple[str, str]:
        """Two revisions, written a..b or between a and b when both look like revisions."""
        match = patterns.RANGE.search(self.text)
        if match is None:
            match = patterns.PAIR.search(self.text)
            if match is not None and not all(_is_revision(group) for group in match.groups()):
                match = None
        if match is None:
            return "", ""
        self._cut(match.start(), match.end())
        return match[1], match[2].rstrip("?.,!")

    def branch(self) -> str:
        for match in patterns.BRANCH.finditer(self.text):
            name = match[1] or match[2]
            if not self._is_known(name.lower()):
                start, end = match.span(1 if match[1] else 2)
                self._cut(start, end)
                return name
        return ""

    def spoken_file(self) -> str:
        for name, pattern in patterns.SPOKEN_FILES.items():
            if self.take(pattern):
                return name
        return ""

    def release(self) -> str:
        match = patterns.RELEASE.search(self.text)
        if match is None or match[0].lower() in ("v2", "v4", "v6"):
            return ""
        self._cut(match.start(), match.end())
        return match[0]

    def count(self) -> int | None:
        match = patterns.COUNT.search(self.text)
        if match is None:
            return None
        self._cut(match.start(1), match.end(1))
        return patterns.COUNT_WORDS.get(match[1].lower()) or max(1, min(int(match[1]), 200))

    def term(self) -> str:
        for pattern in patterns.TERMS:
            match = pattern.search(self.text)
            if match is not None and _is_worth(_trimmed(match["term"]), self._is_known):
                self._cut(match.start("term"), match.end("term"))
                return match["term"]
        return ""

    def person(self) -> str:
        for pattern in patterns.PEOPLE:
            for match in pattern.finditer(self.text):
                if not self._is_known(match[1].lower()):
                    self._cut(match.start(1), match.end(1))
                    return match[1]
        return ""

    def _cut(self, start: int, end: int) -> None:
        self.text = f"{self.text[:start]} {self.text[end:]}"


def _is_revision(text: str) -> bool:
    bare = text.rstrip("?.,!")
    return any(rule.fullmatch(bare) for rule in (patterns.HEX, patterns.RELATIVE, patterns.RELEASE)) or bare in (
        "main",
        "master",
        "HEAD",
    )


def _trimmed(term: str) -> str:
    return patterns.TERM_EDGE.sub("", term.strip().strip("?!.,;:")).removesuffix("()").strip()


def _is_worth(term: str, is_known: Callable[[str], bool]) -> bool:
    """A term of nothing but our own vocabulary ("find the largest files") names nothing to look for."""
    words = re.findall(r"[^\W_]+", term.lower())
    return bool(words) and not all(is_known(word) for word in words)
