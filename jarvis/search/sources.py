"""Where search looks: one object for each kind of thing, best kind first. A feature adds its own here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jarvis.bugs import store as bugs
from jarvis.bugs.store import Bug
from jarvis.chat import store as chats
from jarvis.chat.store import Message
from jarvis.events import sentences
from jarvis.events import store as events
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.events import Event
from jarvis.kernel.words import Snippet, Words, snippet

WHO = {"user": "You", "assistant": "Jarvis", "system": "Jarvis"}


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found, and where to see it."""

    kind: str
    id: str
    title: str
    snippet: Snippet
    at: int
    url: str
    thread_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The hit; `matches` are start and end positions in the snippet."""
        return {
            "kind": self.kind,
            "id": self.id,
            "title": self.title,
            "snippet": self.snippet.text,
            "matches": [list(mark) for mark in self.snippet.marks],
            "at": rfc3339(self.at),
            "url": self.url,
            "thread_id": self.thread_id,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of thing that can be found."""

    kind: str
    weight: float
    """How much a first place among its kind counts beside a first place among another."""
    find: Callable[[Context, Tx, Words, int], list[Hit]]
    """(ctx, tx, words, limit) → what this person may see, best first."""


def _messages(ctx: Context, tx: Tx, words: Words, limit: int) -> list[Hit]:
    found = chats.search(tx, ctx.user_id or "", words.fts, limit)
    titles = {message.thread_id: "" for message, _ in found}
    titles = {thread_id: chats.get(tx, thread_id).title for thread_id in titles}
    return [_message(message, titles[message.thread_id], words) for message, _ in found]


def _message(message: Message, title: str, words: Words) -> Hit:
    who = WHO.get(message.role, "Jarvis")
    url = f"/chat/{message.thread_id}#{message.id}"
    shown = snippet(message.content, words)
    return Hit("message", message.id, f"{who} in “{title}”", shown, message.created_at, url, message.thread_id)


def _events(ctx: Context, tx: Tx, words: Words, limit: int) -> list[Hit]:
    owner = "" if ctx.is_admin else ctx.user_id or "nobody"
    found = events.newest(tx, events.Filter(query=words.fts, owner_id=owner), limit)
    return [_event(ctx, event, words) for event in found]


def _event(ctx: Context, event: Event, words: Words) -> Hit:
    said = sentences.summary(event)
    text = said if words.marks(said) else f"{event.subject} {event.data}"
    url = f"/admin/events/{event.id}" if ctx.is_admin else f"/chat/{event.thread_id}"
    return Hit("event", event.id, event.type, snippet(text, words), event.at, url, event.thread_id)


def _bugs(ctx: Context, tx: Tx, words: Words, limit: int) -> list[Hit]:
    found = bugs.search(tx, None if ctx.is_admin else ctx.user_id or "nobody", words.fts, limit)
    return [_bug(bug, words) for bug, _ in found]


def _bug(bug: Bug, words: Words) -> Hit:
    text = bug.description if words.marks(bug.description) else f"{bug.title}\n{bug.description}"
    return Hit("bug", bug.id, bug.title, snippet(text, words), bug.updated_at, f"/admin/bugs/{bug.id}", bug.thread_id)


SOURCES = (Source("message", 1.0, _messages), Source("bug", 0.9, _bugs), Source("event", 0.6, _events))
