"""Find what is wrong with this installation, and mend it.

Usage:
  jarvis doctor [--fix [--dry-run]]
  jarvis doctor --undo ID

Options:
  --fix      make what is missing (home, settings file, database, setup link), close what is too open
  --dry-run  show what --fix would make different, and do nothing
  --undo ID  put back one change that --fix made

Exits 1 when an error is left. Each finding has an id that stays. Also takes --json and --as USER.
"""

import os
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from jarvis.doctor import actions, remedies
from jarvis.doctor.examine import examine, headline, of_settings
from jarvis.doctor.findings import Finding, Patient
from jarvis.kernel import migrate
from jarvis.kernel.config import Settings
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, Misconfigured, Usage
from jarvis.system import server

SHOWN_DIFF = 12


@dataclass
class Visit:
    """What a run of doctor did and found."""

    findings: list[Finding]
    planned: list[str] = field(default_factory=list)
    diffs: list[list[str]] = field(default_factory=list)
    """For each thing planned what it would make different, as lines."""
    done: list[dict[str, Any]] = field(default_factory=list)
    setup_link: str | None = None

    @property
    def is_ok(self) -> bool:
        return all(finding.severity != "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"ok": self.is_ok, "findings": [finding.as_json() for finding in self.findings]}
        shown |= {"planned": self.planned, "diffs": self.diffs, "fixed": self.done}
        return shown | ({"setup_link": self.setup_link} if self.setup_link else {})

    def as_text(self) -> str:
        lines = []
        for planned, diff in zip_longest(self.planned, self.diffs, fillvalue=()):
            lines += [f"would {planned}", *(f"    {line}" for line in diff[:SHOWN_DIFF])]
            lines += [f"    … {len(diff) - SHOWN_DIFF} more lines"] if len(diff) > SHOWN_DIFF else []
        lines += [f"did: {done['did']}  (undo: jarvis doctor --undo {done['id']})" for done in self.done]
        if self.setup_link:
            lines += ["", "Open this link once, within a day, to make the first admin:", f"  {self.setup_link}", ""]
        lines.append(headline(self.findings))
        for finding in self.findings:
            lines += [f"{finding.severity:<8} {finding.id}: {finding.message}", f"{'':8} fix: {finding.fix}"]
        return "\n".join(lines)


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `doctor` command; returns its exit code."""
    if args["--undo"]:
        did = actions.undo(start.context(), args["--undo"])
        console.answer({"id": args["--undo"], "did": did}, f"Put back: {did}.")
        return 0
    if args["--dry-run"] and not args["--fix"]:
        raise Usage("--dry-run goes with --fix.")
    visit = _visit(start, is_fixing=args["--fix"], is_rehearsal=args["--dry-run"])
    console.answer(visit.as_json(), visit.as_text())
    return 0 if visit.is_ok else 1


def _visit(start: Start, *, is_fixing: bool, is_rehearsal: bool) -> Visit:
    try:
        settings = start.settings
    except Misconfigured as error:
        return Visit(of_settings(error))
    visit = Visit(examine(_patient(start, settings)))
    if is_rehearsal:
        planned = remedies.remedies(visit.findings)
        visit.planned = [remedy.says for remedy in planned]
        visit.diffs = [remedies.diff(remedy) for remedy in planned]
        visit.planned += ["make a setup link"] if _wants_link(visit.findings) else []
    elif is_fixing:
        _mend(start, settings, visit)
    return visit


def _patient(start: Start, settings: Settings) -> Patient:
    return Patient(settings, start.clock, _context(start, settings))


def _context(start: Start, settings: Settings) -> Context | None:
    """The database when it can be used as it is; looking makes none."""
    try:
        fits = os.access(settings.app_db, os.R_OK | os.W_OK) and migrate.standing(settings.app_db).is_current
    except JarvisError:
        return None
    if not fits:
        return None
    ctx = start.context()
    ctx.require_admin()
    return ctx


def _wants_link(findings: list[Finding]) -> bool:
    """Whether nobody is there yet: by the finding, or because there is no database to hold anybody."""
    wanted = ("no-admin", "database-missing")
    return any(finding.id in wanted and finding.is_mendable for finding in findings)


def _mend(start: Start, settings: Settings, visit: Visit) -> None:
    done = [actions.Done(remedy, remedies.apply(remedy, start.clock)) for remedy in remedies.remedies(visit.findings)]
    ctx = _context(start, settings)
    if ctx is not None:
        visit.done = [actions.keep(ctx, change).as_json() for change in done]
        visit.setup_link = actions.setup_link(ctx, _address(settings))
    visit.findings = examine(Patient(settings, start.clock, ctx))


def _address(settings: Settings) -> str:
    running = server.running(settings)
    return running.url if running and running.url else f"http://{settings.bind_host}:{settings.bind_port}"
