"""How Jarvis is, which release it is, and its settings.

Usage:
  jarvis status
  jarvis version
  jarvis migrate [--dry-run]
  jarvis config show [--changed] [NAME...]
  jarvis config check

Options:
  --dry-run  say what would be applied, and try it without keeping anything
  --changed  only settings that differ from their default

`status` asks the server on this home when one runs; it exits 1 when that server is not ready.
`config check` exits 78 when APP_ENV=prod would refuse to start. Every command also takes --json and --as USER.
"""

import difflib
import os
import platform

from jarvis import __version__
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.errors import NotFound, Unavailable
from jarvis.settings import table
from jarvis.settings.table import Row, Verdict


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one of these commands; returns its exit code."""
    if args["version"]:
        return _version(console)
    if args["migrate"]:
        return _migrate(start, console, is_rehearsal=args["--dry-run"])
    if args["config"]:
        return _check(start, console) if args["check"] else _show(start, args, console)
    return _status(start, console)


def _version(console: Console) -> int:
    data = {"version": __version__, "python": platform.python_version(), "platform": platform.platform(terse=True)}
    console.answer(data, f"jarvis {__version__}, Python {data['python']}, {data['platform']}")
    return 0


def _migrate(start: Start, console: Console, *, is_rehearsal: bool) -> int:
    from jarvis.kernel import migrate

    path = start.settings.app_db
    if is_rehearsal:
        return _rehearse(start, console)
    applied = migrate.migrate(path, start.clock)
    text = f"Applied {', '.join(applied)}." if applied else "Nothing to do: the database is up to date."
    console.answer({"applied": applied, "database": str(path)}, text)
    return 0


def _rehearse(start: Start, console: Console) -> int:
    from jarvis.kernel import migrate

    path = start.settings.app_db
    if not os.access(path, os.F_OK):
        names = [migration.name for migration in migrate.shipped()]
        would = f"There is no database at {path} yet; `jarvis migrate` makes one with {len(names)} migrations."
    else:
        names = migrate.rehearse(path, start.clock)
        would = f"Would apply {', '.join(names)}. It was tried and nothing was kept." if names else "Nothing to do."
    console.answer({"pending": names, "database": str(path)}, would)
    return 0


def _show(start: Start, args: Arguments, console: Console) -> int:
    rows = _chosen(table.rows(start.settings), args["NAME"])
    if args["--changed"]:
        rows = [row for row in rows if not row.is_default]
    lines = [(row.name, row.value.replace("\n", ", "), row.source, row.meaning) for row in rows]
    text = console.table(lines, ("name", "value", "from", "meaning"), "Every setting is at its default.")
    console.answer([row.as_json() for row in rows], text)
    for warning in start.settings.warnings:
        console.say(f"warning: {warning}")
    return 0


def _chosen(rows: list[Row], names: list[str]) -> list[Row]:
    known = {row.name: row for row in rows}
    for name in names:
        if name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise NotFound(f"There is no setting {name}.{hint}")
    return [known[name.upper()] for name in names] or rows


def _check(start: Start, console: Console) -> int:
    verdict = table.check(start.settings)
    console.answer(verdict.as_json(), _verdict(verdict))
    return 78 if verdict.is_refused else 0


def _verdict(verdict: Verdict) -> str:
    lines = [f"warning: {warning}" for warning in verdict.warnings]
    word = "refused" if verdict.is_refused else "APP_ENV=prod would refuse"
    lines += [f"{word}: {reason}" for reason in verdict.refusals]
    return "\n".join(lines) or "Every value parses, and nothing is odd about the settings."


def _status(start: Start, console: Console) -> int:
    from jarvis.system import actions, report, server

    status = actions.status(start.context(registry=True))
    running = server.running(start.settings)
    told = server.ask_ready(running, start.settings) if running else None
    if running and told is None:
        raise Unavailable(f"A server runs on this home (process {running.pid or 'unknown'}) but does not answer.")
    if told is not None:
        status |= {"ready": bool(told.get("ok")), "checks": told["checks"]}
    text = report.text(status)
    console.answer(status, text if running else f"{text}\n  start one: jarvis serve")
    return 1 if status["ready"] is False else 0
