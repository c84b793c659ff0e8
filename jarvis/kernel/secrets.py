"""Keep secrets out of everything that is kept or shown: one redaction sink."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "«redacted»"
SHORTEST = 6  # a shorter "secret" would blank ordinary words
SHORTEST_PART = 16  # of a secret's lines and base64 pieces, which alone say less
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Shape:
    """What keys of one kind look like wherever they stand."""

    name: str
    hint: str
    """A text that every one of them contains, which is much quicker to look for."""
    pattern: re.Pattern[str]


# Sources: the vendors' published token formats. Each pattern gives up within a bounded number of
# characters, or starts only where a run of its characters starts, so that no input makes it slow.
SHAPES = tuple(
    Shape(name, hint, re.compile(pattern))
    for name, hint, pattern in (
        *(("github-token", f"gh{kind}_", rf"\bgh{kind}_[A-Za-z0-9]{{20,255}}") for kind in "pousr"),
        ("github-fine-grained-token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,255}"),
        ("gitlab-token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{20,255}"),
        ("sk-key", "sk-", r"\bsk-[A-Za-z0-9_-]{20,255}"),
        ("stripe-key", "k_live_", r"\b[sr]k_live_[A-Za-z0-9]{16,255}"),
        ("stripe-key", "k_test_", r"\b[sr]k_test_[A-Za-z0-9]{16,255}"),
        ("aws-access-key", "AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
        ("aws-access-key", "ASIA", r"\bASIA[0-9A-Z]{16}\b"),
        ("google-api-key", "AIza", r"\bAIza[0-9A-Za-z_-]{35}"),
        ("google-access-token", "ya29.", r"\bya29\.[0-9A-Za-z_-]{20,2000}"),
        ("google-client-secret", "GOCSPX-", r"\bGOCSPX-[0-9A-Za-z_-]{20,100}"),
        ("google-refresh-token", "1//0", r"\b1//0[0-9A-Za-z_-]{30,300}"),
        ("slack-token", "xox", r"\bxox[abeprs]-[A-Za-z0-9-]{10,255}"),
        (
            "slack-webhook",
            "hooks.slack.com/",
            r"\bhooks\.slack\.com/services/T\w{6,20}/B\w{6,20}/\w{20,40}",
        ),
        ("hugging-face-token", "hf_", r"\bhf_[A-Za-z0-9]{30,100}"),
        ("npm-token", "npm_", r"\bnpm_[A-Za-z0-9]{36}"),
        ("pypi-token", "pypi-", r"\bpypi-[A-Za-z0-9_-]{50,500}"),
        ("docker-token", "dckr_pat_", r"\bdckr_pat_[A-Za-z0-9_-]{24,60}"),
        ("digitalocean-token", "_v1_", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
        ("sendgrid-key", "SG.", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
        ("shopify-token", "shp", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
        ("telegram-token", ":AA", r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b"),
        ("tailscale-key", "tskey-", r"\btskey-[a-z]{1,12}-[A-Za-z0-9]{8,40}(?:-[A-Za-z0-9]{8,60})?"),
        ("vault-token", "hvs.", r"\bhvs\.[A-Za-z0-9_-]{24,200}"),
        ("azure-storage-key", "AccountKey=", r"(?<=AccountKey=)[A-Za-z0-9+/]{86}=="),
        ("age-key", "AGE-SECRET-KEY-", r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,70}"),
        ("jarvis-key", "jrv_", r"\bjrv_[a-z]{3}_[A-Za-z0-9_-]{40,100}"),
        (
            "private-key",
            "PRIVATE KEY",
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[\s\S]{0,20000}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[\s\S]{0,20000})",
        ),
        ("jwt", "eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        ("url-password", "://", r"(?<=://)[^/\s:@]{0,100}:[^/\s@]{1,200}(?=@)"),
    )
)


class Redactor:
    """Blanks exact secret values, as they are and as encodings show them, and known key shapes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._exact = {form for secret in secrets if len(secret) >= SHORTEST for form in forms(secret)}

    def text(self, text: str) -> str:
        """The text with every secret replaced by the mask; what overlaps becomes one mask."""
        found: list[tuple[int, int]] = []
        for shape in SHAPES:
            if shape.hint in text:
                found += [match.span() for match in shape.pattern.finditer(text)]
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


def forms(secret: str) -> Iterator[str]:
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
