"""What other features ask of a repository."""

import os
from pathlib import Path

from jarvis.kernel.errors import JarvisError
from jarvis.repository import reading
from jarvis.repository.sweep import Sweep
from jarvis.repository.views import view

LONGEST_TITLE = 200


def newest_commit(place: Path) -> tuple[str, str] | None:
    """The commit checked out there and its title; None where there is no repository to read."""
    try:
        newest = reading.log(place, n=1).commits
    except (JarvisError, OSError, ValueError):
        return None
    return (newest[0].id, newest[0].subject[:LONGEST_TITLE]) if newest else None


def is_committed(path: Path) -> bool:
    """Whether the commit checked out where a file lies holds that file. False where there is no repository to read."""
    try:
        with view(path.parent) as seen:
            objects, names = seen.git()
            if names.head is None:
                return False
            place = objects.commit(names.head).tree
            for part in (*Path(seen.place.inside).parts, path.name):
                place = {entry.path: entry.id for entry in objects.tree(place)}[os.fsencode(part)]
    except (JarvisError, OSError, ValueError, KeyError):
        return False
    return True


def sweep(place: Path) -> Sweep:
    """Everything the history there holds, to be read through once. Nothing where there is no repository."""
    return Sweep(place)
