"""Compares the verdicts and the trees of jarvis.patch with git's own, over histories and damages made by a seed.

    python -m tests.patch.compare [CASES] [SEED] [--apart] [--history REPOSITORY]

With a repository its own commits are the histories. Needs git, and nothing else does. Each case that differs is
printed whole.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID, ShaFile, Tree

from jarvis.patch.engine import apply
from jarvis.patch.refusal import Limits, PatchRefused, Why
from tests.patch import damage, histories, trees

WITHOUT = "git is not installed; the comparison needs it"
LENIENT = Limits(is_guarded=False)
EDITS_A_TREE = 12
HARMS_A_PATCH = 3
OPTIONS = (
    "",
    "-U0",
    "-U1",
    "-U2",
    "-U5",
    "-M",
    "-C --find-copies-harder",
    "--binary",
    "--full-index",
    "--binary -M --no-prefix",
    "--no-prefix",
    "-a",
    "-B -M",
    "-D",
    "--binary -C",
    "--inter-hunk-context=3",
    "--patience -U2",
    "--src-prefix=old/ --dst-prefix=new/",
)
APART = (Why.DROPPED, Why.CONFLICT, Why.DANGER, Why.INCOMPLETE)
"""Why Jarvis refuses on purpose what git takes: counted apart."""


@dataclass(frozen=True)
class Case:
    """A patch and the tree that it is tried on."""

    tree_id: bytes
    patch: bytes
    told: str


@dataclass
class Tally:
    """How the cases came out."""

    agreed: Counter[str] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)
    differing: list[tuple[Case, str]] = field(default_factory=list)
    wrong_trees: int = 0
    set_apart: list[tuple[Case, str]] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.agreed.total() + self.apart.total() + len(self.differing)

    @property
    def agreement(self) -> float:
        """Of the cases that are not apart."""
        return self.agreed.total() / max(1, self.agreed.total() + len(self.differing))

    def __str__(self) -> str:
        apart = ", ".join(f"{n} {why}" for why, n in sorted(self.apart.items())) or "none"
        return (
            f"{self.cases} cases: {self.agreed['accepted']} accepted alike with the same tree, "
            f"{self.agreed['refused']} refused alike, {len(self.differing)} differ ({self.agreement:.3%} agreement), "
            f"{self.wrong_trees} wrong trees; stricter on purpose: {apart}"
        )


class Git:
    """The yardstick: git with an index read from the tree, in a repository that holds only the baselines."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.objects = folder, folder / "repo/objects"
        nothing = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}
        self.environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **nothing}
        (folder / "repo").mkdir()
        subprocess.run(["git", "init", "-q", "--bare", "."], cwd=folder / "repo", env=self.environment, check=True)
        self.store = DiskObjectStore(str(self.objects))

    def keep(self, objects: dict[bytes, ShaFile]) -> None:
        for each in objects.values():
            self.store.add_object(each)

    def run(self, *words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", *words],
            cwd=self.folder / "repo",
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            check=False,
        )

    def diffs(self, pairs: list[tuple[bytes, bytes]], options: list[str]) -> list[bytes]:
        """The patches between pairs of trees, all by one process."""
        asked = b"".join(b"%b %b\n" % pair for pair in pairs)
        out = self.run("diff-tree", "--stdin", "-r", "-p", *options, stdin=asked).stdout
        found = []
        for number, (one, two) in enumerate(pairs):
            head = b"%b %b\n" % (one, two)
            rest = out.partition(head)[2]
            if number + 1 < len(pairs):
                following = b"%b %b\n" % pairs[number + 1]
                patch, _, _ = rest.partition(following)
                out = rest[len(patch) :]
            else:
                patch = rest
            found.append(patch)
        return found

    def verdict(self, case: Case) -> tuple[bool, bytes | None, bytes]:
        """Whether --check passes, the tree after the real apply (None when that is refused), and what git said."""
        index, made = self.folder / "index", self.folder / "made"
        known = self.folder / f"index-{case.tree_id.decode()}"
        if not known.exists():
            self.run("read-tree", case.tree_id.decode(), GIT_INDEX_FILE=str(known))
        shutil.copyfile(known, index)
        there = {"GIT_INDEX_FILE": str(index), "GIT_OBJECT_DIRECTORY": str(made)}
        there["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.objects)
        made.mkdir()
        try:
            checked = self.run("apply", "--check", "--cached", "-", stdin=case.patch, **there)
            if checked.returncode != 0:
                return False, None, checked.stderr
            applied = self.run("apply", "--cached", "-", stdin=case.patch, **there)
            if applied.returncode != 0:
                return True, None, applied.stderr
            written = self.run("write-tree", "--missing-ok", **there)
            return True, written.stdout.strip() if written.returncode == 0 else None, written.stderr
        finally:
            shutil.rmtree(made)


def cases(git: Git, seed: int) -> Iterator[Case]:
    """Cases without end: patches as git makes them, on their own and on drifted trees, sound and damaged."""
    maker = random.Random(seed)
    while True:
        before = histories.tree(maker)
        before_id, objects = trees.make(before)
        git.keep(objects)
        drifted_id, objects = trees.make(histories.Editor(maker, dict(before)).edit(maker.randrange(1, 4)))
        git.keep(objects)
        pairs = []
        hidden: dict[bytes, ShaFile] = {}
        for _ in range(EDITS_A_TREE):
            after_id, objects = trees.make(histories.Editor(maker, dict(before)).edit(maker.randrange(1, 6)))
            hidden |= objects
            pairs.append((before_id, after_id))
        options = maker.choice(OPTIONS)
        patches = _diffs_with(git, hidden, pairs, options)
        for patch in filter(None, patches):
            yield Case(before_id, patch, f"sound, git diff {options}")
            yield Case(drifted_id, patch, f"on a drifted tree, git diff {options}")
            for _ in range(HARMS_A_PATCH):
                harmed, names = damage.damaged(maker, patch)
                yield Case(maker.choice((before_id, before_id, drifted_id)), harmed, f"{names}, git diff {options}")


def cases_of(git: Git, repository: Path, seed: int) -> Iterator[Case]:
    """Cases without end from a real history: a commit's patch on its parent, on another commit, and damaged."""
    maker = random.Random(seed)
    found = git.run("-C", str(repository), "log", "--all", "--format=%T", "--no-merges").stdout.split()
    if len(found) < 2:
        return
    common = git.run("-C", str(repository), "rev-parse", "--path-format=absolute", "--git-common-dir").stdout.strip()
    there = Path(os.fsdecode(common)) / "objects"
    kept: set[bytes] = set()
    while True:
        at = maker.randrange(len(found) - 1)
        after, before = found[at], found[min(len(found) - 1, at + maker.choice((1, 1, 1, 2, 5, 20)))]
        options = maker.choice(OPTIONS)
        (patch,) = _diffs_from(git, there, [(before, after)], options)
        other = maker.choice(found)
        for tree_id in {before, other} - kept:
            git.keep(_whole(there, tree_id))
            kept.add(tree_id)
        if patch and before != after:
            yield Case(before, patch, f"a real commit, git diff {options}")
            yield Case(other, patch, f"a real commit on another tree, git diff {options}")
            for _ in range(HARMS_A_PATCH):
                harmed, names = damage.damaged(maker, patch)
                yield Case(maker.choice((before, before, other)), harmed, f"a real commit, {names}, git diff {options}")


def _whole(place: Path, tree_id: bytes) -> dict[bytes, ShaFile]:
    """A tree with all that is in it."""
    store, found, waiting = DiskObjectStore(str(place)), {}, [tree_id]
    try:
        while waiting:
            each = store[ObjectID(waiting.pop())]
            found[bytes(each.id)] = each
            waiting += [sha for _, _, sha in each.items()] if isinstance(each, Tree) else []
    finally:
        store.close()
    return found


def _diffs_with(git: Git, objects: dict[bytes, ShaFile], pairs: list[tuple[bytes, bytes]], options: str) -> list[bytes]:
    """The diffs, with the later trees in a store of their own: the yardstick must not know what a patch makes."""
    aside = git.folder / "after"
    store = DiskObjectStore.init(str(aside))
    try:
        for each in objects.values():
            store.add_object(each)
        return _diffs_from(git, aside, pairs, options)
    finally:
        store.close()
        shutil.rmtree(aside)


def _diffs_from(git: Git, place: Path, pairs: list[tuple[bytes, bytes]], options: str) -> list[bytes]:
    """The diffs, with the objects of one place more, which are there for no longer than this."""
    alternates = git.objects / "info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{place}\n")
    try:
        return git.diffs(pairs, options.split())
    finally:
        alternates.unlink()


