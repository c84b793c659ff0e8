"""The text of a reply on its way: to whoever watches at once, to the database now and then."""

import time
from dataclasses import dataclass, field

from jarvis.chat import actions as chat
from jarvis.chat import store as chats
from jarvis.kernel.context import Context

LONGEST_REPLY = 100_000
SAVE_SECONDS = 0.3


@dataclass
class Writer:
    """Text of one reply on its way: to whoever watches at once, to the database now and then."""

    ctx: Context
    reply: chats.Message
    text: str = ""
    _saved_at: float = field(default_factory=time.monotonic)
    _is_apart: bool = False

    def add(self, text: str) -> None:
        text = self._spaced(text)[: max(0, LONGEST_REPLY - len(self.text))]
        if not text:
            return
        self.text += text
        self.ctx.registry.streams.delta(self.reply.thread_id, self.reply.id, text)
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._saved_at = time.monotonic()
            chat.save_reply(self.ctx, self.reply, self.text)

    def paragraph(self) -> None:
        """Keep what was said before a tool call apart from what comes after, if anything does."""
        self._is_apart = True

    def _spaced(self, text: str) -> str:
        if not self.text:
            self._is_apart = False
            return text.lstrip()
        if self._is_apart and (text := text.lstrip()):
            self._is_apart = False
            return text if self.text.endswith("\n\n") else "\n\n" + text
        return text
