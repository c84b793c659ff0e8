"""Bugs on disk: the row, and every statement that touches it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from jarvis.kernel import words
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

KINDS = ("bug", "feature")
STATUSES = ("open", "in_progress", "resolved", "closed")
PRIORITIES = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Bug:
    """Something wrong, or (kind "feature") wanted. `evidence` is JSON text of the last failure."""

    seq: int
    id: str
    kind: str
    title: str
    description: str
    status: str
    priority: str
    reporter_id: str | None
    assignee: str | None
    thread_id: str | None
    trace_id: str
    fingerprint: str | None
    occurrences: int
    runs: int
    green_runs: int
    has_recurred: bool
    evidence: str
    last_seen_at: int
    created_at: int
    updated_at: int
    is_sync_wanted: bool
    github_issue_number: int | None
    github_issue_url: str | None
    github_synced_at: int | None
    github_sync_error: str | None
    source: str | None
    """What it was found by; every run of that counts for the bug."""

    def evidence_of(self) -> dict[str, Any]:
        """Command, exit code, commit and telling lines of the last failure; empty when filed by hand."""
        value: dict[str, Any] = json.loads(self.evidence) if self.evidence else {}
        return value

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def rate(self) -> str:
        """In how many runs it was seen: "3 of 9 runs"; empty when nothing runs for it."""
        return f"{self.occurrences} of {self.runs} runs" if self.fingerprint else ""

    def as_json(self) -> dict[str, Any]:
        plain = (
            "id kind title description status priority reporter_id assignee thread_id trace_id fingerprint"
            " occurrences github_issue_number github_issue_url github_sync_error"
        )
        shown: dict[str, Any] = {name: getattr(self, name) for name in plain.split()}
        shown |= {"runs": self.runs, "green_runs": self.green_runs, "recurred": bool(self.has_recurred)}
        shown["flake_rate"] = self.rate or None
        for name in ("last_seen_at", "created_at", "updated_at", "github_synced_at"):
            at = getattr(self, name)
            shown[name] = rfc3339(at) if at is not None else None
        shown["evidence"] = self.evidence_of() or None
        return shown


COLUMNS = (
    "seq, id, kind, title, description, status, priority, reporter_id, assignee, thread_id, trace_id, fingerprint,"
    " occurrences, runs, green_runs, has_recurred, evidence, last_seen_at, created_at, updated_at, is_sync_wanted,"
    " github_issue_number, github_issue_url, github_synced_at, github_sync_error, source"
)
LAST = 2**62
ACTIVE = ("open", "in_progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which bugs to show; empty means any. `status` may be "active": open or in progress."""

    kind: str = ""
    status: str = ""
    priority: str = ""
    reporter_id: str = ""
    query: str = ""
    """Words as somebody typed them."""

    def cuts(self) -> Iterator["Filter"]:
        """The same as one or more filters of which each is a single walk down an index."""
        statuses: tuple[str, ...] = ACTIVE if self.status == "active" else (self.status,)
        kinds: tuple[str, ...] = (self.kind,)
        priorities: tuple[str, ...] = (self.priority,)
        if self.reporter_id and (self.kind or self.status or self.priority):  # see bugs_by_reporter_cut
            kinds, priorities = kinds if self.kind else KINDS, priorities if self.priority else PRIORITIES
            statuses = statuses if self.status else STATUSES
        for kind, status, priority in product(kinds, statuses, priorities):
            yield replace(self, kind=kind, status=status, priority=priority)

    def conditions(self) -> list[str]:
        names = ("kind", "status", "priority", "reporter_id")
        return [f"{name} = :{name}" for name in names if getattr(self, name)]

    def fits(self, bug: Bug) -> bool:
        """Whether a bug passes everything but the words."""
        is_state = not self.status or (bug.is_active if self.status == "active" else bug.status == self.status)
        names = ("kind", "priority", "reporter_id")
        return is_state and all(getattr(self, n) in ("", getattr(bug, n)) for n in names)

    def match(self) -> str:
        """The words and the filters as one full-text query, or "" when nothing can match."""
        asked = words.parse(self.query)
        if not asked:
            return ""
        statuses = ACTIVE if self.status == "active" else (self.status,) if self.status else ()
        tags = [_tag("kind", self.kind), _tag("priority", self.priority), _tag("reporter", self.reporter_id)]
        either = " OR ".join(f'"{_tag("status", status)}"' for status in statuses)
        return " AND ".join([asked.fts, *(f'"{tag}"' for tag in tags if tag), *([f"({either})"] if either else [])])


def _tag(name: str, value: str) -> str:
    """How a filter stands in the full-text index: one word that nobody types."""
    return f"__{name}_{value}" if value else ""


def get(tx: Tx, bug_id: str) -> Bug:
    bug = tx.one(Bug, f"SELECT {COLUMNS} FROM bugs WHERE id = :id", id=bug_id)
    if bug is None:
        raise NotFound("There is no such bug.")
    return bug


def find(tx: Tx, bug_id: str) -> Bug | None:
    return tx.one(Bug, f"SELECT {COLUMNS} FROM bugs WHERE id = :id", id=bug_id)


