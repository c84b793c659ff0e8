"""The one interface to whatever answers: messages and tools in, text and tool calls out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the provider wants called; the loop answers it with a `tool` message of the same id."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. A `tool` message carries the result as JSON in `content`, with the call's id and name."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool on offer; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asker:
    """The user the provider answers, as far as it may know them."""

    name: str
    role: str = "user"

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every reply."""

    reason: Literal["stop", "tool_calls", "length", "cancelled"]


Event = TextDelta | ToolCall | Usage | Finished


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Everything a reply is made from; `now` is an instant in microseconds."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    asker: Asker
    now: int
    workspace: str = ""
    system: str = ""
    time_zone: str = "UTC"
    cancelled: Callable[[], bool] = _never


class Provider(Protocol):
    """Answers requests. `reply` ends with Finished, checks `cancelled` between events, and keeps no state."""

    @property
    def name(self) -> str: ...

    def reply(self, request: ModelRequest) -> Iterator[Event]: ...
