"""What a proposal holds, for every face."""

from jarvis.kernel.schema import Field, Fields

LONGEST_PATCH = 2_000_000
LONGEST = 4000


def _sentence(meaning: str) -> Field:
    return Field(kind="string", is_required=True, shortest=1, longest=LONGEST, is_multiline=True, help=meaning)


RATIONALE = _sentence("What it changes and why; the first line is its title.")
PLACE = Field(kind="string", shortest=1, longest=500)
EVIDENCE: Fields = {
    "failure": _sentence("The failure it answers, and where that was seen."),
    "prediction": _sentence("What will be different afterwards."),
    "falsifier": _sentence("What would show that it did not work."),
    "files": Field(
        kind="array",
        is_required=True,
        shortest=1,
        longest=200,
        items=PLACE,
        help="Every file meant, such as jarvis/x.py or jarvis/x.py:41-50; a folder ends in a slash.",
    ),
    "tests": Field(
        kind="array",
        is_required=True,
        shortest=1,
        longest=200,
        items=PLACE,
        help="The tests that show it, such as tests/x/test_y.py.",
    ),
}
PATCH = Field(
    kind="string",
    is_required=True,
    shortest=1,
    longest=LONGEST_PATCH,
    is_multiline=True,
    help="A unified diff, as git writes it.",
)
PROPOSAL: Fields = {
    "patch": PATCH,
    "rationale": RATIONALE,
    "evidence": Field(kind="object", is_required=True, fields=EVIDENCE),
}
