"""Each point of the checklist, from what the features keep: what did not run for this release is not passed."""

import hashlib
import os
import platform
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import apsw

from jarvis import __version__
from jarvis.archive import launch
from jarvis.backups import store as backups
from jarvis.doctor import actions as doctor
from jarvis.events import store as record
from jarvis.evidence import store
from jarvis.evidence.report import FAILED, NOT_RUN, PASSED, STALE, Point, Report
from jarvis.kernel import events
from jarvis.kernel.clock import SECOND, parse_rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Invalid, NotFound
from jarvis.lockdown import actions as lockdown
from jarvis.system import store as system

FRESH_SECONDS = 14 * 86_400
LARGEST_RESULTS = 64 << 20
SHORTEST_SOAK = 600
"""A soak of fewer seconds says too little to tick the point."""
HOW_TESTS = "PYTEST_ADDOPTS=--junitxml=results.xml make test; jarvis evidence report --tests results.xml"


def gather(ctx: Context, tests: Path | None) -> Report:
    """Everything there is to say about this release here and now. `tests` is a JUnit file of a test run."""
    ctx.require_admin()
    now = ctx.clock()
    points = (
        _tests(tests, now),
        _soak(ctx, now),
        _backup(ctx, now),
        _drill(ctx, now),
        _rollback(ctx, now),
        _rehearsal(ctx, now),
        _doctor(ctx, now),
        _chain(ctx, now),
    )
    return Report(__version__, now, ctx.actor, subject(ctx), points)


