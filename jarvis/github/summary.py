"""The one comment under a pull request: what changes and why it matters, made from the diff itself."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from jarvis.github.changes import Account, Area
from jarvis.github.markup import cell, code, prose, written
from jarvis.github.pull import Pull
from jarvis.github.risks import Place, Reading, Risk, reading_order, risks

LONGEST = 60_000
"""Characters; GitHub takes 65,536."""
MOST_SHOWN = 5
MARKER = re.compile(r"<!-- jarvis:summary ([0-9a-f]{16,64}) -->")
OWN = "<!-- jarvis:"
"""How everything that Jarvis writes begins."""
MATTERS = {
    "migration": "data changes with the update, once",
    "ci": "decides what is checked before a merge",
    "dependencies": "decides whose code runs",
    "lock": "decides whose code runs",
    "deployment": "decides how it is run",
    "code": "what it does changes",
    "configuration": "what it starts with changes",
    "tests": "holds what the code does",
    "docs": "what people are told changes",
    "assets": "what people see changes",
    "generated": "follows from something else",
}
"""Why a kind of file matters, the gravest first."""
NO_RISK = "Nothing stands out: no migration, sign-in code, dependency, CI or secret-like string."
KIND_WORDS = {
    "code": "code", "tests": "tests", "docs": "documentation", "ci": "CI", "lock": "lock files", "assets": "assets",
    "migration": "migrations", "dependencies": "dependencies", "generated": "generated", "deployment": "deployment",
    "configuration": "configuration",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What a model wrote about it, and which."""

    model: str
    text: str


def digest(text: str, model: str) -> str:
    """What tells one comment from the next: its words, and which model is asked for more."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()[:32]


def digest_in(body: str) -> str | None:
    """The digest in a comment that is a summary, else None; below its first line stand strangers' words."""
    found = MARKER.match(body)
    return found[1] if found else None


def comment(text: str, marked: str, said: Said | None = None) -> str:
    """The whole comment, within what GitHub takes."""
    notes = f"\n\n{model_section(said)}" if said and said.text.strip() else ""
    room = LONGEST - len(notes)
    if len(text) > room:
        text = text[:room].rsplit("\n", 1)[0] + "\n\n*(cut here: it is too long for a comment)*"
    return f"<!-- jarvis:summary {marked} -->\n{text}{notes}"


def model_section(said: Said) -> str:
    """What a model wrote, in a section of its own that says so."""
    by = f"Written by {code(said.model, 60)}, which saw only the diff and the description. It may be wrong."
    return f"#### In a model's words\n\n{written(said.text)}\n\n<sub>{by}</sub>"


def render(pull: Pull, account: Account, bot: str) -> str:
    """The comment's text without a model: the same input gives the same text."""
    found = risks(account)
    more = f"Ask for more: {code('/jarvis help')} or {code('@' + bot + ' help')}."
    parts = [
        f"### What this pull request changes\n\n{_lead(pull, account)}",
        _author_says(pull),
        _names(account),
        _areas(account),
        f"#### Risks\n\n{risk_list(found) or NO_RISK}",
        tests_line(account),
        reading_list(reading_order(account, found)),
        _unread(account),
        f"<sub>Jarvis, for {code(pull.head_sha[:10] or '?')}. {more}</sub>",
    ]
    return "\n\n".join(part for part in parts if part)


def _lead(pull: Pull, account: Account) -> str:
    files = counted(account.total, "file")
    size = f"**+{account.additions:,} −{account.deletions:,}**"
    kinds = [kind for kind in KIND_WORDS if account.of(kind)]
    kinds = [kind for kind in kinds if kind not in ("lock", "generated")] or kinds
    main = max(kinds, key=lambda kind: sum(file.churn for file in account.of(kind)), default="")
    where = f", mostly {KIND_WORDS[main]}" if len(kinds) > 1 else f", all of it {KIND_WORDS[main]}" if main else ""
    commits = f" in {counted(pull.commits, 'commit')}" if pull.commits else ""
    into = f" into {code(pull.base, 100)}" if pull.base else ""
    large = [area for area in account.areas if area.name != "." and area.files * 5 >= len(account.files)]
    areas = [code(area.name) for area in large[:3]]
    at = f" Most of it stands in {_and(areas)}." if areas and len(account.areas) > 1 else ""
    return f"{files}, {size}{commits}{into}{where}.{at}"


