"""Remember what GitHub says about its limits, and keep to them, whichever process asked."""

from collections.abc import Mapping

from jarvis.github.store import rates as store
from jarvis.github.store.rates import Rate
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context

REMEMBER_SECONDS = 5
LONGEST_RESET_SECONDS = 3700
LONGEST_BLOCK_SECONDS = 24 * 3600
CORE = "core"


def seconds_closed(ctx: Context, resource: str = CORE) -> int:
    """How long nothing may be asked yet; 0 when something may."""
    with ctx.db.read() as tx:
        rate = store.find(tx, resource)
        now = tx.now
    left = rate.closed_until(now) - now if rate is not None else 0
    is_sensible = 0 < left <= LONGEST_BLOCK_SECONDS * SECOND  # else the clock was set back meanwhile
    return -(-left // SECOND) if is_sensible else 0


def remember(ctx: Context, headers: Mapping[str, str], block_seconds: int = 0) -> None:
    """Note the rate headers of an answer, and that GitHub wants to be left alone for a while.

    They come with every answer, so they are written only now and then, and when they matter.
    """
    told = _read(headers)
    with ctx.db.read() as tx:
        resource = told[0] if told is not None else CORE
        old, now = store.find(tx, resource), tx.now
    if told is None and not block_seconds:
        return
    if old is not None and not block_seconds and told is not None and not _matters(old, told, now):
        return
    with ctx.db.write() as tx:
        old = store.find(tx, resource)
        blocked = tx.now + min(block_seconds, LONGEST_BLOCK_SECONDS) * SECOND if block_seconds else 0
        if told is not None:
            most, remaining, resets_at = told[1:]
        elif old is not None:
            most, remaining, resets_at = old.most, old.remaining, old.resets_at
        else:
            most, remaining, resets_at = 0, 1, tx.now
        resets_at = min(resets_at, tx.now + LONGEST_RESET_SECONDS * SECOND)  # whatever their clock or ours says
        store.put(tx, Rate(resource, most, remaining, resets_at, blocked, tx.now))


def _matters(old: Rate, told: tuple[str, int, int, int], now: int) -> bool:
    is_old = not 0 <= now - old.seen_at < REMEMBER_SECONDS * SECOND
    return is_old or told[2] <= 0 or old.remaining <= 0 or bool(old.blocked_until)


def _read(headers: Mapping[str, str]) -> tuple[str, int, int, int] | None:
    """Resource, limit, remaining and reset of an answer's headers; None where they are not there or make no sense."""
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    values = [headers.get(name, "") for name in names]
    if not all(value.isascii() and value.isdigit() and len(value) < 13 for value in values):
        return None
    most, remaining, reset = map(int, values)
    resource = headers.get("x-ratelimit-resource", CORE)
    is_name = resource.isascii() and resource.replace("_", "").isalnum() and len(resource) <= 40
    return (resource if is_name else CORE), most, remaining, reset * SECOND
