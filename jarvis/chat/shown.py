"""Messages as pages and live updates show them: the same partial for both, kept once it is final."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from jarvis.chat import store
from jarvis.chat.prose import Kept, Prose
from jarvis.chat.store import Message
from jarvis.kernel.db import Tx
from jarvis.web.reveal import marked, pretty

Render = Callable[[str, object], str]
"""(template, context) → text: Renderer.text."""

LONGEST_JSON = 4_000
KEPT_CHARACTERS = 6_000_000
OUTCOMES = {
    "running": ("busy", "Running"),
    "waiting": ("attention", "Needs approval"),
    "done": ("ok", "Done"),
    "refused": ("attention", "Refused"),
    "failed": ("danger", "Failed"),
}
CARET = Markup('<span class="caret" aria-hidden="true"></span>')
PROVIDERS = {"builtin": "built-in operator"}


@dataclass(frozen=True, slots=True)
class CallShown:
    """One tool call as one closed line; arguments and result are JSON made safe to read."""

    id: str
    tool: str
    outcome: str
    milliseconds: float | None
    arguments: Markup
    result: Markup
    hidden: int = 0
    """How many hidden characters were spelled out."""
    approval: "ApprovalShown | None" = None
    """What is asked of a person, while it is."""

    @property
    def kind(self) -> str:
        return OUTCOMES.get(self.outcome, ("neutral", ""))[0]

    @property
    def word(self) -> str:
        return OUTCOMES.get(self.outcome, ("", self.outcome))[1]

    @property
    def figure(self) -> str:
        if self.milliseconds is None:
            return ""
        if self.milliseconds < 1:
            return "under 1 ms"
        return f"{self.milliseconds:.0f} ms" if self.milliseconds < 10_000 else f"{self.milliseconds / 1000:.0f} s"


@dataclass(frozen=True, slots=True)
class ApprovalShown:
    """What an approval is bound to, and until when it is asked."""

    id: str
    reason: str
    digest: str
    expires_at: int
    asked_for: str


@dataclass(frozen=True, slots=True)
class MessageShown:
    """Everything `chat/_message.html` needs."""

    m: Message
    author: str
    html: Markup
    calls: tuple[CallShown, ...]
    provider: str


class Shower:
    """Turns rows into the partial's HTML. What can no longer change is rendered once."""

    def __init__(self, render: Render, prose: Prose | None = None) -> None:
        self.render = render
        self.prose = prose or Prose()
        self._kept = Kept(KEPT_CHARACTERS)

    def message(self, message: Message, author: str, calls: Iterable[Message] = ()) -> Markup:
        """One message as `chat/_message.html`."""
        key = _key(message, author)
        kept = self._kept.find(key) if message.is_finished else None
        if kept is not None:
            return kept
        html = Markup(self.render("chat/_message.html", self._shown(message, author, calls)))  # noqa: S704
        if message.is_finished:
            self._kept.add(key, html)
        return html

    def page(self, tx: Tx, spoken: list[store.Spoken], author: str) -> Markup:
        """Several messages of a thread; only those not kept yet are read, with their tool calls."""
        kept = [self._kept.find((id, status, finished_at, author)) for id, _, status, finished_at in spoken]
        fresh = [found[0] for found, html in zip(spoken, kept, strict=True) if html is None]
        made = self._made(tx, fresh, author) if fresh else {}
        return Markup("\n").join(
            made[found[0]] if html is None else html for found, html in zip(spoken, kept, strict=True)
        )

    def _made(self, tx: Tx, fresh: list[str], author: str) -> dict[str, Markup]:
        messages = store.messages_by_id(tx, fresh)
        calls: dict[str, list[Message]] = {}
        for call in store.calls_of(tx, [m.id for m in messages.values() if m.role == "assistant"]):
            calls.setdefault(call.reply_id or "", []).append(call)
        return {id: self.message(messages[id], author, calls.get(id, ())) for id in fresh}

    def _shown(self, message: Message, author: str, calls: Iterable[Message]) -> MessageShown:
        html = Markup() if message.role == "user" else self.prose.html(message.content)
        shown = tuple(call_of(call) for call in calls)
        is_written = not message.is_finished and not any(call.approval for call in shown)
        provider = PROVIDERS.get(message.provider, message.provider)
        return MessageShown(message, author, with_caret(html) if is_written else html, shown, provider)


def _key(message: Message, author: str) -> tuple[object, ...]:
    return (message.id, message.status, message.finished_at, author)


def call_of(message: Message) -> CallShown:
    """A stored tool call."""
    detail = message.details()
    shown = call_shown(
        message.reply_id or "",
        detail.get("call_id", message.id),
        detail.get("tool", "?"),
        detail.get("outcome", ""),
        detail.get("arguments", {}),
        message.content or None,
        detail.get("milliseconds"),
    )
    asked = detail.get("approval") if shown.outcome == "waiting" else None
    if not asked:
        return shown
    whole = marked(pretty(detail.get("arguments", {})))  # nobody is to approve what they were not shown
    return replace(shown, approval=ApprovalShown(**asked), arguments=whole, hidden=whole.count("<mark>"))


def call_shown(
    reply_id: str,
    call_id: str,
    tool: str,
    outcome: str,
    arguments: Any,
    result: str | None = None,
    milliseconds: float | None = None,
) -> CallShown:
    """A tool call from its parts; `result` is JSON text, or None while there is none."""
    asked = marked(bounded(pretty(arguments)))
    answered = marked(bounded(_pretty_text(result))) if result is not None else Markup()
    hidden = asked.count("<mark>") + answered.count("<mark>")
    return CallShown(_anchor(reply_id, call_id), tool, outcome, milliseconds, asked, answered, hidden)


def _anchor(reply_id: str, call_id: str) -> str:
    """An element's id; a provider names its calls as it likes, so the name itself is no good for one."""
    return "call-" + hashlib.sha256(f"{reply_id} {call_id}".encode("utf-8", "replace")).hexdigest()[:16]


def _pretty_text(text: str) -> str:
    try:
        return pretty(json.loads(text))
    except ValueError:  # cut, or not JSON at all
        return text


def bounded(text: str) -> str:
    """Text short enough for a page; what was cut is said."""
    if len(text) <= LONGEST_JSON:
        return text
    return text[:LONGEST_JSON] + f"\n… cut; the whole has more than {len(text):,} characters"


def with_caret(html: Markup) -> Markup:
    """The caret stands inside the last paragraph, not under it."""
    text = str(html).rstrip()
    for closing in ("</p>", "</li>\n</ul>", "</li>\n</ol>"):
        if text.endswith(closing):
            return Markup(text.removesuffix(closing) + str(CARET) + closing)  # noqa: S704
    return Markup(text) + CARET  # noqa: S704
