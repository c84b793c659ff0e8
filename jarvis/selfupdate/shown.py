"""What people are shown of an update: its state in a word, and its way so far and still to go."""

from dataclasses import dataclass

from jarvis.kernel.db import Tx
from jarvis.queue import store as tasks
from jarvis.selfupdate import states
from jarvis.selfupdate.actions import moving
from jarvis.selfupdate.store import Move, Update

WAY = (
    states.PROPOSED,
    states.VALIDATED,
    states.TESTED,
    states.APPROVED,
    states.APPLIED,
    states.VERIFIED,
)
WORDS = {
    states.PROPOSED: ("waiting", "Proposed"),
    states.VALIDATED: ("waiting", "Validated"),
    states.TESTED: ("attention", "Waiting for approval"),
    states.APPROVED: ("attention", "Approved"),
    states.APPLIED: ("busy", "On trial"),
    states.VERIFIED: ("ok", "Verified"),
    states.REJECTED: ("neutral", "Rejected"),
    states.TEST_FAILED: ("danger", "Test failed"),
    states.APPLY_FAILED: ("danger", "Not applied"),
    states.ROLLED_BACK: ("danger", "Rolled back"),
}
"""The kind and the word of each state."""
REACHED = {
    states.TESTED: "Tested",
    states.APPLIED: "Applied",
}
AHEAD = {
    states.VALIDATED: "applies to what runs here, nothing forbidden",
    states.TESTED: "built and run in a cage, on a scrubbed copy",
    states.APPROVED: "an admin says yes to exact bytes",
    states.APPLIED: "snapshot, rename, restart",
    states.VERIFIED: "ready, and what worked before still works",
}
"""What each state on the way still to go will mean."""


@dataclass(frozen=True, slots=True)
class Row:
    """An update with its state for people, and what is being done with it now."""

    update: Update
    kind: str
    word: str
    doing: str


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the timeline; `at` is None for what is still to come."""

    kind: str
    word: str
    at: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One check as a page shows it."""

    ok: bool
    detail: str
    took: str


def checks(update: Update) -> list[tuple[str, Checked]]:
    """Every check made so far, in the order they were made."""
    found = sorted(update.checks_of().items(), key=lambda item: item[1].get("order", 0))
    return [(name, Checked(check["ok"], check["detail"], _took(check.get("seconds")))) for name, check in found]


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def row(tx: Tx, update: Update) -> Row:
    """An update as a list shows it."""
    kind, word = WORDS[update.state]
    task = tasks.find_active(tx, moving.task_key(update))
    if task is None:
        return Row(update, kind, word, "")
    what = task.name.rpartition("_")[2]
    doing = task.progress or ("is queued" if task.state == "queued" else "has begun")
    busy = {"test": "Testing", "apply": "Applying", "rollback": "Rolling back"}.get(what, "At work")
    return Row(update, "busy", busy, doing)


def timeline(update: Update, moves: list[Move]) -> list[Point]:
    """Every state it reached, then those still ahead."""
    points = [_reached(move, is_last=move is moves[-1]) for move in moves]
    if update.state in states.OVER:
        return points
    here = WAY.index(update.state) if update.state in WAY else _before(update.state)
    return points + [Point("neutral", _word(state), None, AHEAD[state]) for state in WAY[here + 1 :]]


def _before(state: str) -> int:
    return WAY.index(states.VALIDATED if state == states.TEST_FAILED else states.TESTED)


def _reached(move: Move, *, is_last: bool) -> Point:
    kind, word = WORDS[move.state]
    if kind == "danger" or (is_last and move.state in (states.TESTED, states.APPLIED)):
        return Point(kind, word, move.at, _by(move))
    return Point("neutral" if kind == "neutral" else "ok", _word(move.state), move.at, _by(move))


def _word(state: str) -> str:
    return REACHED.get(state) or WORDS[state][1]


def _by(move: Move) -> str:
    return f"{move.by}: {move.detail}" if move.detail else move.by
