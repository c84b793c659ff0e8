"""Keep secrets out of everything that is kept or shown: one redaction sink."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "«redacted»"
SHORTEST = 6  # a shorter "secret" would blank ordinary words
SHORTEST_PART = 16  # of a secret's lines and base64 pieces, which alone say less
DEEPEST = 64

# Shapes that are keys wherever they stand, each with a text that every one of them contains,
# which is much quicker to look for. Sources: the vendors' published token formats. Each pattern
# gives up within a bounded number of characters, or starts only where a run of its characters
# starts, so that no input makes it slow.
SHAPES = tuple(
    (hint, re.compile(pattern))
    for hint, pattern in (
        ("gh", r"\bgh[pousr]_[A-Za-z0-9]{20,255}"),
        ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,255}"),
        ("glpat-", r"\bglpat-[A-Za-z0-9_-]{20,255}"),
        ("sk-", r"\bsk-[A-Za-z0-9_-]{20,255}"),
        ("k_", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}"),
        ("IA", r"\bA(?:KIA|SIA)[0-9A-Z]{16}\b"),
        ("AIza", r"\bAIza[0-9A-Za-z_-]{35}"),
        ("ya29.", r"\bya29\.[0-9A-Za-z_-]{20,2000}"),
        ("GOCSPX-", r"\bGOCSPX-[0-9A-Za-z_-]{20,100}"),
        ("1//0", r"\b1//0[0-9A-Za-z_-]{30,300}"),
        ("xox", r"\bxox[abeprs]-[A-Za-z0-9-]{10,255}"),
        ("hf_", r"\bhf_[A-Za-z0-9]{30,100}"),
        ("npm_", r"\bnpm_[A-Za-z0-9]{36}"),
        ("pypi-", r"\bpypi-[A-Za-z0-9_-]{50,500}"),
        ("AGE-SECRET-KEY-", r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,70}"),
        ("jrv_", r"\bjrv_[a-z]{3}_[A-Za-z0-9_-]{40,100}"),
        (
            "PRIVATE KEY",
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[\s\S]{0,20000}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[\s\S]{0,20000})",
        ),
        ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        ("://", r"(?<=://)[^/\s:@]{0,100}:[^/\s@]{1,200}(?=@)"),
    )
)


class Redactor:
    """Blanks exact secret values, as they are and as encodings show them, and known key shapes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._exact = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}

    def text(self, text: str) -> str:
        """The text with every secret replaced by the mask; what overlaps becomes one mask."""
        found: list[tuple[int, int]] = []
        for hint, shape in SHAPES:
            if hint in text:
                found += [match.span() for match in shape.finditer(text)]
        for form in self._exact:
            found += _occurrences(form, text)
        return _masked(text, sorted(found)) if found else text

    def value(self, value: Any, depth: int = 0) -> Any:
        """A copy of a JSON-like value with every string redacted, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST and isinstance(value, (dict, list, tuple)):
            return "(nested too deeply)"
        if isinstance(value, dict):
            return {self.text(str(k)): self.value(v, depth + 1) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(v, depth + 1) for v in value]
        return value


def _occurrences(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a form stands in a text; a run of overlapping places is one."""
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        again = text.find(form, start + 1)
        while start < again < end:
            end = again + len(form)
            again = text.find(form, again + 1)
        yield start, end
        start = again


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    pieces = []
    end = 0
    for start, stop in spans:
        if start >= end:
            pieces += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may appear: plain, its lines, in JSON, repr, URLs and base64."""
    plain = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield from (line for line in secret.splitlines() if len(line) >= SHORTEST_PART)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    for quoted in (quote(plain), quote(plain, safe=""), quote_plus(plain)):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    for offset in range(3):  # base64 reads three bytes at a time, so it depends on what stands before
        piece = _base64_piece(plain, offset)
        if len(piece) >= SHORTEST_PART:
            yield piece
            yield piece.replace("+", "-").replace("/", "_")


def _base64_piece(plain: bytes, offset: int) -> str:
    """The characters of base64 that depend on nothing but the secret, `offset` bytes into a group."""
    encoded = base64.b64encode(bytes(offset) + plain).decode().rstrip("=")
    last = -1 if (offset + len(plain)) % 3 else None
    return encoded[(0, 2, 3)[offset] : last]
