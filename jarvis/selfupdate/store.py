"""What is known of each update, in SQL."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound
from jarvis.selfupdate import states

LAST = 2**62
COLUMNS = (
    "seq, id, trace_id, state, rationale, evidence, proposed_by, user_id, patch_sha256, patch_bytes, base,"
    " base_version, tree, files, checks, protected_why, report_sha256, candidate_version, candidate_sha256,"
    " candidate_bytes, approved_by, approved_at, approved_digest, expires_at, marker, error, created_at, changed_at"
)
MARKER = ("active_sha256", "previous_sha256", "outcome", "readyz")
"""What state.json says of the archive that serves."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update; `evidence`, `files`, `checks`, `protected_why` and `marker` are JSON."""

    seq: int
    id: str
    trace_id: str
    state: str
    rationale: str
    evidence: str
    proposed_by: str
    user_id: str | None
    patch_sha256: str
    patch_bytes: int
    base: str | None
    """The tree the patch applies to, and its release."""
    base_version: str | None
    tree: str | None
    """The tree it makes."""
    files: str
    checks: str
    protected_why: str
    report_sha256: str | None
    candidate_version: str | None
    candidate_sha256: str | None
    candidate_bytes: int | None
    approved_by: str | None
    approved_at: int | None
    approved_digest: str | None
    expires_at: int | None
    marker: str
    error: str | None
    created_at: int
    changed_at: int

    @property
    def title(self) -> str:
        """The first line of the rationale."""
        return self.rationale.splitlines()[0][:120]

    @property
    def is_protected(self) -> bool:
        return self.protected_why != "[]"

    @property
    def next_step(self) -> str:
        """The step that leads on, or ""."""
        return states.NEXT.get(self.state, "")

    def evidence_of(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.evidence)
        return found

    def files_of(self) -> list[dict[str, Any]]:
        """Every file touched: path, old_path, kind, added, removed, mode_before, mode_after, is_binary, flags."""
        found: list[dict[str, Any]] = json.loads(self.files)
        return found

    def checks_of(self) -> dict[str, dict[str, Any]]:
        """Each check by its name: ok, detail and seconds."""
        found: dict[str, dict[str, Any]] = json.loads(self.checks)
        return found

    def why_protected(self) -> list[str]:
        found: list[str] = json.loads(self.protected_why)
        return found

    def marker_of(self) -> dict[str, Any]:
        """Which archive serves and what became of the trial; each None while that is not known."""
        found: dict[str, Any] = json.loads(self.marker)
        return {name: found.get(name) for name in MARKER}

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "trace_id": self.trace_id,
            "state": self.state,
            "next_step": self.next_step or None,
            "rationale": self.rationale,
            "evidence": self.evidence_of(),
            "proposed_by": self.proposed_by,
            "patch_sha256": self.patch_sha256,
            "patch_bytes": self.patch_bytes,
            "base": self.base,
            "base_version": self.base_version,
            "tree": self.tree,
            "files": self.files_of(),
            "checks": self.checks_of(),
            "is_protected": self.is_protected,
            "protected_why": self.why_protected(),
            "report_sha256": self.report_sha256,
            "candidate_version": self.candidate_version,
            "candidate_sha256": self.candidate_sha256,
            "candidate_bytes": self.candidate_bytes,
            "approved_by": self.approved_by,
            "approved_at": _time(self.approved_at),
            "expires_at": _time(self.expires_at),
            "marker": self.marker_of(),
            "error": self.error,
            "created_at": rfc3339(self.created_at),
            "changed_at": rfc3339(self.changed_at),
        }


def _time(instant: int | None) -> str | None:
    return None if instant is None else rfc3339(instant)


@dataclass(frozen=True, slots=True)
class Move:
    """One state an update reached."""

    seq: int
    state: str
    at: int
    by: str
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, "at": rfc3339(self.at), "by": self.by, "detail": self.detail}


