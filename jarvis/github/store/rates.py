"""How much GitHub still lets us ask, as it last said."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx

COLUMNS = "resource, most, remaining, resets_at, blocked_until, seen_at"


@dataclass(frozen=True, slots=True)
class Rate:
    """One of GitHub's budgets: "core" is the REST API's."""

    resource: str
    most: int
    remaining: int
    resets_at: int
    blocked_until: int
    """Nothing is asked before: GitHub said to wait, whatever is left."""
    seen_at: int

    def closed_until(self, now: int) -> int:
        """Until when nothing may be asked; an instant that is past when something may."""
        spent = self.resets_at if self.remaining <= 0 else 0
        return max(spent, self.blocked_until)

    def as_json(self) -> dict[str, Any]:
        return {
            "resource": self.resource,
            "limit": self.most,
            "remaining": self.remaining,
            "resets_at": rfc3339(self.resets_at),
            "blocked_until": rfc3339(self.blocked_until) if self.blocked_until else None,
            "seen_at": rfc3339(self.seen_at),
        }


def find(tx: Tx, resource: str) -> Rate | None:
    return tx.one(Rate, f"SELECT {COLUMNS} FROM github_rates WHERE resource = :resource", resource=resource)


def known(tx: Tx, limit: int = 20) -> list[Rate]:
    """Every budget seen, by name."""
    return tx.all(Rate, f"SELECT {COLUMNS} FROM github_rates ORDER BY resource LIMIT :limit", limit=limit)


def put(tx: Tx, rate: Rate) -> None:
    tx.run(
        f"INSERT OR REPLACE INTO github_rates ({COLUMNS})"
        " VALUES (:resource, :most, :remaining, :resets_at, :blocked_until, :seen_at)",
        resource=rate.resource,
        most=rate.most,
        remaining=rate.remaining,
        resets_at=rate.resets_at,
        blocked_until=rate.blocked_until,
        seen_at=rate.seen_at,
    )
