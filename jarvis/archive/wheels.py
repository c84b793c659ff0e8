"""The bundled dependencies: their pins, their wheels, and what of a wheel goes into the archive."""

import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jarvis.archive.sources import BuildError

COMPILED = "apsw"  # the one dependency whose compiled libraries ship, for each tag
PLATFORM_WHEELS = {"markupsafe": "cp311-manylinux-x86_64"}  # no pure wheel: any one, less its speedups
TEST_PINS = ("iniconfig", "packaging", "pluggy", "pygments", "pytest")

LICENCE = re.compile(r"[^/]+\.dist-info/(?:licenses/)?((?:[^/]+/)*(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)", re.I)
NEVER = re.compile(
    r"[^/]+\.(?:dist-info|data)/.*"
    r"|.*\.(?:so|pyd|pyi|c|pyx)|.*/py\.typed"
    # Modules that need what is not bundled, or that exist for other systems.
    r"|urllib3/(?:contrib/(?:pyopenssl\.py|socks\.py|emscripten/.*)|http2/connection\.py)"
    r"|dulwich/(?:aiohttp/.*|cloud/.*|fastexport\.py)"
    r"|dotenv/(?:ipython|cli|__main__)\.py"
    r"|websockets/trio/.*"
    # Tests, programs, and data that only they read.
    r"|(?:apsw|dulwich)/tests/.*"
    r"|apsw/(?:sqlite_extra_binaries/.*|sqlite_extra\.json|fts_test_strings|shell\.py|speedtest\.py|__main__\.py)"
    r"|pygments/lexers/(?!__init__|_mapping|python|diff|special|_builtins)[^/]+|pygments/(?:styles/(?!__init__|_mapping|default)[^/]+)",
)
LIBRARY = re.compile(r"((?!apsw/sqlite_extra_binaries/)[\w/]+)\.cpython-[^/]*\.so")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked requirement."""

    name: str
    version: str
    hashes: frozenset[str]

    def requirement(self) -> str:
        """The line pip checks the download against."""
        hashes = " ".join(f"--hash=sha256:{value}" for value in sorted(self.hashes))
        return f"{self.name}=={self.version} {hashes}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wheel to be had: for one tag, or pure where tag is None."""

    pin: Pin
    tag: str | None

    def matches(self, filename: str) -> bool:
        name, version, *_, python, abi, platform = filename.removesuffix(".whl").split("-")
        if (normal(name), version) != (self.pin.name, self.pin.version):
            return False
        if self.tag is None:
            return (abi, platform) == ("none", "any")
        want_abi, want_platform, want_machine = self.tag.split("-")
        fits = any(p.startswith(want_platform) and p.endswith(want_machine) for p in platform.split("."))
        return python == abi == want_abi and fits


def normal(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> list[Pin]:
    """Parse `name==version --hash=sha256:…` lines, continued with backslashes; raises BuildError."""
    pins = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = re.match(r"([\w.-]+)==([\w.+!]+)", line)
        hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
        if match is None or not hashes:
            raise BuildError(f"a lock line is not pinned by version and hash: {line[:60]}")
        pins.append(Pin(normal(match[1]), match[2], hashes))
    return pins


def runtime_wheels(pins: Iterable[Pin], tags: Iterable[str]) -> list[Wanted]:
    """What an archive for these tags is made of."""
    tags, wanted = list(tags), []
    for pin in pins:
        if pin.name == COMPILED:
            wanted += [Wanted(pin, tag) for tag in tags]
        else:
            wanted.append(Wanted(pin, PLATFORM_WHEELS.get(pin.name)))
    return wanted


def test_wheels(pins: Iterable[Pin]) -> list[Wanted]:
    """What the archive needs to run its own tests on a host without pip."""
    return [Wanted(pin, None) for pin in pins if pin.name in TEST_PINS]


def find(cache: Path, wanted: Wanted) -> Path | None:
    """The cached wheel with a locked hash; one with another hash is as good as absent."""
    for path in sorted(cache.glob("*.whl")):
        if wanted.matches(path.name) and sha256(path) in wanted.pin.hashes:
            return path
    return None


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def modules(wheel: Path, *, metadata: bool = False) -> Iterator[tuple[str, bytes]]:
    """The wheel's pure part, and its licences under licenses/<distribution>/.

    Its metadata is for the tests' tools alone: pytest asks for versions by it.
    """
    distribution = normal(wheel.name.split("-")[0])
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            licence = LICENCE.fullmatch(name)
            if licence:
                yield f"licenses/{distribution}/{licence[1]}", archive.read(name)
            elif (metadata and name.endswith(".dist-info/METADATA")) or _ships(name):
                yield name, archive.read(name)


def _ships(name: str) -> bool:
    return not name.endswith("/") and not NEVER.fullmatch(name)


def libraries(wheel: Path) -> dict[str, bytes]:
    """The wheel's compiled modules by their dotted names."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if match := LIBRARY.fullmatch(name):
                found[match[1].removesuffix("/__init__").replace("/", ".")] = archive.read(name)
    return found
