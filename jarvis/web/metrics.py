"""Counts and durations of requests, kept in memory and shown in Prometheus' text format."""

import bisect
import threading
from collections import Counter
from collections.abc import Iterable

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
STEPS = tuple(round(0.0005 * 1.25**n, 6) for n in range(46))
"""Upper bounds in seconds of the finer steps that response times are kept in between two samples: 0.5 ms to 11 s."""
Sample = tuple[str, str, str, float]
"""Name, kind (counter or gauge), labels as text, value."""


class Metrics:
    """What this process has served since it started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._steps: Counter[int] = Counter()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        with self._lock:
            self._requests[method, route, status] += 1
            self._buckets[bisect.bisect_left(BUCKETS, seconds)] += 1
            self._seconds += seconds
            self._steps[bisect.bisect_left(STEPS, seconds)] += 1

    def take_steps(self) -> dict[int, int]:
        """How many requests ended within each of STEPS (one more for the slower) since this was last asked."""
        with self._lock:
            taken, self._steps = self._steps, Counter()
        return dict(taken)

    def text(self, more: Iterable[Sample] = ()) -> str:
        """Everything in the text exposition format, version 0.0.4."""
        with self._lock:
            requests = sorted(self._requests.items())
            buckets, seconds = list(self._buckets), self._seconds
        lines = [
            "# HELP jarvis_http_requests_total Requests answered.",
            "# TYPE jarvis_http_requests_total counter",
        ]
        for (method, route, status), count in requests:
            labels = f'method="{method}",route="{_escape(route)}",status="{status}"'
            lines.append(f"jarvis_http_requests_total{{{labels}}} {count}")
        lines += _histogram(buckets, seconds)
        seen = set()
        for name, kind, labels, value in more:
            if name not in seen:
                seen.add(name)
                lines.append(f"# TYPE {name} {kind}")
            lines.append(f"{name}{{{labels}}} {value:g}" if labels else f"{name} {value:g}")
        return "\n".join(lines) + "\n"


def _histogram(buckets: list[int], seconds: float) -> list[str]:
    name = "jarvis_http_request_duration_seconds"
    lines = [f"# HELP {name} Time spent answering.", f"# TYPE {name} histogram"]
    total = 0
    for bound, count in zip((*BUCKETS, float("inf")), buckets, strict=True):
        total += count
        shown = "+Inf" if bound == float("inf") else f"{bound:g}"
        lines.append(f'{name}_bucket{{le="{shown}"}} {total}')
    return [*lines, f"{name}_sum {seconds:.6f}", f"{name}_count {total}"]


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
