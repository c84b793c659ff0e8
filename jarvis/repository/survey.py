"""What a project is made of: languages, size and folders, counted from its files."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from jarvis.kernel.errors import JarvisError
from jarvis.repository import languages
from jarvis.repository.limits import Deadline, Limits, is_binary, printable
from jarvis.repository.sources import Found, Source

ROLES = {
    "tests": "test tests testing spec specs __tests__ e2e",
    "documentation": "doc docs documentation man website",
    "continuous integration": ".github .gitlab .circleci .ci ci .buildkite .azure-pipelines",
    "scripts": "script scripts bin tools hack contrib libexec",
    "examples": "example examples samples demo demos",
    "deployment and packaging": "deploy deployment packaging debian rpm docker k8s kubernetes helm charts terraform "
    "ansible infra ops pkg",
    "source": "src lib app pkgs packages internal cmd crates core source sources",
    "shell completions": "completions completion",
    "templates": "templates views layouts",
    "static files": "static assets public img images fonts media css",
    "database migrations": "migrations migrate alembic",
    "translations": "locale locales i18n po translations",
    "vendored code": "vendor third_party vendored node_modules externals",
    "plug-ins": "plugins plugin extensions",
    "configuration": "config conf etc .vscode .idea .devcontainer settings",
    "benchmarks": "bench benches benchmark benchmarks perf",
    "data": "data fixtures testdata resources",
}
ROLE_OF = {name: role for role, names in ROLES.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class LanguageShare:
    """`share` is this language's part of the code lines counted; None for prose and data."""

    name: str
    family: str
    files: int
    lines: int
    bytes: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A top-level folder; `role` is what its name suggests, `language` what fills most of it."""

    name: str
    files: int
    role: str
    language: str


@dataclass(frozen=True, slots=True)
class Size:
    """Tracked files; lines and bytes of the text among the first `files_counted` looked into."""

    files: int
    files_counted: int
    lines: int
    bytes: int
    binary_files: int
    foreign_files: int
    links: int
    submodules: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Survey:
    languages: tuple[LanguageShare, ...]
    size: Size
    folders: tuple[Folder, ...]
    root_files: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    files: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    by_folder: dict[str, Counter[str]] = field(default_factory=dict)
    counted: int = 0
    all_lines: int = 0
    all_bytes: int = 0
    binary: int = 0
    foreign: int = 0


def survey(source: Source, files: list[Found], is_all: bool, limits: Limits, deadline: Deadline) -> Survey:
    """Count until the deadline. The order is by key, so what was counted of a large one is a fair sample."""
    tally = _Tally()
    texts = [file for file in files if file.kind == "file"]
    for file in sorted(texts, key=lambda file: (file.key, file.path)):
        if tally.all_bytes >= limits.max_total_bytes or (tally.counted % 32 == 31 and deadline.passed()):
            break
        tally.counted += 1
        _count(source, file, limits, tally)
    complete = is_all and tally.counted == len(texts)
    kinds = Counter(file.kind for file in files)
    size = Size(
        len(files), tally.counted, tally.all_lines, tally.all_bytes, tally.binary, tally.foreign,
        kinds["link"], kinds["submodule"], complete,
    )  # fmt: skip
    return Survey(_shares(tally), size, _folders(files, tally), _root_files(files))


def _count(source: Source, file: Found, limits: Limits, tally: _Tally) -> None:
    kind = languages.by_name(file.name)
    size = source.size(file)
    if (kind is languages.BINARY_KIND and size is not None) or (size or 0) > limits.max_counted_bytes:
        tally.all_bytes += size or 0
        tally.binary += kind is languages.BINARY_KIND
        return
    try:
        text = source.read(file, limits.max_counted_bytes)
    except JarvisError:  # too large, missing or corrupt: it stays a file without lines
        return
    tally.all_bytes += len(text)
    if kind is languages.BINARY_KIND or is_binary(text):
        tally.binary += 1
        return
    lines = text.count(b"\n") + (not text.endswith(b"\n") and bool(text))
    tally.all_lines += lines
    if languages.is_foreign(file.path) or languages.is_generated(text):
        tally.foreign += 1
        return
    _add(file, kind or languages.by_contents(text), lines, len(text), tally)


def _add(file: Found, kind: languages.Kind, lines: int, size: int, tally: _Tally) -> None:
    tally.files[(kind.language, kind.family)] += 1
    tally.lines[kind.language] += lines
    tally.bytes[kind.language] += size
    if kind.family == "code":
        top = file.path.partition("/")[0] if "/" in file.path else ""
        tally.by_folder.setdefault(top, Counter())[kind.language] += lines


def _shares(tally: _Tally) -> tuple[LanguageShare, ...]:
    code = sum(tally.lines[name] for name, family in tally.files if family == "code")
    found = [
        LanguageShare(
            name, family, count, tally.lines[name], tally.bytes[name],
            round(tally.lines[name] / code, 4) if code and family == "code" else None,
        )
        for (name, family), count in tally.files.items()
        if family != "other"
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda item: (item.family != "code", -item.lines, item.name)))


def _folders(files: Iterable[Found], tally: _Tally) -> tuple[Folder, ...]:
    counts = Counter(file.path.partition("/")[0] for file in files if "/" in file.path)
    return tuple(
        Folder(printable(name), count, ROLE_OF.get(name.lower(), ""), _most(tally.by_folder.get(name)))
        for name, count in counts.most_common(40)
    )


def _most(counter: Counter[str] | None) -> str:
    if not counter:
        return ""
    name, lines = counter.most_common(1)[0]
    return name if lines * 2 >= counter.total() else ""


def _root_files(files: Iterable[Found]) -> tuple[str, ...]:
    return tuple(printable(file.path) for file in files if "/" not in file.path)[:60]
