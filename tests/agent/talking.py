"""A conversation with the built-in operator over tools whose results a test hands in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jarvis.agent.builtin.provider import BuiltinProvider
from jarvis.agent.providers import Asker, Finished, Message, ModelRequest, TextDelta, ToolCall, ToolSpec
from jarvis.kernel.clock import from_datetime

NOW = from_datetime(datetime(2026, 11, 23, 2, 38, tzinfo=UTC))
PROVIDER = BuiltinProvider()
EVERY_TOOL = [
    "status.read",
    "events.search",
    "search.find",
    "users.list",
    "sessions.list",
    "host.facts",
    "host.disk",
    "repository.summary",
    "repository.tree",
    "repository.file",
    "repository.search",
    "repository.log",
    "repository.diff",
    "schedules.list",
]


class Conversation:
    """Says something, answers the calls from `results`, and keeps what was called."""

    def __init__(
        self, results: Mapping[str, Any], role: str = "admin", tools: list[str] | None = None, now: int = NOW
    ) -> None:
        self.results = results
        self.messages: list[Message] = []
        self.calls: list[ToolCall] = []
        self.deltas: list[str] = []
        self._asker = Asker("ada", role)
        self._tools = tuple(ToolSpec(name, name) for name in (EVERY_TOOL if tools is None else tools))
        self._now = now

    def say(self, text: str) -> str:
        self.messages.append(Message("user", text))
        self.calls, self.deltas = [], []
        for _ in range(3):
            events = list(PROVIDER.reply(self.request()))
            assert isinstance(events[-1], Finished)
            calls = [event for event in events if isinstance(event, ToolCall)]
            self.deltas += [event.text for event in events if isinstance(event, TextDelta)]
            if events[-1].reason != "tool_calls":
                assert not calls
                break
            self._answer(calls)
        answer = "".join(self.deltas)
        self.messages.append(Message("assistant", answer))
        return answer

    def request(self) -> ModelRequest:
        return ModelRequest(tuple(self.messages), self._tools, self._asker, self._now, "/srv/tidepool")

    def _answer(self, calls: list[ToolCall]) -> None:
        self.calls += calls
        self.messages.append(Message("assistant", "", tuple(calls)))
        for call in calls:
            result = self.results[call.name]
            content = result if isinstance(result, str) else json.dumps(result)
            self.messages.append(Message("tool", content, tool_call_id=call.id, name=call.name))


def ask(text: str, role: str = "admin", **results: Any) -> str:
    """One question; tools are named with `__` for the dot."""
    return Conversation({name.replace("__", "."): value for name, value in results.items()}, role).say(text)
