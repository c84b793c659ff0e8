"""Assembles the archive from a source tree and its dependencies; needs no network and no pip."""

import hashlib
import json
import marshal
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jarvis.archive import bytecode, wheels
from jarvis.archive.bytecode import Compiled, Interpreter, Known
from jarvis.archive.container import Archive
from jarvis.archive.importer import SOURCE_ROOT
from jarvis.archive.sources import SHIPPED, BuildError, Source
from jarvis.archive.writer import ZipWriter

SHEBANG = b"#!/usr/bin/env python3\n"
RUNTIME_LOCK = "requirements.lock"
ENTRY = "jarvis/archive/entry.py"
BOOT = [
    ("jarvis", "jarvis/__init__.py"),
    ("jarvis.archive", "jarvis/archive/__init__.py"),
    ("jarvis.archive.container", "jarvis/archive/container.py"),
    ("jarvis.archive.hosts", "jarvis/archive/hosts.py"),
    ("jarvis.archive.importer", "jarvis/archive/importer.py"),
    ("jarvis.archive.launch", "jarvis/archive/launch.py"),
]
TESTS = "test.zip"
CHECK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What ships beside Jarvis itself."""

    modules: Mapping[str, bytes]
    """Path under lib/ → bytes, licences among them."""
    natives: Mapping[str, Mapping[str, bytes]]
    """Tag → module → its compiled library."""
    tests: Mapping[str, bytes]
    """pytest and what it needs, by path."""
    origins: Mapping[str, str]
    """Wheel → sha256."""
    known: Known | None = None
    """What the archive they came from has compiled already."""
    packed: Mapping[str, bytes] = field(default_factory=dict)
    """Parts of that archive that are the same in every one it builds, as they lie in it."""


@dataclass(frozen=True, slots=True)
class Built:
    """A finished archive in memory."""

    data: bytes
    version: str
    tree: str
    tags: tuple[str, ...]
    minors: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def from_wheels(cache: Path, runtime: Iterable[wheels.Wanted], tests: Iterable[wheels.Wanted]) -> Dependencies:
    """Unpack cached wheels; raises BuildError for one that is missing."""
    modules: dict[str, bytes] = {}
    natives: dict[str, dict[str, bytes]] = {}
    origins: dict[str, str] = {}
    for wanted in runtime:
        wheel = _cached(cache, wanted, origins)
        _merge(modules, dict(wheels.modules(wheel)), wheel.name)
        if wanted.tag is not None and wanted.pin.name == wheels.COMPILED:
            natives[wanted.tag] = wheels.libraries(wheel)
    tested: dict[str, bytes] = {}
    for wanted in tests:
        wheel = _cached(cache, wanted, origins)
        _merge(tested, dict(wheels.modules(wheel, metadata=True)), wheel.name)
    return Dependencies(modules, natives, tested, origins)


def from_archive(archive: Archive, source: Source) -> Dependencies:
    """The dependencies a running archive carries; raises BuildError when the source pins others."""
    carried = archive.nested("src.zip").read(RUNTIME_LOCK).decode()
    _require_same_pins(carried, source.files.get(RUNTIME_LOCK, b"").decode())
    modules = {
        name: archive.read("lib/" + name)
        for name in (entry.removeprefix("lib/") for entry in archive.names() if entry.startswith("lib/"))
        if not name.startswith(SHIPPED)
    }
    tests = archive.nested(TESTS)
    return Dependencies(
        modules,
        _natives_of(archive),
        {name: tests.read(name) for name in tests.names()},
        json.loads(archive.read("BUILD.json"))["wheels"],
        _known_of(archive),
        {name: archive.read(name) for name in archive.names() if name == TESTS or _is_native(name)},
    )


def _is_native(name: str) -> bool:
    return name.startswith("native/") and name.endswith(".zip")


def _known_of(archive: Archive) -> Known | None:
    """The bytecode that this interpreter's minor has in an archive, with the sources it is of."""
    tag = sys.implementation.cache_tag
    name, version = f"pyc/{tag}.zip", json.loads(archive.read("BUILD.json"))["interpreters"].get(tag)
    if name not in archive or version is None:
        return None
    compiled = archive.nested(name)
    tree = {path: compiled.read(path) for path in compiled.names()}
    sources = {path[:-1]: archive.read("lib/" + path[:-1]) for path in tree if "lib/" + path[:-1] in archive}
    return Known(tag, version, sources, tree)


