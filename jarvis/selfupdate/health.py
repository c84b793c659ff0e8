"""How well Jarvis is, in what an update must not make worse."""

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from jarvis.kernel.context import Context
from jarvis.system import actions as system

SAMPLES = 5
MOST_TIMES, MOST_MORE_MS = 10, 500.0
"""Answers may get slower by either of these: a busy host is no reason to take an update back."""
WELL = "ready"


@dataclass(frozen=True, slots=True)
class Health:
    """What was well: names of checks (that over the loops among them) and of providers; and how fast it answers."""

    checks: tuple[str, ...]
    providers: tuple[str, ...]
    answer_ms: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(told: dict[str, Any]) -> Health:
    return Health(tuple(told["checks"]), tuple(told["providers"]), float(told["answer_ms"]))


def take(ctx: Context) -> Health:
    """Look at the server of this home, as it answers over HTTP; nothing is well where it does not."""
    asked = [system.ask_server(ctx) for _ in range(SAMPLES)]
    told = asked[-1][0] or {"checks": {}}
    states = ctx.registry.status["providers"].run(ctx) if "providers" in ctx.registry.status else {}
    return Health(
        tuple(sorted(name for name, check in told["checks"].items() if check.get("ok") is True)),
        tuple(sorted(name for name, state in states.items() if state.get("state") == WELL)),
        round(statistics.median(seconds for _, seconds in asked) * 1000, 1),
    )


def worse(before: Health, now: Health) -> str:
    """What was well before and is not now, or ""."""
    lost = [f"check {name}" for name in before.checks if name not in now.checks]
    lost += [f"provider {name}" for name in before.providers if name not in now.providers]
    if now.answer_ms > before.answer_ms * MOST_TIMES and now.answer_ms > before.answer_ms + MOST_MORE_MS:
        lost.append(f"/readyz takes {now.answer_ms:.0f} ms instead of {before.answer_ms:.0f}")
    return f"not as well as before: {', '.join(lost)}" if lost else ""
