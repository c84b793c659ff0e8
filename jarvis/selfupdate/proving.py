"""Proves a candidate: builds it with the archive that runs, and runs it in a cage; the parent alone judges."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jarvis.archive import build
from jarvis.archive.build import Built
from jarvis.archive.container import Archive
from jarvis.archive.smoke import unpack
from jarvis.archive.sources import BuildError, Source
from jarvis.kernel import scrub
from jarvis.kernel.sandbox import Outcome
from jarvis.selfupdate.caged import Caged, last_lines, why_not
from jarvis.selfupdate.canary import Canary, Patience, Verdict

BUILD, VERSION, MIGRATIONS, CANARY = "Build", "Version", "Migrations", "Canary"
DOCTOR, WHOLE, SMOKE, THEIRS, NAMED = "Doctor", "Self-check", "Smoke tests", "Baseline's smoke tests", "Named tests"
BASELINE = "Baseline on the copy"
QUICK_SECONDS, TESTS_SECONDS = 60.0, 180.0
NEEDS = re.compile(rb"^\s*(?:import|from)\s+(hypothesis|schemathesis|playwright|axe_playwright_python)\b", re.MULTILINE)
"""What the tests of a checkout may use and an archive does not carry."""
SMOKE_TESTS = "tests/smoke"
SEVERE = "error"
NONE_COLLECTED = 5


class Refuted(Exception):
    """A step did not go as it must; says what was seen."""

    def __init__(self, why: str, saw: list[str] | None = None) -> None:
        super().__init__(why)
        self.saw = saw or []


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was tried, how it went, how long that took and the last that was seen."""

    name: str
    ok: bool
    detail: str
    seconds: float
    saw: list[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
            "saw": self.saw,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be proven, and with what."""

    source: Source
    """The patched tree."""
    running: Archive
    """The archive this process runs from: its builder, its dependencies, its code as the baseline."""
    folder: Path
    """A private directory to work in; `jarvis.db` in it is the scrubbed copy."""
    target: Path
    """Where the candidate is put."""
    tests: tuple[str, ...]
    """Test files the evidence names."""
    patience: Patience
    version: str
    """Of what runs."""


@dataclass
class Proof:
    """One run of every step, in order; it ends at the first that fails. Raises Cancelled."""

    plan: Plan
    caged: Caged
    tell: Callable[[list[Step], str], None]
    """Told the steps so far and what is being done now."""
    steps: list[Step] = field(default_factory=list)
    built: Built | None = None
    _canary: Canary | None = None
    _before: scrub.Condition | None = None

    def run(self) -> bool:
        """Whether every step went well."""
        try:
            return all(self._step(name, act) for name, act in self._order())
        finally:
            if self._canary is not None:
                self._canary.stop()

    def _order(self) -> Iterable[tuple[str, Callable[[], str]]]:
        """The canary is started early and judged late: it has to stay well for a while, and that costs nothing so."""
        yield BUILD, self._build
        yield VERSION, self._version
        yield MIGRATIONS, self._migrations
        self._start_canary()
        yield WHOLE, self._whole
        yield DOCTOR, self._doctor
        yield SMOKE, self._smoke
        yield THEIRS, self._their_smoke
        if any(not name.startswith(SMOKE_TESTS) for name in self.plan.tests):
            yield NAMED, self._named
        yield CANARY, self._canary_verdict
        yield BASELINE, self._baseline

    def _step(self, name: str, act: Callable[[], str]) -> bool:
        self.tell(self.steps, f"{name} …")
        began = time.perf_counter()
        try:
            ok, detail, saw = True, act(), list[str]()
        except Refuted as refuted:
            ok, detail, saw = False, str(refuted), refuted.saw
        self.steps.append(Step(name, ok, detail, time.perf_counter() - began, saw))
        self.tell(self.steps, f"{name}: {'passed' if ok else 'failed'}")
        return ok

    def _build(self) -> str:
        plan = self.plan
        try:
            built = build.build(plan.source, build.from_archive(plan.running, plan.source))
            build.write(built, plan.target, checkers=())
        except (BuildError, UnicodeDecodeError) as error:
            lines = str(error).splitlines()
            raise Refuted(lines[-1].strip() if lines else "it cannot be built", lines) from None
        self.built = built
        _copy_running(plan.running, self._baseline_path)
        return f"{built.version}, {len(built.data) / 1e6:.1f} MB, sha256 {built.sha256[:12]}…, no network"

    @property
    def _baseline_path(self) -> Path:
        return self.plan.folder / "baseline.pyz"

    def _version(self) -> str:
        built = self._made()
        wanted = f"jarvis {built.version} (tree {built.tree[:12]})"
        said = self._well(self.plan.target, ["--version"], QUICK_SECONDS)
        if said.output.decode("utf-8", "replace").strip() != wanted:
            raise Refuted(f"it should say {wanted!r} and says something else", last_lines(said.output))
        return wanted

    def _made(self) -> Built:
        assert self.built is not None
        return self.built

    def _well(self, archive: Path, words: list[str], seconds: float, home: Path | None = None) -> Outcome:
        """A command that has to end well; raises Refuted when it does not."""
        outcome = self.caged.run(archive, words, home or self._home("scratch"), seconds)
        why = why_not(outcome, seconds)
        if why:
            raise Refuted(why, last_lines(outcome.output))
        return outcome

    def _home(self, name: str) -> Path:
        """A private home; `canary` and `doctor` have the copy of the database in them."""
        home = self.plan.folder / name
        home.mkdir(mode=0o700, exist_ok=True)
        return home

    def _migrations(self) -> str:
        copy = self.plan.folder / "jarvis.db"
        self._before = scrub.condition(copy)
        home = self._home("canary")
        copy.rename(home / "jarvis.db")
        self._well(self.plan.target, ["migrate"], QUICK_SECONDS, home)
        after = self._require_sound(home / "jarvis.db")
        shutil.copytree(home, self._home("doctor"), dirs_exist_ok=True, ignore=shutil.ignore_patterns("run", "tmp"))
        new = len(after.newest) - len(self._before.newest)
        counted = sum(self._before.rows.values())
        return f"{new or 'no'} new, {counted:,} rows are all there, the file is sound"

    def _require_sound(self, path: Path) -> scrub.Condition:
        assert self._before is not None
        after = scrub.condition(path)
        lost = "" if after.problem else scrub.losses(self._before, after)
        if after.problem or lost:
            raise Refuted(f"the database is damaged: {after.problem}" if after.problem else f"it lost {lost}")
        return after

    def _start_canary(self) -> None:
        self._canary = Canary(
            self.caged, self.plan.target, self._home("canary"), self.plan.patience, self._made().version
        )
        self._canary.start()

    def _canary_verdict(self) -> str:
        assert self._canary is not None
        canary, self._canary = self._canary, None
        verdict = _require(canary.verdict())
        self._require_sound(self._home("canary") / "jarvis.db")
        return f"{verdict.detail}, on a scrubbed copy"

    def _whole(self) -> str:
        said = self._well(self.plan.target, ["--self-check"], QUICK_SECONDS)
        return (last_lines(said.output) or ["every module imports"])[-1]

    def _doctor(self) -> str:
        found = self._severe(self.plan.target)
        if not found:
            return "no errors"
        fresh = {name: told for name, told in found.items() if name not in self._severe(self._baseline_path)}
        if fresh:
            raise Refuted("; ".join(f"{name}: {told}" for name, told in fresh.items())[:600])
        return f"no errors that {self.plan.version} does not find as well"

    def _severe(self, archive: Path) -> dict[str, str]:
        """What doctor calls an error, by its id."""
        outcome = self.caged.run(archive, ["doctor", "--json"], self._home("doctor"), QUICK_SECONDS)
        try:
            found = json.loads(outcome.output)["findings"]
            return {str(f["id"])[:80]: str(f["message"])[:200] for f in found if f["severity"] == SEVERE}
        except (ValueError, KeyError, TypeError, RecursionError):
            why = why_not(outcome, QUICK_SECONDS) or "its answer makes no sense"
            raise Refuted(why, last_lines(outcome.output)) from None

    def _smoke(self) -> str:
        return self._tested(["--run-tests", "-q", SMOKE_TESTS])

    def _their_smoke(self) -> str:
        """The tests of what runs, on the candidate: it cannot have changed these."""
        tree = self.plan.folder / "baseline-src"
        unpack(self.plan.running.nested("src.zip"), tree)
        return self._tested(["--run-tests", "-q", "--rootdir", str(tree), str(tree / SMOKE_TESTS)])

    def _named(self) -> str:
        there, left = self._runnable()
        if not there:
            return (
                f"none of them can run here: {left}" if left else "none but the smoke tests is a file of the candidate"
            )
        try:
            said = self._tested(["--run-tests", "-q", *there])
        except Refuted as refuted:
            if not self._fails_as_well(there):
                raise
            return f"they fail with {self.plan.version} too, so they prove nothing: {refuted}"
        return f"{said}{f'; left out: {left}' if left else ''}"

    def _runnable(self) -> tuple[list[str], str]:
        """The named files that are there and need nothing an archive lacks; and why others are left out."""
        there, left = [], []
        for path in dict.fromkeys(name.partition("::")[0] for name in self.plan.tests):
            if path.startswith(SMOKE_TESTS):
                continue  # they are run anyhow
            content = self.plan.source.files.get(path)
            need = NEEDS.search(content) if content is not None else None
            if need is not None:
                left.append(f"{path} needs {need[1].decode()}")
            elif content is not None:
                there.append(path)
        return there, ", ".join(left)

    def _fails_as_well(self, paths: list[str]) -> bool:
        known = [path for path in paths if (self.plan.folder / "baseline-src" / path).is_file()]
        if len(known) < len(paths):
            return False  # new tests have to pass
        words = ["--run-tests", "-q", *known]
        outcome = self.caged.run(self._baseline_path, words, self._home("scratch"), TESTS_SECONDS)
        return bool(why_not(outcome, TESTS_SECONDS))

    def _tested(self, words: list[str]) -> str:
        outcome = self.caged.run(self.plan.target, words, self._home("scratch"), TESTS_SECONDS)
        why = why_not(outcome, TESTS_SECONDS)
        seen = last_lines(outcome.output)
        if outcome.exit_code == NONE_COLLECTED and not outcome.killed_for:
            raise Refuted("there is not one test in it", seen)
        if why:
            failing = next((line for line in seen if line.startswith(("FAILED", "ERROR"))), "")
            raise Refuted(failing or why, seen)
        return "all pass"

    def _baseline(self) -> str:
        """What runs now must be able to go on with what the candidate has made of the database."""
        canary = Canary(
            self.caged,
            self._baseline_path,
            self._home("canary"),
            Patience(self.plan.patience.ready_seconds, 0.0),
            self.plan.version,
        )
        canary.start()
        verdict = _require(canary.verdict())
        return f"{self.plan.version} gets ready in {verdict.ready_seconds:.1f} s on what the candidate left"


def _require(verdict: Verdict) -> Verdict:
    if not verdict.ok:
        raise Refuted(verdict.detail, verdict.saw)
    return verdict


def _copy_running(archive: Archive, target: Path) -> None:
    """The very bytes this process runs from, whatever its path leads to now."""
    at = 0
    with target.open("xb") as file:
        while chunk := os.pread(archive.fd, 1 << 20, at):
            file.write(chunk)
            at += len(chunk)
