"""People before work: how many requests are being answered, and waiting until none is."""

import threading


class Foreground:
    """Counts requests being answered. Work that nobody waits for begins when it is quiet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._quiet = threading.Event()
        self._quiet.set()

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1
            self._quiet.clear()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self._quiet.set()

    def wait_quiet(self, seconds: float) -> bool:
        """Wait until no request is being answered, or for so long; whether it is quiet."""
        return self._quiet.wait(seconds)
