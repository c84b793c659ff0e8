"""Applies a patch in a child process that may use so much time and memory and no more, and can be killed.

The parent sends one line of JSON and the patch; the child answers one line of JSON and then the bytes of the
objects it made, whose ids the parent computes for itself.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jarvis.archive import launch
from jarvis.kernel.db import forbid_inside_write
from jarvis.patch.engine import Applied, apply
from jarvis.patch.refusal import USUAL, Limits, PatchRefused, Why
from jarvis.patch.report import Touched

WORD = "--apply-patch"
"""The argument by which Jarvis starts as the child."""
CPU_SECONDS = 10
WALL_SECONDS = 60.0
MEMORY_BYTES = 1024 * 1024 * 1024
ENDED = "the patch takes more time or memory than it may"


def apply_contained(
    patch: bytes,
    tree_id: bytes,
    objects: Path,
    limits: Limits = USUAL,
    *,
    cpu_seconds: int = CPU_SECONDS,
    wall_seconds: float = WALL_SECONDS,
) -> Applied:
    """As engine.apply, over the objects directory of a repository, in a child. Raises PatchRefused, OSError.

    Must not be called inside a write.
    """
    forbid_inside_write("a patch")
    told = {"objects": str(objects), "tree": tree_id.decode(), "limits": asdict(limits), "cpu": cpu_seconds}
    told["wall"] = max(1, int(wall_seconds))
    words, environment, fds = _command()
    child = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environment,
        pass_fds=fds,
        start_new_session=True,
    )
    with child:
        try:
            out, err = child.communicate(json.dumps(told).encode() + b"\n" + patch, wall_seconds)
        except subprocess.TimeoutExpired:
            raise PatchRefused(ENDED, why=Why.LIMIT) from None
        finally:
            child.kill()  # whatever comes between leaves none behind
    if child.returncode != 0:
        if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM) or b"MemoryError" in err:
            raise PatchRefused(ENDED, why=Why.LIMIT)
        raise OSError(f"the process that applies patches failed: {err.decode(errors='replace').strip()[-500:]}")
    return _read(out)


def _command() -> tuple[list[str], dict[str, str], tuple[int, ...]]:
    """How to start the child: from the archive through its descriptor, from a checkout by its path."""
    held = launch.archive()
    if held is not None:
        return [*launch.command(), WORD], {launch.PATH_MARK: held.path}, (held.fd,)
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-m", "jarvis", WORD], {"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}, ()


def _read(out: bytes) -> Applied:
    from dulwich.objects import ShaFile

    line, _, rest = out.partition(b"\n")
    said: dict[str, Any] = json.loads(line)
    if "refused" in said:
        reason, number, path, why = said["refused"]
        raise PatchRefused(reason, number, path, Why(why))
    made, at = [], 0
    for kind, size in said["objects"]:
        made.append(ShaFile.from_raw_string(kind, rest[at : at + size]))
        at += size
    files = tuple(Touched(**{**each, "flags": tuple(each["flags"])}) for each in said["files"])
    return Applied(said["tree"].encode(), files, made, tuple(said["notes"]))


def main(argv: list[str]) -> int:
    """The child's side. Exit 0 with an answer on standard output, also where the patch is refused."""
    told = json.loads(sys.stdin.buffer.readline())
    _confine(told["cpu"], told["wall"])
    patch = sys.stdin.buffer.read()
    head, bodies = _answer(told, patch)
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(bodies))
    sys.stdout.buffer.flush()
    return 0


def _confine(cpu_seconds: int, wall_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(wall_seconds + 1)  # the parent may be gone by then
    os.umask(0o077)


def _answer(told: dict[str, Any], patch: bytes) -> tuple[dict[str, object], list[bytes]]:
    from dulwich.object_store import DiskObjectStore

    store: Any = DiskObjectStore(told["objects"])
    try:
        applied = apply(patch, told["tree"].encode(), store, Limits(**told["limits"]))
    except PatchRefused as refused:
        return {"refused": [refused.reason, refused.line, refused.path, refused.why.value]}, []
    finally:
        store.close()
    bodies = [each.as_raw_string() for each in applied.new_objects]
    return {
        "tree": applied.tree_id.decode(),
        "notes": list(applied.notes),
        "files": [asdict(each) for each in applied.files],
        "objects": [[each.type_num, len(body)] for each, body in zip(applied.new_objects, bodies, strict=True)],
    }, bodies
