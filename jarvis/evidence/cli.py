"""Evidence for a release: watch a server, then write down everything that was measured.

Usage:
  jarvis evidence soak [--seconds N] [--url URL]
  jarvis evidence report [--tests FILE] [--output DIR]

Options:
  --seconds N   how long the server is watched [default: 3600]
  --url URL     the server to watch; without it, the one that runs on this home
  --tests FILE  results of a test run, as pytest --junitxml writes them
  --output DIR  where the report is written; without it, $JARVIS_HOME/evidence

`soak` asks /readyz each second: how often it was ready, how fast it answered, how the worker's memory and loops did. It
exits 1 when that was not good. `report` writes the release checklist with what was measured of this release in the
last two weeks, as JSON and as Markdown: tests, soak, backup, restore drill, rollback drill, lockdown rehearsal, doctor,
the record, versions and hashes. What did not run is not passed; exits 1 while a point is open.

Every command also takes --json and --as USER.
"""

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from jarvis.evidence import actions, points
from jarvis.evidence.soaking import Sample, Watch
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Unavailable, Usage
from jarvis.system import actions as system

LONGEST_SECONDS = 7 * 86_400


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `evidence` command; returns its exit code."""
    ctx = start.context(registry=True).traced()
    ctx.require_admin()
    return _soak(ctx, args, console) if args["soak"] else _report(ctx, args, console)


def _soak(ctx: Context, args: Arguments, console: Console) -> int:
    if not args["--seconds"].isdecimal() or not 1 <= int(args["--seconds"]) <= LONGEST_SECONDS:
        raise Usage(f"--seconds takes a whole number from 1 to {LONGEST_SECONDS}.")
    seconds = int(args["--seconds"])
    watch = _watch(ctx, args["--url"])
    console.say(f"Watching {watch.url} for {seconds} s; Ctrl-C ends it, and then it has not passed.")

    def tell(sample: Sample) -> None:
        if sample.status != 200:
            console.say(f"{sample.second:.0f} s: not ready: {', '.join(sample.failing) or sample.status}")

    kept = actions.soak(ctx, watch, seconds, tell)
    told = kept.as_json()
    figures, took = told["measured"], told["measured"]["milliseconds"]
    text = (
        f"Ready {figures['ready']} of {figures['samples']} times in {figures['seconds']:.0f} s; answered in"
        f" {took['median']} ms (99 %: {took['p99']}, longest {took['longest']}).\n{kept.problem or 'It passed.'}"
    )
    console.answer(told, text)
    return 1 if kept.problem else 0


def _watch(ctx: Context, url: str | None) -> Watch:
    if url:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise Usage("--url takes an address such as http://127.0.0.1:8000.")
        return Watch(url.rstrip("/"), ctx.registry.outbound, time.monotonic)
    found = system.status(ctx).get("server")
    if not found or not re.fullmatch(r"http://[\w.:\[\]-]+", found["url"]):
        raise Unavailable("No server runs on this home. Start one (jarvis serve), or name one with --url.")
    return Watch(found["url"], ctx.registry.outbound, time.monotonic, found["pid"] or None)


def _report(ctx: Context, args: Arguments, console: Console) -> int:
    tests = Path(args["--tests"]).expanduser().absolute() if args["--tests"] else None
    folder = Path(args["--output"]).expanduser().absolute() if args["--output"] else None
    report = points.gather(ctx, tests)
    data, text = actions.write(ctx, report, folder)
    rows = [(point.title, point.state, point.said) for point in report.points]
    table = console.table(rows, ("point", "state", "what was found"), "")
    verdict = "Every point passed." if report.is_ok else f"{len(report.open_points)} points are open."
    told = report.as_json() | {"files": [str(data), str(text)]}
    console.answer(told, f"{table}\n{verdict}\n{data}\n{text}")
    return 0 if report.is_ok else 1
