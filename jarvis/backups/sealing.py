"""A backup passed through BACKUP_ENCRYPT_COMMAND: a filter given the file, which writes what may leave the host."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from jarvis.kernel import programs
from jarvis.kernel.config import Settings
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Misconfigured, Unavailable

LONGEST_SECONDS = 1800.0
LOOK_SECONDS = 0.1
ROOM_BYTES = 16 << 20
LONGEST_WORDS = 300
PACKED = b"\x1f\x8b"


def command(text: str) -> list[str]:
    """The words of the filter. Raises Misconfigured when they cannot be split or no such program is there."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Misconfigured(f"BACKUP_ENCRYPT_COMMAND cannot be read: {error}.") from None
    found = shutil.which(words[0]) if words else None
    if found is None:
        raise Misconfigured("BACKUP_ENCRYPT_COMMAND names no program that is there.")
    return [found, *words[1:]]


def seal(settings: Settings, source: Path, target: Path, mark: str) -> None:
    """Run the filter over a file into a new one (0600): no shell, none of our secrets, bounded in time and size.

    Raises Unavailable when it fails, or when what it wrote is not encrypted at all.
    """
    forbid_inside_write("a program")
    argv = command(settings.backup_encrypt_command)
    said = target.with_name("said")
    environment = programs.environment(settings, os.environ, mark)
    with source.open("rb") as given, _created(target) as out, _created(said) as errors:
        process = subprocess.Popen(
            argv, stdin=given, stdout=out, stderr=errors, cwd=target.parent, env=environment, start_new_session=True
        )
        try:
            _watch(process, (target, said), source.stat().st_size + ROOM_BYTES)
        finally:
            _end(process)
    if process.returncode:
        words = " ".join(said.read_bytes()[:4096].decode("utf-8", "replace").split())
        raise Unavailable(f"BACKUP_ENCRYPT_COMMAND ended with {process.returncode}: {words[:LONGEST_WORDS]}")
    with target.open("rb") as sealed:
        start = sealed.read(2)
    if len(start) < 2 or start == PACKED:
        raise Unavailable("BACKUP_ENCRYPT_COMMAND wrote nothing, or nothing that is encrypted. Nothing was uploaded.")


def _created(path: Path) -> IO[bytes]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    return open(fd, "wb")


def _watch(process: "subprocess.Popen[bytes]", written: tuple[Path, ...], at_most: int) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"BACKUP_ENCRYPT_COMMAND did not end within {LONGEST_SECONDS:.0f} s.")
        if any(path.stat().st_size > at_most for path in written):
            raise Unavailable("BACKUP_ENCRYPT_COMMAND writes far more than it was given.")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of it, children included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
