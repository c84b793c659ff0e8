"""Watching a server for a time: whether it stays ready, how fast it answers, whether it grows, whether loops fail."""

import json
import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jarvis.kernel.outbound import Outbound, OutboundFault

ANSWER_SECONDS = 10.0
LARGEST_ANSWER = 1 << 20
GROWTH, GROWTH_BYTES = 1.2, 24 << 20
"""More memory than this at the end than in the beginning, by factor and by number, is growth."""
SHARE_OF_TIME = 0.9
"""A soak that ended before so much of its time did not run."""
RESTARTS = re.compile(r"^jarvis_loop_restarts_total\{loop=\"([\w.-]+)\"\} (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: what /readyz said and how long it took, the worker's memory, and how often loops had to restart."""

    second: float
    status: int
    """0 when nothing answered."""
    milliseconds: float
    failing: tuple[str, ...] = ()
    version: str = ""
    resident: int | None = None
    restarts: dict[str, int] | None = None


@dataclass
class Watch:
    """How to look at one server. `pid` is its worker's where it runs on this host."""

    url: str
    outbound: Outbound
    monotonic: Callable[[], float]
    pid: int | None = None
    proc: Path = field(default_factory=lambda: Path("/proc"))

    def look(self, second: float) -> Sample:
        """Ask /readyz and /metrics once."""
        began = self.monotonic()
        try:
            answer = self._get("/readyz")
        except OutboundFault as fault:
            return Sample(second, 0, (self.monotonic() - began) * 1000, (str(fault),))
        took = (self.monotonic() - began) * 1000
        failing, version = _told(answer.body)
        return Sample(second, answer.status, took, failing, version, self._resident(), self._restarts())

    def _get(self, path: str) -> Any:
        headers = {"accept": "application/json", "user-agent": "jarvis-evidence"}
        return self.outbound.send(
            "GET", self.url + path, headers=headers, seconds=ANSWER_SECONDS, most_bytes=LARGEST_ANSWER
        )

    def _resident(self) -> int | None:
        if self.pid is None:
            return None
        try:
            found = re.search(r"^VmRSS:\s+(\d+) kB", (self.proc / str(self.pid) / "status").read_text(), re.MULTILINE)
        except OSError:
            return None
        return int(found[1]) * 1024 if found else None

    def _restarts(self) -> dict[str, int] | None:
        """None where /metrics is not for us: it is for this host and for tokens."""
        try:
            answer = self._get("/metrics")
        except OutboundFault:
            return None
        if answer.status != 200:
            return None
        return {loop: int(count) for loop, count in RESTARTS.findall(answer.body.decode("utf-8", "replace"))}


def _told(body: bytes) -> tuple[tuple[str, ...], str]:
    try:
        said = json.loads(body)
        failing = tuple(name for name, check in said["checks"].items() if check["core"] and not check["ok"])
        return failing, str(said["version"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ("what /readyz said is not understood",), ""


def measured(samples: Iterable[Sample], seconds: int) -> dict[str, Any]:
    """The figures of a soak."""
    found = list(samples)
    answered = sorted(sample.milliseconds for sample in found if sample.status)
    resident = [sample.resident for sample in found if sample.resident is not None]
    restarts = [sample.restarts for sample in found if sample.restarts is not None]
    return {
        "asked_seconds": seconds,
        "seconds": round(found[-1].second - found[0].second, 1) if found else 0.0,
        "samples": len(found),
        "ready": sum(sample.status == 200 for sample in found),
        "not_ready": _what_failed(found),
        "versions": sorted({sample.version for sample in found if sample.version}),
        "milliseconds": {
            "median": round(statistics.median(answered), 1) if answered else None,
            "p99": round(answered[min(len(answered) - 1, int(len(answered) * 0.99))], 1) if answered else None,
            "longest": round(answered[-1], 1) if answered else None,
        },
        "resident_bytes": {"first": _typical(resident, 0), "last": _typical(resident, 3)} if resident else None,
        "loop_restarts": _grown(restarts[0], restarts[-1]) if restarts else None,
    }


def _what_failed(found: list[Sample]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for sample in found:
        if sample.status != 200:
            why = ", ".join(sample.failing) or f"it answered {sample.status}"
            counts[why] = counts.get(why, 0) + 1
    return counts


def _typical(values: list[int], quarter: int) -> int:
    """The median of one quarter: a single look says little of memory."""
    size = max(1, len(values) // 4)
    part = values[-size:] if quarter == 3 else values[quarter * size : quarter * size + size]
    return int(statistics.median(part))


def _grown(first: dict[str, int], last: dict[str, int]) -> dict[str, int]:
    """How often each loop failed meanwhile; a count that fell belongs to a new server, and says all of it."""
    grown = {loop: count - first.get(loop, 0) if count >= first.get(loop, 0) else count for loop, count in last.items()}
    return {loop: count for loop, count in grown.items() if count}


def problem(found: dict[str, Any]) -> str | None:
    """Why such a soak did not pass; None when it did."""
    if not found["samples"] or found["seconds"] < SHARE_OF_TIME * found["asked_seconds"]:
        return f"It ended after {found['seconds']:.0f} of {found['asked_seconds']} seconds."
    if found["not_ready"]:
        why, count = max(found["not_ready"].items(), key=lambda pair: pair[1])
        return (
            f"It was not ready {found['samples'] - found['ready']} of {found['samples']} times; {count} times: {why}."
        )
    if len(found["versions"]) != 1:
        return f"The release changed meanwhile: {', '.join(found['versions'])}."
    if found["loop_restarts"]:
        return f"Loops failed and were started again: {', '.join(sorted(found['loop_restarts']))}."
    memory = found["resident_bytes"]
    if memory and memory["last"] > max(GROWTH * memory["first"], memory["first"] + GROWTH_BYTES):
        return f"Its memory grew from {memory['first'] >> 20} to {memory['last'] >> 20} MB."
    return None
