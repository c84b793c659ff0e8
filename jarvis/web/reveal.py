"""Text from outside made safe to read: whatever cannot be seen, or turns text around, is spelled out and marked."""

import json
import re
from typing import Any

from markupsafe import Markup, escape

# What changes how the text around it reads without being seen: controls, bidirectional marks, zero-width and tag
# characters (unicode.org/reports/tr9, tr36).
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def named(character: str) -> str:
    """A character by its code, as JSON and Python write it."""
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def revealed(text: str) -> Markup:
    """Text as HTML with every hidden character spelled out and marked."""
    return Markup(HIDDEN.sub(lambda found: f"<mark>{named(found[0])}</mark>", str(escape(text))))  # noqa: S704


ESCAPES = re.compile(r"\\\\|\\u00[01][0-9a-f]")
"""What json.dumps writes with a backslash, two at a time so that a plain backslash hides nothing."""


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def marked(text: str) -> Markup:
    """JSON text as HTML in which every hidden or control character is spelled out and marked."""
    parts, at = [], 0
    for found in ESCAPES.finditer(text):
        if found[0].startswith("\\u"):
            parts += [revealed(text[at : found.start()]), Markup("<mark>{}</mark>").format(found[0])]
            at = found.end()
    return Markup().join([*parts, revealed(text[at:])])
