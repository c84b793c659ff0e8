"""Restart the server that runs on this home.

Usage:
  jarvis restart [--wait] [--timeout SECONDS] [REASON]

Options:
  --wait             until the new server is ready, or has said that it is not
  --timeout SECONDS  how long to wait at most [default: 120]

Running work gets RESTART_DRAIN_TIMEOUT_SECONDS, then goes back to the queue. Exits 69 when no server runs here, 65 in a
lockdown or when a restart is under way, and with --wait 1 when the restart failed and 75 when it is not over in time.

The command also takes --json and --as USER.
"""

import contextlib
import time

from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import TryAgain, Usage
from jarvis.restart import actions, store
from jarvis.restart.store import Restart

LOOK_SECONDS = 1.0


def run(start: Start, args: Arguments, console: Console) -> int:
    """Ask for the restart; returns the exit code."""
    ctx = start.context().traced()
    if not args["--timeout"].isdecimal():
        raise Usage(f"--timeout takes whole seconds, not {args['--timeout']!r}.")
    found = actions.request(ctx, args["REASON"] or "")
    if args["--wait"]:
        found = _ended(ctx, found, int(args["--timeout"]))
    console.answer(found.as_json(), actions.sentence(found))
    return 1 if found.state == "failed" else 0


def _ended(ctx: Context, found: Restart, seconds: int) -> Restart:
    deadline = time.monotonic() + seconds
    with contextlib.closing(ctx.db.wake.listen(ctx.settings.jarvis_home / "run")):
        while True:
            seen = ctx.db.wake.count
            with ctx.db.read() as tx:
                now = store.get(tx, found.seq)
            if now.is_over:
                return now
            left = deadline - time.monotonic()
            if left <= 0:
                raise TryAgain(f"The restart is not over after {seconds} s: it is {now.state}. See jarvis status")
            ctx.db.wake.wait(seen, min(LOOK_SECONDS, left))
