"""/admin/restart: what a restart would interrupt, the button, and how the last ones went."""

from dataclasses import dataclass

from jarvis.kernel.errors import JarvisError
from jarvis.kernel.schema import Field
from jarvis.restart import actions, store
from jarvis.restart.store import Restart
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other
from jarvis.web.routes import Access, Reply, Request, Routes

PAGE = "/admin/restart"
SHOWN = 20
CALM = "Running work is finished first, and nothing that waits is lost."


@dataclass(frozen=True, slots=True)
class RestartPage:
    under_way: Restart | None
    past: list[Restart]
    says: str
    seconds: int
    problem: str


def routes(parts: Parts) -> Routes:
    """The page and its button."""
    table = Routes("restart", pages=True)

    @table.get(PAGE, Access.ADMIN, "Restart, and how the last ones went.", query={"done": Field(kind="string")})
    def index(request: Request) -> Reply:
        return _page(request)

    def again(request: Request, error: JarvisError) -> Reply:
        return _page(request, str(error), error.status)

    @table.post(PAGE, Access.ADMIN, "Restart.", again=again)
    def restart(request: Request) -> Reply:
        actions.request_here(request.ctx, "asked on the page")
        return see_other(PAGE)

    return table


def _page(request: Request, problem: str = "", status: int = 200) -> Reply:
    ctx = request.ctx
    with ctx.db.read() as tx:
        under_way, found = store.under_way(tx), store.newest(tx, SHOWN)
    past = [one for one in found if one.is_over]
    says = (
        actions.sentence(under_way) if under_way else "Running work is finished first, and nothing that waits is lost."
    )
    seconds = ctx.settings.restart_drain_timeout_seconds
    return request.page("restart/index.html", RestartPage(under_way, past, says, seconds, problem), status)
