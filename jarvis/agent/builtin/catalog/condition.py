"""Whether Jarvis is well: status, readiness, what is waiting."""

from collections.abc import Mapping
from typing import Any

from jarvis.agent.builtin.intents import Call, Catalog, Intent, Telling
from jarvis.agent.builtin.prose import ago, bullets, code, instant, listing, plural, safe, sentence

WORDS = {
    "status": "status health healthy ready readiness alive condition operational stable",
    "wrong": "wrong broken trouble issue unhealthy",
    "jarvis": "jarvis yourself",
    "system": "system systems service services",
    "queue": "task tasks queue queued job jobs backlog waiting",
    "scheduler": "schedule schedules scheduler scheduled upcoming due",
}


GOOD = (None, "ready", "ok")


def status(telling: Telling) -> str:
    """What is not well first; then what is going on."""
    result = telling.result
    ready = result.get("ready", result.get("ok"))
    checks = result.get("checks") or _inner(result, "ready").get("checks") or {}
    is_ready = ready.get("ok") if isinstance(ready, Mapping) else ready
    bad = [(name, check) for name, check in checks.items() if not check.get("ok")]
    system = _inner(result, "system")
    lines = [line for line in (_lockdown(system), _restarting(system)) if line]
    lines += [f"**{safe(name)}** is failing: {safe(check.get('detail') or 'no detail given')}" for name, check in bad]
    lines += [line for line in (_tasks(result), _scheduler(result, telling.now), _providers(result)) if line]
    head = _headline(result, is_ready, bool(checks), bad, system)
    return f"{head}\n\n{bullets(lines)}" if lines else head


def _headline(
    result: Mapping[str, Any], ready: Any, has_checks: bool, bad: list[Any], system: Mapping[str, Any]
) -> str:
    version = f" {safe(result['version'])}" if result.get("version") else ""
    if system.get("lockdown"):
        return f"Jarvis{version} is locked down."
    if system.get("restarting"):
        return f"Jarvis{version} is restarting."
    if ready is False or bad:
        return f"Jarvis{version} is not ready." if ready is False else f"Jarvis{version} is ready, with reservations."
    if ready is None:
        return f"No server is running here, as far as I can see; this is Jarvis{version}."
    return f"Jarvis{version} is ready{' and every check passes' if has_checks else ''}."


def _lockdown(system: Mapping[str, Any]) -> str:
    if not system.get("lockdown"):
        return ""
    reason = system.get("lockdown_reason")
    why = f": {safe(reason)}" if reason else ""
    return f"Locked down{why}. Only reading is allowed; an admin lifts it with `/unlock CODE`."


def _restarting(system: Mapping[str, Any]) -> str:
    return "A restart is under way; posted work is stored and waits." if system.get("restarting") else ""


def _tasks(result: Mapping[str, Any]) -> str:
    tasks = _inner(result, "tasks")
    if not tasks:
        return ""
    parts = [f"{tasks[name]:,} {name}" for name in ("running", "queued", "failed") if isinstance(tasks.get(name), int)]
    return f"Tasks: {listing(parts)}." if parts else ""


def _scheduler(result: Mapping[str, Any], now: int) -> str:
    scheduler = _inner(result, "scheduler")
    count = scheduler.get("schedules")
    if not isinstance(count, int):
        return ""
    parts = [plural(count, "schedule")]
    parts += [f"{scheduler[name]:,} {name}" for name in ("due", "deferred") if scheduler.get(name)]
    due = instant(scheduler.get("next_due_at"))
    return sentence(f"{listing(parts)}{f'; the next is due {ago(due, now)}' if due is not None else ''}.")


def _providers(result: Mapping[str, Any]) -> str:
    providers = result.get("providers")
    if isinstance(providers, Mapping):
        told = {name: state for name, state in providers.items() if isinstance(state, Mapping)}
        down = [name for name, state in told.items() if state.get("ok") is False or state.get("state") not in GOOD]
        return f"Providers in trouble: {listing([_provider(name, told[name]) for name in down])}." if down else ""
    return ""


def _provider(name: str, state: Mapping[str, Any]) -> str:
    why = state.get("detail") or state.get("state")
    return f"{code(name)} ({safe(why, 120)})" if why else code(name)


def _inner(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = result.get(name)
    return value if isinstance(value, Mapping) else {}


CATALOG = Catalog(
    (
        Intent(
            "status.health",
            "whether Jarvis is well",
            (
                "is everything ok?",
                "status",
                "how are you",
                "are you healthy",
                "anything wrong?",
                "is jarvis ready",
                "how is the system doing",
                "health check",
                "what is the state of your queue",
            ),
            {
                "status": 0.75,
                "wrong": 0.5,
                "jarvis": 0.2,
                "system": 0.15,
                "queue": 0.55,
                "scheduler": 0.5,
                "howmany": 0.05,
                "host": 0.05,
                "running": 0.05,
                "version": -0.2,
            },
            status,
            lambda slots: Call("status.read"),
            needs=("status|wrong|queue|scheduler",),
        ),
    ),
    WORDS,
)
