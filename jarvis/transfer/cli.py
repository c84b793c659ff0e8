"""Take what was made here elsewhere, without any secret.

Usage:
  jarvis export FILE
  jarvis import FILE [--dry-run]

Options:
  --dry-run  say what would change, and change nothing

`export` writes people's names, settings that were set, permissions, conversations, bugs and schedules into one new
file, readable by you alone. No password, key, token or session is in it, and what looks like one is blanked.
`import` adds what is missing here, all of it or nothing; taken up twice it changes nothing. Only permissions replace
what is there. People come without a password and never as admins; schedules come paused (jarvis schedule resume);
settings that differ are told, not written.

Every command also takes --json and --as USER.
"""

from pathlib import Path

from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.errors import NotFound
from jarvis.transfer import actions
from jarvis.transfer.actions import Taken


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out `export` or `import`; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    path = Path(args["FILE"])
    if args["export"]:
        counts = actions.export(ctx, path)
        told = ", ".join(f"{count:,} {part}" for part, count in counts.items())
        console.answer({"path": str(path), "rows": counts}, f"Wrote {path}: {told}.")
        return 0
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    taken = actions.take(ctx, path, is_rehearsal=args["--dry-run"])
    console.answer(taken.as_json() | {"dry_run": args["--dry-run"]}, _told(taken, is_rehearsal=args["--dry-run"]))
    return 0


def _told(taken: Taken, *, is_rehearsal: bool) -> str:
    verb = "would " if is_rehearsal else "did: "
    lines = [f"{verb}{change}" for change in taken.changes]
    more = taken.count - taken.added["messages"] - len(taken.changes)
    lines += [f"{verb}{more} more"] if more > 0 else []
    lines += [f"{verb}add {taken.added['messages']:,} messages"] if taken.added["messages"] else []
    lines += [f"differs, set it by hand if it is wanted here: {line}" for line in taken.settings]
    kept = sum(count for part, count in taken.kept.items() if part != "settings")
    return "\n".join([*lines, f"{taken.count:,} new, {kept:,} here already." if lines or kept else "Nothing is in it."])
