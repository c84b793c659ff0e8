"""Which files may not change unnoticed: those that decide who may do what, and those that would tell."""

from collections.abc import Iterable, Mapping
from typing import Any

CLASSES: Mapping[str, tuple[str, ...]] = {
    "policy: it decides what the assistant and programs may do": (
        "jarvis/policy/",
        "jarvis/host/",
        "jarvis/agent/toolbox.py",
        "jarvis/kernel/sandbox.py",
        "jarvis/kernel/keeper.py",
        "jarvis/kernel/programs.py",
    ),
    "sign-in: it decides who is let in": (
        "jarvis/users/",
        "jarvis/web/identity.py",
        "jarvis/web/routes.py",
        "jarvis/web/application.py",
        "jarvis/web/handshake.py",
        "jarvis/web/forwarded.py",
    ),
    "audit: it keeps the record of what happened": (
        "jarvis/events/",
        "jarvis/kernel/events.py",
        "jarvis/kernel/secrets.py",
        "jarvis/kernel/migrate.py",
    ),
    "lockdown: it stops everything when something is wrong": (
        "jarvis/lockdown/",
        "jarvis/rehearsal.py",
        "jarvis/rehearsing.py",
    ),
    "updater: it proves, applies and takes back updates": (
        "jarvis/selfupdate/",
        "jarvis/patch/",
        "jarvis/archive/",
        "jarvis/supervisor.py",
        "jarvis/process.py",
        "jarvis/life.py",
        "jarvis/lifeline.py",
        "jarvis/serve.py",
        "jarvis/worker.py",
        "jarvis/trial.py",
        "jarvis/takeover.py",
        "jarvis/restart/",
        "jarvis/restore.py",
        "build_zipapp.py",
        "deploy/",
    ),
    "tests: it is what every change is judged by": (
        "tests/conftest.py",
        "tests/smoke/",
        "tests/integration/",
        "tests/selfupdate/",
        "tests/patch/",
        "tests/test_architecture.py",
        "pyproject.toml",
    ),
    "CI: it runs with the rights of whoever merges": (".github/", ".ci/", "Makefile"),
    "dependencies: other people's code": ("requirements.lock", "requirements-dev.lock"),
}
"""Why each is protected, and the files (a folder ends in a slash)."""
FLAGS = {
    "hooks": "it runs by itself where tools look for it",
    "new executable": "a file becomes executable",
    "link": "a link is made or changed",
}
"""What the patch engine flags that is not one of the classes above."""
WEAKENED = "tests: it takes away or changes a test that is there"


def why(files: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every reason why a patch with these files is protected, with the first file of each; [] for an ordinary one."""
    found: dict[str, str] = {}
    for file in files:
        for path in filter(None, (file["path"], file.get("old_path"))):
            for reason, places in CLASSES.items():
                if path.startswith(places):
                    found.setdefault(reason, path)
        if _weakens(file):
            found.setdefault(WEAKENED, file.get("old_path") or file["path"])
        for flag in file.get("flags", ()):
            if flag in FLAGS:
                found.setdefault(FLAGS[flag], file["path"])
    return [f"{reason} ({path})" for reason, path in found.items()]


def _weakens(file: Mapping[str, Any]) -> bool:
    path = file.get("old_path") or file["path"]
    return path.startswith("tests/") and file["kind"] != "added" and bool(file.get("removed_lines"))