def find_by_fingerprint(tx: Tx, fingerprint: str) -> Bug | None:
    return tx.one(Bug, f"SELECT {COLUMNS} FROM bugs WHERE fingerprint = :fingerprint", fingerprint=fingerprint)


def newest(tx: Tx, wanted: Filter, limit: int, before: int = LAST) -> list[Bug]:
    """Matching bugs, newest first."""
    if wanted.query:
        return _newest_matching(tx, wanted, limit, before)
    found = [bug for cut in wanted.cuts() for bug in _walk(tx, cut, limit, before)]
    return sorted(found, key=lambda bug: -bug.seq)[:limit]


def _walk(tx: Tx, cut: Filter, limit: int, before: int) -> list[Bug]:
    where = " AND ".join(["seq < :before", *cut.conditions()])
    return tx.all(
        Bug,
        f"SELECT {COLUMNS} FROM bugs WHERE {where} ORDER BY seq DESC LIMIT :limit",
        kind=cut.kind,
        status=cut.status,
        priority=cut.priority,
        reporter_id=cut.reporter_id,
        before=before,
        limit=limit,
    )


def _newest_matching(tx: Tx, wanted: Filter, limit: int, before: int) -> list[Bug]:
    """The index answers words and filters together and in order, so that a rare cut of a common word is no walk."""
    match = wanted.match()
    if not match:
        return []
    found = tx.all(
        Bug,
        f"SELECT {COLUMNS} FROM bugs WHERE seq IN (SELECT rowid FROM bugs_fts WHERE bugs_fts MATCH :match"
        " AND rowid < :before ORDER BY rowid DESC LIMIT :limit) ORDER BY seq DESC",
        match=match,
        before=before,
        limit=limit,
    )
    return [bug for bug in found if wanted.fits(bug)]  # somebody may have typed what a tag looks like


def count(tx: Tx, wanted: Filter, most: int) -> int:
    """How many match, counting no further than `most`; for a filter without words."""
    return min(most, sum(_count(tx, cut, most) for cut in wanted.cuts()))


def _count(tx: Tx, cut: Filter, most: int) -> int:
    where = " AND ".join(["seq > 0", *cut.conditions()])
    sql = f"SELECT count(*) FROM (SELECT 1 FROM bugs WHERE {where} LIMIT :most)"
    values = {name: getattr(cut, name) for name in ("kind", "status", "priority", "reporter_id")}
    return tx.one(int, sql, **values, most=most) or 0


def counts(tx: Tx) -> dict[tuple[str, str], int]:
    """How many there are by kind and status."""
    sql = "SELECT kind, status, count FROM bug_counts"
    return {(kind, status): count for kind, status, count in tx.all(lambda *row: row, sql)}


def insert(
    tx: Tx,
    bug_id: str,
    *,
    kind: str,
    title: str,
    description: str,
    priority: str,
    reporter_id: str | None,
    assignee: str | None = None,
    thread_id: str | None = None,
    fingerprint: str | None = None,
    source: str | None = None,
    evidence: dict[str, Any] | None = None,
    is_sync_wanted: bool = False,
) -> Bug:
    bug = tx.one(
        Bug,
        "INSERT INTO bugs (id, kind, title, description, priority, reporter_id, assignee, thread_id, trace_id,"
        " fingerprint, source, runs, evidence, is_sync_wanted, last_seen_at, created_at, updated_at)"
        " VALUES (:id, :kind, :title, :description, :priority, :reporter, :assignee, :thread, :trace,"
        f" :fingerprint, :source, :runs, :evidence, :sync, :now, :now, :now) RETURNING {COLUMNS}",
        id=bug_id,
        kind=kind,
        title=title,
        description=description,
        priority=priority,
        reporter=reporter_id,
        assignee=assignee,
        thread=thread_id,
        trace=tx.who.trace_id,
        fingerprint=fingerprint,
        source=source,
        runs=int(fingerprint is not None),
        evidence=json.dumps(evidence, ensure_ascii=False) if evidence else "",
        sync=int(is_sync_wanted),
        now=tx.now,
    )
    assert bug is not None
    _index(tx, bug)
    return bug


def insert_whole(tx: Tx, values: dict[str, Any]) -> None:
    """A bug as it was elsewhere, with its history; its issue is known and no sync is wanted."""
    tx.run(
        "INSERT INTO bugs (id, kind, title, description, status, priority, reporter_id, assignee, thread_id, trace_id,"
        " fingerprint, occurrences, runs, green_runs, has_recurred, evidence, last_seen_at, created_at, updated_at,"
        " github_issue_number, github_issue_url, source)"
        " VALUES (:id, :kind, :title, :description, :status, :priority, :reporter_id, :assignee, :thread_id, :trace_id,"
        " :fingerprint, :occurrences, :runs, :green_runs, :has_recurred, :evidence, :last_seen_at, :created_at,"
        " :updated_at, :github_issue_number, :github_issue_url, :source)",
        **values,
    )
    _index(tx, get(tx, values["id"]))


