"""/admin/permissions and /admin/approvals."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.errors import JarvisError, invalid
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field, Fields
from jarvis.policy import actions, store
from jarvis.policy.actions import approvals
from jarvis.policy.actions.preview import Preview, preview
from jarvis.policy.store import Approval, Permission
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import local_path, see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PERMISSIONS, APPROVALS = "/admin/permissions", "/admin/approvals"
SHOWN_FLIPS = 20
TEXT = Field(kind="string", longest=200)
GIVEN: Fields = {
    "principal": Field(kind="string", is_required=True, shortest=1, longest=100),
    "tool": Field(kind="string", is_required=True, shortest=1, longest=100),
    "effect": Field(kind="string", is_required=True, choices=(*store.EFFECTS, "default")),
    "rules": Field(kind="string", longest=20_000, is_multiline=True),
    "step": Field(kind="string", choices=("", "look", "save")),
}
ANSWER: Fields = {
    "back": Field(kind="string", longest=200),
    "reason": Field(kind="string", longest=approvals.LONGEST_NOTE),
}
DONE = {
    "set": "Saved.",
    "removed": "Removed; the default holds again.",
    "approved": "Approved once.",
    "denied": "Denied, and the agent is told.",
}


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A tool with what holds for it by default and what is set."""

    tool: Tool
    default: str
    rows: list[Permission]


@dataclass(frozen=True, slots=True)
class PermissionsPage:
    tools: list[ToolRow]
    form: Form
    looked: Preview | None
    shown_flips: int
    done: str


@dataclass(frozen=True, slots=True)
class ApprovalsPage:
    waiting: list[Approval]
    decided: list[Approval]
    older: str
    done: str
    problem: str


def routes(parts: Parts) -> Routes:
    """Both pages and their forms."""
    table = Routes("policy", pages=True)
    _permission_routes(table)
    _approval_routes(table)
    return table


def _permission_routes(table: Routes) -> None:
    query = {"done": TEXT, "principal": TEXT, "tool": TEXT}

    @table.get(PERMISSIONS, Access.ADMIN, "What may be done, and by whom.", query=query)
    def index(request: Request) -> Reply:
        return _page(request, _prefilled(request), None)

    def again(request: Request, error: JarvisError) -> Reply:
        return _page(request, refused(request.typed, error), None, error.status)

    @table.post(PERMISSIONS, Access.ADMIN, "Look at what a change would do, or save it.", body=GIVEN, again=again)
    def change(request: Request) -> Reply:
        ctx, body = request.ctx, request.body
        principal, tool, rule_list = body["principal"], body["tool"], _rules(body.get("rules", ""))
        effect = None if body["effect"] == "default" else body["effect"]
        if body.get("step") != "save":
            looked = preview(ctx, principal, tool, effect, rule_list)
            return _page(request, Form(request.typed or {}), looked)
        if effect is None:
            actions.remove(ctx, principal, tool)
            return see_other(f"{PERMISSIONS}?done=removed")
        actions.put(ctx, principal, tool, effect, rule_list)
        return see_other(f"{PERMISSIONS}?done=set")


def _rules(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else []
    except ValueError as error:
        raise invalid("rules", f"are not valid JSON: {error}") from None


def _prefilled(request: Request) -> Form:
    """The form for a permission that is there already, when one was chosen."""
    principal, tool = request.query.get("principal", ""), request.query.get("tool", "")
    with request.ctx.db.read() as tx:
        row = store.find_permission(tx, principal, tool)
    if row is None:
        return Form({"tool": tool}) if tool else EMPTY
    shown = "" if row.rules == "[]" else json.dumps(row.rule_list(), ensure_ascii=False)
    return Form({"principal": row.principal, "tool": row.tool, "effect": row.effect, "rules": shown})


def _page(request: Request, form: Form, looked: Preview | None, status: int = 200) -> Reply:
    with request.ctx.db.read() as tx:
        rows = store.permissions(tx)
    tools = [
        ToolRow(tool, actions.DEFAULTS[tool.risk], [row for row in rows if row.tool == tool.name])
        for tool in sorted(request.ctx.registry.tools.values(), key=lambda tool: (tool.risk, tool.name))
    ]
    tools.sort(key=lambda row: ("host", "write", "read").index(row.tool.risk))
    done = DONE.get(request.query.get("done", ""), "")
    return request.page("policy/permissions.html", PermissionsPage(tools, form, looked, SHOWN_FLIPS, done), status)


def _approval_routes(table: Routes) -> None:
    query = {**LIST_QUERY, "done": TEXT}

    @table.get(APPROVALS, Access.ADMIN, "Calls that wait for a person.", query=query)
    def index(request: Request) -> Reply:
        return _approvals(request)

    def again(request: Request, error: JarvisError) -> Reply:
        return _approvals(request, str(error), error.status)

    @table.post(APPROVALS + "/{id}/approve", Access.ADMIN, "Let one call happen, once.", body=ANSWER, again=again)
    def approve(request: Request) -> Reply:
        approvals.approve(request.ctx, request.path["id"])
        return _back(request, "approved")

    @table.post(APPROVALS + "/{id}/deny", Access.ADMIN, "Say no to a call.", body=ANSWER, again=again)
    def deny(request: Request) -> Reply:
        approvals.deny(request.ctx, request.path["id"], request.body.get("reason", ""))
        return _back(request, "denied")


def _back(request: Request, done: str) -> Reply:
    if request.wants_partial:
        return Reply(204, b"", {"Cache-Control": "no-store"})
    return see_other(local_path(request.body.get("back", ""), f"{APPROVALS}?done={done}"))


def _approvals(request: Request, problem: str = "", status: int = 200) -> Reply:
    limit, before = window(request)
    with request.ctx.db.read() as tx:
        waiting = store.newest_approvals(tx, approvals.MOST_PENDING, "pending")
        found = store.newest_approvals(tx, limit + 1, "", before)
    older = f"{APPROVALS}?after={found[limit - 1].seq}" if len(found) > limit else ""
    decided = [one for one in found[:limit] if not one.is_pending]
    done = DONE.get(request.query.get("done", ""), "")
    return request.page("policy/approvals.html", ApprovalsPage(waiting[::-1], decided, older, done, problem), status)
