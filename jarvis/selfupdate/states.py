"""Which state of an update may follow which, and the step that leads on."""

from collections.abc import Mapping

PROPOSED, VALIDATED, TESTED, APPROVED = "proposed", "validated", "tested", "approved"
APPLIED, VERIFIED, REJECTED, TEST_FAILED = "applied", "verified", "rejected", "test_failed"
APPLY_FAILED, ROLLED_BACK = "apply_failed", "rolled_back"

LEGAL: Mapping[str, frozenset[str]] = {
    PROPOSED: frozenset((VALIDATED, REJECTED)),
    VALIDATED: frozenset((TESTED, TEST_FAILED, REJECTED)),
    TEST_FAILED: frozenset((TESTED, TEST_FAILED, REJECTED)),  # tested again: a loaded host is not the patch's fault
    TESTED: frozenset((APPROVED, REJECTED)),
    APPROVED: frozenset((APPLIED, APPLY_FAILED, TESTED, REJECTED)),  # back to tested when the approval is void
    APPLIED: frozenset((VERIFIED, ROLLED_BACK)),
    APPLY_FAILED: frozenset((APPROVED, REJECTED)),  # nothing was changed: it may be approved again
    VERIFIED: frozenset((ROLLED_BACK,)),
    REJECTED: frozenset(),
    ROLLED_BACK: frozenset(),
}
STATES = tuple(LEGAL)

STEPS: Mapping[str, frozenset[str]] = {
    "validate": frozenset((PROPOSED,)),
    "test": frozenset((VALIDATED, TEST_FAILED)),
    "approve": frozenset((TESTED, APPLY_FAILED)),
    "apply": frozenset((APPROVED,)),
    "rollback": frozenset((APPLIED, VERIFIED)),
    "reject": frozenset((PROPOSED, VALIDATED, TEST_FAILED, TESTED, APPROVED, APPLY_FAILED)),
}
"""From which states each step may be taken."""

NEXT: Mapping[str, str] = {
    PROPOSED: "validate",
    VALIDATED: "test",
    TEST_FAILED: "test",
    TESTED: "approve",
    APPROVED: "apply",
    APPLY_FAILED: "approve",
}
"""The step that leads on; a state that is not here has none."""

EVENTS: Mapping[str, str] = {
    PROPOSED: "self_update.propose",
    VALIDATED: "self_update.validate",
    TESTED: "self_update.test",
    TEST_FAILED: "self_update.test",
    APPROVED: "self_update.approve",
    APPLIED: "self_update.apply",
    APPLY_FAILED: "self_update.apply",
    VERIFIED: "self_update.verified",
    ROLLED_BACK: "self_update.rollback",
    REJECTED: "self_update.rejected",
}
"""The event that tells of reaching a state."""

VOID = "self_update.void"
"""The event of an approval that does not count any more: back to tested."""

FAILURES = frozenset((TEST_FAILED, APPLY_FAILED, ROLLED_BACK, REJECTED))
OVER = frozenset((VERIFIED, REJECTED, ROLLED_BACK))
ENDS: Mapping[str, str] = {
    APPLIED: "It is on trial: it ends verified or rolled back by itself.",
    VERIFIED: "It is done; the only step left is rollback.",
    REJECTED: "It was rejected; propose it again.",
    ROLLED_BACK: "It was taken back; propose it again.",
}


def is_legal(before: str, after: str) -> bool:
    """Whether one state may follow another."""
    return after in LEGAL.get(before, ())


def may(step: str, state: str) -> bool:
    """Whether a step can be taken now."""
    return state in STEPS[step]


def refusal(step: str, state: str) -> str:
    """What somebody is told who takes a step out of order."""
    what = f"The update is {state.replace('_', ' ')}, so it cannot {_verb(step)} now."
    follows = NEXT.get(state)
    return f"{what} Next: {follows}." if follows else f"{what} {ENDS[state]}"


def _verb(step: str) -> str:
    passive = {
        "validate": "be validated",
        "test": "be tested",
        "approve": "be approved",
        "apply": "be applied",
        "rollback": "be rolled back",
        "reject": "be rejected",
    }
    return passive[step]