def build(
    source: Source,
    dependencies: Dependencies,
    interpreters: Iterable[Interpreter] | None = None,
    commit: str | None = None,
) -> Built:
    """Make the archive; the same inputs give the same bytes. Raises BuildError.

    Without `interpreters` only this one compiles; other minors then compile at each start.
    """
    lib = dict(dependencies.modules)
    _merge(lib, source.shipped(), "the source tree")
    chosen = _this_interpreter() if interpreters is None else list(interpreters)
    python = {name: data for name, data in lib.items() if name.endswith(".py")}
    compiled = bytecode.compile_all(chosen, SOURCE_ROOT, python, BOOT, dependencies.known)
    manifest = _manifest(source, dependencies, compiled, commit)
    out = ZipWriter(SHEBANG)
    out.add("__main__.py", _entry(source))
    out.add("BUILD.json", json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")
    _add_boot(out, source, compiled)
    for name in sorted(lib):
        out.add("lib/" + name, lib[name])
    for each in compiled:
        out.add_nested(f"pyc/{each.interpreter.cache_tag}.zip", _packed(each.tree))
    _add_natives(out, dependencies)
    out.add_nested("src.zip", _packed(source.files, source.executables))
    out.add_nested(TESTS, dependencies.packed.get(TESTS) or _packed(dependencies.tests))
    minors = tuple(each.interpreter.cache_tag for each in compiled)
    return Built(out.finish(), source.version(), source.tree_id(), tuple(sorted(dependencies.natives)), minors)


def check(path: Path, interpreter: str = sys.executable) -> str:
    """What the archive's own check says, run in a child from an empty directory; raises BuildError."""
    command = [interpreter, "-I", "-S", str(path.resolve()), "--self-check"]
    with tempfile.TemporaryDirectory() as empty:
        try:
            run = subprocess.run(
                command, cwd=empty, env={"HOME": empty}, capture_output=True, text=True, timeout=CHECK_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise BuildError(f"the archive's own check did not end in {CHECK_SECONDS} s") from None
    if run.returncode:
        raise BuildError(f"the archive fails its own check under {interpreter}:\n{run.stderr or run.stdout}")
    return run.stdout.strip()


def write(built: Built, path: Path, checkers: Iterable[str] = (sys.executable,)) -> None:
    """Put the archive in place in one step, after every checker has run it; raises BuildError, OSError."""
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    try:
        with open(fd, "wb") as file:
            file.write(built.data)
            file.flush()
            os.fchmod(fd, 0o755)  # whatever the umask
            os.fsync(fd)
        for interpreter in checkers:
            check(draft, interpreter)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cached(cache: Path, wanted: wheels.Wanted, origins: dict[str, str]) -> Path:
    wheel = wheels.find(cache, wanted)
    if wheel is None:
        raise BuildError(
            f"no wheel of {wanted.pin.name} {wanted.pin.version} for {wanted.tag or 'any host'} in {cache}"
        )
    origins[wheel.name] = wheels.sha256(wheel)
    return wheel


def _merge(into: dict[str, bytes], more: Mapping[str, bytes], origin: str) -> None:
    for name, data in more.items():
        if into.setdefault(name, data) != data:
            raise BuildError(f"{name} of {origin} differs from the one another wheel brought")


def _require_same_pins(carried: str, asked: str) -> None:
    have = {(pin.name, pin.version) for pin in wheels.read_lock(carried)}
    want = {(pin.name, pin.version) for pin in wheels.read_lock(asked)}
    if have != want:
        other = ", ".join(f"{name} {version}" for name, version in sorted(want ^ have))
        raise BuildError(f"the tree pins other dependencies than this archive carries: {other}")


def _natives_of(archive: Archive) -> dict[str, dict[str, bytes]]:
    natives = {}
    for entry in archive.names():
        if _is_native(entry):
            libraries = archive.nested(entry)
            tag = entry.removeprefix("native/").removesuffix(".zip")
            natives[tag] = {name: libraries.read(name) for name in libraries.names()}
    return natives


def _this_interpreter() -> list[Interpreter]:
    return list(bytecode.find_interpreters([sys.version_info[1]]).values())


def _manifest(
    source: Source, dependencies: Dependencies, compiled: list[Compiled], commit: str | None
) -> dict[str, object]:
    return {
        "version": source.version(),
        "commit": commit,
        "tree": source.tree_id(),
        "executables": sorted(source.executables),
        "wheels": dict(dependencies.origins),
        "sources": {path: hashlib.sha256(data).hexdigest() for path, data in source.files.items()},
        "interpreters": {each.interpreter.cache_tag: each.interpreter.version for each in compiled},
        "natives": sorted(dependencies.natives),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


def _entry(source: Source) -> bytes:
    """The archive's __main__, with the release written into it."""
    release = f"jarvis {source.version()} (tree {source.tree_id()[:12]})"
    lines = source.files[ENTRY].decode().splitlines(keepends=True)
    stamped = [f'RELEASE = "{release}"\n' if line.startswith("RELEASE = ") else line for line in lines]
    return "".join(stamped).encode()


def _add_boot(out: ZipWriter, source: Source, compiled: list[Compiled]) -> None:
    """The first modules, each set in one piece behind its checksum: zipimport itself checks none."""
    text = b"text" + marshal.dumps([(module, source.files[path].decode()) for module, path in BOOT], 2)
    pieces = {each.interpreter.cache_tag: each.boot for each in compiled} | {"source": text}
    for tag in sorted(pieces):
        out.add(f"boot/{tag}", zlib.crc32(pieces[tag]).to_bytes(4, "little") + pieces[tag])


def _add_natives(out: ZipWriter, dependencies: Dependencies) -> None:
    natives = dependencies.natives
    for tag in sorted(natives):
        index = {module: [hashlib.sha256(data).hexdigest(), len(data)] for module, data in natives[tag].items()}
        out.add(f"native/{tag}.json", json.dumps(index, sort_keys=True).encode() + b"\n")
        name = f"native/{tag}.zip"
        out.add_nested(name, dependencies.packed.get(name) or _packed(natives[tag]))


def _packed(files: Mapping[str, bytes], executables: frozenset[str] = frozenset()) -> bytes:
    inner = ZipWriter()
    for name in sorted(files):
        inner.add_sliced(name, files[name], mode=0o755 if name in executables else 0o644)
    return inner.finish()