def find(tx: Tx, reference: str) -> Update | None:
    """The update of an upd_ id or a trace id, or None."""
    if reference.startswith("trc_"):
        return tx.one(Update, f"SELECT {COLUMNS} FROM updates WHERE trace_id = :ref", ref=reference)
    return tx.one(Update, f"SELECT {COLUMNS} FROM updates WHERE id = :ref", ref=reference)


def get(tx: Tx, reference: str) -> Update:
    """The update of an upd_ id or a trace id; raises NotFound."""
    found = find(tx, reference)
    if found is None:
        raise NotFound("There is no such update.")
    return found


def newest(tx: Tx, limit: int, before: int = LAST) -> list[Update]:
    sql = f"SELECT {COLUMNS} FROM updates WHERE seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Update, sql, before=before, limit=limit)


def in_state(tx: Tx, state: str, limit: int, before: int = LAST) -> list[Update]:
    """Updates in one state, newest first."""
    sql = f"SELECT {COLUMNS} FROM updates WHERE state = :state AND seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Update, sql, state=state, before=before, limit=limit)


def waiting(tx: Tx) -> int:
    """How many wait for a person to approve them."""
    return tx.one(int, "SELECT count(*) FROM updates WHERE state = 'tested'") or 0


def insert(
    tx: Tx, update_id: str, *, rationale: str, evidence: dict[str, Any], patch: bytes, sha256: str, user_id: str | None
) -> Update:
    """Keep a proposal under the transaction's trace."""
    tx.run(
        "INSERT INTO updates (id, trace_id, state, rationale, evidence, proposed_by, user_id, patch_sha256,"
        " patch_bytes, created_at, changed_at, patch) VALUES (:id, :trace, 'proposed', :rationale,"
        " :evidence, :by, :user, :digest, :bytes, :now, :now, :patch)",
        id=update_id,
        trace=tx.who.trace_id,
        rationale=rationale,
        evidence=_text(evidence),
        by=tx.who.actor,
        user=user_id,
        digest=sha256,
        bytes=len(patch),
        patch=patch,
        now=tx.now,
    )
    _insert_move(tx, update_id, states.PROPOSED, "")
    return get(tx, update_id)


def move(tx: Tx, update_id: str, before: str, after: str, detail: str) -> bool:
    """Go from one state to another and remember it; False when it is in another state by now."""
    sql = "UPDATE updates SET state = :after, changed_at = :now WHERE id = :id AND state = :before"
    if tx.run(sql, id=update_id, before=before, after=after, now=tx.now) != 1:
        return False
    _insert_move(tx, update_id, after, detail)
    return True


def _insert_move(tx: Tx, update_id: str, state: str, detail: str) -> None:
    tx.run(
        "INSERT INTO update_moves (update_id, state, at, by, detail) VALUES (:id, :state, :now, :by, :detail)",
        id=update_id,
        state=state,
        now=tx.now,
        by=tx.who.actor,
        detail=detail,
    )


def moves(tx: Tx, update_id: str) -> list[Move]:
    """Every state it reached, in order."""
    return tx.all(
        Move, "SELECT seq, state, at, by, detail FROM update_moves WHERE update_id = :id ORDER BY seq", id=update_id
    )


def patch_of(tx: Tx, update_id: str) -> bytes:
    """The proposed bytes; raises NotFound."""
    found = tx.one(bytes, "SELECT patch FROM updates WHERE id = :id", id=update_id)
    if found is None:
        raise NotFound("There is no such update.")
    return found


def report_of(tx: Tx, update_id: str) -> str | None:
    """The test's report as JSON text, exactly the bytes its digest is of; None before it was tested."""
    return tx.one(lambda report: report, "SELECT report FROM updates WHERE id = :id", id=update_id)


def set_checks(tx: Tx, update_id: str, checks: dict[str, dict[str, Any]]) -> None:
    tx.run("UPDATE updates SET checks = :checks WHERE id = :id", id=update_id, checks=_text(checks))


