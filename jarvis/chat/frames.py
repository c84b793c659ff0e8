"""What a conversation's watchers are told: events and text as JSON, or as HTML that htmx swaps in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jarvis.chat.shown import CallShown, Shower, call_of, call_shown, with_caret
from jarvis.chat.store import Message
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.events import Event

Frame = dict[str, Any]

TYPES = {
    "message.created": "message.new",
    "message.done": "message.done",
    "message.retried": "message.retried",
    "agent.step.start": "agent.thinking",
    "tool.call.start": "tool.call",
    "tool.call.end": "tool.result",
    "approval.requested": "approval.required",
    "approval.granted": "approval.decided",
    "approval.denied": "approval.decided",
    "approval.expired": "approval.decided",
    "thread.changed": "thread.changed",
    "thread.deleted": "thread.deleted",
}
"""Events of a conversation that watchers hear of, and what they are called there."""


@dataclass(frozen=True, slots=True)
class Told:
    """One frame in both kinds; html is "" where nothing changes on a page."""

    json: str
    html: str = ""


def is_redrawn(event: Event) -> bool:
    """Whether a reply is shown anew with its calls after this: one waits for a person, or goes on."""
    if event.type == "agent.step.start":
        return bool(event.payload().get("resumed"))
    return event.type.startswith("approval.")


def dump(frame: Mapping[str, Any]) -> str:
    """A frame as text that is valid UTF-8 whatever is in it."""
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def message_ids(events: list[Event]) -> set[str]:
    """The messages these events are about."""
    found = set()
    for event in events:
        if event.type in TYPES:
            data = event.payload()
            found |= {data[name] for name in ("message_id", "reply_id") if isinstance(data.get(name), str)}
    return found


def of_event(event: Event, messages: Mapping[str, Message]) -> Frame | None:
    """The JSON frame of one event; None when watchers do not hear of it, or its message is gone."""
    kind = TYPES.get(event.type)
    if kind is None:
        return None
    frame: Frame = {
        "type": kind,
        "thread_id": event.thread_id,
        "seq": event.seq,
        "created_at": rfc3339(event.at),
    }
    data = event.payload()
    if event.type.startswith("tool.call."):
        return frame | _call(data, messages)
    if kind in ("thread.changed", "approval.required"):
        return frame | data
    if kind == "approval.decided":
        return frame | data | {"outcome": event.type.removeprefix("approval.")}
    if kind == "thread.deleted":
        return frame
    message = messages.get(str(data.get("message_id")))
    if message is None:
        return None
    if kind == "agent.thinking":
        return frame | {"message_id": message.id, "provider": data.get("provider", "")}
    return frame | {"message_id": message.id, "message": _as_it_was(kind, message)}


def _as_it_was(kind: str, message: Message) -> dict[str, Any]:
    """A reply begins empty: its text comes as deltas, and whole with message.done."""
    shown = message.as_json()
    if kind != "message.done" and message.role == "assistant":
        shown |= {"content": "", "status": "pending", "error": None}
        shown.pop("provider", None)
    return shown


def _call(data: Mapping[str, Any], messages: Mapping[str, Message]) -> Frame:
    stored = messages.get(str(data.get("message_id")))
    shown = {name: data[name] for name in ("tool", "call_id", "arguments", "outcome", "milliseconds") if name in data}
    shown |= {"message_id": data.get("reply_id")}
    if "outcome" in shown:
        shown |= {"result": stored.content if stored else None}
    return shown


def delta(thread_id: str, message_id: str, offset: int, text: str, seq: int, now: int) -> Frame:
    """More text of a reply; `seq` is the event it follows."""
    return {
        "type": "message.delta",
        "thread_id": thread_id,
        "seq": seq,
        "created_at": rfc3339(now),
        "message_id": message_id,
        "offset": offset,
        "text": text,
    }


def subscribed(thread_id: str, seq: int) -> Frame:
    return {"type": "subscribed", "thread_id": thread_id, "seq": seq}


def reload(thread_id: str, seq: int) -> Frame:
    """Too much was missed to tell it here: fetch the conversation afresh."""
    return {"type": "reload", "thread_id": thread_id, "seq": seq}


def error(detail: str, thread_id: str | None = None) -> Frame:
    return {"type": "error", "detail": detail} | ({"thread_id": thread_id} if thread_id else {})


class Fragments:
    """The same frames as swaps for a page: `{"target", "swap", "content"}` beside what the frame says."""

    def __init__(self, shower: Shower) -> None:
        self._shower = shower

    def of_event(self, frame: Frame, event: Event, messages: Mapping[str, Message], author: str) -> str:
        """The swap for an event; without one the page still hears type and seq."""
        brief = {name: frame[name] for name in ("type", "thread_id", "seq", "message_id") if name in frame}
        return dump(brief | self._swap(frame, event, messages, author))

    def _swap(self, frame: Frame, event: Event, messages: Mapping[str, Message], author: str) -> Frame:
        kind, message = frame["type"], messages.get(str(frame.get("message_id")))
        if kind == "message.new" and message is not None:
            return swap("#messages", "beforeend", self._shower.message(fresh(message), author))
        if kind in ("message.retried", "agent.thinking") and message is not None:
            empty = fresh(message, "streaming" if kind == "agent.thinking" else "pending")
            return swap(f"#{message.id}", "outerMorph", self._shower.message(empty, author))
        if kind == "tool.call" and not event.payload().get("resumed"):
            asked = frame.get("arguments", {})
            begun = call_shown(frame["message_id"], frame["call_id"], frame.get("tool", "?"), "running", asked)
            return swap(f"#{frame['message_id']}-calls", "beforeend", self._line(begun))
        stored = messages.get(str(event.payload().get("message_id")))
        if kind == "tool.result" and stored is not None:
            ended = call_of(stored)
            return swap(f"#{ended.id}", "outerMorph", self._line(ended))
        return {}

    def _line(self, call: CallShown) -> str:
        return self._shower.render("chat/_call.html", {"call": call})

    def done(self, frame: Frame, message: Message, calls: list[Message], author: str) -> str:
        """A finished reply in place of what streamed."""
        brief = {name: frame[name] for name in ("type", "thread_id", "seq", "message_id")}
        return dump(brief | swap(f"#{message.id}", "outerMorph", self._shower.message(message, author, calls)))

    def current(self, message: Message, calls: list[Message], author: str, seq: int, *, is_new: bool) -> str:
        """A message as it is by now, for a page that missed some of it."""
        brief: Frame = {"type": "message.current", "thread_id": message.thread_id, "seq": seq, "message_id": message.id}
        where = ("#messages", "beforeend") if is_new else (f"#{message.id}", "outerMorph")
        return dump(brief | swap(*where, self._shower.message(message, author, calls)))

    def delta(self, frame: Frame, text: str) -> str:
        """All of the text so far, rendered, with the caret behind it."""
        brief = {name: frame[name] for name in ("type", "thread_id", "seq", "message_id")}
        content = with_caret(self._shower.prose.html(text))
        return dump(brief | swap(f"#{frame['message_id']}-body", "innerMorph", content))


def swap(target: str, how: str, content: str) -> Frame:
    return {"target": target, "swap": how, "content": str(content)}


def fresh(message: Message, status: str = "pending") -> Message:
    """A reply as it is before anything of it is written."""
    if message.role != "assistant":
        return message
    return replace(message, content="", status=status, error=None, finished_at=None)
