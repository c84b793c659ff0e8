"""The lockdown switch over HTTP."""

from jarvis.kernel.errors import invalid
from jarvis.kernel.schema import Field, Fields
from jarvis.lockdown import actions
from jarvis.web import replies
from jarvis.web.parts import Parts
from jarvis.web.routes import Access, Reply, Request, Routes

PATH = "/api/v1/system/lockdown"
WISH: Fields = {
    "lockdown": Field(kind="boolean", is_required=True, help="true locks; false unlocks and needs the code."),
    "reason": Field(kind="string", longest=actions.LONGEST_REASON, help="Why, for everybody to read."),
    "code": Field(kind="string", longest=40, help="The unlock code from the host."),
}
STATE: Fields = {
    "lockdown": Field(kind="boolean"),
    "lockdown_reason": Field(kind="string", is_nullable=True),
    "lockdown_by": Field(kind="string", is_nullable=True),
    "lockdown_at": Field(kind="string", is_nullable=True, help="RFC 3339."),
    "lockdown_trigger": Field(
        kind="string", is_nullable=True, help="manual, readyz_failures, rollback_burst or exec_host_failures."
    ),
    "code": Field(kind="object", is_nullable=True, help="{expires_at, tries_left} of a code that is good; never it."),
}
ASKED: Fields = {"task_id": Field(kind="string", is_required=True)}
REHEARSAL: Fields = {
    "rehearsal": Field(
        kind="object",
        is_required=True,
        is_nullable=True,
        help="{ok, at, seconds, version, tried: {kind: count}, leaks: [{kind, name, what}], attempts}, or null.",
    )
}
LOCKDOWN: Fields = {"system": Field(kind="object", fields=STATE)}


def routes(parts: Parts) -> Routes:
    """Reading the state, locking and unlocking, and the rehearsal of it."""
    table = Routes("lockdown", schemas={"Lockdown": LOCKDOWN, "RehearsalAsked": ASKED, "Rehearsal": REHEARSAL})
    _rehearsal_routes(table)

    @table.get(PATH, Access.ADMIN, "Whether Jarvis is locked down, why, and since when.", answers={200: "Lockdown"})
    def show(request: Request) -> Reply:
        return replies.as_json({"system": actions.standing(request.ctx).as_json()})

    @table.post(
        PATH,
        Access.ADMIN,
        "Lock down, or unlock with a code.",
        body=WISH,
        answers={200: "Lockdown", 403: "The code is wrong, used up or expired."},
    )
    def change(request: Request) -> Reply:
        ctx, wish = request.ctx, request.body
        if wish["lockdown"]:
            actions.lock_by_hand(ctx, wish.get("reason", ""))
        elif actions.standing(ctx).state.lockdown:
            if not wish.get("code"):
                raise invalid("code", "is required to unlock; it stands on the host, see jarvis unlock-code")
            actions.unlock_or_refuse(ctx, wish["code"])
        return replies.as_json({"system": actions.standing(ctx).as_json()})

    return table


def _rehearsal_routes(table: Routes) -> None:
    path = f"{PATH}/rehearsal"

    @table.get(path, Access.ADMIN, "What the last rehearsal of a lockdown found.", answers={200: "Rehearsal"})
    def last(request: Request) -> Reply:
        return replies.as_json({"rehearsal": actions.last_rehearsal(request.ctx)})

    @table.post(path, Access.ADMIN, "Rehearse a lockdown on a copy of everything.", answers={202: "RehearsalAsked"})
    def rehearse(request: Request) -> Reply:
        return replies.accepted({"task_id": actions.ask_rehearsal(request.ctx).id})
