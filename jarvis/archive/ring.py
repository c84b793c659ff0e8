"""The launcher's ring around a `serve` while an update is on its way: count the start, or run the old archive."""

# ruff: noqa: S606
# A shell has no part in it: this process becomes the old archive.

from __future__ import annotations

import os
import sys

from jarvis.archive import swap

TYPE_CHECKING = False  # typing itself would cost a third of a start
if TYPE_CHECKING:
    from collections.abc import Callable

    from jarvis.archive.container import Archive

    Face = Callable[[list[str]], int]

TAKEOVER = "JARVIS_TAKEOVER"
"""As jarvis.lifeline says it, which may be what fails here."""
CLEAN = (0, 88)
"""Stopped as asked, or left for a restart somebody asked for."""


def run(held: Archive, argv: list[str], face: Callable[[list[str]], Face]) -> int:
    """Serve from this archive, unless it has started too often or cannot: then become the one before it."""
    environ, running = dict(os.environ), held.sha256()
    if _guard(held.path, running) is not None:
        _become(held.path, argv, environ)
    try:
        code = face(argv)(argv)
    except Exception as error:
        if not _take_back(held.path, running, f"its start failed: {type(error).__name__}: {error}"):
            raise
        _become(held.path, argv, environ)
    if code in CLEAN:
        swap.forgive_start(held.path)
    return code


def _guard(path: str, running: str) -> swap.Marker | None:
    try:
        return swap.guard(path, running)
    except (OSError, swap.SwapRefused) as error:  # no reason not to serve
        sys.stderr.write(f"jarvis: the update beside {path} cannot be seen to: {error}\n")
        return None


def _take_back(path: str, running: str, why: str) -> bool:
    marker = swap.read_marker(path)
    if marker is None or marker.new != running or marker.state != swap.TRIAL:
        return False
    try:
        swap.put_back(path, marker, "launcher", why)
    except (OSError, swap.SwapRefused) as error:
        sys.stderr.write(f"jarvis: the archive before {path} cannot be put back: {error}\n")
        return False
    return True


def _become(path: str, argv: list[str], environ: dict[str, str]) -> None:
    sys.stderr.write(f"jarvis: the update is taken back, {path} is the archive from before it\n")
    if TAKEOVER in environ:
        environ[TAKEOVER] = _handed_on(environ[TAKEOVER])
    os.execve(sys.executable, [sys.executable, "-I", "-S", path, *argv], environ)


def _handed_on(text: str) -> str:
    """What the supervisor before us handed over goes to the next one: descriptors, and a worker to be replaced."""
    import json

    told = json.loads(text)
    for name in ("listener", "lock", "channel"):
        if told[name] is not None:
            os.set_inheritable(told[name], True)
    return json.dumps(told | {"restart": True})
