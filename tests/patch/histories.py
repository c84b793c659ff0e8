"""Makes trees, and the trees after some edits, by a seed: histories such as a repository has, only worse."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.patch.trees import EXECUTABLE, FILE, LINK, SUBMODULE

Tree = dict[str, tuple[int, bytes]]
WORDS = (
    "alpha",
    "beta",
    "gamma",
    "return x",
    "}",
    "{",
    "",
    "    if x:",
    "\tpass",
    "end",
    "x = 1  ",
    "-- sep",
    "+plus",
    "@@ at",
)
NAMES = (
    "README.md",
    "src/app.py",
    "src/util.py",
    "src/deep/er/one.c",
    "docs/guide.txt",
    "docs/a b.txt",
    "bin/run",
    "data.bin",
)
MORE_NAMES = (
    "tests/test_a.py",
    "größe.txt",
    'q"uote.txt',
    "tab\there.txt",
    "Makefile",
    "x",
    "a/b/c/d/e.txt",
    "empty",
    "crlf.txt",
)
FRESH = ("new.txt", "src/new.py", "lib/mod/new.c", "docs/new file.md", "zz", "src/app", 'bin/new"q', "ü/neu.txt")


def lines(random: random.Random, most: int = 40) -> list[bytes]:
    ending = b"\r\n" if random.random() < 0.1 else b"\n"
    return [random.choice(WORDS).encode() + ending for _ in range(random.randrange(1, most))]


def content(random: random.Random) -> bytes:
    """A file: text of few different lines, so that hunks fit in many places; sometimes binary, empty, unfinished."""
    kind = random.random()
    if kind < 0.04:
        return b""
    if kind < 0.12:
        return b"\0" + random.randbytes(random.randrange(1, 600))
    text = b"".join(lines(random, 120 if random.random() < 0.1 else 40))
    return text.rstrip(b"\n") if random.random() < 0.2 else text


def tree(random: random.Random) -> Tree:
    found: Tree = {}
    for name in random.sample(NAMES + MORE_NAMES, random.randrange(5, 17)):
        mode = EXECUTABLE if random.random() < 0.15 else FILE
        found[name] = (mode, content(random))
    if random.random() < 0.4:
        found["link"] = (LINK, random.choice((b"README.md", b"src", b"../out", b"docs/guide.txt")))
    if random.random() < 0.2:
        found["vendored"] = (SUBMODULE, random.randbytes(20).hex().encode())
    return found


@dataclass
class Editor:
    """Changes a tree, one step at a time."""

    random: random.Random
    tree: Tree
    steps: list[str] = field(default_factory=list)

    def edit(self, steps: int) -> Tree:
        for _ in range(steps):
            step = self.random.choice(STEPS)
            step(self)
        return self.tree

    def some(self, *modes: int) -> str:
        """A path with one of these modes; "" when there is none."""
        paths = sorted(path for path, (mode, _) in self.tree.items() if mode in (modes or (FILE, EXECUTABLE)))
        return self.random.choice(paths) if paths else ""

    def free(self) -> str:
        """A path where nothing stands, nor below, nor above."""
        for name in self.random.sample(FRESH, len(FRESH)):
            taken = any(p == name or p.startswith(name + "/") or name.startswith(p + "/") for p in self.tree)
            if not taken:
                return name
        return ""

    def change_lines(self) -> None:
        path = self.some()
        if path:
            mode, data = self.tree[path]
            self.tree[path] = (mode, self._changed(data))

    def _changed(self, data: bytes) -> bytes:
        if b"\0" in data:
            at = self.random.randrange(len(data))
            return data[:at] + self.random.randbytes(self.random.randrange(1, 9)) + data[at + 2 :] + b"\0"
        body = data.splitlines(keepends=True)
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(body) + 1)
            gone = self.random.choice((0, 0, 1, 1, 2, 5))
            body[at : at + gone] = lines(self.random, 4) if self.random.random() < 0.8 else []
        changed = b"".join(body)
        if self.random.random() < 0.15:
            changed = changed.rstrip(b"\n") if changed.endswith(b"\n") else changed + b"\n"
        return changed

    def create(self) -> None:
        path = self.free()
        if path:
            self.tree[path] = (EXECUTABLE if self.random.random() < 0.2 else FILE, content(self.random))

    def delete(self) -> None:
        path = self.some(FILE, EXECUTABLE, LINK, SUBMODULE)
        if path and len(self.tree) > 2:
            del self.tree[path]

    def change_mode(self) -> None:
        path = self.some()
        if path:
            mode, data = self.tree[path]
            self.tree[path] = (FILE if mode == EXECUTABLE else EXECUTABLE, data)

    def rename(self) -> None:
        old, new = self.some(FILE, EXECUTABLE, LINK), self.free()
        if old and new:
            self.tree[new] = self.tree.pop(old)
            if self.random.random() < 0.5 and self.tree[new][0] != LINK:
                self.tree[new] = (self.tree[new][0], self._changed(self.tree[new][1]))

    def copy(self) -> None:
        old, new = self.some(), self.free()
        if old and new:
            self.tree[new] = self.tree[old]
            if self.random.random() < 0.5:
                self.tree[new] = (self.tree[new][0], self._changed(self.tree[new][1]))
            if self.random.random() < 0.5:
                self.tree[old] = (self.tree[old][0], self._changed(self.tree[old][1]))

    def swap(self) -> None:
        one, two = self.some(), self.some()
        if one and two:
            self.tree[one], self.tree[two] = self.tree[two], self.tree[one]

    def change_type(self) -> None:
        path = self.some(FILE, LINK, SUBMODULE)
        if path:
            self.tree[path] = self.random.choice(
                (
                    (LINK, b"README.md"),
                    (FILE, content(self.random)),
                    (SUBMODULE, self.random.randbytes(20).hex().encode()),
                )
            )

    def turn_into_folder(self) -> None:
        path = self.some(FILE, EXECUTABLE, LINK)
        if path:
            self.tree[path + "/inner.txt"] = (FILE, self.tree.pop(path)[1])

    def turn_folder_into_file(self) -> None:
        folders = sorted({path.rpartition("/")[0] for path in self.tree if "/" in path})
        if folders:
            folder = self.random.choice(folders)
            for path in [path for path in self.tree if path.startswith(folder + "/")]:
                del self.tree[path]
            self.tree[folder] = (FILE, content(self.random))


STEPS: tuple[Callable[[Editor], None], ...] = (
    *[Editor.change_lines] * 8,
    *[Editor.create, Editor.delete, Editor.change_mode, Editor.rename] * 2,
    Editor.copy,
    Editor.swap,
    Editor.change_type,
    Editor.turn_into_folder,
    Editor.turn_folder_into_file,
)
