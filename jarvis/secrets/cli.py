"""Find secrets where they should not be, see how those in use stand, and put new ones in their place.

Usage:
  jarvis secrets scan [PATH] [--no-history]
  jarvis secrets status
  jarvis secrets rotate NAME [WHICH] [--overlap HOURS] [--value-stdin]
  jarvis secrets rotate NAME --finish

Options:
  --no-history     do not read what earlier commits of the repository hold
  --overlap HOURS  how long the old one is good beside the new; 0 for a secret that leaked [default: 24]
  --value-stdin    take a value that was made elsewhere from the first line of standard input
  --finish         let go of the old webhook secret

`scan PATH` reads the files there and the history of their repository; without PATH it reads WORKSPACE with its history,
the home, the patches and the database. Exits 1 when anything is found. A line that says `secrets:allow` may stand, and
so may what a file `.secretsallow` there names by its fingerprint; the value of a secret in use may stand nowhere.
Compressed files, and folders such as .venv and node_modules, are not opened.

NAME is one that `status` lists, or the name of its setting: sessions, api-token (with WHICH: its name or id),
unlock-code and github-webhook are made here; the others are made where it says, and handed over with --value-stdin.

Every command also takes --json and --as USER.
"""

from pathlib import Path

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import NotFound, Usage
from jarvis.secrets import kinds
from jarvis.secrets.actions import looking, rotating, standing
from jarvis.secrets.actions.rotating import Rotated
from jarvis.secrets.actions.standing import Standing
from jarvis.secrets.findings import Report
from jarvis.secrets.kinds import Kind

LONGEST_OVERLAP = 24 * 30
SHOWN_LEFT_OUT = 20


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `secrets` command; returns its exit code."""
    if args["scan"]:
        return _scan(start, args, console)
    ctx = start.context().traced()
    ctx.require_admin()
    if args["status"]:
        return _status(ctx, console)
    rotated = _rotate(ctx, args, console)
    console.answer(rotated.as_json(), "\n".join(filter(None, (rotated.secret, rotated.says))))
    return 0


def _scan(start: Start, args: Arguments, console: Console) -> int:
    with_history = not args["--no-history"]
    if args["PATH"]:
        report = looking.scan_path(start.settings, Path(args["PATH"]), with_history=with_history)
    else:
        report = looking.scan_all(start.context().traced(), with_history=with_history)
    console.answer(report.as_json(), _told(report, console))
    return 1 if report.findings else 0


def _told(report: Report, console: Console) -> str:
    rows = [(finding.where, finding.rule, finding.says, finding.fingerprint) for finding in report.findings]
    count = len(rows)
    found = console.table(rows, ("where", "rule", "what", "fingerprint"), "No secrets were found.")
    read = [f"{report.files:,} files", f"{report.commits:,} commits with {report.contents:,} contents"]
    read += [f"{report.rows:,} rows of the database"] if report.rows else []
    lines = [found, f"{count} found in {', '.join(read)}; {report.allowed} let stand."]
    lines += [f"not read: {what}" for what in report.left_out[:SHOWN_LEFT_OUT]]
    hidden = len(report.left_out) - SHOWN_LEFT_OUT
    return "\n".join(lines + ([f"not read: {hidden} more; see --json"] if hidden > 0 else []))


def _status(ctx: Context, console: Console) -> int:
    standing.note(ctx)
    found = standing.standings(ctx)
    rows = [_row(one) for one in found]
    heads = ("secret", "setting", "set", "from", "age", "last used", "says")
    console.answer({"items": [one.as_json() for one in found]}, console.table(rows, heads, ""))
    return 0


def _row(one: Standing) -> tuple[str, ...]:
    is_counted = one.kind.name in (kinds.SESSIONS, kinds.TOKEN)
    number = str(one.count) if is_counted else "yes" if one.is_set else "no"
    age = "" if one.days is None else f"{one.days} d"
    used = rfc3339(one.last_used_at) if one.last_used_at else ""
    return one.kind.name, one.kind.setting, number, one.source, age, used, one.says


def _rotate(ctx: Context, args: Arguments, console: Console) -> Rotated:
    kind = kinds.find(args["NAME"])
    if kind is None:
        raise NotFound(f"There is no secret {args['NAME']}. There are: {', '.join(k.name for k in kinds.KINDS)}")
    if args["WHICH"] and kind.name != kinds.TOKEN:
        raise Usage("Only api-token takes a second name.")
    if args["--finish"]:
        if kind.name != kinds.WEBHOOK:
            raise Usage("--finish goes with github-webhook.")
        return rotating.finish_webhook(ctx)
    if args["--value-stdin"]:
        if not kind.setting:
            raise Usage(f"{kind.name} is made here and takes no value.")
        return rotating.replace(ctx, kind, console.password(from_stdin=True))
    return _make(ctx, kind, args)


def _make(ctx: Context, kind: Kind, args: Arguments) -> Rotated:
    match kind.name:
        case kinds.SESSIONS:
            return rotating.rotate_sessions(ctx)
        case kinds.CODE:
            return rotating.rotate_code(ctx)
        case kinds.WEBHOOK:
            return rotating.rotate_webhook(ctx, _hours(args["--overlap"]))
        case kinds.TOKEN if args["WHICH"]:
            return rotating.rotate_token(ctx, args["WHICH"], _hours(args["--overlap"]))
        case kinds.TOKEN:
            raise Usage("Which token? jarvis secrets rotate api-token NAME-OR-ID; see: jarvis token list")
    raise rotating.elsewhere(kind)


def _hours(text: str) -> int:
    if not text.isdecimal() or int(text) > LONGEST_OVERLAP:
        raise Usage(f"--overlap takes a whole number of hours from 0 to {LONGEST_OVERLAP}.")
    return int(text)