def _author_says(pull: Pull) -> str:
    said = pull.said
    title = f"**{prose(pull.title, 200)}**" if pull.title.strip() else ""
    words = (
        f"> {prose(said, 600)}"
        if said
        else "The description does not say why: a sentence there helps whoever reads it."
    )
    closes = f"It says it closes {_and([code(one) for one in pull.closes])}." if pull.closes else ""
    return "\n\n".join(part for part in ("#### Why, says the author", title, words, closes) if part)


def _names(account: Account) -> str:
    names = account.names
    rows = [
        (word, found)
        for word, found in (("Adds", names.added), ("Changes", names.changed), ("No longer has", names.removed))
        if found
    ]
    shown = [f"- {word} {_some([code(name, 80) for name in found], 10)}" for word, found in rows]
    if names.removed:
        shown.append("  - Whoever uses what is gone must follow.")
    return "#### What is in it\n\n" + "\n".join(shown) if shown else ""


def _areas(account: Account) -> str:
    rows = ["| Area | Files | Lines | What | Why it matters |", "| --- | ---: | ---: | --- | --- |"]
    for area in account.areas[:12]:
        what = ", ".join(f"{KIND_WORDS[kind]}" + (f" ({count})" if count > 1 else "") for kind, count in area.kinds[:4])
        lines = f"+{area.additions} −{area.deletions}"
        rows.append(f"| {cell(area.name)} | {area.files} | {lines} | {what} | {_matters(area)} |")
    if len(account.areas) > 12:
        rows.append(f"| {len(account.areas) - 12} more | | | | |")
    return "#### By area\n\n" + "\n".join(rows) if account.files else ""


def _matters(area: Area) -> str:
    """Why an area matters, by the gravest kind of file in it."""
    kinds = [kind for kind, _ in area.kinds]
    kind = next((kind for kind in MATTERS if kind in kinds), "")
    if kind == "code" and area.names:
        return f"whoever calls {_some([cell(name, 60) for name in area.names], 3)} meets it"
    return MATTERS.get(kind, "")


def risk_list(found: Sequence[Risk]) -> str:
    """Each risk with why it is one and where it stands."""
    return "\n".join(
        f"- **{risk.title}**: {risk.why}.\n" + _places(risk.places, MOST_SHOWN).replace("- ", "  - ") for risk in found
    )


def _places(places: Sequence[Place], most: int) -> str:
    rows = [f"- {place_of(place)}" for place in places[:most]]
    return "\n".join(rows + ([f"- and {len(places) - most} more"] if len(places) > most else []))


def place_of(place: Place) -> str:
    """A place in words: the path, the line where there is one, and what is there."""
    at = code(f"{place.path}:{place.line}" if place.line else place.path)
    return f"{at}: {prose(place.note, 200)}" if place.note else at


def tests_line(account: Account) -> str:
    """What happens to the tests."""
    tests = account.of("tests")
    if not tests:
        return "#### Tests\n\nNo test file changes." if account.of("code") else ""
    size = f"+{sum(file.additions for file in tests):,} −{sum(file.deletions for file in tests):,}"
    listed = _some([code(file.path) for file in tests], MOST_SHOWN)
    return f"#### Tests\n\n{counted(len(tests), 'test file')} touched ({size}): {listed}."


def reading_list(order: Sequence[Reading]) -> str:
    """Which files to open first, and why."""
    rows = [f"{at}. {code(one.path)}: {prose('; '.join(one.reasons), 300)}" for at, one in enumerate(order, 1)]
    return "#### Read first\n\n" + "\n".join(rows) if rows else ""


def _unread(account: Account) -> str:
    said = []
    if account.unread:
        said.append(
            f"This is a large pull request: {len(account.files):,} of its {account.total:,} files were read,"
            f" and the other {account.unread:,} are not in this account."
        )
    if account.without_patch:
        hidden = counted(len(account.without_patch), "file")
        said.append(f"GitHub shows no lines for {hidden}, so nothing is said of what is in them.")
    return "> [!NOTE]\n> " + " ".join(said) if said else ""


def counted(number: int, noun: str) -> str:
    """ "1 file", "2,000 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _some(items: Sequence[str], most: int) -> str:
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def _and(items: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))
