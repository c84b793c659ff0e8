"""Runs a command's module as the command line does, on a context of the test's own."""

import io
import json
import shlex
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from jarvis.cli import _parse
from jarvis.kernel.console import Console
from jarvis.kernel.context import Context
from jarvis.users import store


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Start:
    """What a command begins with: these settings, this context."""

    def __init__(self, ctx: Context | None, settings: Any, clock: Any) -> None:
        self._ctx = ctx
        self.settings = settings
        self.clock = clock

    def context(self, *, registry: bool = False) -> Context:
        assert self._ctx is not None, "the command opened a database it should not have"
        return self._ctx


def as_cli(ctx: Context) -> Context:
    """The context of whoever has the files."""
    acting = ctx.acting(actor="cli:root", user_id=store.CLI_USER_ID, username="cli", role="admin")
    return replace(acting, client="cli:root")


def run(module: ModuleType, line: str, start: Any, *, is_json: bool = False) -> Ran:
    """One command line, without the word `jarvis`."""
    console = Console(is_json, io.StringIO(), io.StringIO(), io.StringIO())
    args = _parse(module.__doc__ or "", shlex.split(line))
    code = module.run(start, args, console)
    return Ran(code, console.out.getvalue(), console.err.getvalue())
