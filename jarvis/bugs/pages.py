"""/admin/bugs: the list beside one bug; file, edit in place, close and reopen."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from jarvis.bugs import actions, fields, store
from jarvis.bugs.store import Bug, Filter
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError
from jarvis.kernel.schema import Field
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

BUGS = "/admin/bugs"
SHOWN = 25
MOST_COUNTED = 9999
DAY = 86_400 * SECOND
CUTS = {
    "active": ("Active", {"kind": "bug", "status": "active"}),
    "resolved": ("Resolved", {"kind": "bug", "status": "resolved"}),
    "closed": ("Closed", {"kind": "bug", "status": "closed"}),
    "features": ("Features", {"kind": "feature", "status": ""}),
}
DONE = {
    "filed": "Filed.",
    "changed": "Changed.",
    "closed": "Closed. If it fails again it reopens with its count.",
    "reopened": "Open again.",
    "sync": "It goes to GitHub as soon as the server gets to it.",
}
QUERY = {
    "cut": Field(kind="string", choices=("", *CUTS)),
    "priority": fields.FILTERS["priority"],
    "q": fields.FILTERS["q"],
    "done": Field(kind="string", longest=20),
    "edit": Field(kind="boolean"),
}
FORM = {
    "title": fields.TITLE,
    "description": fields.DESCRIPTION,
    "kind": fields.KIND,
    "priority": fields.PRIORITY,
    "assignee": Field(kind="string", longest=100),
    "sync_to_github": fields.SYNC,
}


@dataclass(frozen=True, slots=True)
class Cut:
    """One of the daily cuts, with how many there are of it."""

    name: str
    word: str
    count: int
    is_current: bool
    address: str


@dataclass(frozen=True, slots=True)
class List:
    """The list on the left, as it was asked for."""

    bugs: list[Bug]
    cuts: list[Cut]
    cut: str
    q: str
    priority: str
    asked: str
    """The query string that brings the same list back, with its question mark, or ""."""
    older: str
    total: int
    sentence: str


@dataclass(frozen=True, slots=True)
class BugsPage:
    list: List
    bug: Bug | None
    is_item: bool
    is_editing: bool
    form: Form
    done: str
    problem: str = ""
    is_sync_on: bool = False


@dataclass(frozen=True, slots=True)
class NewBugPage:
    form: Form
    is_sync_on: bool


def routes(parts: Parts) -> Routes:
    """The pages of this feature."""
    table = Routes("bugs", pages=True)
    _look_routes(table)
    _file_routes(table)
    _change_routes(table)
    return table


def _look_routes(table: Routes) -> None:
    @table.get(BUGS, Access.USER, "Bugs and feature requests.", query={**LIST_QUERY, **QUERY})
    def index(request: Request) -> Reply:
        shown = _list(request)
        first = shown.bugs[0] if shown.bugs else None
        done = DONE.get(request.query.get("done", ""), "")
        is_on = actions.is_sync_on(request.ctx)
        return request.page("bugs/index.html", BugsPage(shown, first, False, False, EMPTY, done, is_sync_on=is_on))

    @table.get(f"{BUGS}/{{id}}", Access.USER, "One bug beside the list.", query={**LIST_QUERY, **QUERY})
    def show(request: Request) -> Reply:
        return _bug_page(request)


def _file_routes(table: Routes) -> None:
    @table.get(f"{BUGS}/new", Access.USER, "The form to file a bug or ask for a feature.")
    def show_new(request: Request) -> Reply:
        return _new_page(request, EMPTY)

    def show_again(request: Request, error: JarvisError) -> Reply:
        return _new_page(request, refused(request.typed, error), error.status)

    @table.post(BUGS, Access.USER, "File a bug or ask for a feature.", body=FORM, again=show_again)
    def create(request: Request) -> Reply:
        given = request.body
        bug = actions.file(
            request.ctx,
            given["title"],
            given.get("description", ""),
            kind=given.get("kind", "bug"),
            priority=given.get("priority", "medium"),
            assignee=given.get("assignee") or None,
            sync_to_github=given.get("sync_to_github", False),
        )
        return see_other(f"{BUGS}/{bug.id}?done=filed")


def _change_routes(table: Routes) -> None:
    one = f"{BUGS}/{{id}}"

    def show_form_again(request: Request, error: JarvisError) -> Reply:
        return _bug_page(request, error.status, form=refused(request.typed, error), is_editing=True)

    def show_problem(request: Request, error: JarvisError) -> Reply:
        return _bug_page(request, error.status, problem=str(error))

    body = {name: field for name, field in FORM.items() if name != "sync_to_github"} | {"status": fields.STATUS}

    @table.post(one, Access.USER, "Change a bug.", body=body, query=QUERY, again=show_form_again)
    def change(request: Request) -> Reply:
        actions.change(request.ctx, request.path["id"], **request.body)
        return _back(request, "changed")

    @table.post(f"{one}/close", Access.USER, "Close a bug.", query=QUERY, again=show_problem)
    def close(request: Request) -> Reply:
        actions.close(request.ctx, request.path["id"])
        return _back(request, "closed")

    @table.post(f"{one}/reopen", Access.USER, "Open a bug again.", query=QUERY, again=show_problem)
    def reopen(request: Request) -> Reply:
        actions.change(request.ctx, request.path["id"], status="open")
        return _back(request, "reopened")

    @table.post(f"{one}/sync", Access.USER, "Make a GitHub issue of it, or try again.", query=QUERY, again=show_problem)
    def sync(request: Request) -> Reply:
        actions.ask_sync(request.ctx, request.path["id"])
        return _back(request, "sync")


def _back(request: Request, done: str) -> Reply:
    asked = _asked(request) | {"done": done}
    return see_other(f"{BUGS}/{request.path['id']}?{urlencode(asked)}")


def _new_page(request: Request, form: Form, status: int = 200) -> Reply:
    return request.page("bugs/new.html", NewBugPage(form, actions.is_sync_on(request.ctx)), status)


def _bug_page(
    request: Request, status: int = 200, *, form: Form = EMPTY, is_editing: bool = False, problem: str = ""
) -> Reply:
    bug = actions.read(request.ctx, request.path["id"])
    shown = _list(request, near=bug)
    editing = is_editing or request.query.get("edit", False)
    done = DONE.get(request.query.get("done", ""), "")
    page = BugsPage(shown, bug, True, editing, form, done, problem, actions.is_sync_on(request.ctx))
    return request.page("bugs/index.html", page, status)


def _asked(request: Request) -> dict[str, str]:
    return {name: request.query[name] for name in ("cut", "priority", "q") if request.query.get(name)}


def _cut_of(bug: Bug) -> str:
    if bug.kind == "feature":
        return "features"
    return "active" if bug.is_active else bug.status


def _list(request: Request, near: Bug | None = None) -> List:
    """The list that was asked for; beside one bug and unasked, the cut it is in."""
    limit, before = min(window(request)[0], SHOWN), window(request)[1]
    asked = _asked(request)
    cut = asked.get("cut") or (_cut_of(near) if near else "active")
    ctx = request.ctx
    everything = actions.wanted(ctx, {})
    chosen = actions.wanted(ctx, {**CUTS[cut][1], "priority": asked.get("priority"), "q": asked.get("q")})
    with ctx.db.read() as tx:
        found = store.newest(tx, chosen, limit + 1, before)
        counts = {name: _count(ctx, tx, everything, name) for name in CUTS}
        said = _sentence(ctx, tx, everything, found[:limit])
    bugs = found[:limit]
    rest = asked | {"after": str(bugs[-1].seq)} if len(found) > limit else {}
    return List(
        bugs,
        [_cut(name, counts[name], name == cut, asked) for name in CUTS],
        cut,
        asked.get("q", ""),
        asked.get("priority", ""),
        f"?{urlencode(asked)}" if asked else "",
        f"{BUGS}?{urlencode(rest)}" if rest else "",
        counts[cut],
        said,
    )


def _cut(name: str, count: int, is_current: bool, asked: dict[str, str]) -> Cut:
    kept = {key: value for key, value in asked.items() if key != "cut"} | {"cut": name}
    return Cut(name, CUTS[name][0], count, is_current, f"{BUGS}?{urlencode(kept)}")


def _count(ctx: Context, tx: Any, everything: Filter, cut: str) -> int:
    """Admins' counts are kept by the database; one's own are counted, as far as it matters."""
    filters = CUTS[cut][1]
    if not ctx.is_admin:
        return store.count(tx, replace(everything, **filters), MOST_COUNTED)
    statuses = (
        store.ACTIVE if filters["status"] == "active" else (filters["status"],) if filters["status"] else store.STATUSES
    )
    kept = store.counts(tx)
    return sum(kept.get((filters["kind"], status), 0) for status in statuses)


def _sentence(ctx: Context, tx: Any, everything: Filter, shown: list[Bug]) -> str:
    kinds = [replace(everything, kind="bug", status=status) for status in store.ACTIVE]
    if ctx.is_admin:
        kept = store.counts(tx)
        opened, going = (kept.get(("bug", status), 0) for status in store.ACTIVE)
    else:
        opened, going = (store.count(tx, kind, MOST_COUNTED) for kind in kinds)
    back = sum(bug.has_recurred and bug.is_active and tx.now - bug.last_seen_at < DAY for bug in shown)
    if not opened + going:
        return "Nothing is open." if ctx.is_admin else "Nothing of yours is open."
    said = f"{opened:,} open, {going:,} in progress."
    return f"{said} {back} came back since yesterday." if back else said
