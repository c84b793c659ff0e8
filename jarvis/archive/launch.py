"""Starts Jarvis from the archive: its own modules first, nothing of the host's beside the stdlib."""

# ruff: noqa: PTH100, PTH110, PTH115, PTH117, PTH118, PTH119, PTH120
# pathlib would cost more than the rest of a start.

from __future__ import annotations

import os
import sys

from jarvis.archive.container import Archive, ArchiveFault, Unsupported
from jarvis.archive.importer import ArchiveImporter

TYPE_CHECKING = False  # typing itself would cost a third of a start
if TYPE_CHECKING:
    from collections.abc import Callable

ALONE = ("--no-supervisor", "--pages-only", "--reload", "--help", "-h")
WORKER_MARK = "JARVIS_SUPERVISOR_FD"  # the supervisor sets it for the worker, which has the same argv
BACKUP = "--make-backup"  # what a server tells the process that makes a backup for it
PATH_MARK = "JARVIS_ARCHIVE_PATH"
TRIAL_MARK = ".trial"  # beside the archive while an update is on its way


def archive() -> Archive | None:
    """The archive this process runs from; None in a checkout."""
    for finder in sys.meta_path:
        if isinstance(finder, ArchiveImporter):
            return finder.archive
    return None


def command() -> list[str]:
    """The words that start this Jarvis again, to be followed by its arguments.

    From an archive they name its descriptor: give the child `pass_fds=(archive().fd,)`, and the
    path in JARVIS_ARCHIVE_PATH. Without /proc they name the path.
    """
    given = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]
    held = archive()
    if held is not None:
        through = f"/proc/self/fd/{held.fd}"
        given[-1] = through if os.path.exists(through) else held.path
    return [sys.executable, *given]


def main(fd: int, opened: str) -> int:
    """Run the command line from the archive open at fd; damage and unfit hosts are one line, 70 or 69."""
    try:
        held = Archive(fd, real_path(fd, opened))
        importer = ArchiveImporter(held)
        _require_host(importer)
        isolate(importer)
        return dispatch(sys.argv[1:])
    except ArchiveFault as fault:
        sys.stderr.write(f"jarvis: {fault}\n")
        return fault.exit_code


def dispatch(argv: list[str]) -> int:
    """Run one command: `serve` in the supervisor, everything else in this process."""
    held = archive()
    if held is None or not _starts_a_server(argv) or not os.path.lexists(held.path + TRIAL_MARK):
        return _face(argv)(argv)
    from jarvis.archive import ring

    return ring.run(held, argv, _face)


def _face(argv: list[str]) -> Callable[[list[str]], int]:
    if argv == ["--self-check"]:
        from jarvis.archive import selfcheck

        return selfcheck.main
    if argv[:1] == ["--run-tests"]:
        from jarvis.archive import smoke

        return smoke.main
    if argv == ["--apply-patch"]:
        from jarvis.patch import contained

        return contained.main
    if argv[:1] == ["--unpack"]:
        from jarvis.archive import unpack

        return unpack.main
    if argv[:1] == [BACKUP]:
        from jarvis.backups import apart

        return apart.main
    if is_supervised(argv):
        return _supervise
    from jarvis import cli

    return cli.main


def _supervise(argv: list[str]) -> int:
    from jarvis import process, supervisor

    held = archive()
    return supervisor.main(argv, process.HeldArchive(held.path, held.fd) if held is not None else None)


def is_supervised(argv: list[str]) -> bool:
    """Whether argv is a `serve` that starts with the supervisor; a doubtful line goes to the CLI."""
    return _starts_a_server(argv) and not any(_abbreviates(word, full) for word in argv for full in ALONE)


def _starts_a_server(argv: list[str]) -> bool:
    return WORKER_MARK not in os.environ and _command(argv) == "serve"


def real_path(fd: int, opened: str) -> str:
    """Where the archive lies, also when Python was handed a descriptor instead of a path.

    Whoever starts us through a descriptor may say the path in JARVIS_ARCHIVE_PATH; else the
    kernel does, and says the present name of what is open, which a rename may have changed.
    """
    if not opened.startswith(("/proc/self/fd/", "/dev/fd/")):
        return os.path.realpath(opened)
    told = os.environ.get(PATH_MARK, "")
    return told if os.path.isabs(told) else os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)")


def isolate(importer: ArchiveImporter) -> None:
    """Leave nothing but the stdlib beside ours: no site-packages, PYTHONPATH, foreign finders or modules."""
    ours = importer.top_levels()
    for name in [name for name in sys.modules if name.partition(".")[0] in ours - {"jarvis"}]:
        del sys.modules[name]
    sys.path[:] = [path for path in sys.path if _is_stdlib(path)]
    finders = [f for f in sys.meta_path if getattr(f, "__module__", "").startswith("_frozen_importlib")]
    sys.meta_path[:] = [*finders[:-1], importer, *finders[-1:]]  # before the path finder
    for name in [name for name in sys.modules if name.partition(".")[0] == "jarvis"]:
        importer.adopt(sys.modules[name])


def _is_stdlib(path: str) -> bool:
    """Whether it is like lib/python3.11, lib/python311.zip or lib-dynload, and nobody asked for it."""
    home = os.path.dirname(os.__file__)
    if path in (home, os.path.join(home, "lib-dynload")):
        return True
    asked = {os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    name = os.path.basename(path)
    return (name.startswith("python3") or name == "lib-dynload") and os.path.abspath(path) not in asked


def _require_host(importer: ArchiveImporter) -> None:
    natives = (name for name in importer.archive.names() if name.startswith("native/"))
    tags = sorted(name.removeprefix("native/").removesuffix(".zip") for name in natives if name.endswith(".zip"))
    if importer.tag not in tags:
        raise Unsupported(
            f"this host is {importer.tag} and {importer.archive.path} holds {', '.join(tags) or 'none'}; "
            "build one here, in a checkout: python3 build_zipapp.py --target host"
        )


def _command(argv: list[str]) -> str:
    words = iter(argv)
    for word in words:
        if word == "--as":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _abbreviates(word: str, full: str) -> bool:
    return word == full or (len(word) > 3 and word.startswith("--") and full.startswith(word))
