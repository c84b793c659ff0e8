"""Permissions and approvals over HTTP, for admins."""

from jarvis.kernel.schema import Field, Fields
from jarvis.policy import actions, store
from jarvis.policy.actions import approvals
from jarvis.web import replies
from jarvis.web.parts import Parts
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

RULES = Field(
    kind="array",
    longest=50,
    help='For host.exec: [["/usr/bin/systemctl", "status", {"slot": "unit"}]]; slots: int, word, unit, host, path.',
)
GIVEN: Fields = {
    "effect": Field(kind="string", is_required=True, choices=store.EFFECTS),
    "rules": RULES,
}
PERMISSION: Fields = {
    "principal": Field(kind="string", help="agent:main, user:NAME, role:user or role:admin."),
    "tool": Field(kind="string"),
    "effect": Field(kind="string", choices=store.EFFECTS),
    "rules": RULES,
    "set_by": Field(kind="string"),
    "set_at": Field(kind="string"),
}
CHECK: Fields = {
    "principal": Field(kind="string", is_required=True, longest=100),
    "tool": Field(kind="string", is_required=True, longest=100),
    "arguments": Field(kind="object"),
}
DECISION: Fields = {
    "decision": Field(kind="string", choices=store.EFFECTS),
    "reason": Field(kind="string"),
}
APPROVAL: Fields = {
    "id": Field(kind="string"),
    "state": Field(kind="string", choices=store.STATES),
    "tool": Field(kind="string"),
    "arguments": Field(kind="object"),
    "digest": Field(kind="string", help="SHA-256 of everything it is bound to."),
    "for": Field(kind="string", help="Whose question the agent answers."),
    "reason": Field(kind="string"),
    "thread_id": Field(kind="string"),
    "requested_at": Field(kind="string"),
    "expires_at": Field(kind="string"),
    "decided_at": Field(kind="string", is_nullable=True),
    "decided_by": Field(kind="string", is_nullable=True),
    "note": Field(kind="string", is_nullable=True),
}
DENIAL: Fields = {"reason": Field(kind="string", longest=approvals.LONGEST_NOTE, help="Told to the agent.")}
STATE = Field(kind="string", choices=("", *store.STATES))


def routes(parts: Parts) -> Routes:
    """Every route of policy."""
    schemas = {"Permission": PERMISSION, "Decision": DECISION, "Approval": APPROVAL}
    table = Routes("policy", schemas=schemas)
    _permission_routes(table)
    _approval_routes(table)
    return table


def _permission_routes(table: Routes) -> None:
    one = "/api/v1/permissions/{principal}/{tool}"

    @table.get("/api/v1/permissions", Access.ADMIN, "Every permission.", answers={200: "Permission[]"})
    def index(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            found = store.permissions(tx)
        return replies.as_json({"items": [row.as_json() for row in found], "next": None})

    @table.put(one, Access.ADMIN, "Say what a principal may do with a tool.", body=GIVEN, answers={200: "Permission"})
    def put(request: Request) -> Reply:
        path, body = request.path, request.body
        row = actions.put(request.ctx, path["principal"], path["tool"], body["effect"], body.get("rules"))
        return replies.as_json(row.as_json())

    @table.delete(one, Access.ADMIN, "Forget a permission; the default holds again.", answers={204: "Gone."})
    def delete(request: Request) -> Reply:
        actions.remove(request.ctx, request.path["principal"], request.path["tool"])
        return replies.no_content()

    @table.post(
        "/api/v1/permissions/check",
        Access.ADMIN,
        "What would be decided about a call.",
        body=CHECK,
        answers={200: "Decision"},
    )
    def check(request: Request) -> Reply:
        body = request.body
        asker = actions.asker_of(request.ctx, body["principal"])
        decision = actions.decide(request.ctx, asker, body["tool"], body.get("arguments") or {})
        return replies.as_json(decision.as_json())


def _approval_routes(table: Routes) -> None:
    query = {**LIST_QUERY, "state": STATE}

    @table.get(
        "/api/v1/approvals", Access.ADMIN, "Calls that wait or waited.", query=query, answers={200: "Approval[]"}
    )
    def index(request: Request) -> Reply:
        limit, before = replies.window(request)
        with request.ctx.db.read() as tx:
            found = store.newest_approvals(tx, limit + 1, request.query.get("state", ""), before)
        return replies.page_of(found, lambda one: one.as_json(), limit, lambda one: one.seq)

    @table.get("/api/v1/approvals/{id}", Access.ADMIN, "One approval.", answers={200: "Approval"})
    def show(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            return replies.as_json(store.get_approval(tx, request.path["id"]).as_json())

    @table.post(
        "/api/v1/approvals/{id}/approve",
        Access.ADMIN,
        "Let one call happen, once.",
        answers={200: "Approval", 409: "Decided already, expired, or changed since it was asked."},
    )
    def approve(request: Request) -> Reply:
        return replies.as_json(approvals.approve(request.ctx, request.path["id"]).as_json())

    @table.post(
        "/api/v1/approvals/{id}/deny",
        Access.ADMIN,
        "Say no to a call.",
        body=DENIAL,
        answers={200: "Approval", 409: "Decided already."},
    )
    def deny(request: Request) -> Reply:
        reason = request.body.get("reason", "")
        return replies.as_json(approvals.deny(request.ctx, request.path["id"], reason).as_json())
