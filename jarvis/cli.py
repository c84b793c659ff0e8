"""The command line: which command, on whose behalf, and with which exit code."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jarvis import __version__
from jarvis.archive.container import ArchiveFault

if TYPE_CHECKING:
    from jarvis.kernel.clock import Clock
    from jarvis.kernel.config import Settings
    from jarvis.kernel.context import Context

COMMANDS = {
    "serve": ("jarvis.serve", "run the server"),
    "migrate": ("jarvis.system.cli", "bring the database up to this release"),
    "version": ("jarvis.system.cli", "say which release this is"),
    "status": ("jarvis.system.cli", "how everything is"),
    "config": ("jarvis.system.cli", "show and check the settings"),
    "doctor": ("jarvis.doctor.cli", "find what is wrong and say how to mend it"),
    "ask": ("jarvis.agent.cli", "ask one question"),
    "chat": ("jarvis.agent.cli", "talk"),
    "search": ("jarvis.search.cli", "search messages, bugs and events"),
    "user": ("jarvis.users.cli", "people"),
    "token": ("jarvis.users.cli", "keys for scripts"),
    "schedule": ("jarvis.schedules.cli", "what runs when: list, add, set, pause, resume, run, remove"),
    "bug": ("jarvis.bugs.cli", "what is wrong"),
    "feature": ("jarvis.bugs.cli", "what is wanted"),
    "maintenance": ("jarvis.maintenance.cli", "run the maintenance commands, see how they went"),
    "backup": ("jarvis.backups.cli", "copies of the database: create, list, verify, upload, drill"),
    "github": ("jarvis.github.cli", "what is missing in the set-up with GitHub, and what it delivered"),
    "restore": ("jarvis.restore", "put a backup in the place of the database"),
    "evidence": ("jarvis.evidence.cli", "what was measured of this release: soak, report"),
    "task": ("jarvis.queue.cli", "durable tasks: list, run, retry, cancel"),
    "selfupdate": ("jarvis.selfupdate.cli", "change Jarvis itself: propose, prove, approve, apply, take back"),
    "restart": ("jarvis.restart.cli", "restart the server without losing anything"),
    "permission": ("jarvis.policy.cli", "what may be done, and by whom"),
    "approval": ("jarvis.policy.cli", "calls that wait for a person: list, show, approve, deny"),
    "lockdown": ("jarvis.lockdown.cli", "lock everything but reading, and see how that stands"),
    "unlock-code": ("jarvis.lockdown.cli", "the code that lifts a lockdown"),
    "secrets": ("jarvis.secrets.cli", "find secrets that lie about, see how those in use stand, rotate them"),
    "export": ("jarvis.transfer.cli", "write everything but secrets into one file"),
    "import": ("jarvis.transfer.cli", "take such a file up"),
    "events": ("jarvis.events.cli", "the audit log: tail, search, verify, export"),
}
GLOBAL = ("--json", "--as")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Never shows a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["--version"], ["version"]) and len(words) == 1:
        print(f"jarvis {__version__}")
        return 0
    if not words or words[0] in ("--help", "-h", "help"):
        print(_overview())
        return 0 if words else 64
    return _guarded(words)


def _guarded(words: list[str]) -> int:
    try:
        from jarvis.kernel import errors
    except ModuleNotFoundError as error:
        return _without_dependencies(error)
    try:
        return _dispatch(words)
    except errors.JarvisError as error:
        _complain(error, "--json" in words)
        return error.exit_code
    except ArchiveFault as fault:
        print(f"jarvis: {fault}", file=sys.stderr)
        return fault.exit_code
    except ModuleNotFoundError as error:
        return _without_dependencies(error)
    except BrokenPipeError:  # the reader went away, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.filename is None:
            return _unexpected()
        refused = errors.Unavailable(f"{error.filename}: {error.strerror}.")
        _complain(refused, "--json" in words)
        return refused.exit_code
    except Exception:
        return _unexpected()


def _complain(error: Any, is_json: bool) -> None:
    if is_json:
        import json

        from jarvis.web.faults import problem

        print(json.dumps(problem(error, ""), ensure_ascii=False), file=sys.stderr)
        return
    lines = str(error).splitlines() or [error.title]
    print("jarvis: " + "\n        ".join(lines), file=sys.stderr)


def _unexpected() -> int:
    import logging
    import secrets

    mark = secrets.token_hex(4)
    logging.getLogger("jarvis.cli").debug("internal error %s", mark, exc_info=True)
    print(f"jarvis: Internal error ({mark}). Set LOG_LEVEL=DEBUG and try again to see more.", file=sys.stderr)
    return 70


def _without_dependencies(error: ModuleNotFoundError) -> int:
    if (error.name or "").split(".")[0] == "jarvis":
        print(f"jarvis: this installation is incomplete: {error}", file=sys.stderr)
    else:
        print(
            f"jarvis: the package {error.name} is missing. Run one of:\n"
            "        python3 build_zipapp.py --target host && python3 jarvis.pyz …\n"
            "        uv run jarvis …",
            file=sys.stderr,
        )
    return 69


def _dispatch(words: list[str]) -> int:
    from jarvis.kernel.console import Console
    from jarvis.kernel.errors import Usage

    rest, as_user, is_json = _take_global(words)
    try:
        "".join(words).encode()
    except UnicodeEncodeError:  # Python smuggles bytes that are no UTF-8 in as surrogates
        raise Usage("The command line is not valid UTF-8.") from None
    name = rest[0] if rest else ""
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else " See: jarvis --help"
        raise Usage(f"There is no command {name!r}.{hint}")
    module = importlib.import_module(COMMANDS[name][0])
    args = _parse(module.__doc__ or "", rest)
    if args is None:
        return 0
    return int(module.run(Starting(as_user), args, Console(is_json)) or 0)


def _take_global(words: list[str]) -> tuple[list[str], str | None, bool]:
    """Split off --json and --as USER, which may stand anywhere before a bare `--`."""
    from jarvis.kernel.errors import Usage

    end = words.index("--") if "--" in words else len(words)
    head, tail = words[:end], words[end:]
    as_user = None
    rest: list[str] = []
    while head:
        word = head.pop(0)
        if word == "--as" or word.startswith("--as="):
            as_user = word[5:] if "=" in word else (head.pop(0) if head else "")
            if not as_user:
                raise Usage("--as needs the name of a user.")
        elif word != "--json":
            rest.append(word)
    return rest + tail, as_user, "--json" in words[:end]


def _parse(usage: str, words: list[str]) -> dict[str, Any] | None:
    """The arguments by docopt; None when help was asked for and given."""
    from docopt import DocoptExit, docopt

    from jarvis.kernel.errors import Usage

    text = usage[usage.index("Usage:") :]
    if "--help" in words or "-h" in words:
        print(usage.strip())
        return None
    try:
        return dict(docopt(text, words, default_help=False))
    except DocoptExit:
        lines = [line for line in text.splitlines() if line.strip().startswith(f"jarvis {words[0]}")]
        raise Usage("That is not how it is used. Usage:\n" + "\n".join(line.strip() for line in lines)) from None


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            f"Jarvis {__version__} looks after one host and one codebase.",
            "",
            "Usage: jarvis COMMAND … [--json] [--as USER]",
            "",
            *lines,
            "",
            "jarvis COMMAND --help tells more.",
        ]
    )


def beside() -> Path | None:
    """The directory of the archive, or the root of the checkout: where a .env may stand."""
    from jarvis.archive import launch

    archive = launch.archive()
    if archive is not None:
        return Path(archive.path).parent
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else None


class Starting:
    """What a command may begin with; each part is made only when asked for."""

    def __init__(self, as_user: str | None) -> None:
        from jarvis.kernel.clock import system_clock

        self.clock: Clock = system_clock
        self._as_user = as_user

    @cached_property
    def settings(self) -> "Settings":
        from jarvis.kernel import config

        return config.load(os.environ, beside(), Path.cwd())

    def context(self, *, registry: bool = False) -> "Context":
        from jarvis import app

        return app.command_context(self.settings, self.clock, self._as_user, registry=registry)
