"""Changed files as GitHub lists them, made from before and after."""

import difflib
from typing import Any


def changed(path: str, before: str, after: str, **more: Any) -> dict[str, Any]:
    """One entry of `GET /repos/…/pulls/N/files`."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    status = "added" if not before else "removed" if not after else "modified"
    return {
        "sha": "c" * 40,
        "filename": path,
        "status": status,
        "additions": sum(line.startswith("+") for line in lines),
        "deletions": sum(line.startswith("-") for line in lines),
        "changes": sum(line[:1] in "+-" for line in lines),
        "patch": "\n".join(lines),
    } | more


def added(path: str, text: str, **more: Any) -> dict[str, Any]:
    return changed(path, "", text, **more)


def bare(path: str, additions: int = 1, deletions: int = 0, **more: Any) -> dict[str, Any]:
    """A file whose lines GitHub does not show."""
    found = {"filename": path, "status": "modified", "additions": additions, "deletions": deletions}
    return found | {"changes": additions + deletions} | more


TIDES = """import math


def low_tide(day):
    return math.sin(day)


def old_name():
    pass
"""
NEW_TIDES = """import math


def low_tide(day, place):
    return math.sin(day) + place


def high_tide(day):
    return 1
"""
LOGIN = "def enter(user):\n    require_admin(user)\n    go()\n"
PROJECT = 'dependencies = [\n  "apsw==3.0",\n]\n'
WORKFLOW = "on: pull_request_target\njobs:\n  a:\n    steps:\n      - uses: some/action@main\n"
KEY = "ghp_" + "a1B2" * 9
HARBOR = [
    changed("harbor/tides.py", TIDES, NEW_TIDES),
    added("tests/test_tides.py", "def test_low_tide():\n    assert low_tide(1, 2)\n"),
    added("db/migrations/0004_places.sql", "ALTER TABLE places ADD COLUMN depth REAL;\nDROP TABLE old_places;\n"),
    changed("harbor/auth/login.py", LOGIN, LOGIN.replace("    require_admin(user)\n", "")),
    changed("pyproject.toml", PROJECT, PROJECT.replace("3.0", "3.1").replace("]", '  "evil==1.0",\n]')),
    added(".github/workflows/test.yml", WORKFLOW),
    added("harbor/settings.py", f'PASSWORD = "correct-horse-battery"\nTOKEN = "{KEY}"\nOTHER = "${{SECRET}}"\n'),
    bare("uv.lock", 900, 20),
    added("web/static/app.min.js", "x" * 40),
    bare("docs/harbor.png", 0, 0, status="added"),
    changed("docs/tides.md", "Old.\n", "New.\n"),
]
"""A pull request with one of everything."""
