"""Threads and messages on disk: the rows, and every statement that touches them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Thread:
    """One conversation of one person, about one directory."""

    seq: int
    id: str
    user_id: str
    title: str
    status: str
    workspace: str
    last_seq: int
    active_seq: int
    created_at: int
    updated_at: int

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user_id": self.user_id,
            "title": self.title,
            "status": self.status,
            "workspace": self.workspace,
            "last_seq": self.last_seq,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `seq` counts within its thread. A tool message belongs to the reply it served."""

    pk: int
    id: str
    thread_id: str
    seq: int
    role: str
    content: str
    status: str
    error: str | None
    client_id: str | None
    reply_id: str | None
    task_id: str | None
    trace_id: str
    workspace: str
    provider: str
    detail: str
    created_at: int
    finished_at: int | None

    @property
    def is_finished(self) -> bool:
        return self.status in ("done", "failed", "stopped")

    def details(self) -> dict[str, Any]:
        """A tool call's name, arguments, outcome and duration."""
        value: dict[str, Any] = json.loads(self.detail) if self.detail else {}
        return value

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": self.id,
            "thread_id": self.thread_id,
            "seq": self.seq,
            "role": self.role,
            "content": self.content,
            "status": self.status,
            "error": self.error,
            "client_id": self.client_id,
            "task_id": self.task_id,
            "trace_id": self.trace_id,
            "created_at": rfc3339(self.created_at),
        }
        if self.role == "tool":
            shown |= {"reply_id": self.reply_id, "tool": self.details()}
        if self.provider:
            shown["provider"] = self.provider
        return shown


SHOWN_RESULT = 6_000
"""So many characters of a tool's result stand on a page; the API and the export give all."""

THREAD = "seq, id, user_id, title, status, workspace, last_seq, active_seq, created_at, updated_at"
MESSAGE = (
    "pk, id, thread_id, seq, role, content, status, error, client_id, reply_id, task_id, trace_id, workspace, provider,"
    " detail, created_at, finished_at"
)


def find(tx: Tx, thread_id: str) -> Thread | None:
    return tx.one(Thread, f"SELECT {THREAD} FROM threads WHERE id = :id", id=thread_id)


def get(tx: Tx, thread_id: str) -> Thread:
    thread = find(tx, thread_id)
    if thread is None:
        raise NotFound("There is no such conversation.")
    return thread


def latest(tx: Tx, user_id: str, status: str, limit: int, before: int = 2**62) -> list[Thread]:
    """A person's conversations, the one used last first; empty status means any."""
    where = " AND status = :status" if status else ""
    sql = (
        f"SELECT {THREAD} FROM threads WHERE user_id = :user AND active_seq < :before{where}"
        " ORDER BY active_seq DESC LIMIT :limit"
    )
    return tx.all(Thread, sql, user=user_id, before=before, status=status, limit=limit)


def newest_of_all(tx: Tx, limit: int, before: int = 2**62) -> list[Thread]:
    sql = f"SELECT {THREAD} FROM threads WHERE seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Thread, sql, before=before, limit=limit)


def _next_activity(tx: Tx) -> int:
    tx.run("UPDATE thread_activity SET seq = seq + 1 WHERE id = 1")  # not RETURNING: see insert_message
    seq = tx.one(int, "SELECT seq FROM thread_activity WHERE id = 1")
    assert seq is not None
    return seq


def insert(tx: Tx, thread_id: str, user_id: str, title: str, workspace: str) -> Thread:
    tx.run(
        "INSERT INTO threads (id, user_id, title, workspace, active_seq, created_at, updated_at)"
        " VALUES (:id, :user, :title, :workspace, :active, :now, :now)",
        id=thread_id,
        user=user_id,
        title=title,
        workspace=workspace,
        active=_next_activity(tx),
        now=tx.now,
    )
    return get(tx, thread_id)


def set_title(tx: Tx, thread_id: str, title: str) -> None:
    tx.run("UPDATE threads SET title = :title, updated_at = :now WHERE id = :id", id=thread_id, title=title, now=tx.now)


def set_status(tx: Tx, thread_id: str, status: str) -> None:
    sql = "UPDATE threads SET status = :status, updated_at = :now WHERE id = :id"
    tx.run(sql, id=thread_id, status=status, now=tx.now)


def delete(tx: Tx, thread_id: str) -> None:
    tx.run(
        "DELETE FROM messages_fts WHERE rowid IN (SELECT pk FROM messages WHERE thread_id = :id)",
        id=thread_id,
    )
    tx.run("DELETE FROM threads WHERE id = :id", id=thread_id)


def insert_whole(tx: Tx, values: dict[str, Any]) -> None:
    """A thread as it was elsewhere, without its messages yet."""
    tx.run(
        "INSERT INTO threads (id, user_id, title, status, workspace, active_seq, created_at, updated_at)"
        " VALUES (:id, :user_id, :title, :status, :workspace, :active, :created_at, :updated_at)",
        active=_next_activity(tx),
        **values,
    )


