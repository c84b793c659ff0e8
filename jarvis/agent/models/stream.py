"""What an OpenAI-compatible server sends, bounded and read as it comes, into events."""

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jarvis.agent.models.faults import ProviderFault
from jarvis.agent.providers import Event, Finished, TextDelta, ToolCall, Usage
from jarvis.kernel.outbound import Opened, OutboundFault

LONGEST_LINE = 1024 * 1024
LARGEST = 16 * 1024 * 1024
LOOK_SECONDS = 0.2
"""How often a silent stream is left to see whether somebody has pressed Stop."""
MOST_CALLS, LONGEST_ARGUMENTS = 24, 256 * 1024
SILENCES = 10
"""A whole answer may take so many times the longest silence."""


def opened(make: Callable[[], Opened], is_cancelled: Callable[[], bool]) -> Opened | None:
    """What `make` opens, or None once cancelled: a model may be silent long before its answer's head."""
    came: queue.SimpleQueue[Opened | Exception] = queue.SimpleQueue()
    gone = threading.Event()

    def run() -> None:
        try:
            found = make()
        except Exception as error:
            came.put(error)
            return
        came.put(found)
        if gone.is_set():
            found.close()

    threading.Thread(target=run, name="provider", daemon=True).start()
    while not is_cancelled():
        try:
            found = came.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        if isinstance(found, Exception):
            raise found
        return found
    gone.set()
    with contextlib.suppress(queue.Empty):
        late = came.get_nowait()
        if isinstance(late, Opened):
            late.close()
    return None


def lines(opened: Opened, seconds: float, is_cancelled: Callable[[], bool]) -> Iterator[bytes]:
    """The lines of an answer; ends early when cancelled, and raises ProviderFault when it stays silent too long."""
    came: queue.SimpleQueue[bytes | OutboundFault] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(opened, came), name="provider", daemon=True).start()
    try:
        rest, total, began = b"", 0, time.monotonic()
        heard_at = began
        while not is_cancelled():
            found, whole = _next(came), list[bytes]()
            if found:
                total += len(found)
                *whole, rest = (rest + found).split(b"\n")
            now = time.monotonic()
            heard_at = now if found and (not whole or any(map(_is_sound, whole))) else heard_at
            _require_bounds(total, len(rest), now - heard_at, now - began, seconds)
            yield from whole
            if found == b"":
                if rest:
                    yield rest
                return
    finally:
        opened.close()  # wakes the thread that reads


def _next(came: "queue.SimpleQueue[bytes | OutboundFault]") -> bytes | None:
    """What has come, b"" at the end, or None when nothing has for a moment."""
    try:
        found = came.get(timeout=LOOK_SECONDS)
    except queue.Empty:
        return None
    if isinstance(found, OutboundFault):
        raise ProviderFault(f"its answer was cut off: {found}")
    return found


def _is_sound(line: bytes) -> bool:
    """Comments and empty lines keep a connection open, and are no answer."""
    return not line.startswith(b":") and bool(line.strip())


def _require_bounds(total: int, line: int, silent: float, whole: float, seconds: float) -> None:
    if total > LARGEST:
        raise ProviderFault("its answer has no end", is_passing=False)
    if line > LONGEST_LINE:
        raise ProviderFault("it sent a line without end", is_passing=False)
    if silent > seconds:
        raise ProviderFault(f"it fell silent for {seconds:.0f} s in the middle of its answer")
    if whole > seconds * SILENCES:
        raise ProviderFault(f"its answer took longer than {seconds * SILENCES:.0f} s", is_passing=False)


def _pump(opened: Opened, came: "queue.SimpleQueue[bytes | OutboundFault]") -> None:
    try:
        while chunk := opened.read():
            came.put(chunk)
        came.put(b"")
    except OutboundFault as fault:
        came.put(fault)
    except Exception as error:  # closed under our hands
        came.put(OutboundFault(type(error).__name__))


@dataclass(slots=True)
class Partial:
    """A tool call of which parts have come."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are complete, so that another name begins another call."""
        return self.arguments.endswith("}") and "no valid JSON" not in next(iter(_arguments(self)), "")


