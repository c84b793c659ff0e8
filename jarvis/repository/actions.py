"""What other features ask of a repository."""

from pathlib import Path

from jarvis.kernel.errors import JarvisError
from jarvis.repository import reading
from jarvis.repository.sweep import Sweep

LONGEST_TITLE = 200


def newest_commit(place: Path) -> tuple[str, str] | None:
    """The commit checked out there and its title; None where there is no repository to read."""
    try:
        newest = reading.log(place, n=1).commits
    except (JarvisError, OSError, ValueError):
        return None
    return (newest[0].id, newest[0].subject[:LONGEST_TITLE]) if newest else None


def sweep(place: Path) -> Sweep:
    """Everything the history there holds, to be read through once. Nothing where there is no repository."""
    return Sweep(place)
