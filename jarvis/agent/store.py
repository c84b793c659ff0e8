"""Rows of the assistant: how providers do, and what they have used."""

from dataclasses import dataclass

from jarvis.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Health:
    """How a provider has done lately."""

    provider: str
    failures: int
    open_until: int
    last_error: str | None
    last_error_at: int | None
    last_ok_at: int | None


@dataclass(frozen=True, slots=True)
class Used:
    """What a provider used on one day."""

    provider: str
    requests: int
    input_tokens: int
    output_tokens: int


HEALTH = "provider, failures, open_until, last_error, last_error_at, last_ok_at"


def health(tx: Tx, provider: str) -> Health:
    """A provider nobody has tried yet is well."""
    found = tx.one(Health, f"SELECT {HEALTH} FROM provider_health WHERE provider = :provider", provider=provider)
    return found or Health(provider, 0, 0, None, None, None)


def note_ok(tx: Tx, provider: str) -> None:
    tx.run(
        "INSERT INTO provider_health (provider, failures, open_until, last_ok_at) VALUES (:provider, 0, 0, :now)"
        " ON CONFLICT (provider) DO UPDATE SET failures = 0, open_until = 0, last_ok_at = :now",
        provider=provider,
        now=tx.now,
    )


def note_failure(tx: Tx, provider: str, error: str, open_until: int) -> None:
    tx.run(
        "INSERT INTO provider_health (provider, failures, open_until, last_error, last_error_at)"
        " VALUES (:provider, 1, :until, :error, :now) ON CONFLICT (provider) DO UPDATE SET failures = failures + 1,"
        " open_until = :until, last_error = :error, last_error_at = :now",
        provider=provider,
        until=open_until,
        error=error,
        now=tx.now,
    )


def add_usage(tx: Tx, day: str, provider: str, sent: int, received: int) -> None:
    tx.run(
        "INSERT INTO provider_usage (day, provider, requests, input_tokens, output_tokens)"
        " VALUES (:day, :provider, 1, :sent, :received) ON CONFLICT (day, provider) DO UPDATE SET"
        " requests = requests + 1, input_tokens = input_tokens + :sent, output_tokens = output_tokens + :received",
        day=day,
        provider=provider,
        sent=sent,
        received=received,
    )


def usage(tx: Tx, day: str) -> list[Used]:
    """What each provider used on a day."""
    sql = "SELECT provider, requests, input_tokens, output_tokens FROM provider_usage WHERE day = :day"
    return tx.all(Used, sql, day=day)
