"""What can be done in conversations: open, post, answer, stop, retry. Check, store, record."""

from dataclasses import dataclass

from jarvis.chat import slash, store
from jarvis.chat.store import Message, Thread
from jarvis.events import store as events
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, JarvisError, NotFound, TooLarge, invalid
from jarvis.kernel.log import escape_control
from jarvis.kernel.registry import SlashCommand
from jarvis.kernel.throttle import Throttle
from jarvis.kernel.words import as_markdown
from jarvis.policy.actions import approvals
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.users.store import CLI_USER_ID

STEP = "jarvis.tasks.agent.step"
LONGEST_MESSAGE = 32_000
LONGEST_TITLE = 120
UNTITLED = "New conversation"
NOTED_SECONDS = 3600
"""An admin who looks at somebody's conversation is noted so often, not at every look."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A stored question and what will answer it: a pending reply and its task, or a system message."""

    message: Message
    reply: Message | None
    task_id: str | None


def open_thread(ctx: Context, title: str = "", workspace: str = "") -> Thread:
    """Start a conversation about a directory (WORKSPACE when none is named)."""
    assert ctx.user_id is not None
    name = _title(title) or UNTITLED
    with ctx.db.write() as tx:
        thread = store.insert(tx, ctx.ids.new("thr"), ctx.user_id, name, workspace or str(ctx.settings.workspace))
        tx.record("thread.created", f"thread/{thread.id}", {"title": name}, thread_id=thread.id)
    return thread


def _title(text: str) -> str:
    line = escape_control(" ".join(text.split()))
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rstrip() + "…"


def read(ctx: Context, thread_id: str) -> Thread:
    """One's own conversation; an admin may read another's, and that is an event."""
    with ctx.db.read() as tx:
        thread = store.get(tx, thread_id)
    if thread.user_id == ctx.user_id:
        return thread
    if not ctx.is_admin:
        raise NotFound("There is no such conversation.")
    if thread.user_id != CLI_USER_ID:
        _note_reading(ctx, thread)
    return thread


def _note_reading(ctx: Context, thread: Thread) -> None:
    lately = ctx.clock() - NOTED_SECONDS * SECOND
    wanted = events.Filter(type="thread.read_by_admin", actor=ctx.actor, thread_id=thread.id, since=lately)
    with ctx.db.read() as tx:
        if events.newest(tx, wanted, 1):
            return
    with ctx.db.write() as tx:
        tx.record("thread.read_by_admin", f"thread/{thread.id}", {"owner": thread.user_id}, thread_id=thread.id)


def own(ctx: Context, thread_id: str) -> Thread:
    """One's own conversation, to change it or to write in it."""
    with ctx.db.read() as tx:
        thread = store.get(tx, thread_id)
    if thread.user_id != ctx.user_id:
        raise NotFound("There is no such conversation.")
    return thread


def message_of(ctx: Context, thread_id: str, message_id: str) -> Message:
    """A message of one's own conversation."""
    with ctx.db.read() as tx:
        own(ctx, thread_id)
        message = store.get_message(tx, message_id)
    if message.thread_id != thread_id:
        raise NotFound("There is no such message.")
    return message


def change(ctx: Context, thread_id: str, *, title: str | None = None, status: str | None = None) -> Thread:
    """Rename, close or reopen a conversation."""
    with ctx.db.write() as tx:
        own(ctx, thread_id)
        if title is not None:
            if not title.strip():
                raise invalid("title", "may not be empty")
            store.set_title(tx, thread_id, _title(title))
        if status is not None:
            store.set_status(tx, thread_id, status)
        changed = {k: v for k, v in (("title", title), ("status", status)) if v is not None}
        tx.record("thread.changed", f"thread/{thread_id}", changed, thread_id=thread_id)
        return store.get(tx, thread_id)


def delete(ctx: Context, thread_id: str) -> None:
    """Remove a conversation and its messages; replies being written are stopped."""
    with ctx.db.write() as tx:
        thread = own(ctx, thread_id)
        for message in store.unfinished(tx, thread_id):
            _cancel(ctx, message)
        store.delete(tx, thread_id)
        tx.record("thread.deleted", f"thread/{thread_id}", {"title": thread.title}, thread_id=thread_id)


def post(ctx: Context, thread_id: str, content: str, client_id: str | None = None, workspace: str = "") -> Posted:
    """Store a question together with the task that answers it, or answer a slash command at once.

    The same client_id in a thread is one message: the second post answers what the first did.
    """
    text = cleaned(content)
    if not text.strip():
        raise invalid("content", "may not be empty")
    if len(text) > LONGEST_MESSAGE:
        raise TooLarge(f"The message has {len(text):,} characters; at most {LONGEST_MESSAGE:,} are taken.")
    with ctx.db.write() as tx:
        thread = own(ctx, thread_id)
        if client_id is not None:
            known = store.find_by_client(tx, thread_id, client_id)
            if known is not None:
                return Posted(known, store.find_reply(tx, known.id), known.task_id)
        if thread.status == "closed":
            raise Conflict("This conversation is closed. Reopen it or start a new one.")
        if thread.title == UNTITLED and not slash.is_command(text):
            store.set_title(tx, thread_id, _title(text))
        if not slash.is_command(text):
            return _ask(ctx, tx, thread_id, text, client_id, workspace)
        kept = slash.as_kept(ctx, text)
        message = store.insert_message(
            tx, ctx.ids.new("msg"), thread_id, "user", kept, "done", client_id=client_id, workspace=workspace
        )
        _announce(tx, message)
        return _answer_command(ctx, message, text)


