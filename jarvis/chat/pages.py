"""Conversations in a browser: with JavaScript they are alive, without it forms and redirects do the same."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from jarvis.chat import actions, fields, slash, store
from jarvis.chat.api import exported
from jarvis.chat.shown import Shower
from jarvis.chat.store import Thread
from jarvis.events import store as log_store
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, JarvisError
from jarvis.kernel.registry import SlashCommand
from jarvis.kernel.schema import Field
from jarvis.kernel.throttle import Throttle
from jarvis.users import store as users
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import ndjson, see_other
from jarvis.web.routes import Access, Reply, Request, Routes

MESSAGES_A_PAGE = 50
THREADS_LISTED = 30
CLI_LISTED = 8
NEWEST = 2**62
DONE = {
    "renamed": "The conversation has its new title.",
    "closed": "The conversation is closed.",
    "open": "The conversation is open again.",
    "deleted": "The conversation is deleted.",
}
SEQ = Field(kind="integer", lowest=1, highest=2**53)
DONE_FIELD = Field(kind="string", longest=20)
CLIENT_ID = Field(kind="string", longest=100)
NO_CONTENT = Reply(204, b"", {"Cache-Control": "no-store"})


@dataclass(frozen=True, slots=True)
class Example:
    """A question to begin with, and what answers it."""

    question: str
    hint: str


EXAMPLES = (
    Example("Is everything all right?", "health, load and disk of this host"),
    Example("What failed in the last day?", "from the record of what happened"),
    Example("Summarize this repository", "languages, size, recent work and who did it"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """The list of conversations beside a page."""

    threads: list[Thread]
    older: str
    from_cli: list[Thread]
    current: str


@dataclass(frozen=True, slots=True)
class StartPage:
    threads: list[Thread]
    older: str
    from_cli: list[Thread]
    current: str
    workspace: str
    examples: tuple[Example, ...]
    commands: list[SlashCommand]
    form: Form
    done: str


@dataclass(frozen=True, slots=True)
class ThreadPage:
    threads: list[Thread]
    from_cli: list[Thread]
    current: str
    thread: Thread
    author: str
    is_own: bool
    messages: Markup
    earlier: int
    """`before` of the page before this one; 0 when there is none."""
    is_latest: bool
    seq: int
    """The last event this page knows of: live updates go on from there."""
    commands: list[SlashCommand]
    form: Form
    renaming: Form
    done: str
    older: str = ""


def routes(parts: Parts) -> Routes:
    """The pages of this feature."""
    table = Routes("chat", pages=True)
    pages = Pages(Shower(parts.renderer.text))
    _start_routes(table, pages, parts.posts)
    _talk_routes(table, pages, parts.posts)
    _manage_routes(table, pages)
    return table


@dataclass(frozen=True, slots=True)
class Pages:
    """Gathers what the two pages show."""

    shower: Shower

    def start(self, request: Request, form: Form, status: int = 200) -> Reply:
        ctx = request.ctx
        with ctx.db.read() as tx:
            side = _side(ctx, tx, request.query.get("after") or NEWEST)
        workspace, done = str(ctx.settings.workspace), DONE.get(request.query.get("done", ""), "")
        commands = slash.offered(ctx)
        page = StartPage(
            side.threads, side.older, side.from_cli, "", workspace, EXAMPLES, commands, form, done
        )  # fmt: skip
        return request.page("chat/index.html", page, status)

    def thread(self, request: Request, form: Form = EMPTY, renaming: Form = EMPTY, status: int = 200) -> Reply:
        ctx = request.ctx
        thread = actions.read(ctx, request.path["id"])
        before = request.query.get("before") or NEWEST
        with ctx.db.read() as tx:
            side = _side(ctx, tx, NEWEST, thread.id)
            author = _owner(ctx, tx, thread)
            found = store.newest_spoken(tx, thread.id, MESSAGES_A_PAGE + 1, before)
            shown = found[-MESSAGES_A_PAGE:]
            messages = self.shower.page(tx, shown, author)
            seq = log_store.newest_seq(tx)
        page = ThreadPage(
            threads=side.threads,
            from_cli=side.from_cli,
            current=thread.id,
            thread=thread,
            author=author,
            is_own=thread.user_id == ctx.user_id,
            messages=messages,
            earlier=shown[0][1] if len(found) > MESSAGES_A_PAGE else 0,
            is_latest=before == NEWEST,
            seq=seq,
            commands=slash.offered(ctx),
            form=_named(form),
            renaming=renaming,
            done=DONE.get(request.query.get("done", ""), ""),
        )
        return request.page("chat/thread.html", page, status)


def _named(form: Form) -> Form:
    """A form whose message has a name: sent twice, it is one message."""
    return Form({"client_id": secrets.token_urlsafe(12)} | dict(form.values), form.errors, form.problem)


def _side(ctx: Context, tx: Tx, before: int, current: str = "") -> Side:
    assert ctx.user_id is not None
    found = store.latest(tx, ctx.user_id, "", THREADS_LISTED + 1, before)
    shown = found[:THREADS_LISTED]
    older = str(shown[-1].active_seq) if len(found) > THREADS_LISTED else ""
    from_cli = store.latest(tx, users.CLI_USER_ID, "", CLI_LISTED) if ctx.is_admin else []
    return Side(shown, older, from_cli, current)


def _owner(ctx: Context, tx: Tx, thread: Thread) -> str:
    if thread.user_id == ctx.user_id:
        return ctx.username
    owner = users.find(tx, thread.user_id)
    return owner.username if owner else "somebody"


def _start_routes(table: Routes, pages: Pages, posts: Throttle) -> None:
    query = {"after": SEQ, "done": DONE_FIELD}

    @table.get("/chat", Access.USER, "One's conversations, and a field to start one.", query=query)
    def show(request: Request) -> Reply:
        return pages.start(request, EMPTY)

    def again(request: Request, error: JarvisError) -> Reply:
        return pages.start(request, refused(request.typed, error), error.status)

    @table.post("/chat", Access.USER, "Start a conversation with a message.", body=_body(), again=again)
    def create(request: Request) -> Reply:
        return _at_end(actions.start(request.ctx, posts, request.body["content"]).id)


def _body() -> dict[str, Field]:
    return {"content": fields.CONTENT, "client_id": CLIENT_ID}


def _at_end(thread_id: str) -> Reply:
    return see_other(f"/chat/{thread_id}#latest")


def _answer(request: Request) -> Reply:
    """Done: a page that is alive hears of it, any other is shown again."""
    return NO_CONTENT if request.wants_partial else _at_end(request.path["id"])


def _refusals(show: Callable[[Request, JarvisError], Reply]) -> Callable[[Request, JarvisError], Reply]:
    def again(request: Request, error: JarvisError) -> Reply:
        if request.wants_partial:
            form = refused(request.typed, error)
            return request.page("chat/_complaint.html", {"form": form}, error.status)
        return show(request, error)

    return again


def _talk_routes(table: Routes, pages: Pages, posts: Throttle) -> None:
    query = {"before": SEQ, "look": SEQ, "done": DONE_FIELD}

    @table.get("/chat/{id}", Access.USER, "One conversation.", query=query)
    def show(request: Request) -> Reply:
        return pages.thread(request)

    again = _refusals(lambda request, error: pages.thread(request, refused(request.typed, error), status=error.status))

    @table.post("/chat/{id}", Access.USER, "Say something.", body=_body(), again=again)
    def say(request: Request) -> Reply:
        _say(request, posts)
        return _answer(request)

    @table.post("/chat/{id}/stop", Access.USER, "Stop the reply being written.", again=again)
    def stop(request: Request) -> Reply:
        _stop(request.ctx, request.path["id"])
        return _answer(request)

    retry_path = "/chat/{id}/messages/{message_id}/retry"

    @table.post(retry_path, Access.USER, "Ask again for a reply.", again=again)
    def retry(request: Request) -> Reply:
        message = actions.message_of(request.ctx, request.path["id"], request.path["message_id"])
        actions.retry_limited(request.ctx, posts, message.id)
        return _answer(request)

    @table.get("/chat/{id}/export", Access.USER, "Every message, one JSON object a line.")
    def export(request: Request) -> Reply:
        thread = actions.own(request.ctx, request.path["id"])
        return ndjson(exported(request.ctx, thread.id), f"{thread.id}.ndjson")


def _say(request: Request, posts: Throttle) -> None:
    """Post what was typed. A page shown again from the browser's history may carry a name already used."""
    ctx, thread_id, content = request.ctx, request.path["id"], request.body["content"]
    posted = actions.post_limited(ctx, posts, thread_id, content, request.body.get("client_id") or None)
    if posted.message.content != actions.cleaned(content):
        actions.post_limited(ctx, posts, thread_id, content)


