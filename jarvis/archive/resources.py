"""Files that ship beside the code, from a checkout or from the running archive alike."""
# ruff: noqa: PTH100, PTH113, PTH118, PTH120
# pathlib would cost more than the rest of a start.

import json
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jarvis.archive.container import Archive
from jarvis.archive.launch import archive

if TYPE_CHECKING:
    from jarvis.archive.sources import Source

ROOTS = ("templates/", "static/", "jarvis/")
MIGRATION = re.compile(r"jarvis/[a-z_]+/migrations/(\d{4})_(\w+)\.sql")


def read_bytes(path: str) -> bytes:
    """One file under templates/, static/ or jarvis/; raises FileNotFoundError for anything else."""
    _require_plain(path)
    held = archive()
    if held is not None:
        return held.read("lib/" + path)
    return _read_from_checkout(path)


def read_text(path: str) -> str:
    """As read_bytes, decoded as UTF-8."""
    return read_bytes(path).decode()


def names(prefix: str) -> list[str]:
    """Every file below a folder such as `static/css/`, sorted; empty where there is none."""
    held = archive()
    found = _of_archive(held) if held is not None else _of_checkout(prefix)
    return sorted(name for name in found if name.startswith(prefix) and name.startswith(ROOTS))


def migrations() -> list[tuple[int, str, str]]:
    """Every migration as (number, name, sql), in order; raises ValueError for a number used twice."""
    found: dict[int, tuple[int, str, str]] = {}
    for path in names("jarvis/"):
        match = MIGRATION.fullmatch(path)
        if match is None:
            continue
        number = int(match[1])
        if number in found:
            raise ValueError(f"two migrations are number {match[1]}: {found[number][1]} and {match[2]}")
        found[number] = (number, match[2], read_text(path))
    return [found[number] for number in sorted(found)]


def source_files() -> Iterator[tuple[str, bytes]]:
    """The whole source tree as (path, bytes), sorted."""
    held = archive()
    if held is not None:
        tree = held.nested("src.zip")
        yield from ((name, tree.read(name)) for name in tree.names())
    else:
        yield from _checkout_source().files.items()


def source_executables() -> frozenset[str]:
    """The paths of the source tree that git calls executable: a tree id needs them."""
    held = archive()
    if held is not None:
        return frozenset(json.loads(held.read("BUILD.json"))["executables"])
    return _checkout_source().executables


def _require_plain(path: str) -> None:
    parts = path.split("/")
    if not path.startswith(ROOTS) or "\\" in path or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        raise FileNotFoundError(2, "no such resource", path)


def _checkout() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _read_from_checkout(path: str) -> bytes:
    root = os.path.realpath(_checkout())
    file = os.path.realpath(os.path.join(root, path))
    if not file.startswith(root + os.sep) or not os.path.isfile(file):
        raise FileNotFoundError(2, "no such resource", path)
    with open(file, "rb") as opened:
        return opened.read()


def _of_archive(held: Archive) -> Iterator[str]:
    return (name.removeprefix("lib/") for name in held.names() if name.startswith("lib/"))


def _of_checkout(prefix: str) -> Iterator[str]:
    root = _checkout()
    top = prefix.partition("/")[0]
    for folder, folders, files in os.walk(os.path.join(root, top)) if top + "/" in ROOTS else ():
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), root)


def _checkout_source() -> "Source":
    from pathlib import Path  # neither is for a running server

    from jarvis.archive.sources import from_checkout

    return from_checkout(Path(_checkout()))
