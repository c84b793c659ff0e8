"""Bugs and feature requests as JSON: one's own; for admins, everybody's."""

from jarvis.bugs import actions, fields, store
from jarvis.bugs.store import Bug, Filter
from jarvis.web.parts import Parts
from jarvis.web.replies import as_json, created, no_content, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

BUGS, FEATURES = "/api/v1/bugs", "/api/v1/feature-requests"


def routes(parts: Parts) -> Routes:
    """The routes of this feature's API."""
    table = Routes("bugs", schemas={"Bug": fields.BUG})
    _bug_routes(table)
    _feature_routes(table)
    return table


def _bug_routes(table: Routes) -> None:
    query = {**LIST_QUERY, **fields.FILTERS}

    @table.get(BUGS, Access.USER, "Bugs and feature requests, newest first.", query=query, answers={200: "Bug[]"})
    def index(request: Request) -> Reply:
        return _list(request, actions.wanted(request.ctx, request.query))

    @table.post(BUGS, Access.USER, "File a bug.", body=fields.CREATE, answers={201: "Bug"})
    def create(request: Request) -> Reply:
        return _create(request, request.body.get("kind", "bug"))

    @table.get(f"{BUGS}/{{id}}", Access.USER, "One bug.", answers={200: "Bug"})
    def show(request: Request) -> Reply:
        return as_json(actions.read(request.ctx, request.path["id"]).as_json())

    @table.patch(f"{BUGS}/{{id}}", Access.USER, "Change a bug.", body=fields.CHANGE, answers={200: "Bug"})
    def change(request: Request) -> Reply:
        return as_json(actions.change(request.ctx, request.path["id"], **request.body).as_json())

    @table.post(f"{BUGS}/{{id}}/sync", Access.USER, "Make a GitHub issue of it, or try again.", answers={202: "Bug"})
    def sync(request: Request) -> Reply:
        return as_json(actions.ask_sync(request.ctx, request.path["id"]).as_json(), 202)

    @table.delete(f"{BUGS}/{{id}}", Access.USER, "Remove a bug for good.", answers={204: "It is gone."})
    def delete(request: Request) -> Reply:
        actions.delete(request.ctx, request.path["id"])
        return no_content()


def _feature_routes(table: Routes) -> None:
    query = {**LIST_QUERY, **{name: field for name, field in fields.FILTERS.items() if name != "kind"}}

    @table.get(FEATURES, Access.USER, "Feature requests, newest first.", query=query, answers={200: "Bug[]"})
    def index(request: Request) -> Reply:
        return _list(request, actions.wanted(request.ctx, {**request.query, "kind": "feature"}))

    @table.post(FEATURES, Access.USER, "Ask for a feature.", body=fields.CREATE_FEATURE, answers={201: "Bug"})
    def create(request: Request) -> Reply:
        return _create(request, "feature")


def _list(request: Request, chosen: Filter) -> Reply:
    limit, before = window(request)
    with request.ctx.db.read() as tx:
        found = store.newest(tx, chosen, limit + 1, before)
    return page_of(found, Bug.as_json, limit, lambda bug: bug.seq)


def _create(request: Request, kind: str) -> Reply:
    body = request.body
    bug = actions.file(
        request.ctx,
        body["title"],
        body.get("description", ""),
        kind=kind,
        priority=body.get("priority", "medium"),
        assignee=body.get("assignee"),
        thread_id=body.get("thread_id"),
        sync_to_github=body.get("sync_to_github", False),
    )
    return created(bug.as_json(), f"{BUGS}/{bug.id}")
