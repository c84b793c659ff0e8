"""A trace as a tree: what led to what, and how long each part took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from jarvis.events import sentences
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.events import Event

DEEPEST = 24
"""Spans deeper than this stand at this level: nobody reads further in."""


@dataclass(slots=True)
class Span:
    """One step of a trace: its own events in order, and the steps it led to."""

    span_id: str
    parent_id: str
    events: list[Event] = field(default_factory=list)
    children: "list[Span]" = field(default_factory=list)

    @property
    def started_at(self) -> int:
        return min([event.at for event in self.events] + [child.started_at for child in self.children])

    @property
    def ended_at(self) -> int:
        return max([event.at for event in self.events] + [child.ended_at for child in self.children])

    def as_json(self, zero: int) -> dict[str, Any]:
        """The span and all below it; offsets are from the beginning of the trace."""
        return {
            "span_id": self.span_id,
            "parent_id": self.parent_id or None,
            "name": self.events[0].type,
            "actor": self.events[0].actor,
            "started_at": rfc3339(self.started_at),
            "offset_milliseconds": (self.started_at - zero) / 1000,
            "milliseconds": (self.ended_at - self.started_at) / 1000,
            "events": [shown(event) for event in self.events],
            "children": [child.as_json(zero) for child in self.children],
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that came of one request, run or start."""

    id: str
    count: int
    roots: tuple[Span, ...]

    @property
    def started_at(self) -> int:
        return min(root.started_at for root in self.roots)

    @property
    def ended_at(self) -> int:
        return max(root.ended_at for root in self.roots)

    def as_json(self) -> dict[str, Any]:
        return {
            "trace_id": self.id,
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "milliseconds": (self.ended_at - self.started_at) / 1000,
            "count": self.count,
            "spans": [root.as_json(self.started_at) for root in self.roots],
        }


def shown(event: Event) -> dict[str, Any]:
    """An event as every API shows it: itself, and what it says."""
    return event.as_json() | {"summary": sentences.summary(event)}


def tree(trace_id: str, events: Sequence[Event]) -> Trace:
    """The tree of a trace's events. A span whose parent recorded nothing, or itself, stands at the top."""
    spans: dict[str, Span] = {}
    for event in events:
        spans.setdefault(event.span_id, Span(event.span_id, event.parent_id)).events.append(event)
    roots: list[Span] = []
    for span in spans.values():
        parent = _parent(spans, span)
        (parent.children if parent else roots).append(span)
    return Trace(trace_id, len(events), tuple(roots))


def _parent(spans: dict[str, Span], span: Span) -> Span | None:
    """The parent, unless following parents from here would lead in a circle; never deeper than DEEPEST."""
    above = list(_above(spans, span))
    if not above or above[-1].span_id == span.span_id:
        return None
    return above[0] if len(above) < DEEPEST else above[1 - DEEPEST]


def _above(spans: dict[str, Span], span: Span) -> Iterator[Span]:
    seen: set[str] = set()
    parent = spans.get(span.parent_id)
    while parent is not None and parent.span_id not in seen:
        seen.add(parent.span_id)
        yield parent
        if parent.span_id == span.span_id:
            return
        parent = spans.get(parent.parent_id)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the trace page: an event, where its bar stands, and what it led to."""

    event: Event
    summary: str
    is_failure: bool
    microseconds: int | None
    """How long its span took; None for an event that only marks an instant."""
    left: float
    width: float
    """Of the bar, in percent of the trace."""
    rows: "tuple[Row, ...]"

    @property
    def took(self) -> str:
        return "" if self.microseconds is None else duration(self.microseconds)


THINNEST = 0.8


def rows(trace: Trace) -> tuple[Row, ...]:
    """The trace as lines: a span's first event leads, what follows in it stands below in order."""
    whole = max(trace.ended_at - trace.started_at, 1)
    return tuple(_row(root, trace.started_at, whole) for root in trace.roots)


def _row(span: Span, zero: int, whole: int) -> Row:
    first, *others = span.events
    below = [(event.seq, _leaf(event, zero, whole)) for event in others]
    below += [(child.events[0].seq, _row(child, zero, whole)) for child in span.children]
    ordered = tuple(row for _, row in sorted(below, key=lambda pair: pair[0]))
    return _line(first, span.ended_at - span.started_at if ordered else None, zero, whole, ordered)


def _leaf(event: Event, zero: int, whole: int) -> Row:
    return _line(event, None, zero, whole, ())


def _line(event: Event, length: int | None, zero: int, whole: int, below: tuple[Row, ...]) -> Row:
    width = max(100 * (length or 0) / whole, THINNEST)
    left = min(100 * (event.at - zero) / whole, 100 - width)
    summary, failed = sentences.summary(event), sentences.is_failure(event)
    return Row(event, summary, failed, length, round(max(left, 0), 2), round(width, 2), below)


def duration(microseconds: int) -> str:
    """A duration as people read it: 0.8 ms, 41 ms, 2.1 s, 3 min 4 s."""
    if microseconds < 10_000:
        return f"{microseconds / 1000:.1f} ms"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:.0f} ms"
    seconds = microseconds / 1_000_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