def _index(tx: Tx, bug: Bug) -> None:
    """Words for searching, and a tag for each filter."""
    tags = " ".join(
        [
            _tag("kind", bug.kind),
            _tag("status", bug.status),
            _tag("priority", bug.priority),
            _tag("reporter", bug.reporter_id or ""),
        ]
    )
    body = f"{bug.title}\n{bug.description}\n{tags}"
    tx.run("INSERT OR REPLACE INTO bugs_fts (rowid, body) VALUES (:seq, :body)", seq=bug.seq, body=body)


def owner_of_thread(tx: Tx, thread_id: str) -> str | None:
    return tx.one(str, "SELECT user_id FROM threads WHERE id = :id", id=thread_id)


CHANGEABLE = ("kind", "title", "description", "status", "priority", "assignee")


def update(tx: Tx, bug: Bug, **values: str | None) -> Bug:
    """Set some of the changeable fields."""
    assert set(values) <= set(CHANGEABLE)
    assignments = ", ".join(f"{name} = :{name}" for name in CHANGEABLE if name in values)
    tx.run(f"UPDATE bugs SET {assignments}, updated_at = :now WHERE id = :id", **values, id=bug.id, now=tx.now)
    changed = get(tx, bug.id)
    if {"kind", "status", "priority", "title", "description"} & set(values):
        _index(tx, changed)
    return changed


def count_failure(tx: Tx, bug: Bug, evidence: dict[str, Any], *, reopens: bool) -> Bug:
    """One more occurrence; a resolved or closed bug is open again."""
    tx.run(
        "UPDATE bugs SET occurrences = occurrences + 1, runs = runs + 1, green_runs = 0, evidence = :evidence,"
        " last_seen_at = :now, updated_at = :now,"
        " status = CASE WHEN :reopens THEN 'open' ELSE status END,"
        " has_recurred = CASE WHEN :reopens THEN 1 ELSE has_recurred END WHERE id = :id",
        id=bug.id,
        evidence=json.dumps(evidence, ensure_ascii=False),
        reopens=int(reopens),
        now=tx.now,
    )
    changed = get(tx, bug.id)
    if reopens:
        _index(tx, changed)
    return changed


def count_other_runs(tx: Tx, source: str, bug_id: str) -> None:
    """A run that failed of something else: it says nothing of these but counts as a run they were not seen in."""
    tx.run("UPDATE bugs SET runs = runs + 1 WHERE source = :source AND id <> :id", source=source, id=bug_id)


def count_success(tx: Tx, source: str) -> list[Bug]:
    """A green run of what these were found by."""
    return tx.all(
        Bug,
        f"UPDATE bugs SET runs = runs + 1, green_runs = green_runs + 1 WHERE source = :source RETURNING {COLUMNS}",
        source=source,
    )


def delete(tx: Tx, bug: Bug) -> None:
    tx.run("DELETE FROM bugs_fts WHERE rowid = :seq", seq=bug.seq)
    tx.run("DELETE FROM bugs WHERE id = :id", id=bug.id)


def set_sync_error(tx: Tx, bug_id: str, error: str | None) -> None:
    tx.run("UPDATE bugs SET github_sync_error = :error WHERE id = :id", error=error, id=bug_id)


def set_synced(tx: Tx, bug_id: str, number: int | None, url: str | None) -> None:
    """It has this issue and both are in step; None where it has none any more."""
    tx.run(
        "UPDATE bugs SET github_issue_number = :number, github_issue_url = :url, github_sync_error = NULL,"
        " github_synced_at = CASE WHEN :number IS NULL THEN NULL ELSE :now END WHERE id = :id",
        id=bug_id,
        number=number,
        url=url,
        now=tx.now,
    )


def want_sync(tx: Tx, bug_id: str) -> None:
    tx.run("UPDATE bugs SET is_sync_wanted = 1, github_sync_error = NULL WHERE id = :id", id=bug_id)


def sync_failing(tx: Tx, limit: int) -> list[Bug]:
    """Bugs that are not in step with GitHub, newest first."""
    where = "is_sync_wanted = 1 AND github_sync_error IS NOT NULL"
    sql = f"SELECT {COLUMNS} FROM bugs WHERE {where} ORDER BY seq DESC LIMIT :limit"
    return tx.all(Bug, sql, limit=limit)


def search(tx: Tx, reporter_id: str | None, query: str, limit: int) -> list[tuple[Bug, float]]:
    """Bugs that match an FTS5 query, best first with bm25 scores; one reporter's, or all for None."""
    columns = ", ".join(f"b.{name.strip()}" for name in COLUMNS.split(","))
    mine = " AND b.reporter_id = :reporter" if reporter_id else ""
    return tx.all(
        lambda *row: (Bug(*row[:-1]), row[-1]),
        f"SELECT {columns}, f.rank FROM bugs_fts f JOIN bugs b ON b.seq = f.rowid"
        f" WHERE bugs_fts MATCH :query{mine} ORDER BY f.rank LIMIT :limit",
        query=query,
        reporter=reporter_id,
        limit=limit,
    )
