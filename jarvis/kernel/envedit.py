"""Changing one setting in a settings file, and nothing else in it."""

import io
import stat
from pathlib import Path

from jarvis.kernel.envfile import parse, read_trusted
from jarvis.kernel.errors import Conflict, Misconfigured, Unavailable
from jarvis.kernel.files import write_whole


def with_value(text: str, name: str, value: str) -> str:
    """The text with a setting changed where it stands, or added at its end; every other line stays as it is."""
    from dotenv.parser import parse_stream

    line = f"{name}={_quoted(value)}"
    pieces, is_there = [], False
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        if binding.key != name or binding.error:
            pieces.append(original)
            continue
        is_there = True
        before = original[: len(original) - len(original.lstrip())]
        export = "export " if original.lstrip().startswith("export ") else ""
        pieces.append(before + export + line + ("\n" if original.endswith("\n") else ""))
    joined = "".join(pieces)
    if is_there:
        return joined
    return joined + ("" if not joined or joined.endswith("\n") else "\n") + line + "\n"


def _quoted(value: str) -> str:
    if value and all(c.isalnum() or c in "_-./:+=,@%~" for c in value) and value.isascii():
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def write_value(path: Path, name: str, value: str) -> None:
    """Set one setting in a settings file, whole or not at all; a file that is not there is made, for us alone.

    Raises Misconfigured when the file is not believed, Conflict when it cannot be changed without touching other
    settings, Unavailable when it cannot be written.
    """
    if any(c in value for c in "\r\n\0") or value != value.strip():
        raise Conflict(f"A value of {name} is one line, without blanks around it.")
    warnings: list[str] = []
    before = read_trusted(path, warnings)
    if before is None and (warnings or path.is_symlink()):
        raise Misconfigured("\n".join(warnings))
    after = with_value(before or "", name, value)
    wanted = parse(path, before or "", []) | {name: value}
    if parse(path, after, []) != wanted:
        raise Conflict(f"{path} cannot be changed without touching other settings; set {name} in it by hand.")
    try:
        _replace(path, after)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.") from error


def _replace(path: Path, text: str) -> None:
    """Whoever could read the file by its owner and group still can, and nobody else."""
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, text.encode())
        return
    owner = (status.st_uid, status.st_gid)
    write_whole(path, text.encode(), stat.S_IMODE(status.st_mode) & 0o640, owner)
