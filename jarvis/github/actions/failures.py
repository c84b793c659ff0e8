"""What goes wrong with GitHub becomes a bug, once for each kind of failure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jarvis.bugs import actions as bugs
from jarvis.kernel.context import Context

SOURCE = "github"
VARYING = re.compile(r"/(issues|comments|pulls)/\d+|\b\d+ s\b|\b\d{4,}\b")


def fingerprint(what: str, kind: str) -> str:
    """The same for the same failure of the same undertaking."""
    return hashlib.sha256("\0".join((SOURCE, what, kind)).encode("utf-8", "replace")).hexdigest()


def shape(why: str) -> str:
    """A reason without what varies between two failures of the same kind."""
    return VARYING.sub("#", why)


def note(ctx: Context, what: str, why: str, about: Mapping[str, Any], *, kind: str = "") -> None:
    """File it, or count it when it is known. `kind` tells failures of one undertaking apart; else `why` does."""
    system = replace(ctx, user_id=None, username="", role="admin")
    evidence = {"what": f"GitHub: {what}", "why": why, **about}
    bugs.record_failure(system, fingerprint(what, kind or why), f"GitHub: {what} fails: {why}", evidence)
