"""Proves the archive it runs from: every checksum, every module that ships."""

import importlib
import sys
import warnings

from jarvis.archive.container import Archive, ArchiveFault


def main(argv: list[str]) -> int:
    """Print one line per fault and a summary; 0 when there is none, 70 otherwise."""
    from jarvis.archive.launch import archive

    held = archive()
    if held is None:
        sys.stderr.write("jarvis: --self-check proves an archive, and this is a checkout.\n")
        return 64
    count, faults = check(held)
    for fault in faults:
        sys.stderr.write(f"jarvis: {fault}\n")
    print(f"{len(held.names())} entries read, {count} modules imported, {len(faults)} faults")
    return 70 if faults else 0


def check(archive: Archive) -> tuple[int, list[str]]:
    """How many modules were tried, and what is wrong."""
    names = modules(archive)
    return len(names), [*_unreadable(archive), *_unimportable(names)]


def modules(archive: Archive) -> list[str]:
    """Every module under lib/ but those that run a program when they are imported."""
    found = []
    for name in archive.names():
        if name.startswith("lib/") and name.endswith(".py") and not name.endswith("/__main__.py"):
            stem = name.removeprefix("lib/").removesuffix(".py").removesuffix("/__init__")
            found.append(stem.replace("/", "."))
    return found


def _unreadable(archive: Archive) -> list[str]:
    faults = []
    for name in archive.names():
        try:
            archive.read(name)
            if name.endswith(".zip") and not name.startswith("lib/"):
                faults += _unreadable(archive.nested(name))
        except ArchiveFault as fault:
            faults.append(str(fault))
    return faults


def _unimportable(names: list[str]) -> list[str]:
    faults = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library may call itself deprecated
        for name in names:
            try:
                importlib.import_module(name)
            except Exception as fault:
                faults.append(f"{name} does not import: {type(fault).__name__}: {fault}")
    return faults