@dataclass(slots=True)
class Reader:
    """Turns chunks into events; tool calls come out whole at the end."""

    names: Mapping[str, str]
    """The tools' names as the server knows them → as we do."""
    calls: list[Partial] = field(default_factory=list)
    reason: str = ""
    usage: Usage | None = None
    is_done: bool = False

    def line(self, line: bytes) -> Iterator[Event]:
        """One line of a stream of server-sent events; what is no data is passed over."""
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]":
            self.is_done = True
        elif data:
            yield from self.chunk(_object(data))

    def chunk(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """One chunk, or a whole answer of a server that does not stream."""
        if chunk.get("error"):
            raise ProviderFault(f"it broke off: {told(chunk)}")
        self._take_usage(chunk.get("usage"))
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = first.get("delta") or first.get("message") or {}
        if isinstance(delta, dict):
            if isinstance(delta.get("content"), str) and delta["content"]:
                yield TextDelta(delta["content"])
            self._take_calls(delta.get("tool_calls"))
        if isinstance(first.get("finish_reason"), str):
            self.reason = first["finish_reason"]

    def _take_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
            sent, received = (n if isinstance(n, int) and 0 <= n < 10**9 else 0 for n in counts)
            self.usage = Usage(sent, received)

    def _take_calls(self, parts: Any) -> None:
        for part in parts if isinstance(parts, list) else ():
            if not isinstance(part, dict):
                continue
            function = part.get("function")
            function = function if isinstance(function, dict) else {}
            id, name = str(part.get("id") or "")[:100], str(function.get("name") or "")[:100]
            call = self._call(part.get("index"), id, name)
            call.id = call.id or id
            call.name += name if name != call.name else ""  # some repeat it with every part
            given = function.get("arguments")
            call.arguments += given if isinstance(given, str) else json.dumps(given) if given else ""
            if len(self.calls) > MOST_CALLS or len(call.arguments) > LONGEST_ARGUMENTS:
                raise ProviderFault("it asked for more tool calls than one answer may hold", is_passing=False)

    def _call(self, index: Any, id: str, name: str) -> Partial:
        """The call a part belongs to. Servers leave out the index or the id, or give every call the index 0."""
        index = index if isinstance(index, int) else None
        if index is None:
            same = [one for one in self.calls if one.id == id] if id else self.calls[-1:]
            same = same if not name or id else [one for one in same if not one.name]
        else:
            same = [one for one in self.calls if one.index == index]
            same = [one for one in same if one.id == id] if any(one.id for one in same) and id else same[-1:]
            if same and name and not id and same[0].name and same[0].is_whole:
                same = []
        if not same:
            same = [Partial(index)]
            self.calls += same
        return same[0]

    def ended(self) -> Iterator[Event]:
        """What is left when the stream has ended: the calls, what it used, and why it stopped."""
        if not (self.is_done or self.reason):
            raise ProviderFault("its answer ended in the middle")
        for index, call in enumerate(self.calls):
            if call.name:
                yield ToolCall(call.id or f"call_{index}", self.names.get(call.name, call.name), _arguments(call))
        if self.usage is not None:
            yield self.usage
        if self.calls:
            yield Finished("tool_calls")
        else:
            yield Finished("length" if self.reason == "length" else "stop")


def _arguments(call: Partial) -> dict[str, Any]:
    """The call's arguments; what is no object goes on as one that no schema takes, so the model is told."""
    try:
        found = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return {"(these arguments are no valid JSON)": call.arguments[:200]}
    return found if isinstance(found, dict) else {"(these arguments are no JSON object)": str(found)[:200]}


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ProviderFault("it sent something that is no JSON") from None
    if not isinstance(found, dict):
        raise ProviderFault("it sent something that is no JSON object")
    return found


def told(body: Mapping[str, Any]) -> str:
    """What a server says is wrong, cut to a sentence."""
    error = body.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(message or "it gave no reason").split())[:300]