def insert_message_whole(tx: Tx, values: dict[str, Any]) -> None:
    """A message as it was elsewhere, with its place in the thread; it belongs to no task here."""
    tx.run(
        "INSERT INTO messages (id, thread_id, seq, role, content, status, error, reply_id, trace_id, workspace,"
        " provider, detail, created_at, finished_at)"
        " VALUES (:id, :thread_id, :seq, :role, :content, :status, :error, :reply_id, :trace_id, :workspace,"
        " :provider, :detail, :created_at, :finished_at)",
        **values,
    )
    pk = tx.connection.last_insert_rowid()
    sql = "UPDATE threads SET last_seq = max(last_seq, :seq) WHERE id = :thread"
    tx.run(sql, seq=values["seq"], thread=values["thread_id"])
    if values["content"] and values["role"] != "tool":
        _index(tx, pk, values["content"])


def insert_message(
    tx: Tx,
    message_id: str,
    thread_id: str,
    role: str,
    content: str,
    status: str,
    *,
    client_id: str | None = None,
    reply_id: str | None = None,
    workspace: str = "",
    provider: str = "",
    detail: dict[str, Any] | None = None,
    task_id: str | None = None,
) -> Message:
    """Append to a thread; the message takes the thread's next sequence number.

    No statement here is RETURNING: that opens a statement journal, which flushes the full-text index each time.
    """
    tx.run(
        "UPDATE threads SET last_seq = last_seq + 1, active_seq = :active, updated_at = :now WHERE id = :id",
        id=thread_id,
        active=_next_activity(tx),
        now=tx.now,
    )
    seq = tx.one(int, "SELECT last_seq FROM threads WHERE id = :id", id=thread_id)
    tx.run(
        "INSERT INTO messages (id, thread_id, seq, role, content, status, client_id, reply_id, task_id, trace_id,"
        " workspace, provider, detail, created_at, finished_at)"
        " VALUES (:id, :thread, :seq, :role, :content, :status, :client, :reply, :task, :trace, :workspace,"
        " :provider, :detail, :now, :finished)",
        id=message_id,
        thread=thread_id,
        seq=seq,
        role=role,
        content=content,
        status=status,
        client=client_id,
        reply=reply_id,
        task=task_id,
        trace=tx.who.trace_id,
        workspace=workspace,
        provider=provider,
        detail=json.dumps(detail, ensure_ascii=False) if detail else "",
        now=tx.now,
        finished=tx.now if status == "done" else None,
    )
    pk = tx.connection.last_insert_rowid()
    if status == "done" and role in ("user", "system"):
        _index(tx, pk, content)
    return get_message(tx, message_id)


def _index(tx: Tx, pk: int, content: str) -> None:
    tx.run("INSERT INTO messages_fts (rowid, body) VALUES (:pk, :body)", pk=pk, body=content)


def find_message(tx: Tx, message_id: str) -> Message | None:
    return tx.one(Message, f"SELECT {MESSAGE} FROM messages WHERE id = :id", id=message_id)


def get_message(tx: Tx, message_id: str) -> Message:
    message = find_message(tx, message_id)
    if message is None:
        raise NotFound("There is no such message.")
    return message


def find_by_client(tx: Tx, thread_id: str, client_id: str) -> Message | None:
    sql = f"SELECT {MESSAGE} FROM messages WHERE thread_id = :thread AND client_id = :client"
    return tx.one(Message, sql, thread=thread_id, client=client_id)


def find_reply(tx: Tx, question_id: str) -> Message | None:
    """The assistant's or system's answer to a question, finished or not."""
    sql = (
        f"SELECT {MESSAGE} FROM messages WHERE reply_id = :id AND role IN ('assistant', 'system')"
        " ORDER BY pk DESC LIMIT 1"
    )
    return tx.one(Message, sql, id=question_id)


def tool_calls(tx: Tx, reply_id: str) -> list[Message]:
    """The tool messages of one reply, in order."""
    sql = f"SELECT {MESSAGE} FROM messages WHERE reply_id = :id AND role = 'tool' ORDER BY pk"
    return tx.all(Message, sql, id=reply_id)


def messages_by_id(tx: Tx, message_ids: Iterable[str]) -> dict[str, Message]:
    """Those of these messages that are still there."""
    sql = f"SELECT {MESSAGE} FROM messages WHERE id IN (SELECT value FROM json_each(:ids))"
    return {message.id: message for message in tx.all(Message, sql, ids=json.dumps(list(message_ids)))}


def calls_of(tx: Tx, reply_ids: Iterable[str]) -> list[Message]:
    """The tool messages of several replies, in order, their results cut to what a page shows."""
    columns = MESSAGE.replace(" content,", f" substr(content, 1, {SHOWN_RESULT + 1}),")
    return tx.all(
        Message,
        f"SELECT {columns} FROM messages WHERE reply_id IN (SELECT value FROM json_each(:ids)) AND role = 'tool'"
        " ORDER BY pk",
        ids=json.dumps(list(reply_ids)),
    )


Spoken = tuple[str, int, str, int | None]
"""A message's id, sequence number, status and end: all a page needs of one that it has kept."""


