"""What a scan found, and what somebody has looked at and let stand."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jarvis.kernel.errors import Unavailable
from jarvis.secrets.rules import CONFIGURED, Match

ALLOWING = ("secrets:allow", "gitleaks:allow")
"""What a line says that is meant as it stands."""
ALLOWED_FILE = ".secretsallow"
LARGEST_ALLOWED_FILE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One secret in one place. The secret itself is nowhere in it."""

    place: str
    """A path, `commit:path`, or `database: table.column of row N`."""
    line: int
    rule: str
    says: str
    fingerprint: str

    @property
    def where(self) -> str:
        return f"{self.place}:{self.line}" if self.line else self.place

    def as_json(self) -> dict[str, Any]:
        return {
            "where": self.where,
            "place": self.place,
            "line": self.line or None,
            "rule": self.rule,
            "masked": self.says,
            "fingerprint": self.fingerprint,
        }


@dataclass
class Report:
    """Everything one scan found, what it read, and what it could not."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    commits: int = 0
    contents: int = 0
    rows: int = 0
    bytes: int = 0
    allowed: int = 0
    left_out: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": not self.findings,
            "findings": [finding.as_json() for finding in self.findings],
            "files": self.files,
            "commits": self.commits,
            "contents": self.contents,
            "rows": self.rows,
            "bytes": self.bytes,
            "allowed": self.allowed,
            "left_out": self.left_out,
        }


def fingerprint(match: Match) -> str:
    """What tells a secret from others and says nothing of it: where it moves to, it stays the same."""
    return f"{match.rule}/{hashlib.sha256(match.value.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def is_allowed(match: Match, line: str, allowed: frozenset[str]) -> bool:
    """Whether somebody has said that it may stand. What is in use here may stand nowhere."""
    if match.rule == CONFIGURED:
        return False
    return any(word in line for word in ALLOWING) or fingerprint(match) in allowed


def read_allowed(folder: Path) -> frozenset[str]:
    """The fingerprints of a `.secretsallow`: one a line, `#` begins a remark."""
    path = folder / ALLOWED_FILE
    if not path.is_file():
        return frozenset()
    with path.open("rb") as file:
        raw = file.read(LARGEST_ALLOWED_FILE + 1)
    if len(raw) > LARGEST_ALLOWED_FILE:
        raise Unavailable(f"{path} is larger than {LARGEST_ALLOWED_FILE:,} bytes.")
    lines = (line.partition("#")[0].strip() for line in raw.decode("utf-8", "replace").splitlines())
    return frozenset(line for line in lines if line)
