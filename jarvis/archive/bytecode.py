"""Compiles modules for other minors of Python, each by an interpreter of that minor."""

import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jarvis.archive.sources import BuildError

COMPILE_SECONDS = 600

# Runs in the other interpreter. The hash seed is fixed because it orders frozenset constants, and
# file names are the archive's, so the bytes depend on nothing but the sources and the interpreter.
PROGRAM = """
import marshal, sys
from importlib.util import MAGIC_NUMBER, source_hash
prefix, sources, boot = marshal.load(sys.stdin.buffer)
codes = {}
for name in sorted(sources):
    codes[name] = compile(sources[name], prefix + name, "exec", dont_inherit=True, optimize=0)
head = MAGIC_NUMBER + (1).to_bytes(4, "little")
pycs = {n + "c": head + source_hash(sources[n]) + marshal.dumps(c) for n, c in codes.items()}
first = MAGIC_NUMBER + marshal.dumps([(module, codes[name]) for module, name in boot])
sys.stdout.buffer.write(marshal.dumps((pycs, first), 2))
"""
ASK = "import sys; print(sys.implementation.cache_tag, '%d.%d.%d' % sys.version_info[:3])"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that can compile for its own minor."""

    path: str
    cache_tag: str
    version: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """One minor's bytecode: the tree, and the first modules in one piece."""

    interpreter: Interpreter
    tree: Mapping[str, bytes]
    boot: bytes


def find_interpreters(minors: Iterable[int]) -> dict[int, Interpreter]:
    """Minor → an interpreter of it: this one, then PATH, pyenv and uv; the minors not found are absent."""
    found = {}
    for minor in minors:
        for candidate in _candidates(minor):
            interpreter = _ask(candidate)
            if interpreter is not None and interpreter.cache_tag == f"cpython-3{minor}":
                found[minor] = interpreter
                break
    return found


def _candidates(minor: int) -> Iterator[str]:
    if sys.version_info[:2] == (3, minor):
        yield sys.executable
    on_path = shutil.which(f"python3.{minor}")
    if on_path:
        yield on_path
    homes = (
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions"),
        Path.home() / ".local/share/uv/python",
    )
    for home in homes:
        for name in (f"3.{minor}.*", f"cpython-3.{minor}*"):
            yield from sorted(str(path) for path in home.glob(f"{name}/bin/python3.{minor}"))


def _ask(path: str) -> Interpreter | None:
    try:
        run = subprocess.run([path, "-I", "-S", "-c", ASK], capture_output=True, text=True, check=True, timeout=30)
        cache_tag, version = run.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(path, cache_tag, version)


@dataclass(frozen=True, slots=True)
class Known:
    """What an archive holds compiled already, by one interpreter: source and bytecode by name."""

    cache_tag: str
    version: str
    sources: Mapping[str, bytes]
    tree: Mapping[str, bytes]

    def of(self, interpreter: Interpreter, sources: Mapping[str, bytes]) -> dict[str, bytes]:
        """The bytecode of those sources that are the same; none for another interpreter, as it could differ."""
        if (interpreter.cache_tag, interpreter.version) != (self.cache_tag, self.version):
            return {}
        same = (name for name, text in sources.items() if self.sources.get(name) == text)
        return {name + "c": self.tree[name + "c"] for name in same if name + "c" in self.tree}


def compile_all(
    interpreters: Iterable[Interpreter],
    prefix: str,
    sources: Mapping[str, bytes],
    boot: list[tuple[str, str]],
    known: Known | None = None,
) -> list[Compiled]:
    """Compile every source with every interpreter, side by side; raises BuildError.

    What `known` holds of the very same source is taken from there: it would come out the same.
    """
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda interpreter: _fresh(interpreter, prefix, sources, boot, known), interpreters))


def _fresh(
    interpreter: Interpreter,
    prefix: str,
    sources: Mapping[str, bytes],
    boot: list[tuple[str, str]],
    known: Known | None,
) -> Compiled:
    kept = known.of(interpreter, sources) if known is not None else {}
    first = {name for _, name in boot}
    needed = {name: text for name, text in sources.items() if name + "c" not in kept or name in first}
    made = _compile(interpreter, marshal.dumps((prefix, needed, boot), 2))
    return Compiled(interpreter, {**kept, **made.tree}, made.boot)


def _compile(interpreter: Interpreter, request: bytes) -> Compiled:
    run = subprocess.run(
        [interpreter.path, "-S", "-s", "-P", "-c", PROGRAM],
        input=request,
        capture_output=True,
        env={"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"},
        timeout=COMPILE_SECONDS,
        check=False,
    )
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip().splitlines()[-4:]
        raise BuildError(f"{interpreter.path} could not compile the modules:\n  " + "\n  ".join(said))
    tree, boot = marshal.loads(run.stdout)  # noqa: S302  from our own child
    return Compiled(interpreter, tree, boot)
