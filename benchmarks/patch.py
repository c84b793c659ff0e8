"""The patch engine's figures: CPU to validate a patch of a 236-file repository, beside git's own two commands."""

import os
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.__main__ import Figure

FILES, CHANGED, ROUNDS = 236, 12, 15


def repository(folder: Path) -> tuple[bytes, bytes]:
    """A repository of 236 files in 30 folders, packed; a baseline tree and a patch of twelve of its files."""
    chosen = random.Random(236)  # noqa: S311 — the same each time
    words = [f"word{n}" for n in range(400)]
    for n in range(FILES):
        text = "".join(" ".join(chosen.sample(words, 7)) + "\n" for _ in range(chosen.randrange(20, 400)))
        path = folder / f"part{n % 30}" / f"file{n}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    tree = _git(folder, "write-tree").strip()
    _git(folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "Begin")
    _git(folder, "gc", "-q")
    for n in chosen.sample(range(FILES), CHANGED):
        path = folder / f"part{n % 30}" / f"file{n}.py"
        body = path.read_text().splitlines(keepends=True)
        for _ in range(3):
            body[chosen.randrange(len(body))] = "changed\n"
        path.write_text("".join(body))
    patch = _git(folder, "diff")
    _git(folder, "checkout", "-q", ".")
    return tree, patch


def _git(folder: Path, *words: str, stdin: bytes = b"", index: str = "") -> bytes:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    environment |= {"GIT_INDEX_FILE": index} if index else {}
    ran = subprocess.run(["git", *words], cwd=folder, env=environment, input=stdin, capture_output=True, check=True)
    return ran.stdout


def cpu_of(work: Callable[[], object], *, of_children: bool = False) -> float:
    """CPU seconds of one call: of this process, or of those it starts and waits for."""
    who = resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF
    before = resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def figures() -> Iterator[Figure]:
    """Each the median of several rounds; every round of ours opens the repository anew, as git does."""
    if shutil.which("git") is None:
        yield Figure("validate a patch", "–", "git is not installed here", "", "≤ 1.5")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree, patch = repository(folder)
        index = str(folder / ".git/bench-index")
        _git(folder, "read-tree", tree.decode(), index=index)
        two = statistics.median(cpu_of(lambda: _theirs(folder, patch, index), of_children=True) for _ in range(ROUNDS))
        ours = [cpu_of(lambda: _ours(folder, patch, tree)) for _ in range(ROUNDS + 1)][1:]
        mine = statistics.median(ours)
        began = time.perf_counter()
        child = statistics.median(cpu_of(lambda: _contained(folder, patch, tree), of_children=True) for _ in range(5))
        wall = (time.perf_counter() - began) / 5
    what = "git apply --check --cached, then git apply --cached"
    yield Figure(
        f"validate {CHANGED} files of {FILES}, CPU", f"{mine * 1000:.1f} ms", f"{what}: {two * 1000:.1f} ms",
        f"{mine / two:.2f}", "≤ 1.5",
    )  # fmt: skip
    yield Figure(
        "… in a process of its own, start included", f"{child * 1000:.0f} ms CPU, {wall * 1000:.0f} ms", "the same",
        f"{child / two:.1f}", "",
    )  # fmt: skip


def _theirs(folder: Path, patch: bytes, index: str) -> None:
    shutil.copyfile(index, index + ".work")
    _git(folder, "apply", "--check", "--cached", "-", stdin=patch, index=index + ".work")
    _git(folder, "apply", "--cached", "-", stdin=patch, index=index + ".work")


def _ours(folder: Path, patch: bytes, tree: bytes) -> None:
    from dulwich.object_store import DiskObjectStore

    from jarvis.patch.engine import apply

    store = DiskObjectStore(str(folder / ".git/objects"))
    try:
        applied = apply(patch, tree, store)
        assert len(applied.files) == CHANGED
    finally:
        store.close()


def _contained(folder: Path, patch: bytes, tree: bytes) -> None:
    from jarvis.patch.contained import apply_contained

    apply_contained(patch, tree, folder / ".git/objects")
