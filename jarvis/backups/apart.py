"""Backups made in a process of their own, after everything else on the host: whoever writes meanwhile does not wait.

In the server's process packing and checking would hold the interpreter and a core for seconds. A thread with a lower
priority would be worse: the others would wait for it whenever it holds the interpreter.
"""

import ctypes
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from jarvis.archive import launch
from jarvis.backups import packing
from jarvis.backups.packing import Contents, Made
from jarvis.kernel.clock import system_clock
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import JarvisError, Unavailable

KEPT = ("HOME", "XDG_CACHE_HOME", "JARVIS_CACHE_DIR", "TMPDIR", "LANG")
"""Where an archive may keep its native library, on hosts that load none from memory."""
LONGEST_SECONDS = 4 * 3600.0
COPYING_NICE, PACKING_NICE = 5, 19
"""While it reads the database a log grows beside it, so that has to end soon; the rest has time."""
PR_SET_PDEATHSIG = 1
FAILED, USAGE = 69, 64


def make(source: Path, place: Path, newest: int) -> Made:
    """As packing.make, elsewhere. Raises Unavailable."""
    forbid_inside_write("a program")
    words, environ, fds = command()
    told = [*words, str(os.getpid()), str(source), str(place), str(newest)]
    try:
        ended = subprocess.run(
            told, env=environ, cwd=place, pass_fds=fds, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=LONGEST_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unavailable("The backup took longer than four hours and was given up.") from None
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip()[-300:]
        raise Unavailable(said or f"The process that made the backup ended with {ended.returncode}.")
    return _made(ended.stdout)


def command() -> tuple[list[str], dict[str, str], tuple[int, ...]]:
    """The words that start the other process, all of its environment, and the descriptors it is given."""
    held = launch.archive()
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    environ = {"PATH": os.defpath, **kept, "PYTHONDONTWRITEBYTECODE": "1"}
    if held is not None:
        return [*launch.command(), launch.BACKUP], environ | {launch.PATH_MARK: held.path}, (held.fd,)
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-P", "-m", "jarvis", launch.BACKUP], environ | {"PYTHONPATH": root}, ()


def _made(told: bytes) -> Made:
    try:
        found = json.loads(told)
        contents = Contents(
            (int(found["contents"]["head"][0]), found["contents"]["head"][1]), found["contents"]["counts"]
        )
        return Made(int(found["database_bytes"]), found["sha256"], contents)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Unavailable("The process that made the backup did not say how it went.") from error


def main(argv: list[str]) -> int:
    """The other process: `--make-backup PARENT SOURCE PLACE NEWEST`; answers in JSON, ends with whoever started it."""
    if len(argv) != 5 or not argv[1].isdecimal() or not argv[4].isdecimal():
        sys.stderr.write("jarvis: a server says this to itself; to make a backup: jarvis backup create\n")
        return USAGE
    _, parent, source, place, newest = argv
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):  # it was gone before we asked to hear of that
        return FAILED
    os.nice(COPYING_NICE)
    try:
        made = packing.make(Path(source), Path(place), system_clock, int(newest), on_copied=_stand_back)
    except JarvisError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        return FAILED
    print(json.dumps(dataclasses.asdict(made)))
    return 0


def _stand_back() -> None:
    os.nice(PACKING_NICE - COPYING_NICE)