def cleaned(content: str) -> str:
    """A message as it is kept."""
    return content.replace("\r\n", "\n").strip("\n")


def post_limited(ctx: Context, posts: Throttle, thread_id: str, content: str, client_id: str | None = None) -> Posted:
    """Post, within what one person may post in a minute; the same client_id again costs nothing."""
    who = f"user {ctx.user_id}"
    is_known = client_id is not None and _is_known(ctx, thread_id, client_id)
    if not is_known:
        posts.check(ctx.clock(), who)
    posted = post(ctx, thread_id, content, client_id)
    if not is_known:
        posts.count(ctx.clock(), who)
    return posted


def _is_known(ctx: Context, thread_id: str, client_id: str) -> bool:
    with ctx.db.read() as tx:
        return store.find_by_client(tx, thread_id, client_id) is not None


def start(ctx: Context, posts: Throttle, content: str) -> Thread:
    """A new conversation with its first message, or neither."""
    with ctx.db.write() as tx:
        thread = open_thread(ctx)
        post_limited(ctx, posts, thread.id, content)
        return store.get(tx, thread.id)


def _announce(tx: Tx, message: Message) -> None:
    about = {"message_id": message.id, "role": message.role, "seq": message.seq}
    tx.record("message.created", f"message/{message.id}", about, thread_id=message.thread_id)


def _ask(ctx: Context, tx: Tx, thread_id: str, text: str, client_id: str | None, workspace: str) -> Posted:
    """A question, its reply to be and the task: that first, as a savepoint after text was indexed costs a flush."""
    question_id, reply_id = ctx.ids.new("msg"), ctx.ids.new("msg")
    task_id = _enqueue(ctx, thread_id, question_id, reply_id)
    question = store.insert_message(
        tx, question_id, thread_id, "user", text, "done", client_id=client_id, workspace=workspace, task_id=task_id
    )
    _announce(tx, question)
    reply = store.insert_message(
        tx, reply_id, thread_id, "assistant", "", "pending", reply_id=question_id, workspace=workspace, task_id=task_id
    )
    _announce(tx, reply)
    return Posted(question, reply, task_id)


def _enqueue(ctx: Context, thread_id: str, question_id: str, reply_id: str) -> str:
    payload = {"question_id": question_id, "reply_id": reply_id}
    return queue.enqueue(ctx, STEP, payload, group_key=f"thread:{thread_id}", priority=10).id


def _answer_command(ctx: Context, message: Message, text: str) -> Posted:
    with ctx.db.write() as tx:
        answer = slash.answer(ctx, text, message.thread_id)
        reply = store.insert_message(
            tx, ctx.ids.new("msg"), message.thread_id, "system", answer, "done", reply_id=message.id
        )
        _announce(tx, reply)
        return Posted(message, reply, None)


def stop(ctx: Context, message_id: str) -> Message:
    """Stop the reply to a message (or the reply itself), keeping what was written."""
    with ctx.db.write() as tx:
        message = store.get_message(tx, message_id)
        own(ctx, message.thread_id)
        reply = message if message.role == "assistant" else store.find_reply(tx, message_id)
        if reply is None or reply.is_finished:
            raise Conflict("Nothing is being written for this message.")
        _cancel(ctx, reply)
        return _stopped(ctx, reply)


def _stopped(ctx: Context, reply: Message) -> Message:
    text = ctx.registry.streams.cut(reply.thread_id, reply.id)  # further than what was kept
    content = reply.content if text is None else text.rstrip()
    approvals.withdraw(ctx, reply.id)
    _close_calls(ctx, reply)
    return finish_reply(ctx, reply, "stopped", content, None, reply.provider)


def _close_calls(ctx: Context, reply: Message) -> None:
    """Calls that still wait when their reply ends were never made."""
    with ctx.db.read() as tx:
        waiting = [call for call in store.tool_calls(tx, reply.id) if call.details().get("outcome") == "waiting"]
    for call in waiting:
        change_tool_call(ctx, call, '{"error": "The reply was stopped."}', call.details() | {"outcome": "refused"})


def _cancel(ctx: Context, reply: Message) -> None:
    if reply.task_id is None:
        return
    try:
        queue.cancel(ctx, reply.task_id)
    except JarvisError:  # it has just ended by itself, which is what was wanted
        return


