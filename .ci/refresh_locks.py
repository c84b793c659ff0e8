#!/usr/bin/env python3
"""Rewrites requirements.lock and requirements-dev.lock from pyproject.toml: python3.11 .ci/refresh_locks.py

Versions are resolved once, under Python 3.11, whose needs include every other minor's. Each
version's wheel hashes are then gathered for every supported interpreter. Needs pip and a registry.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from build_zipapp import pip_platform  # noqa: E402  the same words for the same tags
from jarvis.archive.hosts import RELEASE_TAGS  # noqa: E402
from jarvis.archive.wheels import normal, read_lock  # noqa: E402

HEAD = """\
# {what}
# Made by: python3.11 .ci/refresh_locks.py (from pyproject.toml). Do not edit.
# Install: python3 -m pip install --require-hashes --no-deps -r {name}
"""
Hashes = dict[tuple[str, str], set[str]]


def report(requirements: list[str], platform: list[str], *, resolve: bool) -> Hashes:
    """What pip would install for a platform: (name, version) → sha256 of the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        rules = ["--dry-run", "--quiet", "--ignore-installed", "--only-binary=:all:", "--target", folder]
        rules += [] if resolve else ["--no-deps"]
        command = [sys.executable, "-m", "pip", "install", *rules, *platform, "--report", "-", *requirements]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return {
        (normal(item["metadata"]["name"]), item["metadata"]["version"]): {
            item["download_info"]["archive_info"]["hashes"]["sha256"]
        }
        for item in json.loads(run.stdout)["install"]
    }


def lock(requirements: list[str]) -> Hashes:
    """Every pin with the hashes of its wheels, pure ones beside the compiled."""
    found = report(requirements, pip_platform(RELEASE_TAGS[0]), resolve=True)
    pins = [f"{name}=={version}" for name, version in found]
    for tag in RELEASE_TAGS[1:]:
        add(found, report(pins, pip_platform(tag), resolve=False))
    for pin in pins:
        try:
            add(found, report([pin], pip_platform(""), resolve=False))
        except subprocess.CalledProcessError:
            print(f"{pin} has no pure wheel", file=sys.stderr)
    return found


def add(found: Hashes, more: Hashes) -> None:
    for key, hashes in more.items():
        found[key] |= hashes


def render(name: str, what: str, pins: Hashes) -> str:
    lines = [HEAD.format(name=name, what=what)]
    for (distribution, version), hashes in sorted(pins.items()):
        parts = [f"{distribution}=={version}", *(f"    --hash=sha256:{value}" for value in sorted(hashes))]
        lines.append(" \\\n".join(parts) + "\n")
    return "".join(lines)


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = lock(project["project"]["dependencies"])
    # What both need is installed once, at the version the archive carries.
    shared = [f"{name}=={version}" for name, version in runtime]
    both = lock([*shared, *project["dependency-groups"]["dev"]])
    development = {key: hashes for key, hashes in both.items() if key not in runtime}
    for name, what, pins in (
        ("requirements.lock", "What the archive carries: wheels for each supported interpreter.", runtime),
        ("requirements-dev.lock", "What tests and checks need beside requirements.lock.", development),
    ):
        text = render(name, what, pins)
        read_lock(text)
        (ROOT / name).write_text(text)
        print(f"{name}: {len(pins)} packages")


if __name__ == "__main__":
    main()