def newest_spoken(tx: Tx, thread_id: str, limit: int, before: int = 2**62) -> list[Spoken]:
    """What people, Jarvis and the system said, newest last, without the tool calls between."""
    sql = (
        "SELECT id, seq, status, finished_at FROM messages WHERE thread_id = :thread AND seq < :before"
        " AND role <> 'tool' ORDER BY seq DESC LIMIT :limit"
    )
    return tx.all(lambda *row: row, sql, thread=thread_id, before=before, limit=limit)[::-1]


def newest_messages(tx: Tx, thread_id: str, limit: int, before: int = 2**62) -> list[Message]:
    """The newest messages before a sequence number, oldest first."""
    sql = f"SELECT {MESSAGE} FROM messages WHERE thread_id = :thread AND seq < :before ORDER BY seq DESC LIMIT :limit"
    return tx.all(Message, sql, thread=thread_id, before=before, limit=limit)[::-1]


def messages_since(tx: Tx, thread_id: str, since: int, limit: int) -> list[Message]:
    """Messages after a sequence number, oldest first."""
    sql = f"SELECT {MESSAGE} FROM messages WHERE thread_id = :thread AND seq > :since ORDER BY seq LIMIT :limit"
    return tx.all(Message, sql, thread=thread_id, since=since, limit=limit)


def unfinished(tx: Tx, thread_id: str) -> list[Message]:
    """Replies of a thread that are not there yet."""
    sql = f"SELECT {MESSAGE} FROM messages WHERE status IN ('pending', 'streaming') AND thread_id = :thread ORDER BY pk"
    return tx.all(Message, sql, thread=thread_id)


def set_task(tx: Tx, message_id: str, task_id: str) -> None:
    tx.run("UPDATE messages SET task_id = :task WHERE id = :id", task=task_id, id=message_id)


def start_reply(tx: Tx, message_id: str, task_id: str | None, provider: str, content: str) -> bool:
    """Pending (or interrupted) → streaming; of what an earlier attempt wrote only `content` is left."""
    changed = tx.run(
        "UPDATE messages SET status = 'streaming', content = :content, provider = :provider"
        " WHERE id = :id AND task_id IS :task AND status IN ('pending', 'streaming')",
        id=message_id,
        task=task_id,
        provider=provider,
        content=content,
    )
    return changed == 1


def set_call(tx: Tx, message_id: str, content: str, detail: dict[str, Any]) -> None:
    """Change what is kept of a tool call."""
    text = json.dumps(detail, ensure_ascii=False)
    sql = "UPDATE messages SET content = :content, detail = :detail WHERE id = :id AND role = 'tool'"
    tx.run(sql, id=message_id, content=content, detail=text)


def save_reply(tx: Tx, message_id: str, task_id: str | None, content: str) -> bool:
    """Keep what has been written so far of a reply that is still streaming."""
    sql = "UPDATE messages SET content = :content WHERE id = :id AND task_id IS :task AND status = 'streaming'"
    return tx.run(sql, id=message_id, task=task_id, content=content) == 1


def finish_reply(
    tx: Tx, message_id: str, task_id: str | None, status: str, content: str, error: str | None, provider: str
) -> bool:
    """Streaming → an end; False when it has one already, or is another task's by now."""
    pk = tx.one(
        int,
        "UPDATE messages SET status = :status, content = :content, error = :error, finished_at = :now,"
        " provider = :provider WHERE id = :id AND task_id IS :task AND status IN ('pending', 'streaming')"
        " RETURNING pk",
        id=message_id,
        task=task_id,
        status=status,
        content=content,
        error=error,
        provider=provider,
        now=tx.now,
    )
    if pk is not None and content:
        _index(tx, pk, content)
    return pk is not None


def reopen_reply(tx: Tx, message_id: str) -> bool:
    """Failed or stopped → pending, for another try."""
    message = get_message(tx, message_id)
    tx.run("DELETE FROM messages_fts WHERE rowid = :pk", pk=message.pk)
    changed = tx.run(
        "UPDATE messages SET status = 'pending', content = '', error = NULL, finished_at = NULL"
        " WHERE id = :id AND status IN ('failed', 'stopped')",
        id=message_id,
    )
    return changed == 1


def delete_tool_calls(tx: Tx, reply_id: str) -> None:
    """Forget an interrupted attempt's tool calls; the next attempt makes its own."""
    tx.run("DELETE FROM messages WHERE reply_id = :id AND role = 'tool'", id=reply_id)


def search(tx: Tx, user_id: str, query: str, limit: int) -> list[tuple[Message, float]]:
    """One person's messages that match an FTS5 query, best first, with bm25 scores (lower is better)."""
    columns = ", ".join(f"m.{name.strip()}" for name in MESSAGE.split(","))
    return tx.all(
        lambda *row: (Message(*row[:-1]), row[-1]),
        f"SELECT {columns}, f.rank FROM messages_fts f JOIN messages m ON m.pk = f.rowid"
        " JOIN threads t ON t.id = m.thread_id"
        " WHERE messages_fts MATCH :query AND t.user_id = :user ORDER BY f.rank LIMIT :limit",
        query=query,
        user=user_id,
        limit=limit,
    )
