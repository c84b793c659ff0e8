"""Health, readiness, metrics and status over HTTP."""

from collections.abc import Callable

from jarvis import __version__
from jarvis.kernel.context import Context
from jarvis.kernel.schema import Field, Fields
from jarvis.system import actions
from jarvis.system.readiness import Readiness
from jarvis.web import replies
from jarvis.web.metrics import Metrics, Sample
from jarvis.web.routes import Access, Reply, Request, Routes

Samples = Callable[[Context], list[Sample]]

HEALTH: Fields = {"ok": Field(kind="boolean", help="True while the process serves.")}
READY: Fields = {
    "ok": Field(kind="boolean", help="Every core check is fine and nothing restarts."),
    "checks": Field(kind="object", help="Name → {ok, core, detail}."),
    "restarting": Field(kind="boolean"),
    "lockdown": Field(kind="boolean"),
    "version": Field(kind="string"),
}
STATUS: Fields = {
    "time": Field(kind="string", help="Now, RFC 3339 in UTC."),
    "version": Field(kind="string"),
    "system": Field(kind="object", help="{lockdown, lockdown_reason, restarting}."),
    "providers": Field(kind="object", help="Each provider and how it is."),
    "tasks": Field(kind="object", help="{queued, running, failed}."),
    "scheduler": Field(kind="object", help="{schedules, due, deferred, next_due_at}."),
    "maintenance": Field(kind="object", help="When it ran and what became of it."),
    "ready": Field(kind="boolean", is_nullable=True, help="As GET /readyz; null without a server."),
    "checks": Field(kind="object", help="As GET /readyz."),
}


def routes(readiness: Readiness, metrics: Metrics, samples: Samples) -> Routes:
    """The routes, over what the composition root made."""
    found = Routes("system", schemas={"Health": HEALTH, "Ready": READY, "Status": STATUS})
    alive = replies.as_json({"ok": True})

    @found.get("/healthz", Access.ALL, "Whether the process serves.", answers={200: "Health"})
    def healthz(request: Request) -> Reply:
        return alive

    @found.get("/readyz", Access.ALL, "Whether it is ready, check by check.", answers={200: "Ready", 503: "Ready"})
    def readyz(request: Request) -> Reply:
        is_ok, shown = readiness.as_json()
        return replies.as_json(shown, 200 if is_ok else 503, **({} if is_ok else {"Retry-After": "2"}))

    @found.get("/metrics", Access.LOCAL, "Counters for Prometheus.", answers={200: "Prometheus text, version 0.0.4"})
    def show_metrics(request: Request) -> Reply:
        info: Sample = ("jarvis_info", "gauge", f'version="{__version__}"', 1)
        ready: Sample = ("jarvis_ready", "gauge", "", float(readiness.as_json()[0]))
        text = metrics.text([info, ready, *samples(request.ctx)])
        return replies.text(text, "text/plain; version=0.0.4; charset=utf-8")

    @found.get("/api/v1/system/status", Access.USER, "How everything is.", answers={200: "Status"})
    def status(request: Request) -> Reply:
        return replies.as_json(actions.status(request.ctx))

    return found
