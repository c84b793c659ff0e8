"""Samples of host and server on disk."""

import json
from dataclasses import dataclass

from jarvis.kernel.db import Tx

COLUMNS = "at, disk_used, disk_total, memory_used, memory_total, worker_bytes, requests, latencies"


@dataclass(frozen=True, slots=True)
class Sample:
    """How it was at one instant; sizes in bytes, requests since the sample before."""

    at: int
    disk_used: int
    disk_total: int
    memory_used: int
    memory_total: int
    worker_bytes: int
    requests: int
    latencies: str
    """JSON: the number of a step of `web.metrics.STEPS` → how many requests ended within it."""

    def counts(self) -> dict[int, int]:
        found: dict[str, int] = json.loads(self.latencies)
        return {int(step): count for step, count in found.items()}


def insert(tx: Tx, sample: Sample) -> None:
    """Keep a sample; of two at one instant the first stays."""
    tx.run(
        f"INSERT INTO samples ({COLUMNS}) VALUES (:at, :disk_used, :disk_total, :memory_used, :memory_total,"
        " :worker_bytes, :requests, :latencies) ON CONFLICT (at) DO NOTHING",
        **{name: getattr(sample, name) for name in COLUMNS.split(", ")},
    )


def since(tx: Tx, instant: int, limit: int) -> list[Sample]:
    """The samples after an instant, oldest first."""
    sql = f"SELECT {COLUMNS} FROM samples WHERE at > :instant ORDER BY at LIMIT :limit"
    return tx.all(Sample, sql, instant=instant, limit=limit)


def first_since(tx: Tx, instant: int) -> Sample | None:
    sql = f"SELECT {COLUMNS} FROM samples WHERE at > :instant ORDER BY at LIMIT 1"
    return tx.one(Sample, sql, instant=instant)


def last(tx: Tx) -> Sample | None:
    return tx.one(Sample, f"SELECT {COLUMNS} FROM samples ORDER BY at DESC LIMIT 1")


def delete_before(tx: Tx, instant: int) -> None:
    tx.run("DELETE FROM samples WHERE at < :instant", instant=instant)
