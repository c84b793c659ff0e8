#!/usr/bin/env python3
"""Builds jarvis.pyz with nothing but Python 3.11 or newer; wheels are fetched once, pinned by hash.

python3 build_zipapp.py                  every supported interpreter (the release)
python3 build_zipapp.py --target host    this interpreter only: small and quick
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  run by whatever python3 is
    sys.exit("build_zipapp.py: needs Python 3.11 or newer; this is " + sys.version.split()[0])

import argparse
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jarvis.archive import build, bytecode, hosts, sources, wheels
from jarvis.archive.sources import BuildError
from jarvis.archive.wheels import Wanted

ROOT = Path(__file__).resolve().parent
NO_PIP = (
    "this Python has no pip to fetch the wheels with. Any one of these helps:\n"
    "  apt install python3-pip        (Debian, Ubuntu)\n"
    "  python3 -m ensurepip --user    (elsewhere)\n"
    "or copy the directory build/wheels from a machine where the build has run."
)


def main(argv: list[str]) -> int:
    options = _options(argv)
    try:
        return _run(options)
    except BuildError as failure:
        sys.stderr.write(f"build_zipapp.py: {failure}\n")
        return 1
    except OSError as failure:
        sys.stderr.write(f"build_zipapp.py: {failure.filename or ''}: {failure.strerror or failure}\n")
        return 1


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("build_zipapp.py", description="Build jarvis.pyz.")
    parser.add_argument("--target", default="release", metavar="release|host|TAG,…")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "jarvis.pyz")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "wheels", help="the wheel cache")
    parser.add_argument("--offline", action="store_true", help="fail instead of fetching a wheel")
    parser.add_argument("--no-check", action="store_true", help="do not run the archive before it is in place")
    return parser.parse_args(argv)


def _run(options: argparse.Namespace) -> int:
    tags = _tags(options.target)
    runtime = wheels.runtime_wheels(_lock("requirements.lock"), tags)
    tests = wheels.test_wheels(_lock("requirements-dev.lock"))
    fetch([*runtime, *tests], options.wheels, offline=options.offline)
    source = sources.from_checkout(ROOT)
    if not sources.is_git(ROOT):
        print("git does not answer here: every file but the hidden ones goes into the archive", file=sys.stderr)
    for path in sources.untracked(ROOT):
        print(f"left out, because git does not know it: {path}", file=sys.stderr)
    interpreters = _interpreters(tags)
    dependencies = build.from_wheels(options.wheels, runtime, tests)
    commit = sources.commit(ROOT, source.tree_id())
    built = build.build(source, dependencies, interpreters, commit)
    build.write(built, options.output, [] if options.no_check else _checkers(tags, interpreters))
    print(f"{options.output}: jarvis {built.version}, {len(built.data):,} bytes, {', '.join(built.tags)}")
    print(f"sha256 {built.sha256}")
    return 0


def _tags(target: str) -> list[str]:
    if target == "release":
        return list(hosts.RELEASE_TAGS)
    return [hosts.host_tag()] if target == "host" else target.split(",")


def _lock(name: str) -> list[wheels.Pin]:
    return wheels.read_lock((ROOT / name).read_text())


def _interpreters(tags: list[str]) -> list[bytecode.Interpreter]:
    """One for each minor among the tags; says which bytecode tree the archive will lack."""
    minors = sorted({int(tag.split("-")[0].removeprefix("cp3").rstrip("t")) for tag in tags})
    found = bytecode.find_interpreters(minors)
    for minor in minors:
        if minor not in found:
            print(
                f"no python3.{minor} found (PATH, pyenv, uv): without pyc/cpython-3{minor}.zip "
                f"the archive compiles its modules at each start under 3.{minor}",
                file=sys.stderr,
            )
    return list(found.values())


def _checkers(tags: list[str], interpreters: list[bytecode.Interpreter]) -> list[str]:
    """Those of the interpreters that the archive is for and that run here."""
    _, platform, machine = hosts.host_tag().split("-")
    fit = {f"cp{i.cache_tag.removeprefix('cpython-')}-{platform}-{machine}": i.path for i in interpreters}
    return [path for tag, path in sorted(fit.items()) if tag in tags]


def fetch(wanted: list[Wanted], cache: Path, *, offline: bool = False) -> None:
    """Have every wheel in the cache, by pip where one is missing; raises BuildError."""
    cache.mkdir(parents=True, exist_ok=True)
    missing = [one for one in wanted if wheels.find(cache, one) is None]
    if missing and offline:
        names = ", ".join(f"{one.pin.name} ({one.tag or 'pure'})" for one in missing)
        raise BuildError(f"--offline, and these wheels are not in {cache}: {names}")
    pip = _pip() if missing else []
    for tag in sorted({one.tag or "" for one in missing}):
        _download(pip, [one for one in missing if (one.tag or "") == tag], tag, cache)


def _download(pip: list[str], wanted: list[Wanted], tag: str, cache: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "requirements.txt")
        lines.write_text("".join(one.pin.requirement() + "\n" for one in wanted))
        rules = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet", "--no-input"]
        command = [*pip, "download", *rules, *pip_platform(tag), "-d", folder, "-r", str(lines)]
        print(f"fetching {', '.join(one.pin.name for one in wanted)} ({tag or 'pure'})", file=sys.stderr)
        run = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if run.returncode:
            raise BuildError(f"pip could not fetch what the lock pins:\n{run.stderr.strip()}")
        for wheel in Path(folder).glob("*.whl"):
            draft = cache / f".{wheel.name}.{os.getpid()}"
            shutil.copyfile(wheel, draft)
            draft.replace(cache / wheel.name)  # two builds may fetch at once


def pip_platform(tag: str) -> list[str]:
    """pip's words for a tag; a platform that is only ever this host's own is left to pip."""
    if not tag:
        return ["--platform", "any", "--abi", "none", "--implementation", "py", "--python-version", "3.11"]
    abi, platform, machine = tag.split("-")
    series = {"manylinux": ("_2_28", "_2_17", "2014"), "musllinux": ("_1_2",)}.get(platform, ())
    words = [word for one in series for word in ("--platform", f"{platform}{one}_{machine}")]
    minor = abi.removeprefix("cp3").rstrip("t")
    return [*words, "--implementation", "cp", "--abi", abi, "--python-version", f"3.{minor}"] if words else []


def _pip() -> list[str]:
    """A command that runs pip; raises BuildError with what to do when there is none."""
    for command in _pips():
        try:
            subprocess.run([*command, "--version"], check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError):
            continue
        return command
    raise BuildError(NO_PIP)


def _pips() -> Iterator[list[str]]:
    yield [sys.executable, "-m", "pip"]
    bundled = importlib.util.find_spec("ensurepip")
    if bundled is not None and bundled.origin is not None:
        for wheel in Path(bundled.origin).parent.glob("_bundled/pip-*.whl"):
            yield [sys.executable, f"{wheel}/pip"]  # runs from its wheel, installs nothing
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            yield [found]
    if uv := shutil.which("uv"):
        yield [uv, "run", "--no-project", "--with", "pip", "python", "-m", "pip"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