def judge(git: Git, case: Case, tally: Tally) -> None:
    """Ask both about one case and count how it came out."""
    is_checked, theirs, words = git.verdict(case)
    try:
        ours: bytes | None = apply(case.patch, case.tree_id, git.store, LENIENT).tree_id
        why = None
        said = f"made {ours.decode() if ours else ''}"
    except PatchRefused as refused:
        ours, why, said = None, refused.why, str(refused)
    if ours == theirs:
        name = "refused" if theirs is None else "accepted"
        if why is Why.CONFLICT and is_checked:
            tally.apart["conflict (git's check passes, its apply refuses)"] += 1
        else:
            tally.agreed[name] += 1
        return
    if theirs is not None and why in APART:
        tally.apart[str(why)] += 1
        tally.set_apart.append((case, f"jarvis: {said}\ngit: {theirs.decode()}"))
        return
    if ours is not None and theirs is not None:
        tally.wrong_trees += 1
    their_words = theirs.decode() if theirs else words.decode(errors="replace").strip()
    tally.differing.append((case, f"jarvis: {said}\ngit: {their_words}"))


def compare(folder: Path, count: int, seed: int, history: Path | None = None) -> Tally:
    """Judge so many cases."""
    git, tally = Git(folder), Tally()
    made = cases(git, seed) if history is None else cases_of(git, history, seed)
    try:
        for _, case in zip(range(count), made, strict=False):
            judge(git, case, tally)
    finally:
        git.store.close()
    return tally


def shown(case: Case, how: str) -> str:
    """A case that differs, to look at."""
    return f"=== {case.told}\n{how}\ntree {case.tree_id.decode()}\n{case.patch.decode('utf-8', 'backslashreplace')}"


def main(argv: list[str]) -> int:
    if shutil.which("git") is None:
        print(WITHOUT)
        return 69
    history = Path(argv[argv.index("--history") + 1]) if "--history" in argv else None
    numbers = [int(word) for word in argv if word.isdecimal()]
    count, seed = (numbers + [1000, 1][len(numbers) :])[:2]
    with tempfile.TemporaryDirectory() as folder:
        tally = compare(Path(folder), count, seed, history)
    for case, how in [*tally.differing, *(tally.set_apart if "--apart" in argv else [])]:
        print(shown(case, how))
    print(tally)
    return 0 if not tally.differing else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
