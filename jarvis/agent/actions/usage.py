"""What models are asked and what it costs: budget, circuit breaker, and every run on record."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from jarvis.agent import store
from jarvis.agent.models.faults import ProviderFault
from jarvis.agent.providers import Usage
from jarvis.kernel.clock import SECOND, rfc3339, to_datetime
from jarvis.kernel.context import Context

FAILURES_TO_OPEN = 3
OPEN_SECONDS, LONGEST_OPEN_SECONDS = 30, 900
LOOK_SECONDS = 0.2
CHARACTERS_A_TOKEN = 4


def day(ctx: Context) -> str:
    """Today in UTC, as usage is kept."""
    return to_datetime(ctx.clock()).strftime("%Y-%m-%d")


def told(ctx: Context, used: store.Used) -> dict[str, object]:
    """What a provider used today, with what it cost where the prices are known."""
    cents = (ctx.settings.provider_cents_per_million_input, ctx.settings.provider_cents_per_million_output)
    cost = (used.input_tokens * cents[0] + used.output_tokens * cents[1]) / 1_000_000
    found: dict[str, object] = {
        "requests": used.requests,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
    }
    return found | ({"cost_cents": round(cost, 4)} if any(cents) else {})


def require_budget(ctx: Context) -> None:
    """Raise ProviderFault when today's tokens are used up."""
    budget = ctx.settings.provider_daily_token_budget
    if budget <= 0:
        return
    with ctx.db.read() as tx:
        used = sum(one.input_tokens + one.output_tokens for one in store.usage(tx, day(ctx)))
    if used >= budget:
        why = f"today's budget of {budget:,} tokens is used up ({used:,}); it begins anew at midnight UTC"
        raise ProviderFault(why, is_passing=False)


def require_closed_circuit(ctx: Context, name: str) -> None:
    """Raise ProviderFault while a provider that kept failing is left alone; afterwards one try is let through."""
    with ctx.db.write() as tx:
        health = store.health(tx, name)
        if health.open_until > tx.now:
            until = rfc3339(health.open_until)
            raise ProviderFault(f"it failed {health.failures} times in a row and is not asked before {until}")
        if health.failures >= FAILURES_TO_OPEN:  # the one that tries; others keep away meanwhile
            store.note_failure(tx, name, health.last_error or "", tx.now + OPEN_SECONDS * SECOND)


def record_fallback(ctx: Context, failed: str, instead: str, why: str) -> None:
    with ctx.db.write() as tx:
        tx.record("model.run.fallback", f"provider/{failed}", {"provider": failed, "fallback": instead, "error": why})


def wait(seconds: float, is_cancelled: Callable[[], bool]) -> None:
    """Be patient for so long, or until somebody presses Stop."""
    end = time.monotonic() + seconds
    while not is_cancelled() and (left := end - time.monotonic()) > 0:
        time.sleep(min(LOOK_SECONDS, left))


@dataclass(slots=True)
class Run:
    """One request to a model, on record from its beginning to its end."""

    ctx: Context
    provider: str
    began: float
    asked: int = 0
    """Characters of the question, for an estimate where the server counts nothing."""
    said: int = 0
    sent: int = 0
    received: int = 0
    is_told: bool = False

    def count(self, used: Usage) -> None:
        self.sent += used.input_tokens
        self.received += used.output_tokens
        self.is_told = self.is_told or bool(used.input_tokens or used.output_tokens)

    def _settle(self) -> None:
        """Without the server's own count a budget would never be used up."""
        if not self.is_told:
            self.sent, self.received = -(-self.asked // CHARACTERS_A_TOKEN), -(-self.said // CHARACTERS_A_TOKEN)

    def ended(self, outcome: str) -> None:
        self._settle()
        with self.ctx.db.write() as tx:
            if outcome == "done" or self.said:  # stopped while it was silent, it has shown nothing
                store.note_ok(tx, self.provider)
            store.add_usage(tx, day(self.ctx), self.provider, self.sent, self.received)
            tx.record("model.run.end", f"provider/{self.provider}", self._about() | {"outcome": outcome})

    def failed(self, fault: ProviderFault) -> None:
        with self.ctx.db.write() as tx:
            if self.said:
                self._settle()
                store.add_usage(tx, day(self.ctx), self.provider, self.sent, self.received)
            failures = store.health(tx, self.provider).failures + 1
            until = tx.now + _pause(failures, fault) * SECOND
            store.note_failure(tx, self.provider, self.ctx.db.redact(str(fault))[:300], until)
            tx.record("model.run.error", f"provider/{self.provider}", self._about() | {"error": str(fault)})

    def _about(self) -> dict[str, object]:
        seconds = round(time.monotonic() - self.began, 3)
        tokens: dict[str, object] = {"input_tokens": self.sent, "output_tokens": self.received}
        tokens |= {} if self.is_told else {"estimated": True}
        return {"provider": self.provider, "seconds": seconds, **tokens}


def _pause(failures: int, fault: ProviderFault) -> int:
    """How long a provider is left alone: as long as it asks, and ever longer once it keeps failing."""
    asked = fault.retry_after_seconds or 0
    if failures < FAILURES_TO_OPEN:
        return asked
    doublings = min(failures - FAILURES_TO_OPEN, 10)
    return max(asked, min(OPEN_SECONDS << doublings, LONGEST_OPEN_SECONDS))


def begin(ctx: Context, provider: str, asked: int) -> Run:
    """A request is about to be made."""
    with ctx.db.write() as tx:
        tx.record("model.run.start", f"provider/{provider}", {"provider": provider})
    return Run(ctx, provider, time.monotonic(), asked)
