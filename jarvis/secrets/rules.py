"""What looks like a secret in a text: known shapes, random values that are given a telling name, and our own values.

A rule that cries wolf is not read twice, so what is plainly made up, a reference or a digest is let go. What is in use
here is always told.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from jarvis.kernel.secrets import SHAPES, SHORTEST, forms

CONFIGURED = "configured"
"""The rule for values that are secrets of this installation."""
NAMED = "named-secret"
SHORTEST_NAMED = 12
LEAST_BITS = 3.5
LEAST_HEX_BITS = 3.0
DIFFERENT = 8
"""Fewer different characters than this make nothing that was drawn at random."""

NAMES = re.compile(
    r"(?:passw(?:or)?d|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key)"
    r"(?P<more>[\w.-]{0,24})[\"'`]?[ \t]{0,3}(?P<sign>:=|=>|==|=|:)[ \t]{0,3}(?P<quote>[\"'`]?)"
    r"(?P<value>[A-Za-z0-9+/=_.~!@#%^*-]{12,200})",
    re.IGNORECASE,
)
WORDS = ("passw", "pwd", "secret", "token", "credential", "api", "access", "private", "auth")
"""How NAMES can begin."""
NOT_SECRET = re.compile(
    r"hash|digest|sha\d|md5|checksum|public|fingerprint|etag|path|file|url|uri|_id$|name", re.IGNORECASE
)
REFERENCE = re.compile(r"[A-Za-z_]\w*(?:[.-][A-Za-z_]\w*)*")
HEX = re.compile(r"[0-9a-fA-F]+")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MADE_UP = re.compile(
    r"example|placeholder|redacted|change.?me|dummy|your[_-]|x{4}|\*{3}|\.{3}|0{6}|abcdefghij|(.)\1{5}"
    r"|deadbeef|foobar|lorem|insert[_-]|replace[_-]|\{\{|<[a-z]",
    re.IGNORECASE,
)
SAMPLE_JWT = "eyJzdWIiOiIxMjM0NTY3ODkwI"
KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{40}")
LOCAL = re.compile(
    r"@(?:localhost|127\.|0\.0\.0\.0|\[::1\]|db\b|(?:[\w-]+\.)*example\b|[\w.-]+\.(?:test|invalid|local)\b)"
)


@dataclass(frozen=True, slots=True)
class Match:
    """A secret in a text, at these places."""

    rule: str
    start: int
    value: str
    says: str
    """What may be shown of it."""


class Rules:
    """Looks through texts. `known` are the secrets in use by their name."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = [
            (form, name)
            for name, value in known.items()
            for one in _parts(value)
            for form in dict.fromkeys(forms(one))
            if len(form) >= SHORTEST
        ]

    def matches(self, text: str, *, is_text: bool = True) -> Iterator[Match]:
        """What was found, our own values first. What is no text (`is_text`) is searched for what is certain only."""
        taken: list[tuple[int, int]] = []
        for match in (*self._ours(text), *_shapes(text, is_text), *(_named(text) if is_text else ())):
            end = match.start + len(match.value)
            if not any(start < end and match.start < stop for start, stop in taken):
                taken.append((match.start, end))
                yield match

    def _ours(self, text: str) -> Iterator[Match]:
        for form, name in self._known:
            start = text.find(form)
            while start >= 0:
                yield Match(CONFIGURED, start, form, f"the value of {name}")
                start = text.find(form, start + len(form))


def _parts(value: str) -> Iterable[str]:
    """A value, and each of several that stand in it comma-separated, as while one is rotated."""
    return dict.fromkeys((value, *(part.strip() for part in value.split(","))))


def _shapes(text: str, is_text: bool) -> Iterator[Match]:
    for shape in SHAPES:
        if shape.hint not in text or (shape.name == "url-password" and not is_text):
            continue
        for found in shape.pattern.finditer(text):
            if _is_meant(shape.name, shape.hint, found):
                yield Match(shape.name, found.start(), found[0], _masked(shape.hint, found[0]))


def _is_meant(rule: str, hint: str, found: re.Match[str]) -> bool:
    value = found[0]
    if rule == "private-key":
        return KEY_BODY.search(value, 0, 2000) is not None
    if rule == "url-password":
        return _is_password(value.partition(":")[2]) and not LOCAL.match(found.string, found.end())
    if rule == "jwt":
        return SAMPLE_JWT not in value and not MADE_UP.search(value)
    tail = value.partition(hint)[2] or value
    if MADE_UP.search(value) or len(set(tail)) < min(DIFFERENT, len(tail) - 4):
        return False
    return rule != "sk-key" or (any(map(str.isdigit, tail)) and bits(tail) >= 3 and _is_mixed(tail))


def _is_password(text: str) -> bool:
    has_both = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return len(text) >= 10 and has_both and bits(text) >= 3 and not MADE_UP.search(text) and text[0] not in "${<%"


def _named(text: str) -> Iterator[Match]:
    for found in _names(text):
        value = found["value"]
        if not found["quote"]:
            value = value.rstrip(".,;:")
        elif found.string[found.end() : found.end() + 1] != found["quote"]:
            continue
        after = found.string[found.end() : found.end() + 1]
        is_call = not found["quote"] and after in ("(", "[", "{", "<")
        if not is_call and not NOT_SECRET.search(found["more"]) and _is_random(value):
            yield Match(
                NAMED, found.start("value"), value, f"{found[0].split(found['sign'])[0].strip()[:60]} = {_stars(value)}"
            )


def _names(text: str) -> Iterator[re.Match[str]]:
    """Where a telling name is given a value. Looking for the words first is six times as quick as the pattern alone."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters are longer in lower case: nothing stands where it stood
        yield from NAMES.finditer(text)
        return
    places: set[int] = set()
    for word in WORDS:
        place = lower.find(word)
        while place >= 0:
            places.add(place)
            place = lower.find(word, place + 1)
    for place in sorted(places):
        if found := NAMES.match(text, place):
            yield found


def _is_random(value: str) -> bool:
    """Whether a value was drawn rather than written: no word, path, reference or pattern."""
    if len(value) < SHORTEST_NAMED or value[0] in "/.-@#=" or "://" in value or MADE_UP.search(value):
        return False
    if len(value) >= 16 and _turns(value) >= len(value) * 0.4 and bits(value) >= LEAST_BITS:
        return True
    digits = sum(map(str.isdigit, value))
    if digits < 2 or digits == len(value) or (REFERENCE.fullmatch(value) and ("." in value or digits < len(value) / 8)):
        return False
    if UUID.fullmatch(value):
        return True
    if HEX.fullmatch(value):
        return len(value) >= 20 and bits(value) >= LEAST_HEX_BITS
    return bits(value) >= min(LEAST_BITS, math.log2(len(value)) - 0.3) and _is_mixed(value)


def _is_mixed(value: str) -> bool:
    """Whether kinds of characters take turns as in what is random: in words they seldom do."""
    return _turns(value) >= len(value) / 4


def _turns(value: str) -> int:
    """How often a digit, a small and a capital letter follow one another."""
    kinds = [0 if c.isdigit() else 1 if c.islower() else 2 for c in value if c.isalnum()]
    return sum(a != b for a, b in pairwise(kinds))


def bits(text: str) -> float:
    """Shannon's entropy of a text, in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _masked(hint: str, value: str) -> str:
    shown = hint if value.startswith(hint) else ""
    return shown + _stars(value[len(shown) :])


def _stars(value: str) -> str:
    return f"«{len(value)} characters»"
