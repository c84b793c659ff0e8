"""One reply: ask the provider, run the tools it calls as the asker, stream what it writes, keep the end."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jarvis.agent import prompt, toolbox
from jarvis.agent.actions.hand import Hand
from jarvis.agent.actions.writing import Writer
from jarvis.agent.providers import Asker, Finished, Message, ModelRequest, Provider, TextDelta, ToolCall, Usage
from jarvis.chat import actions as chat
from jarvis.chat import store as chats
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, RateLimited, TryAgain

log = logging.getLogger(__name__)

AGENT = "agent:main"
MOST_ROUNDS = 8
MOST_CALLS = 24
WAITING = "waiting"
"""The reply goes on when a person has decided on a call of it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one round with the provider gave: calls to answer, or the end."""

    calls: tuple[ToolCall, ...]
    reason: str
    tokens: int


def answer(ctx: Context, reply_id: str, provider: Provider, is_cancelled: Callable[[], bool]) -> dict[str, Any]:
    """Make one reply, or as much of it as can be made before a person is asked.

    Run again after a crash it goes on after the tool calls that were made; once the reply has ended it does nothing.
    """
    with ctx.db.read() as tx:
        reply = chats.get_message(tx, reply_id)
    calls = None if reply.is_finished else chat.begin_reply(ctx, reply, provider.name)
    if calls is None:
        return {"status": reply.status, "again": True}
    about = {"message_id": reply_id, "provider": provider.name, "resumed": bool(calls)}
    with ctx.db.write() as tx:
        seq = tx.record("agent.step.start", f"message/{reply_id}", about, thread_id=reply.thread_id)
    ctx.registry.streams.begin(reply.thread_id, reply_id, seq)
    writer = Writer(ctx, reply)
    try:
        if calls:
            writer.add(chat.text_before(reply, calls))
            writer.paragraph()
        status, error, tokens = _converse(ctx, writer, provider, is_cancelled, calls)
    except (TryAgain, RateLimited):
        raise  # the queue tries again later, and the reply goes on where it was
    except Exception as fault:
        status, error, tokens = "failed", _excuse(ctx, fault), 0
    finally:
        ctx.registry.streams.end(reply.thread_id)
    return _conclude(ctx, writer, provider, status, error, tokens)


def _excuse(ctx: Context, fault: Exception) -> str:
    if isinstance(fault, JarvisError):
        return str(fault)
    log.error("a reply failed", exc_info=fault)
    return f"Something went wrong inside Jarvis. The log has the reason under {ctx.trace_id}."


def _conclude(
    ctx: Context, writer: Writer, provider: Provider, status: str, error: str | None, tokens: int
) -> dict[str, Any]:
    if status == WAITING:
        return _park(ctx, writer)
    with ctx.db.write() as tx:
        ended = chat.finish_reply(ctx, writer.reply, status, writer.text.rstrip(), error, provider.name)
        about = {"status": ended.status, "tokens": tokens, "characters": len(ended.content)}
        tx.record("agent.step.end", f"message/{ended.id}", about, thread_id=ended.thread_id)
    return about


def _park(ctx: Context, writer: Writer) -> dict[str, Any]:
    """Keep what is written; the task that continues comes with the decision."""
    chat.save_reply(ctx, writer.reply, writer.text)
    about = {"message_id": writer.reply.id, "status": WAITING}
    with ctx.db.write() as tx:
        tx.record("agent.step.end", f"message/{writer.reply.id}", about, thread_id=writer.reply.thread_id)
    return {"status": WAITING}


def _converse(
    ctx: Context,
    writer: Writer,
    provider: Provider,
    is_cancelled: Callable[[], bool],
    past: Sequence[chats.Message],
) -> tuple[str, str | None, int]:
    agent = ctx.acting(actor=AGENT, user_id=ctx.user_id, username=ctx.username, role=ctx.role)
    workspace = prompt.workspace(ctx, writer.reply)
    hand = Hand(agent, writer, workspace)
    messages = prompt.conversation(ctx, writer.reply)
    if past:
        if not hand.settle_waiting(past):
            return WAITING, None, 0
        messages += prompt.made(ctx, writer.reply)
    tools = toolbox.offered(agent)
    tokens, made, ids = 0, len(past), {str(call.details().get("call_id")) for call in past}
    for _ in range(MOST_ROUNDS):
        request = ModelRequest(
            messages=tuple(messages),
            tools=tuple(toolbox.spec(tool) for tool in tools),
            asker=Asker(ctx.username, ctx.role),
            now=ctx.clock(),
            workspace=workspace,
            system=prompt.system(ctx),
            cancelled=is_cancelled,
        )
        turn = _turn(writer, provider, request, ids)
        tokens += turn.tokens
        if is_cancelled() or turn.reason == "cancelled":
            return "stopped", None, tokens
        if not turn.calls:
            return "done", None, tokens
        made += len(turn.calls)
        if made > MOST_CALLS:
            break
        answers = [hand.take(call) for call in turn.calls]
        if any(found is None for found in answers):
            return WAITING, None, tokens
        messages.append(Message("assistant", tool_calls=turn.calls))
        messages += [found for found in answers if found is not None]
        writer.paragraph()
    return "failed", f"The answer was ended after {made} tool calls, as it had no end. Ask for less at once.", tokens


def _turn(writer: Writer, provider: Provider, request: ModelRequest, ids: set[str]) -> Turn:
    """One round; `ids` are those of the reply's calls so far, and gets the new ones."""
    calls: list[ToolCall] = []
    reason, tokens = "stop", 0
    for event in provider.reply(request):
        match event:
            case TextDelta(text):
                writer.add(text)
            case ToolCall():
                calls.append(_with_own_id(event, ids))
            case Usage(sent, received):
                tokens += sent + received
            case Finished(why):
                reason = why
        if request.cancelled():
            return Turn((), "cancelled", tokens)
    return Turn(tuple(calls), reason, tokens)


def _with_own_id(call: ToolCall, ids: set[str]) -> ToolCall:
    """The call under an id no other of the reply has: approvals and results are found by it."""
    if not call.id or call.id in ids:
        call = replace(call, id=f"call_{secrets.token_hex(8)}")
    ids.add(call.id)
    return call
