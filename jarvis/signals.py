"""Signals as bytes on a pipe, so that one loop can wait for them beside its sockets."""

import os
import signal
from types import FrameType, TracebackType


def _only_wake(signum: int, frame: FrameType | None) -> None:
    """The byte is already on the pipe when this runs."""


class Signals:
    """While entered, each of these signals becomes one byte, its number; main thread only.

    A signal that was ignored when the process started (nohup) stays ignored.
    """

    def __init__(self, *signums: signal.Signals) -> None:
        self._signums = signums
        self._before: dict[signal.Signals, object] = {}
        self._wakeup_before = -1
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self) -> "Signals":
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for signum in self._signums:
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                self._before[signum] = signal.signal(signum, _only_wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """Readable when there is a signal to take."""
        return self._reader

    def take(self) -> bytes:
        """The numbers of the signals since the last call, oldest first; empty when there were none."""
        try:
            return os.read(self._reader, 4096)
        except BlockingIOError:
            return b""
