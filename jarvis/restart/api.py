"""Asking for a restart over HTTP."""

from jarvis.kernel.schema import Field, Fields
from jarvis.restart import actions, store
from jarvis.web import replies
from jarvis.web.parts import Parts
from jarvis.web.routes import Access, Reply, Request, Routes

PATH = "/api/v1/system/restart"
WISH: Fields = {"reason": Field(kind="string", longest=actions.LONGEST_REASON, help="Why, for the record.")}
RESTART: Fields = {
    "state": Field(kind="string", help="asked, draining, leaving, complete or failed."),
    "tasks": Field(kind="array", help="What was in flight, each with what it became: delivered, resumed or failed."),
    "error": Field(kind="string", is_nullable=True),
    "asked_at": Field(kind="string"),
    "ended_at": Field(kind="string", is_nullable=True),
    "seconds": Field(kind="number", is_nullable=True),
}


def routes(parts: Parts) -> Routes:
    """Ask, and see how it goes."""
    table = Routes("restart", schemas={"Restart": RESTART})

    @table.post(
        PATH,
        Access.ADMIN,
        "Restart: running work is finished or taken up again afterwards.",
        body=WISH,
        answers={202: "Restart", 409: "Locked down, or a restart is under way."},
    )
    def restart(request: Request) -> Reply:
        return replies.accepted(actions.request_here(request.ctx, request.body.get("reason", "")).as_json())

    @table.get(PATH, Access.ADMIN, "The newest restarts.", answers={200: "Restart[]"})
    def index(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            found = store.newest(tx, 20)
        return replies.as_json({"items": [one.as_json() for one in found], "next": None})

    return table
