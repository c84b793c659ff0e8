"""Conversations as JSON."""

from collections.abc import Iterator
from typing import Any

from jarvis.chat import actions, fields, store
from jarvis.chat.actions import Posted
from jarvis.chat.store import Message, Thread
from jarvis.kernel.context import Context
from jarvis.kernel.throttle import Throttle
from jarvis.web.parts import Parts
from jarvis.web.replies import accepted, as_json, created, ndjson, no_content, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

THREADS = "/api/v1/threads"
EXPORTED_AT_ONCE = 200


def routes(parts: Parts) -> Routes:
    """The routes of this feature's API."""
    table = Routes("chat", schemas=fields.SHOWN)
    _thread_routes(table)
    _message_routes(table, parts.posts)
    return table


def _thread_routes(table: Routes) -> None:
    @table.get(
        THREADS, Access.USER, "One's own conversations, the one used last first.",
        query={**LIST_QUERY, "status": fields.STATUS, "all": fields.ALL}, answers={200: "Thread[]"},
    )  # fmt: skip
    def index(request: Request) -> Reply:
        return _index(request)

    @table.post(THREADS, Access.USER, "Start a conversation.", body=fields.CREATE, answers={201: "Thread"})
    def create(request: Request) -> Reply:
        thread = actions.open_thread(request.ctx, request.body.get("title", ""))
        return created(thread.as_json(), f"{THREADS}/{thread.id}")

    @table.get(f"{THREADS}/{{id}}", Access.USER, "One conversation; an admin may read any.", answers={200: "Thread"})
    def show(request: Request) -> Reply:
        return as_json(actions.read(request.ctx, request.path["id"]).as_json())

    @table.patch(
        f"{THREADS}/{{id}}", Access.USER, "Rename, close or reopen it.", body=fields.CHANGE, answers={200: "Thread"}
    )
    def change(request: Request) -> Reply:
        title, status = request.body.get("title"), request.body.get("status")
        return as_json(actions.change(request.ctx, request.path["id"], title=title, status=status).as_json())

    @table.delete(f"{THREADS}/{{id}}", Access.USER, "Delete it with its messages.", answers={204: "It is gone."})
    def delete(request: Request) -> Reply:
        actions.delete(request.ctx, request.path["id"])
        return no_content()


def _index(request: Request) -> Reply:
    ctx, (limit, before) = request.ctx, window(request)
    if request.query.get("all"):
        ctx.require_admin()
        with ctx.db.read() as tx:
            found = store.newest_of_all(tx, limit + 1, before)
        return page_of(found, Thread.as_json, limit, lambda thread: thread.seq)
    assert ctx.user_id is not None
    with ctx.db.read() as tx:
        found = store.latest(tx, ctx.user_id, request.query.get("status", ""), limit + 1, before)
    return page_of(found, Thread.as_json, limit, lambda thread: thread.active_seq)


def _message_routes(table: Routes, posts: Throttle) -> None:
    messages = f"{THREADS}/{{id}}/messages"

    @table.get(
        messages, Access.USER, "Messages: the newest, each page oldest first; `next` leads to older ones.",
        query={**LIST_QUERY, "since_seq": fields.SINCE}, answers={200: "Message[]"},
    )  # fmt: skip
    def index(request: Request) -> Reply:
        return _messages(request)

    @table.post(
        messages, Access.USER, "Ask something, or give a command.", body=fields.POST,
        answers={202: "Posted", 409: "The conversation is closed.", 429: "Too many messages in a minute."},
    )  # fmt: skip
    def create(request: Request) -> Reply:
        content, client_id = request.body["content"], request.body.get("client_id")
        return _posted(actions.post_limited(request.ctx, posts, request.path["id"], content, client_id))

    @table.post(
        f"{messages}/{{message_id}}/stop", Access.USER, "Stop a reply (or the reply to this); what there is stays.",
        answers={200: "Message", 409: "Nothing is being written."},
    )  # fmt: skip
    def stop(request: Request) -> Reply:
        message = actions.message_of(request.ctx, request.path["id"], request.path["message_id"])
        return as_json(actions.stop(request.ctx, message.id).as_json())

    @table.post(
        f"{messages}/{{message_id}}/retry", Access.USER, "Ask again for a reply that failed or was stopped.",
        answers={202: "Posted", 409: "It neither failed nor was stopped.", 429: "Too many messages in a minute."},
    )  # fmt: skip
    def retry(request: Request) -> Reply:
        message = actions.message_of(request.ctx, request.path["id"], request.path["message_id"])
        return _posted(actions.retry_limited(request.ctx, posts, message.id))

    @table.get(
        f"{THREADS}/{{id}}/export", Access.USER, "Every message, one JSON object a line.",
        answers={200: "NDJSON"},
    )  # fmt: skip
    def export(request: Request) -> Reply:
        thread = actions.own(request.ctx, request.path["id"])
        return ndjson(exported(request.ctx, thread.id), f"{thread.id}.ndjson")


def _posted(posted: Posted) -> Reply:
    shown: dict[str, Any] = {
        "message": posted.message.as_json(),
        "reply": posted.reply.as_json() if posted.reply else None,
        "task_id": posted.task_id,
        "trace_id": posted.message.trace_id,
    }
    return accepted(shown)


def _messages(request: Request) -> Reply:
    limit, before = window(request)
    thread = actions.read(request.ctx, request.path["id"])
    since = request.query.get("since_seq")
    with request.ctx.db.read() as tx:
        if since is not None:
            found = store.messages_since(tx, thread.id, since, limit + 1)
            return _page(found[:limit], found[limit - 1].seq if len(found) > limit else None)
        found = store.newest_messages(tx, thread.id, limit + 1, before)
    shown = found[-limit:]
    return _page(shown, shown[0].seq if len(found) > limit else None)


def _page(messages: list[Message], cursor: int | None) -> Reply:
    """`next` is the `after` of the next older page; with since_seq it is the next since_seq."""
    items = [message.as_json() for message in messages]
    return as_json({"items": items, "next": str(cursor) if cursor is not None else None})


def exported(ctx: Context, thread_id: str) -> Iterator[dict[str, Any]]:
    """A conversation's messages, oldest first. No snapshot is held while the reader takes its time."""
    since = 0
    while True:
        with ctx.db.read() as tx:
            found = store.messages_since(tx, thread_id, since, EXPORTED_AT_ONCE)
        for message in found:
            yield message.as_json()
        if len(found) < EXPORTED_AT_ONCE:
            return
        since = found[-1].seq
