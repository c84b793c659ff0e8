"""What to remember, what is remembered, and what to forget."""

import re
from collections.abc import Mapping
from typing import Any

from jarvis.agent.builtin.intents import Act, Call, Catalog, Deed, Intent, Telling
from jarvis.agent.builtin.prose import bullets, safe

WORDS = {"notes": "note notes remember remembered memorised memorized"}
REMEMBER = re.compile(
    r"\b(?:remember|note(?: down)?|memori[sz]e)\b(?:\s+(?:that|this|:))?\s*[:,]?\s*(.+)", re.IGNORECASE
)
FORGET = re.compile(r"\bforget\b(?:\s+(?:that|about|the note(?: about| that)?))?\s+(.+)", re.IGNORECASE)


def remember(clause: str) -> Deed | None:
    """Remembering what was said."""
    match = REMEMBER.search(clause)
    text = match[1].strip(" .") if match else ""
    if not text:
        return None
    return Deed(Call("notes.add", {"text": text}), f"I will remember: {safe(text, 300)}.", _remembered)


def _remembered(result: Mapping[str, Any]) -> str:
    return "Remembered. You can read and change it under /notes."


def forget(clause: str) -> Deed | None:
    """Forgetting what was said."""
    match = FORGET.search(clause)
    words = match[1].strip(" .") if match else ""
    if not words:
        return None
    return Deed(
        Call("notes.remove", {"note": words}), f"I will forget the note about “{safe(words, 200)}”.", _forgotten
    )


def _forgotten(result: Mapping[str, Any]) -> str:
    removed = result.get("removed")
    text = removed.get("text") if isinstance(removed, Mapping) else ""
    return f"Forgotten: {safe(text, 300)}."


def known(telling: Telling) -> str:
    """Every note, newest first."""
    found = telling.result.get("notes")
    notes = [note for note in found if isinstance(note, Mapping)] if isinstance(found, list) else []
    if not notes:
        return "I remember nothing for you yet. Tell me: *remember that deploys happen on Tuesdays*."
    return f"I remember for you:\n\n{bullets(safe(note.get('text'), 300) for note in notes)}"


ACTS = (
    Act("remember", "remember memorise memorize", "say what: *remember that deploys happen on Tuesdays*.", do=remember),
    Act("forget", "forget", "say what: *forget the note about deploys*.", do=forget),
)

CATALOG = Catalog(
    (
        Intent(
            "notes.list",
            "what I remember for you",
            ("what do you remember?", "show my notes", "list my notes", "what did I ask you to remember"),
            {"notes": 0.8, "mine": 0.1},
            known,
            lambda slots: Call("notes.list"),
            needs=("notes",),
        ),
    ),
    WORDS,
    ACTS,
)
