"""Why a patch is not applied, and how much of one is looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """The kind of a refusal. The first two are git's verdict as well; the others are ours alone."""

    MALFORMED = "malformed"
    """Not a patch, or a damaged one."""
    MISMATCH = "mismatch"
    """A sound patch for another tree."""
    DROPPED = "dropped"
    """Something that looks like a diff would be passed over in silence."""
    CONFLICT = "conflict"
    """A check would pass it and the apply itself would not: a file where a folder stands."""
    INCOMPLETE = "incomplete"
    """Only whoever has the result already could make it of this."""
    DANGER = "danger"
    """Refused whatever git says."""
    LIMIT = "limit"
    """Larger than is looked at."""


ADVICE = {
    Why.MALFORMED: "make the patch again with `git diff` and send it unedited",
    Why.MISMATCH: "make the patch again from the recorded baseline",
    Why.DROPPED: "make the patch again, or remove what is no part of it",
    Why.CONFLICT: "delete or move what stands there in the same patch",
    Why.INCOMPLETE: "make the patch again with `git diff --binary`",
    Why.DANGER: "leave this out of the patch",
    Why.LIMIT: "send it in smaller patches",
}


class PatchRefused(ValueError):
    """What is wrong with a patch, where, and what to do; safe to show to anybody."""

    def __init__(self, reason: str, line: int | None = None, path: str | None = None, why: Why = Why.MALFORMED) -> None:
        super().__init__(reason, line, path, why)
        self.reason, self.line, self.path, self.why = reason, line, path, why

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.why]

    def __str__(self) -> str:
        at_line = f"line {self.line}" if self.line else ""
        where = ", ".join(filter(None, (self.path, at_line)))
        return f"{where}: {self.reason}; {self.advice}." if where else f"{self.reason}; {self.advice}."


MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one patch may be and do. What is beyond is refused, never cut."""

    patch_bytes: int = 4 * MIB
    files: int = 1000
    hunks: int = 10_000
    path_bytes: int = 400
    path_parts: int = 40
    file_bytes: int = 8 * MIB
    """Of a file before and after."""
    total_bytes: int = 64 * MIB
    """Of all results together, and of all that is read."""
    binary_bytes: int = 8 * MIB
    """Of all inflated binary data together."""
    is_guarded: bool = True
    """Also refuse submodules, .gitmodules, .gitattributes and links that leave the tree."""


USUAL = Limits()


def shown(name: bytes | None) -> str:
    """A path for a message: what is not printable is escaped."""
    text = (name or b"").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:200]
