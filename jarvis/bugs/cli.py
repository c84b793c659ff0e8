"""Bugs and feature requests.

Usage:
  jarvis bug list [--status STATUS] [--priority P] [--kind KIND] [--limit N] [--search WORDS]
  jarvis bug show ID
  jarvis bug add TITLE [--description TEXT] [--priority P] [--assignee NAME] [--sync]
  jarvis bug set ID [--title TITLE] [--description TEXT] [--status STATUS] [--priority P] [--assignee NAME]
  jarvis bug close ID
  jarvis bug sync ID
  jarvis feature add TITLE [--description TEXT] [--priority P] [--assignee NAME] [--sync]
  jarvis feature list [--status STATUS] [--priority P] [--limit N] [--search WORDS]

Options:
  --status STATUS     open, in_progress, resolved or closed; for list also active
  --priority P        low, medium, high or critical
  --kind KIND         bug or feature
  --limit N           how many at most [default: 50]
  --search WORDS      words in title or description
  --title TITLE       a new title
  --description TEXT  what happens, and what should
  --assignee NAME     who is on it; "" for nobody
  --sync              make a GitHub issue of it

`sync` makes a GitHub issue of a bug, or tries again where that failed; a running server does it.

Every command also takes --json and --as USER.
"""

from typing import Any

from jarvis.bugs import actions, fields, store
from jarvis.bugs.store import Bug
from jarvis.kernel import schema
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Usage
from jarvis.kernel.schema import Fields


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `bug` or `feature` command; returns its exit code."""
    ctx = start.context().traced()
    for name, command in COMMANDS.items():
        if args[name]:
            command(ctx, args, console)
    return 0


def _given(args: Arguments, taken: Fields, **more: Any) -> dict[str, Any]:
    """Options that were given, checked as the API checks its fields."""
    options = {name: args[f"--{name}"] for name in taken if args.get(f"--{name}") is not None}
    return schema.check(taken, {**options, **more})


def _list(ctx: Context, args: Arguments, console: Console) -> None:
    kind = "feature" if args["feature"] else args["--kind"] or ""
    asked = _given(args, {n: fields.FILTERS[n] for n in ("status", "priority")})
    chosen = schema.check(fields.FILTERS, {**asked, "kind": kind, "q": args["--search"] or ""})
    with ctx.db.read() as tx:
        found = store.newest(tx, actions.wanted(ctx, chosen), _limit(args["--limit"]))
    rows = [(b.id, b.status, b.priority, f"{b.occurrences} ×", rfc3339(b.last_seen_at), b.title) for b in found]
    empty = "No such bug. File one: jarvis bug add TITLE"
    text = console.table(rows, ("id", "status", "priority", "seen", "last", "title"), empty)
    console.answer({"items": [bug.as_json() for bug in found], "next": None}, text)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise Usage("--limit takes a whole number from 1 to 1000.")
    return int(text)


def _show(ctx: Context, args: Arguments, console: Console) -> None:
    bug = actions.read(ctx, args["ID"])
    console.answer(bug.as_json(), "\n".join(_lines(bug)))


def _lines(bug: Bug) -> list[str]:
    lines = [
        bug.title,
        f"  {bug.kind} {bug.id}, {bug.status}, {bug.priority}, assigned to {bug.assignee or 'nobody yet'}",
    ]
    if bug.rate:
        lines.append(f"  seen in {bug.rate}, last {rfc3339(bug.last_seen_at)}; {bug.green_runs} green since")
    evidence = bug.evidence_of()
    if evidence.get("what"):
        lines.append(f"  {evidence['what']}: {evidence.get('why')}")
    elif evidence:
        commit = f" at {evidence['commit']}" if evidence.get("commit") else ""
        ending = f"exit {evidence.get('exit_code')} after {evidence.get('seconds', 0):.1f} s"
        lines.append(f"  {evidence.get('command')}{commit}: {ending}")
        lines += [f"    {line}" for line in evidence.get("lines", [])]
    if bug.github_issue_number or bug.github_sync_error:
        where = bug.github_issue_url or (f"#{bug.github_issue_number}" if bug.github_issue_number else "")
        lines.append(f"  GitHub: {'; '.join(said for said in (where, bug.github_sync_error) if said)}")
    return [*lines, *(["", *bug.description.splitlines()] if bug.description else [])]


def _add(ctx: Context, args: Arguments, console: Console) -> None:
    given = _given(args, fields.CREATE_FEATURE, title=args["TITLE"])
    kind = "feature" if args["feature"] else "bug"
    given.pop("sync_to_github", None)
    title, description = given.pop("title"), given.pop("description", "")
    bug = actions.file(ctx, title, description, kind=kind, sync_to_github=args["--sync"], **given)
    console.answer(bug.as_json(), f"Filed {bug.id}: {bug.title}")
    if bug.github_sync_error:
        console.say(f"jarvis: {bug.github_sync_error}")


def _set(ctx: Context, args: Arguments, console: Console) -> None:
    given = _given(args, fields.CHANGE)
    if not given:
        raise Usage("Say what to set: --title, --description, --status, --priority or --assignee.")
    bug = actions.change(ctx, args["ID"], **given)
    console.answer(bug.as_json(), "\n".join(_lines(bug)[:2]))


def _close(ctx: Context, args: Arguments, console: Console) -> None:
    bug = actions.close(ctx, args["ID"])
    console.answer(bug.as_json(), f"{bug.id} is closed. If it fails again it reopens with its count.")


def _sync(ctx: Context, args: Arguments, console: Console) -> None:
    bug = actions.ask_sync(ctx, args["ID"])
    console.answer(bug.as_json(), f"{bug.id} goes to GitHub as soon as a server gets to it: jarvis bug show {bug.id}")


COMMANDS = {"list": _list, "show": _show, "add": _add, "set": _set, "close": _close, "sync": _sync}
