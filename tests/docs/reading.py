"""The pages as the tests read them: fences, commands with what they should print, links, code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"^```python\n((?:(?!^```).*\n)*)^```\n+Saved as `([\w.]+)`", re.MULTILINE)
GENERATED = re.compile(r"<!-- generated: \w+ -->.*?<!-- end -->", re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """One fenced block: what it is marked as, and its lines."""

    kind: str
    text: str


@dataclass(frozen=True)
class Step:
    """One command of a page, and the lines it should print."""

    command: str
    expected: tuple[str, ...]
    is_server: bool


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def fences(page: Path) -> list[Fence]:
    return [Fence(kind, text) for kind, text in FENCE.findall(page.read_text("utf-8"))]


def without_fences(text: str) -> str:
    return FENCE.sub("", text)


def saved(page: Path) -> dict[str, str]:
    """Programs that the page says to save under a name."""
    return {name: text for text, name in SAVED.findall(page.read_text("utf-8"))}


def steps(page: Path, kinds: tuple[str, ...] = ("console", "console server")) -> list[Step]:
    """Every command that the page says can be run, in order."""
    shown = [fence for fence in fences(page) if fence.kind in kinds]
    return [step for fence in shown for step in _steps(fence.text, fence.kind == "console server")]


def _steps(text: str, is_server: bool) -> Iterator[Step]:
    lines = text.replace("\\\n", "").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield Step(lines[start][2:], tuple(lines[start + 1 : end]), is_server)


def missing(expected: tuple[str, ...], printed: str) -> str | None:
    """The first expected line that is not there, in order; `…` stands for anything, also for nothing."""
    rest = [" ".join(line.split()) for line in printed.splitlines()]
    for line in expected:
        pattern = ".*".join(map(re.escape, " ".join(line.split()).split("…")))
        if pattern == ".*":
            continue
        while rest and not re.fullmatch(pattern, rest[0]):
            rest.pop(0)
        if not rest:
            return line
        rest.pop(0)
    return None