def _stop(ctx: Context, thread_id: str) -> None:
    actions.own(ctx, thread_id)
    with ctx.db.read() as tx:
        unfinished = store.unfinished(tx, thread_id)
    for message in unfinished:
        try:
            actions.stop(ctx, message.id)
        except Conflict:  # it ended by itself, just now
            continue


def _manage_routes(table: Routes, pages: Pages) -> None:
    def misnamed(request: Request, error: JarvisError) -> Reply:
        return pages.thread(request, renaming=refused(request.typed, error), status=error.status)

    title = {"title": fields.CHANGE["title"]}

    @table.post("/chat/{id}/rename", Access.USER, "Give it another title.", body=title, again=misnamed)
    def rename(request: Request) -> Reply:
        thread = actions.change(request.ctx, request.path["id"], title=request.body.get("title", ""))
        return see_other(f"/chat/{thread.id}?done=renamed")

    status = {"status": Field(kind="string", is_required=True, choices=("open", "closed"))}

    @table.post("/chat/{id}/status", Access.USER, "Close or reopen it.", body=status)
    def set_status(request: Request) -> Reply:
        thread = actions.change(request.ctx, request.path["id"], status=request.body["status"])
        return see_other(f"/chat/{thread.id}?done={thread.status}")

    @table.post("/chat/{id}/delete", Access.USER, "Delete it with its messages.")
    def delete(request: Request) -> Reply:
        actions.delete(request.ctx, request.path["id"])
        return see_other("/chat?done=deleted")
