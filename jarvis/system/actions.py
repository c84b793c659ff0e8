"""How everything is, gathered from every feature; and what a start has to put right."""

import time
from typing import Any

from jarvis import __version__
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.system import server, store
from jarvis.system.host import Vital
from jarvis.system.host import vital as read_vital


def status(ctx: Context) -> dict[str, Any]:
    """The status as GET /api/v1/system/status answers it.

    Beside a server (a command, a task run by one) `ready` is None and `server` says where it runs.
    """
    with ctx.db.read() as tx:
        state = store.state(tx)
        system = {
            "lockdown": state.lockdown,
            "lockdown_reason": state.lockdown_reason,
            "restarting": state.restarting,
        }
        parts = {part.name: part.run(ctx) for part in ctx.registry.status.values()}
    if "ready" not in parts:
        found = server.running(ctx.settings)
        parts |= {"ready": None, "checks": {}, "server": found and {"pid": found.pid, "url": found.url}}
    return {"time": rfc3339(ctx.clock()), "version": __version__, "system": system, **parts}


def vital() -> Vital:
    """How the host and this process are, cheaply."""
    return read_vital()


def ask_server(ctx: Context) -> tuple[dict[str, Any] | None, float]:
    """What /readyz of this home's server answers over HTTP, None when it does not; and how many seconds that took."""
    found = server.running(ctx.settings)
    started = time.perf_counter()
    told = server.ask_ready(found, ctx.settings) if found is not None else None
    return told, time.perf_counter() - started


def clear_stale_flags(ctx: Context) -> None:
    """A start takes the restarting flag down, whoever left it up."""
    with ctx.db.write() as tx:
        store.clear_restarting(tx)
