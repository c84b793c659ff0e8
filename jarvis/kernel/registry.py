"""What the features brought along, put together once by the composition root."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jarvis.kernel.outbound import Outbound
from jarvis.kernel.streams import Streams

if TYPE_CHECKING:
    from jarvis.kernel.context import Context

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What a task handler is told about this attempt."""

    id: str
    attempt: int
    payload: dict[str, Any]
    is_cancelled: Callable[[], bool]
    progress: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TaskHandler:
    """A durable task by its public dotted name; `run` must be idempotent."""

    name: str
    run: "Callable[[Context, TaskRun], dict[str, Any] | None]"
    summary: str
    max_attempts: int = 5
    concurrency: int = 0
    """How many of this name may run at once; 0: as many as there are workers."""
    is_runnable_by_hand: bool = False
    """Whether `jarvis task run NAME` makes sense without arguments."""
    runs_in_lockdown: bool = False
    """Whether it goes on while Jarvis is locked down, because it only looks, tidies, refuses or takes back.

    Everything else waits in the queue until somebody unlocks.
    """
    gave_up: "Callable[[Context, dict[str, Any], str], None] | None" = None
    """Told (ctx, payload, error) in the transaction that ends the task as failed."""
    cancelled: "Callable[[Context, dict[str, Any]], None] | None" = None
    """Told (ctx, payload) in the transaction that ends the task as cancelled, begun or not."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A chat command answered by the system, not by the model."""

    name: str
    usage: str
    summary: str
    admin_only: bool
    run: "Callable[[Context, str, str], str]"
    """(ctx, arguments, thread_id) → Markdown."""
    is_secret: bool = False
    """Whether its arguments must not stand in the conversation afterwards."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the agent may ask for, with its schema and risk."""

    name: str
    summary: str
    parameters: Schema
    risk: str
    """"read" looks, "write" changes Jarvis, "host" reaches outside."""
    run: "Callable[[Context, dict[str, Any]], Any]"
    admin_only: bool = False
    longest_result: int = 60_000
    """Characters of JSON; what is longer is cut, and that is said."""


@dataclass(frozen=True, slots=True)
class Check:
    """One readiness check: returns a detail, raises when it is not well."""

    name: str
    is_core: bool
    run: "Callable[[Context], str]"


@dataclass(frozen=True, slots=True)
class StatusPart:
    """One feature's share of the status: a JSON-like value by its outside name."""

    name: str
    run: "Callable[[Context], Any]"


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that a lockdown kept from happening, `count` times, the last time `at`."""

    kind: str
    what: str
    detail: str
    by: str
    at: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refusals:
    """What a feature knows of its own that lockdown refused or holds, since an instant."""

    name: str
    run: "Callable[[Context, int], list[Refused]]"


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote, and the name of the provider that did."""

    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Model:
    """Asks a model one question without tools, for features that know no provider."""

    name: str
    run: "Callable[[Context, str, str, int, Callable[[], bool]], Written]"
    """(ctx, rules, question, most characters, is cancelled) → what was written. Raises JarvisError when nothing was."""
    asks: "Callable[[Context], str]"
    """Which provider would be asked, "" with no model configured."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Tables by name; features never reach each other through it, mechanisms do."""

    tasks: dict[str, TaskHandler] = field(default_factory=dict)
    slash: dict[str, SlashCommand] = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    status: dict[str, StatusPart] = field(default_factory=dict)
    refusals: dict[str, Refusals] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    outbound: Outbound = field(default_factory=Outbound)

    def add(self, *parts: "TaskHandler | SlashCommand | Tool | Check | StatusPart | Refusals | Model") -> None:
        """Register parts; a name may be taken only once."""
        for part in parts:
            table = self._table(part)
            if part.name in table:
                raise ValueError(f"{type(part).__name__} {part.name} is registered twice")
            table[part.name] = part

    def _table(self, part: object) -> dict[str, Any]:
        tables: dict[type, dict[str, Any]] = {
            TaskHandler: self.tasks,
            SlashCommand: self.slash,
            Tool: self.tools,
            Check: self.checks,
            StatusPart: self.status,
            Refusals: self.refusals,
            Model: self.models,
        }
        return tables[type(part)]