def retry(ctx: Context, message_id: str) -> Posted:
    """Ask again for a reply that failed or was stopped."""
    with ctx.db.write() as tx:
        message = store.get_message(tx, message_id)
        own(ctx, message.thread_id)
        reply = message if message.role == "assistant" else store.find_reply(tx, message_id)
        if reply is None or reply.reply_id is None or not store.reopen_reply(tx, reply.id):
            raise Conflict("Only a reply that failed or was stopped can be asked for again.")
        store.delete_tool_calls(tx, reply.id)
        task_id = _enqueue(ctx, reply.thread_id, reply.reply_id, reply.id)
        for changed in (reply.reply_id, reply.id):
            store.set_task(tx, changed, task_id)
        fresh = store.get_message(tx, reply.id)
        tx.record("message.retried", f"message/{reply.id}", {"message_id": reply.id}, thread_id=reply.thread_id)
        return Posted(store.get_message(tx, reply.reply_id), fresh, task_id)


def retry_limited(ctx: Context, posts: Throttle, message_id: str) -> Posted:
    """Ask again, within what one person may post in a minute."""
    who = f"user {ctx.user_id}"
    posts.check(ctx.clock(), who)
    again = retry(ctx, message_id)
    posts.count(ctx.clock(), who)
    return again


def begin_reply(ctx: Context, reply: Message, provider: str) -> list[Message] | None:
    """An attempt at a reply begins, after the tool calls that earlier ones made; None when it has ended meanwhile."""
    with ctx.db.write() as tx:
        calls = store.tool_calls(tx, reply.id)
        if not store.start_reply(tx, reply.id, reply.task_id, provider, text_before(reply, calls)):
            return None
        return calls


def text_before(reply: Message, calls: list[Message]) -> str:
    """What was written before the last of these calls; what came after it is written anew."""
    return reply.content[: max((call.details().get("text_at", 0) for call in calls), default=0)]


def take_over(ctx: Context, reply_id: str, task_id: str) -> None:
    """This task is now the one that makes the reply: whoever stops the reply stops it."""
    with ctx.db.write() as tx:
        reply = store.find_message(tx, reply_id)
        if reply is not None and not reply.is_finished and reply.task_id != task_id:
            store.set_task(tx, reply_id, task_id)


def save_reply(ctx: Context, reply: Message, content: str) -> None:
    """Keep what there is so far, so that whoever reloads sees it."""
    with ctx.db.write() as tx:
        store.save_reply(tx, reply.id, reply.task_id, content)


def add_tool_call(ctx: Context, reply: Message, content: str, detail: dict[str, object]) -> Message:
    """Keep one tool call of a reply with its result."""
    with ctx.db.write() as tx:
        return store.insert_message(
            tx, ctx.ids.new("msg"), reply.thread_id, "tool", content, "done", reply_id=reply.id, detail=detail
        )


def change_tool_call(ctx: Context, call: Message, content: str, detail: dict[str, object]) -> Message:
    """A call that waited has gone on."""
    with ctx.db.write() as tx:
        store.set_call(tx, call.id, content, detail)
        return store.get_message(tx, call.id)


def finish_reply(ctx: Context, reply: Message, status: str, content: str, error: str | None, provider: str) -> Message:
    """End a reply; when it has ended already, or another attempt has begun, that stands."""
    with ctx.db.write() as tx:
        if store.finish_reply(tx, reply.id, reply.task_id, status, content, error, provider):
            about = {"message_id": reply.id, "status": status, "seq": reply.seq}
            tx.record("message.done", f"message/{reply.id}", about, thread_id=reply.thread_id)
        return store.find_message(tx, reply.id) or reply


def give_up(ctx: Context, reply_id: str, error: str) -> None:
    """The task that should have made a reply has failed for good: so has the reply, unless a newer task has it."""
    with ctx.db.write() as tx:
        reply = _left_by(tx, reply_id, "failed")
        if reply is not None:
            finish_reply(ctx, reply, "failed", reply.content, error, reply.provider)


def let_go(ctx: Context, reply_id: str) -> None:
    """The task that should have made a reply was cancelled, by whomever: the reply is stopped."""
    with ctx.db.write() as tx:
        reply = _left_by(tx, reply_id, "cancelled")
        if reply is not None:
            _stopped(ctx, reply)


def _left_by(tx: Tx, reply_id: str, state: str) -> Message | None:
    """A reply without an end whose own task came to this one."""
    reply = store.find_message(tx, reply_id)
    if reply is None or reply.is_finished or reply.task_id is None:
        return None
    task = tasks.find(tx, reply.task_id)
    return reply if task is None or task.state == state else None


def _new(ctx: Context, arguments: str, thread_id: str) -> str:
    thread = open_thread(ctx, arguments)
    return f"Here is your new conversation: [{as_markdown(thread.title)}](/chat/{thread.id})."


SLASH = (SlashCommand("new", "/new [TITLE]", "starts a conversation", False, _new),)
