"""Deliveries on disk: the row, and every statement that touches it."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

LAST = 2**62
STATES = ("waiting", "accepted", "ignored", "failed")
COLUMNS = (
    "seq, id, delivery_id, event, action, repo, sender, state, reason, task_id, payload, payload_bytes, attempts,"
    " trace_id, received_at"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a webhook. `reason` says why it was ignored, or what failed."""

    seq: int
    id: str
    delivery_id: str
    """GitHub's own id, the same when it is redelivered."""
    event: str
    action: str
    repo: str
    sender: str
    state: str
    reason: str
    task_id: str | None
    payload: str
    """Redacted, and cut when it was long; JSON when it was not."""
    payload_bytes: int
    attempts: int
    trace_id: str
    received_at: int

    @property
    def name(self) -> str:
        """The event with its action: "issues.closed"."""
        return f"{self.event}.{self.action}" if self.action else self.event

    def as_json(self) -> dict[str, Any]:
        plain = "id delivery_id event action repo sender state reason task_id payload_bytes attempts trace_id"
        return {name: getattr(self, name) for name in plain.split()} | {"received_at": rfc3339(self.received_at)}


def get(tx: Tx, delivery_id: str) -> Delivery:
    """By our id."""
    found = tx.one(Delivery, f"SELECT {COLUMNS} FROM github_deliveries WHERE id = :id", id=delivery_id)
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


def find(tx: Tx, guid: str) -> Delivery | None:
    """By GitHub's id."""
    return tx.one(Delivery, f"SELECT {COLUMNS} FROM github_deliveries WHERE delivery_id = :guid", guid=guid)


def newest(tx: Tx, state: str, limit: int, before: int = LAST) -> list[Delivery]:
    """Newest first; of any state when that is empty."""
    where = "state = :state AND seq < :before" if state else "seq < :before"
    sql = f"SELECT {COLUMNS} FROM github_deliveries WHERE {where} ORDER BY seq DESC LIMIT :limit"
    return tx.all(Delivery, sql, state=state, before=before, limit=limit)


def waiting(tx: Tx, limit: int) -> list[tuple[Delivery, bytes]]:
    """What a lockdown kept from being handled, oldest first, with the whole payload, compressed."""
    return tx.all(
        lambda *row: (Delivery(*row[:-1]), row[-1]),
        f"SELECT {COLUMNS}, held FROM github_deliveries WHERE state = 'waiting' ORDER BY seq LIMIT :limit",
        limit=limit,
    )


def count(tx: Tx, state: str, most: int) -> int:
    """How many there are, counting no further than `most`."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM github_deliveries WHERE state = :state LIMIT :most)"
    return tx.one(int, sql, state=state, most=most) or 0


def insert(
    tx: Tx, row_id: str, guid: str, *, event: str, action: str, repo: str, sender: str, payload: str, size: int
) -> Delivery:
    """A new delivery, ignored for no reason until somebody says what becomes of it."""
    tx.run(
        "INSERT INTO github_deliveries (id, delivery_id, event, action, repo, sender, state, reason, payload,"
        " payload_bytes, trace_id, received_at)"
        " VALUES (:id, :guid, :event, :action, :repo, :sender, 'ignored', '', :payload, :size, :trace, :now)",
        id=row_id,
        guid=guid,
        event=event,
        action=action,
        repo=repo,
        sender=sender,
        payload=payload,
        size=size,
        trace=tx.who.trace_id,
        now=tx.now,
    )
    return get(tx, row_id)


def again(tx: Tx, delivery: Delivery) -> None:
    """One that failed is delivered once more."""
    sql = "UPDATE github_deliveries SET attempts = attempts + 1, trace_id = :trace WHERE seq = :seq"
    tx.run(sql, seq=delivery.seq, trace=tx.who.trace_id)


def settle(tx: Tx, delivery: Delivery, state: str, reason: str, task_id: str | None, held: bytes | None = None) -> None:
    """What became of it."""
    tx.run(
        "UPDATE github_deliveries SET state = :state, reason = :reason, task_id = :task, held = :held WHERE seq = :seq",
        seq=delivery.seq,
        state=state,
        reason=reason,
        task=task_id,
        held=held,
    )


def delete_before(tx: Tx, before: int, at_most: int) -> int:
    """Forget the oldest, unless they still wait."""
    return tx.run(
        "DELETE FROM github_deliveries WHERE seq IN (SELECT seq FROM github_deliveries ORDER BY seq LIMIT :most)"
        " AND received_at < :before AND state <> 'waiting'",
        before=before,
        most=at_most,
    )