def set_result(
    tx: Tx,
    update_id: str,
    *,
    base: str,
    base_version: str,
    tree: str | None,
    files: list[dict[str, Any]],
    protected_why: list[str],
) -> None:
    """What validating found: the baseline, the resulting tree and what was touched."""
    tx.run(
        "UPDATE updates SET base = :base, base_version = :version, tree = :tree, files = :files, protected_why = :why"
        " WHERE id = :id",
        id=update_id,
        base=base,
        version=base_version,
        tree=tree,
        files=_text(files),
        why=_text(protected_why),
    )


def set_candidate(tx: Tx, update_id: str, *, version: str, sha256: str, size: int) -> None:
    """The archive that was built and tested."""
    tx.run(
        "UPDATE updates SET candidate_version = :version, candidate_sha256 = :digest, candidate_bytes = :bytes"
        " WHERE id = :id",
        id=update_id,
        version=version,
        digest=sha256,
        bytes=size,
    )


def set_report(tx: Tx, update_id: str, report: str, sha256: str) -> None:
    """The test's report; an approval of another report is void with it."""
    tx.run(
        "UPDATE updates SET report = :report, report_sha256 = :digest WHERE id = :id",
        id=update_id,
        report=report,
        digest=sha256,
    )


def set_approval(tx: Tx, update_id: str, digest: str, expires_at: int) -> None:
    """Approved by whoever writes, for exactly what the digest is of."""
    tx.run(
        "UPDATE updates SET approved_by = :by, approved_at = :now, approved_digest = :digest, expires_at = :expires"
        " WHERE id = :id",
        id=update_id,
        by=tx.who.actor,
        now=tx.now,
        digest=digest,
        expires=expires_at,
    )


def clear_approval(tx: Tx, update_id: str) -> None:
    tx.run(
        "UPDATE updates SET approved_by = NULL, approved_at = NULL, approved_digest = NULL, expires_at = NULL"
        " WHERE id = :id",
        id=update_id,
    )


def set_marker(tx: Tx, update_id: str, marker: dict[str, Any]) -> None:
    """What state.json says of the archive that serves; see MARKER."""
    tx.run("UPDATE updates SET marker = :marker WHERE id = :id", id=update_id, marker=_text(marker))


def set_error(tx: Tx, update_id: str, error: str | None) -> None:
    """Why the last step did not succeed, for people; None when it did."""
    tx.run("UPDATE updates SET error = :error WHERE id = :id", id=update_id, error=error)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Trial:
    """What ran before an update was applied, and how well it was."""

    update_id: str
    old_sha256: str
    new_sha256: str
    backup_id: str | None
    health: str
    at: int

    def health_of(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.health)
        return found


def trial_of(tx: Tx, update_id: str) -> Trial | None:
    sql = "SELECT update_id, old_sha256, new_sha256, backup_id, health, at FROM update_trials WHERE update_id = :id"
    return tx.one(Trial, sql, id=update_id)


def put_trial(tx: Tx, update_id: str, *, old: str, new: str, backup_id: str | None, health: dict[str, Any]) -> None:
    """Remember how it was before; applied again after it failed, the last time counts."""
    tx.run(
        "INSERT INTO update_trials (update_id, old_sha256, new_sha256, backup_id, health, at)"
        " VALUES (:id, :old, :new, :backup, :health, :now) ON CONFLICT (update_id) DO UPDATE SET"
        " old_sha256 = :old, new_sha256 = :new, backup_id = :backup, health = :health, at = :now",
        id=update_id,
        old=old,
        new=new,
        backup=backup_id,
        health=_text(health),
        now=tx.now,
    )


def insert_drill(tx: Tx, report: dict[str, Any], *, is_ok: bool) -> None:
    tx.run(
        "INSERT INTO update_drills (ok, report, at) VALUES (:ok, :report, :now)",
        ok=int(is_ok),
        report=_text(report),
        now=tx.now,
    )


def last_drill(tx: Tx) -> dict[str, Any] | None:
    """The newest rollback drill's report."""
    found = tx.one(lambda report: report, "SELECT report FROM update_drills ORDER BY seq DESC LIMIT 1")
    return json.loads(found) if found else None
