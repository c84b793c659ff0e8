"""How a project is built, tested, run and licensed, read from the files that say so."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.errors import JarvisError
from jarvis.repository.limits import KIB, decode, printable
from jarvis.repository.sources import Found, Source

MAX_BYTES = 256 * KIB
MAX_EACH = 12
TARGET = re.compile(r"^([A-Za-z0-9][\w.-]{0,40})\s*:(?![=:])", re.MULTILINE)
JOB_FILES = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml|azure-pipelines\.yml|Jenkinsfile|"
    r"\.travis\.yml|\.ci/[\w-]+(?:\.sh)?"
)
LICENSE_NAME = re.compile(r"(?:licen[cs]e|copying|unlicense)(?:[.-][\w.-]{1,20})?", re.IGNORECASE)
LICENSES = (
    ("GNU AFFERO GENERAL PUBLIC LICENSE", "AGPL-3.0"),
    ("GNU LESSER GENERAL PUBLIC LICENSE", "LGPL"),
    ("GNU GENERAL PUBLIC LICENSE Version 3", "GPL-3.0"),
    ("GNU GENERAL PUBLIC LICENSE Version 2", "GPL-2.0"),
    ("Apache License Version 2.0", "Apache-2.0"),
    ("Mozilla Public License Version 2.0", "MPL-2.0"),
    ("Mozilla Public License, version 2.0", "MPL-2.0"),
    ("Permission is hereby granted, free of charge", "MIT"),
    ("Permission to use, copy, modify, and/or distribute this software", "ISC"),
    ("Permission to use, copy, modify, and distribute this software", "ISC"),
    ("This is free and unencumbered software", "Unlicense"),
    ("Boost Software License", "BSL-1.0"),
    ("Eclipse Public License - v 2.0", "EPL-2.0"),
    ("CC0 1.0 Universal", "CC0-1.0"),
)
BUILT_IN = {
    "Cargo.toml": (("build", "cargo build"), ("test", "cargo test")),
    "go.mod": (("build", "go build ./..."), ("test", "go test ./...")),
    "CMakeLists.txt": (("build", "cmake -B build && cmake --build build"),),
    "meson.build": (("build", "meson setup build && ninja -C build"),),
    "pom.xml": (("build", "mvn package"), ("test", "mvn test")),
    "build.gradle": (("build", "gradle build"), ("test", "gradle test")),
    "build.gradle.kts": (("build", "gradle build"), ("test", "gradle test")),
    "mix.exs": (("build", "mix compile"), ("test", "mix test")),
    "tox.ini": (("test", "tox"),),
    "noxfile.py": (("test", "nox"),),
    "pytest.ini": (("test", "pytest"),),
    "Dockerfile": (("build", "docker build ."),),
    "compose.yaml": (("run", "docker compose up"),),
    "docker-compose.yml": (("run", "docker compose up"),),
}


@dataclass(frozen=True, slots=True)
class Hint:
    """`kind` is build, test, run, check or ci; `source` is the file that says so."""

    kind: str
    command: str
    source: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package manifest says of itself."""

    name: str = ""
    version: str = ""
    description: str = ""


def text_of(source: Source, files: dict[str, Found], path: str, max_bytes: int = MAX_BYTES) -> str:
    """The text of one file, or nothing when it is missing, too large or damaged."""
    file = files.get(path)
    if file is None or file.kind != "file":
        return ""
    try:
        return decode(source.read(file, max_bytes))
    except JarvisError:
        return ""


def hints(source: Source, files: dict[str, Found]) -> tuple[Hint, ...]:
    """Commands the project itself names, in the order build, test, run, check, ci."""
    found: list[Hint] = []
    for path, read in READERS.items():
        if path in files:
            found += list(read(text_of(source, files, path), path))[:MAX_EACH]
    for path, commands in BUILT_IN.items():
        if path in files:
            found += [Hint(kind, command, path) for kind, command in commands]
    found += [Hint("ci", printable(path), printable(path)) for path in sorted(files) if JOB_FILES.fullmatch(path)][:8]
    order = ("build", "test", "run", "check", "ci")
    unique = list({(hint.kind, hint.command): hint for hint in found}.values())
    return tuple(sorted(unique, key=lambda hint: (order.index(hint.kind), not _is_plain(hint))))


def manifest(source: Source, files: dict[str, Found]) -> Manifest:
    """Name, version and description from pyproject.toml, package.json or Cargo.toml."""
    for path, section in (("pyproject.toml", "project"), ("Cargo.toml", "package")):
        table = _table(_toml(text_of(source, files, path)), section)
        if table.get("name"):
            return _manifest(table)
    return _manifest(_json(text_of(source, files, "package.json")))


def license_of(source: Source, files: dict[str, Found]) -> str:
    """An SPDX-like name, `see FILE` when the text is not recognised, or nothing."""
    for path in sorted(files):
        if "/" in path or not LICENSE_NAME.fullmatch(path):
            continue
        text = " ".join(text_of(source, files, path)[:8000].split())
        for phrase, name in LICENSES:
            if phrase.lower() in text.lower():
                return name
        if "Redistribution and use in source and binary forms" in text:
            return "BSD-3-Clause" if "Neither the name" in text else "BSD-2-Clause"
        return f"see {printable(path)}"
    return ""


def _manifest(table: dict[str, Any]) -> Manifest:
    values = {key: table.get(key) for key in ("name", "version", "description")}
    return Manifest(**{key: printable(value)[:300] for key, value in values.items() if isinstance(value, str)})


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _table(value: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        inner = value.get(name)
        value = inner if isinstance(inner, dict) else {}
    return value


def _kind_of(name: str) -> str:
    lowered = name.lower()
    for kind, words in (
        ("test", ("test", "spec", "proof", "e2e")),
        ("check", ("lint", "check", "format", "fmt", "typecheck", "mypy", "bench")),
        ("build", ("build", "all", "compile", "dist", "package", "install")),
    ):
        if any(lowered == word or lowered.startswith((f"{word}-", f"{word}:", f"{word}_")) for word in words):
            return kind
    return "run"


def _is_plain(hint: Hint) -> bool:
    """`make test` is said before `make test-unit`."""
    return hint.command.split()[-1] in (hint.kind, "pytest", "tox", "nox", "./...")


def _makefile(text: str, path: str) -> Iterator[Hint]:
    names = dict.fromkeys(name for name in TARGET.findall(text) if "." not in name and not name.isupper())
    for name in names:
        yield Hint(_kind_of(name), f"make {printable(name)}", path)


def _pyproject(text: str, path: str) -> Iterator[Hint]:
    value = _toml(text)
    for name, target in _table(value, "project", "scripts").items():
        yield Hint("run", f"{printable(name)[:60]} ({printable(str(target))[:80]})", path)
    if "pytest" in _table(value, "tool"):
        yield Hint("test", "pytest", path)


def _package_json(text: str, path: str) -> Iterator[Hint]:
    for name in _table(_json(text), "scripts"):
        command = "npm test" if name == "test" else f"npm run {printable(name)[:60]}"
        yield Hint(_kind_of(name), command, path)


READERS: dict[str, Callable[[str, str], Iterator[Hint]]] = {
    "Makefile": _makefile,
    "GNUmakefile": _makefile,
    "pyproject.toml": _pyproject,
    "package.json": _package_json,
}
