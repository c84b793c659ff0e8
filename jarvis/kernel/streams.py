"""Text on its way to whoever watches a thread: kept only while it is being written."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

Frame = dict[str, Any]
Sink = Callable[[Frame], None]


@dataclass(slots=True)
class Written:
    """A message being written: which, what there is so far, and the last event that tells of it."""

    message_id: str
    seq: int = 0
    text: str = ""
    is_cut: bool = False


class Streams:
    """Passes frames of a thread to sinks in order, and remembers text that is still growing."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a sink may ask what is written so far, or stop
        self._sinks: list[Sink] = []
        self._writing: dict[str, Written] = {}

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Call sink with each frame, from the thread that publishes; returns how to stop.

        A sink must be quick. One that raises is logged and harms nobody else.
        """
        with self._lock:
            self._sinks.append(sink)

        def stop() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._sinks.remove(sink)

        return stop

    def begin(self, thread_id: str, message_id: str, seq: int = 0) -> None:
        """A message starts to be written, as event `seq` says; whoever comes late sees it, still empty."""
        with self._lock:
            self._writing[thread_id] = Written(message_id, seq)

    def mark(self, thread_id: str, seq: int) -> None:
        """An event of this message was committed: text comes after it from now on."""
        with self._lock:
            written = self._writing.get(thread_id)
            if written is not None:
                written.seq = seq

    def delta(self, thread_id: str, message_id: str, text: str) -> None:
        """More of a message. `offset` is where in the message it goes, in characters; `seq` the event before it."""
        with self._lock:
            written = self._writing.setdefault(thread_id, Written(message_id))
            if written.message_id != message_id:
                written = self._writing[thread_id] = Written(message_id)
            if written.is_cut:
                return
            frame = _delta(thread_id, written, len(written.text), text)
            written.text += text
            self._publish(frame)

    def cut(self, thread_id: str, message_id: str) -> str | None:
        """The text of a message so far; whatever its writer adds is not heard. None when nobody writes it here."""
        with self._lock:
            written = self._writing.get(thread_id)
            if written is None or written.message_id != message_id:
                return None
            written.is_cut = True
            return written.text

    def tell(self, frame: Frame) -> None:
        """Pass on a frame that is not kept."""
        with self._lock:
            self._publish(frame)

    def end(self, thread_id: str) -> None:
        """Forget the text: it is in the database now."""
        with self._lock:
            self._writing.pop(thread_id, None)

    def so_far(self, thread_id: str) -> Frame | None:
        """One frame with everything written so far in a thread, for somebody who comes late."""
        with self._lock:
            written = self._writing.get(thread_id)
            return _delta(thread_id, written, 0, written.text) if written else None

    def _publish(self, frame: Frame) -> None:
        for sink in tuple(self._sinks):
            try:
                sink(frame)
            except Exception:
                log.exception("somebody who watches failed to take a frame")


def _delta(thread_id: str, written: Written, offset: int, text: str) -> Frame:
    return {
        "type": "message.delta",
        "thread_id": thread_id,
        "seq": written.seq,
        "message_id": written.message_id,
        "offset": offset,
        "text": text,
    }
