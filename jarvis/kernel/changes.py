"""What changes in a copy of the database that is tried out and thrown away: noted by triggers, row by row."""

from dataclasses import dataclass

from jarvis.kernel.db import Database, Tx


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was changed in a copy: where, how, and what of it says the most."""

    seq: int
    table: str
    deed: str
    detail: str


TELLING = ("name", "state", "outcome", "status", "lockdown", "restarting", "effect")
RECORDS = frozenset(("events", "event_anchors", "epochs", "last_uses", "readiness_probe", "schema_migrations"))
"""Tables that only keep what happened, when and how well."""


def watch(db: Database) -> None:
    """From now on note every change of every table that is no record."""
    with db.write() as tx:
        _watch(tx)


def _watch(tx: Tx) -> None:
    tx.run(
        "CREATE TABLE rehearsal_changes (seq INTEGER PRIMARY KEY, place TEXT NOT NULL, deed TEXT NOT NULL,"
        " detail TEXT NOT NULL) STRICT"
    )
    for table in _tables(tx):
        for deed, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")):
            told = _telling(tx, table, row)
            tx.run(
                f'CREATE TRIGGER "rehearsal_{table}_{deed}" AFTER {deed} ON "{table}" BEGIN INSERT INTO'
                f" rehearsal_changes (place, deed, detail) VALUES ('{table}', '{deed.lower()}', {told}); END"
            )


def _tables(tx: Tx) -> list[str]:
    """Ordinary tables with something in them that matters: no index of words, no record."""
    sql = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
    found = tx.all(lambda name, kind: (name, kind), sql)
    return [name for name, kind in found if kind == "table" and name not in RECORDS | {"rehearsal_changes"}]


def _telling(tx: Tx, table: str, row: str) -> str:
    columns = tx.all(str, "SELECT name FROM pragma_table_info(:name)", name=table)
    told = [f"'{column}=' || coalesce({row}.{column}, '') || ' '" for column in columns if column in TELLING]
    return " || ".join(told) or "''"


def since(tx: Tx, after: int) -> list[Change]:
    """What was noted after a change, oldest first."""
    sql = "SELECT seq, place, deed, detail FROM rehearsal_changes WHERE seq > :after ORDER BY seq"
    return tx.all(Change, sql, after=after)


def newest_ids(tx: Tx) -> list[str]:
    """The id of the newest row of every table whose rows have public ids."""
    found: list[str] = []
    for table in _tables(tx):
        if tx.one(int, "SELECT count(*) FROM pragma_table_info(:name) WHERE name = 'id' AND type = 'TEXT'", name=table):
            found += tx.all(str, f'SELECT id FROM "{table}" ORDER BY rowid DESC LIMIT 1')
    return found
