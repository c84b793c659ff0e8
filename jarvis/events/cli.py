"""The record of everything that happened.

Usage:
  jarvis events tail [--follow] [--count N] [options]
  jarvis events search WORDS... [--count N] [options]
  jarvis events verify
  jarvis events export [options]

Options:
  --follow, -f      go on with what happens, until interrupted
  --count N, -n N   how many to begin with [default: 20]
  --type PREFIX     only types that begin so, such as auth. or task.failed
  --actor NAME      only what this one did
  --trace ID        only this trace
  --thread ID       only this conversation
  --since TIME      from then on: RFC 3339, or 15m, 24h, 7d ago
  --until TIME      until then

`verify` recomputes the chain of hashes and exits 1 when it does not hold. `tail --follow` and `export`
write one JSON object a line with --json; `export` always does. Every command also takes --json and --as USER.
"""

import contextlib
import json
from collections.abc import Iterable

from jarvis.events import actions, filters, sentences, store, traces
from jarvis.events.store import Filter
from jarvis.kernel import events
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Usage
from jarvis.kernel.events import Event
from jarvis.kernel.log import one_line

FOR_EVER = 3600.0
DEAF_SECONDS = 1.0
"""How long to wait between looks where other processes cannot tell us."""


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `events` command; returns its exit code."""
    ctx = start.context()
    if args["verify"]:
        return _verify(ctx, console)
    wanted = _wanted(ctx, args)
    if args["export"]:
        _lines(actions.stream(ctx, wanted), Console(True, console.out, console.err))
    elif args["--follow"]:
        _follow(ctx, wanted, _count(args), console)
    else:
        _show(ctx, wanted, _count(args), console)
    return 0


def _wanted(ctx: Context, args: Arguments) -> Filter:
    asked = {name: args[f"--{name}"] for name in ("type", "actor", "since", "until")}
    asked |= {"trace_id": args["--trace"], "thread_id": args["--thread"]}
    return filters.wanted(ctx, asked | {"q": " ".join(args["WORDS"])} if args["search"] else asked)


def _count(args: Arguments) -> int:
    text = args["--count"]
    if not text.isdecimal() or int(text) > 10_000:
        raise Usage("--count takes a whole number up to 10000.")
    return int(text)


def _show(ctx: Context, wanted: Filter, count: int, console: Console) -> None:
    with ctx.db.read() as tx:
        found = store.newest(tx, wanted, count + 1)
    shown = found[:count][::-1]
    rows = [(_at(event), event.type, event.actor, sentences.summary(event)) for event in shown]
    text = console.table(rows, ("at", "type", "actor", "what"), "Nothing like that is recorded.")
    following = str(shown[0].seq) if len(found) > count and shown else None
    items = [traces.shown(event) for event in reversed(shown)]
    console.answer({"items": items, "next": following}, text)


def _follow(ctx: Context, wanted: Filter, count: int, console: Console) -> None:
    listener = ctx.db.wake.listen(ctx.settings.jarvis_home / "run")
    with contextlib.closing(listener):
        with ctx.db.read() as tx:
            shown = store.newest(tx, wanted, count)[::-1]
            tail = actions.Tail(ctx.db, wanted, store.newest_seq(tx))
        _lines(shown, console)
        while True:
            _lines(tail.step(DEAF_SECONDS if listener.is_deaf else FOR_EVER), console)


def _lines(found: Iterable[Event], console: Console) -> None:
    for event in found:
        if console.is_json:
            console.write(json.dumps(traces.shown(event), ensure_ascii=False) + "\n")
        else:
            line = f"{_at(event)}  {event.type:<22}  {event.actor:<12}  {sentences.summary(event)}"
            console.write(one_line(line) + "\n")


def _at(event: Event) -> str:
    return rfc3339(event.at)[:19].replace("T", " ") + "Z"


def _verify(ctx: Context, console: Console) -> int:
    ctx.require_admin()
    with ctx.db.read() as tx:
        found = events.verify(tx)
    shown = {
        "ok": not found.problems,
        "count": found.count,
        "first_seq": found.first_seq,
        "head_seq": found.head_seq,
        "head_hash": found.head_hash,
        "blanked": found.blanked,
        "problems": list(found.problems),
    }
    blanked = f", {found.blanked:,} blanked on purpose" if found.blanked else ""
    if found.problems:
        lines = [f"The chain is broken: {len(found.problems)} problems in {found.count:,} events.", *found.problems]
        console.answer(shown, "\n  ".join(lines))
        return 1
    head = f"head: event {found.head_seq:,}, {found.head_hash}" if found.count else "nothing is recorded yet"
    console.answer(shown, f"The chain is intact: {found.count:,} events{blanked}.\n{head}")
    return 0