def subject(ctx: Context) -> dict[str, Any]:
    """What the evidence is about: this archive, this interpreter, this host, this database."""
    with ctx.db.read() as tx:
        seq, link = events.head(tx)
        schema = system.newest_migration(tx)
    return {
        "version": __version__,
        "archive": _archive(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "schema": schema,
        "events": {"head_seq": seq, "head_hash": link},
    }


def _archive() -> dict[str, Any]:
    """The archive that runs, by its bytes: what stands at its path may be another by now."""
    import json

    held = launch.archive()
    if held is None:
        return {"sha256": None, "note": "run from a checkout, not from an archive"}
    digest, offset = hashlib.sha256(), 0
    while block := os.pread(held.fd, 1 << 20, offset):
        digest.update(block)
        offset += len(block)
    build = json.loads(held.read("BUILD.json"))
    named = {name: build[name] for name in ("commit", "tree") if name in build}
    return {"sha256": digest.hexdigest(), "bytes": offset, **named}


def judged(at: int, now: int, version: str, problem: str | None) -> tuple[str, str]:
    """The state of something that ran then, with that release, and what to add to what it says."""
    if version != __version__:
        return NOT_RUN, f"The last was of {version or 'an unknown release'}, this is {__version__}."
    if now - at > FRESH_SECONDS * SECOND:
        return STALE, "That is more than two weeks ago."
    return (FAILED, problem) if problem else (PASSED, "")


def _tests(path: Path | None, now: int) -> Point:
    name, title = "tests", "Tests"
    if path is None:
        return Point(name, title, NOT_RUN, "No results were given.", HOW_TESTS)
    counts, digest = read_results(path)
    bad = counts["failures"] + counts["errors"]
    said = f"{counts['tests'] - bad - counts['skipped']} of {counts['tests']} passed, {counts['skipped']} skipped."
    at = int(path.stat().st_mtime) * SECOND
    state, more = judged(at, now, __version__, None if not bad and counts["tests"] else f"{bad} failed.")
    if counts["tests"] == counts["skipped"]:
        state, more = NOT_RUN, "Nothing ran."
    return Point(name, title, state, f"{said} {more}".strip(), HOW_TESTS, at, {**counts, "results_sha256": digest})


def read_results(path: Path) -> tuple[dict[str, int], str]:
    """What a JUnit file says, counted from its cases and not from its own sums; and its SHA-256."""
    try:
        if path.stat().st_size > LARGEST_RESULTS:
            raise Invalid(f"{path.name} is larger than test results are.")
        raw = path.read_bytes()
    except OSError as error:
        raise NotFound(f"The test results {path} cannot be read: {error.strerror}.") from error
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Invalid(f"{path.name} is no plain JUnit file.")
    try:
        cases = list(ElementTree.fromstring(raw).iter("testcase"))  # noqa: S314 — entities are refused above
    except ElementTree.ParseError as error:
        raise Invalid(f"{path.name} is no JUnit file: {error}.") from None
    counts = {"tests": len(cases), "failures": 0, "errors": 0, "skipped": 0}
    for case in cases:
        for kind, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            if case.find(kind) is not None:
                counts[key] += 1
                break
    return counts, hashlib.sha256(raw).hexdigest()


def _soak(ctx: Context, now: int) -> Point:
    name, title, how = "soak", "Readiness soak", "jarvis evidence soak --seconds 3600"
    with ctx.db.read() as tx:
        found = store.newest(tx)
    if not found:
        return Point(name, title, NOT_RUN, "No server was watched yet.", how)
    soak = found[0].as_json()
    figures = soak["measured"]
    state, more = judged(found[0].created_at, now, found[0].version, found[0].problem)
    if state == PASSED and figures["seconds"] < SHORTEST_SOAK:
        state, more = NOT_RUN, f"A soak of less than {SHORTEST_SOAK} s says too little."
    said = f"Ready {figures['ready']} of {figures['samples']} times in {figures['seconds']:.0f} s. {more}"
    return Point(name, title, state, said.strip(), how, found[0].created_at, figures | {"url": found[0].url})


def _backup(ctx: Context, now: int) -> Point:
    name, title, how = "backup", "Backup", "jarvis backup create"
    with ctx.db.read() as tx:
        found = backups.newest(tx, 1)
    if not found:
        return Point(name, title, NOT_RUN, "There is no backup.", how)
    newest = found[0]
    state, more = judged(newest.verified_at, now, __version__, newest.problem)
    figures = {
        "id": newest.id,
        "bytes": newest.bytes,
        "sha256": newest.sha256,
        "uploaded": newest.uploaded_at is not None,
    }
    return Point(name, title, state, f"{newest.id} was checked. {more}".strip(), how, newest.verified_at, figures)


def _drill(ctx: Context, now: int) -> Point:
    name, title, how = "restore-drill", "Backup and restore drill", "jarvis backup drill"
    with ctx.db.read() as tx:
        found = backups.newest_drills(tx, 1)
    if not found:
        return Point(name, title, NOT_RUN, "No backup was restored on trial.", how)
    held = found[0]
    state, more = judged(held.created_at, now, held.version, held.problem)
    said = (
        f"{held.backup_id} restored in {held.restore_ms / 1000:.1f} s, ready {held.ready_ms / 1000:.1f} s after. {more}"
    )
    return Point(name, title, state, said.strip(), how, held.created_at, held.as_json())


def _rollback(ctx: Context, now: int) -> Point:
    """A drill says in the record how it went; of which release it was, the start before it says."""
    name, title, how = "rollback-drill", "Rollback drill", "jarvis selfupdate drill"
    with ctx.db.read() as tx:
        held = record.newest(tx, record.Filter(types=("self_update.drill",)), 1)
        started = record.newest(tx, record.Filter(types=("system.start",)), 1, held[0].seq) if held else []
    if not held:
        return Point(name, title, NOT_RUN, "No update was taken back on trial.", how)
    told = held[0].payload()
    version = str(started[0].payload().get("version", "")) if started else ""
    problem = None if told.get("ok") is True else str(told.get("problem") or "It failed.")
    state, more = judged(held[0].at, now, version, problem)
    return Point(name, title, state, f"Took {told.get('seconds')} s. {more}".strip(), how, held[0].at, told)


def _rehearsal(ctx: Context, now: int) -> Point:
    name, title, how = "lockdown-rehearsal", "Lockdown rehearsal", "jarvis lockdown rehearse"
    report = lockdown.last_rehearsal(ctx)
    if report is None:
        return Point(name, title, NOT_RUN, "No lockdown was rehearsed.", how)
    at, leaks = parse_rfc3339(report["at"]), len(report["leaks"])
    state, more = judged(at, now, report["version"], f"{leaks} got through." if leaks else None)
    tried = sum(report["tried"].values())
    return Point(
        name,
        title,
        state,
        f"{tried} things were tried. {more}".strip(),
        how,
        at,
        {"tried": report["tried"], "leaks": leaks},
    )


def _doctor(ctx: Context, now: int) -> Point:
    name, title, how = "doctor", "Doctor", "jarvis doctor"
    found = doctor.look(ctx)
    counts = {severity: sum(f.severity == severity for f in found) for severity in ("error", "warning", "info")}
    bad = [finding.id for finding in found if finding.severity != "info"]
    state = FAILED if bad else PASSED
    said = f"Found: {', '.join(bad)}." if bad else "Nothing is wrong."
    return Point(name, title, state, said, how, now, {**counts, "ids": sorted(finding.id for finding in found)})


def _chain(ctx: Context, now: int) -> Point:
    with ctx.db.read() as tx:
        verdict = events.verify(tx)
    said = verdict.problems[0] + "." if verdict.problems else f"All {verdict.count:,} events follow each other."
    figures = {"events": verdict.count, "head_seq": verdict.head_seq, "head_hash": verdict.head_hash}
    state = FAILED if verdict.problems else PASSED
    return Point("record", "Record of events", state, said, "jarvis events verify", now, figures)
