"""Which issue belongs to which bug, and what both sides last agreed on."""

from dataclasses import dataclass

from jarvis.kernel.db import Tx

COLUMNS = "bug_id, repo, number, title, description, state, changed_at, sent_at"


@dataclass(frozen=True, slots=True)
class Link:
    """A bug and its issue. `number` is None while it is being made."""

    bug_id: str
    repo: str
    """In lower case: GitHub's names are the same in any."""
    number: int | None
    title: str
    description: str
    state: str
    changed_at: str
    """The issue's own `updated_at` when it was last seen."""
    sent_at: int
    """When it was asked for; from then on one with our mark may exist."""


def find(tx: Tx, bug_id: str) -> Link | None:
    return tx.one(Link, f"SELECT {COLUMNS} FROM github_issues WHERE bug_id = :bug", bug=bug_id)


def find_by_number(tx: Tx, repo: str, number: int) -> Link | None:
    sql = f"SELECT {COLUMNS} FROM github_issues WHERE repo = :repo AND number = :number"
    return tx.one(Link, sql, repo=repo.lower(), number=number)


def put(tx: Tx, link: Link) -> None:
    tx.run(
        f"INSERT OR REPLACE INTO github_issues ({COLUMNS})"
        " VALUES (:bug, :repo, :number, :title, :description, :state, :changed_at, :sent_at)",
        bug=link.bug_id,
        repo=link.repo.lower(),
        number=link.number,
        title=link.title,
        description=link.description,
        state=link.state,
        changed_at=link.changed_at,
        sent_at=link.sent_at,
    )


def delete(tx: Tx, bug_id: str) -> None:
    tx.run("DELETE FROM github_issues WHERE bug_id = :bug", bug=bug_id)


def seen_seq(tx: Tx) -> int:
    """Up to which event bugs have been followed."""
    return tx.one(int, "SELECT seen_seq FROM github_state WHERE id = 1") or 0


def set_seen_seq(tx: Tx, seq: int) -> None:
    tx.run("UPDATE github_state SET seen_seq = :seq WHERE id = 1", seq=seq)
