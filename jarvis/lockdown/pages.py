"""/admin/lockdown: why it is locked, what that kept from happening, and the way out; or the way in."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.errors import JarvisError
from jarvis.kernel.registry import Refused
from jarvis.kernel.schema import Field, Fields
from jarvis.lockdown import actions
from jarvis.lockdown.actions import TRIES, Standing
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other
from jarvis.web.routes import Access, Reply, Request, Routes

PAGE = "/admin/lockdown"
DONE = {
    "locked": "Locked down. A fresh unlock code stands on the host.",
    "unlocked": "Unlocked. Everything works again.",
    "rehearsing": "A rehearsal is on its way; what it finds will stand below in a moment.",
}
LOCK: Fields = {"reason": Field(kind="string", longest=actions.LONGEST_REASON)}
UNLOCK: Fields = {"code": Field(kind="string", is_required=True, shortest=1, longest=40)}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The part of the page that changes by itself while a rehearsal runs."""

    rehearsal: dict[str, Any] | None
    is_rehearsing: bool


@dataclass(frozen=True, slots=True)
class LockdownPage:
    found: Standing
    refused: list[Refused]
    form: Form
    done: str
    path: str
    tries: int
    triggers: list[tuple[str, str]]
    rehearsal: dict[str, Any] | None
    is_rehearsing: bool


def routes(parts: Parts) -> Routes:
    """The page and its two forms."""
    table = Routes("lockdown", pages=True)

    @table.get(
        PAGE, Access.ADMIN, "Whether Jarvis is locked down, and the switch.", query={"done": Field(kind="string")}
    )
    def index(request: Request) -> Reply:
        return _page(request, EMPTY)

    def again(request: Request, error: JarvisError) -> Reply:
        return _page(request, refused(request.typed, error), error.status)

    @table.post(f"{PAGE}/lock", Access.ADMIN, "Lock everything but reading.", body=LOCK, again=again)
    def lock(request: Request) -> Reply:
        actions.lock_by_hand(request.ctx, request.body.get("reason", ""))
        return see_other(f"{PAGE}?done=locked")

    @table.post(f"{PAGE}/unlock", Access.ADMIN, "Lift the lockdown with a code.", body=UNLOCK, again=again)
    def unlock(request: Request) -> Reply:
        actions.unlock_or_refuse(request.ctx, request.body["code"])
        return see_other(f"{PAGE}?done=unlocked")

    @table.post(f"{PAGE}/rehearse", Access.ADMIN, "Rehearse a lockdown on a copy of everything.", again=again)
    def rehearse(request: Request) -> Reply:
        actions.ask_rehearsal(request.ctx)
        return see_other(f"{PAGE}?done=rehearsing")

    @table.get(f"{PAGE}/rehearsal", Access.ADMIN, "How far the rehearsal is.")
    def watch(request: Request) -> Reply:
        if not request.wants_partial:
            return see_other(f"{PAGE}#rehearsal")
        ctx = request.ctx
        part = Rehearsed(actions.last_rehearsal(ctx), actions.is_rehearsing(ctx))
        return request.page("lockdown/_rehearsal.html", part)

    return table


def _page(request: Request, form: Form, status: int = 200) -> Reply:
    ctx = request.ctx
    found = actions.standing(ctx)
    since = found.state.lockdown_at
    kept = actions.refused(ctx, since) if found.state.lockdown and since is not None else []
    path = str(ctx.settings.admin_unlock_code_path)
    done = DONE.get(request.query.get("done", ""), "")
    shown = LockdownPage(
        found,
        kept,
        form,
        done,
        path,
        TRIES,
        _triggers(request),
        actions.last_rehearsal(ctx),
        actions.is_rehearsing(ctx),
    )
    return request.page("lockdown/index.html", shown, status)


def _triggers(request: Request) -> list[tuple[str, str]]:
    """What locks by itself, in words with the numbers as they are set."""
    s = request.ctx.settings
    return [
        ("readyz_failures", f"{s.lockdown_readyz_fail_threshold} evaluations in a row that are not ready"),
        (
            "rollback_burst",
            f"{s.lockdown_rollback_threshold} rollbacks within {s.lockdown_rollback_window_minutes} min",
        ),
        (
            "exec_host_failures",
            f"{s.lockdown_exec_host_fail_threshold} failed host.exec runs within"
            f" {s.lockdown_exec_host_fail_window_minutes} min",
        ),
    ]
