"""Reading what GitHub sends without trusting its shape: whatever is missing or of another type is simply not there."""

import re
from typing import Any

Json = Any

REPO = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9_.-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")
LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})(?:\[bot\])?")
NAME = re.compile(r"[a-z0-9_.]{1,60}")
LARGEST_NUMBER = 2**53


def inside(payload: Json, *path: str) -> Json:
    """What stands at a path of names, or None."""
    for name in path:
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def text(payload: Json, *path: str) -> str:
    """Text at a path, "" where there is none. Half surrogates, which JSON can smuggle in, are replaced."""
    found = inside(payload, *path)
    return found.encode("utf-8", "replace").decode().replace("\x00", "\ufffd") if isinstance(found, str) else ""


def number(payload: Json, *path: str) -> int:
    """A positive whole number at a path, 0 where there is none."""
    found = inside(payload, *path)
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return found if is_number and 0 < found < LARGEST_NUMBER else 0


def flag(payload: Json, *path: str) -> bool:
    """Whether true stands at a path."""
    return inside(payload, *path) is True


def repo(payload: Json) -> str:
    """owner/name of the repository it is about, or "" where that is not one."""
    name = text(payload, "repository", "full_name")
    return name if REPO.fullmatch(name) else ""


def login(payload: Json, *path: str) -> str:
    """Somebody's login at a path to their object, or "" (a deleted user is null)."""
    name = text(payload, *path, "login")
    return name if LOGIN.fullmatch(name) else ""


def name(value: Json) -> str:
    """An event's or action's name, or "" for what cannot be one."""
    return value if isinstance(value, str) and NAME.fullmatch(value) else ""
