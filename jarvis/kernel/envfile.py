"""A settings file: read only when nobody else can have written it, and parsed without surprises."""

import errno
import io
import os
import stat
from collections.abc import Iterable
from pathlib import Path

LARGEST_FILE = 1_000_000
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where a service finds its credentials: systemd.exec(5), LoadCredential=."""
PREFIX = "jarvis_"
"""What systemd puts before the file's name when LoadCredential=jarvis: names a directory."""


def read_trusted(path: Path, warnings: list[str]) -> str | None:
    """The text of a settings file nobody else could have written, or None with a warning.

    A link is refused: in a directory others may write to, it can point at any file of ours.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        warnings.append(f"{path} is ignored: {reason}.")
        return None
    try:
        reason = _distrust(os.fstat(fd))
        raw = b"" if reason else os.pread(fd, LARGEST_FILE, 0)
    finally:
        os.close(fd)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    if not reason and "\x00" not in text:
        return text
    warnings.append(f"{path} is ignored: {reason or 'it contains NUL characters'}.")
    return None


def _distrust(status: os.stat_result) -> str:
    """Why a settings file with this status is not believed, or ""."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if status.st_uid not in (os.geteuid(), 0):
        return "it must be owned by you or by root"
    if status.st_mode & 0o022:
        return "others may write to it (chmod 600)"
    if status.st_size > LARGEST_FILE:
        return f"it is larger than {LARGEST_FILE:,} bytes"
    return ""


def credentials(folder: Path, names: Iterable[str], warnings: list[str]) -> dict[str, str]:
    """The values of those credentials that are there, each the whole text of a file nobody else could have written.

    A setting's credential is named like it, or with the prefix that a whole directory of them gets.
    """
    found = {}
    for name in names:
        texts = (read_trusted(folder / file, warnings) for file in (name, PREFIX + name))
        text = next((text for text in texts if text is not None), None)
        if text is not None:
            found[name] = text.removesuffix("\n")
    return found


def parse(path: Path, text: str, warnings: list[str]) -> dict[str, str]:
    """The names and values of a settings file; nothing in them is expanded or executed."""
    from dotenv.parser import parse_stream  # slow to load, and only needed when there is a file

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            warnings.append(f"{path}: line {binding.original.line} is not NAME=value and is ignored.")
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values
