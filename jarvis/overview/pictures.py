"""Pictures as numbers: bars, lines and what they say in words. The templates only draw them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jarvis.kernel.clock import SECOND, to_datetime
from jarvis.overview.store import Sample
from jarvis.queue.store import Outcomes
from jarvis.web.metrics import STEPS

HOUR = 3600 * SECOND
HOURS = 24
SLOTS = 48
"""Half hours of the response times."""
UP, DOWN = 28.0, 9.0
"""Heights in the picture of runs: its ground line lies at 30 of 40."""
LEAST_GROWTH_SPAN = 6 * HOUR
FARTHEST_DAYS = 365


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: tasks that ended, and of these those that failed."""

    x: float
    up: float
    down: float
    hour: str
    runs: int
    failed: int


@dataclass(frozen=True, slots=True)
class Runs:
    """A day of runs by the hour, oldest first."""

    bars: list[Bar]
    runs: int
    failed: int

    @property
    def said(self) -> str:
        failures = [f"{bar.failed} at {bar.hour}" for bar in self.bars if bar.failed]
        told = f" Failures: {', '.join(failures)}." if failures else ""
        return f"{self.runs} runs and {self.failed} failures in 24 hours.{told}"


def runs(ended: Iterable[Outcomes], now: int) -> Runs:
    """The last 24 hours, the running one last."""
    newest = now // HOUR
    done: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for each in ended:
        done[each.hour] += each.count
        failed[each.hour] += each.count if each.state == "failed" else 0
    hours = range(newest - HOURS + 1, newest + 1)
    most, worst = max((done[h] for h in hours), default=0), max((failed[h] for h in hours), default=0)
    bars = [
        Bar(
            x=index + 0.12,
            up=_scaled(done[hour], most, UP),
            down=_scaled(failed[hour], worst, DOWN),
            hour=to_datetime(hour * HOUR).strftime("%H:%M"),
            runs=done[hour],
            failed=failed[hour],
        )
        for index, hour in enumerate(hours)
    ]
    return Runs(bars, sum(bar.runs for bar in bars), sum(bar.failed for bar in bars))


def _scaled(value: int, most: int, height: float) -> float:
    return round(max(1.0, height * value / most), 2) if value and most else 0.0


@dataclass(frozen=True, slots=True)
class Times:
    """Response times of a day; milliseconds. A half hour without a request has no point, so lines may be broken."""

    medians: list[str]
    p95s: list[str]
    """Each a polyline's points; a point alone is drawn as a short stroke."""
    median: float | None
    p95: float | None
    requests: int
    peak: float | None
    peak_at: str
    labels: list[str]

    @property
    def said(self) -> str:
        if self.median is None:
            return "No request has been sampled yet."
        usual = f"Median response {self.median:g} ms and 95th percentile {self.p95:g} ms"
        return f"{usual}; peak {self.peak:g} ms at {self.peak_at}."


def times(samples: Sequence[Sample], now: int) -> Times:
    """Median and 95th percentile of each half hour, exact to the step (a quarter) they were kept in."""
    width = HOURS * HOUR // SLOTS
    begin = now - HOURS * HOUR
    slots: list[Counter[int]] = [Counter() for _ in range(SLOTS)]
    for sample in samples:
        if sample.at > begin:
            slots[min(SLOTS - 1, (sample.at - begin) // width)].update(sample.counts())
    whole = sum(slots, Counter())
    p50s, p95s = ([percentile(slot, share) for slot in slots] for share in (0.5, 0.95))
    known = [(value, index) for index, value in enumerate(p95s) if value is not None]
    peak, at = max(known, default=(None, 0))
    top = peak or 1.0
    return Times(
        medians=_lines(p50s, top),
        p95s=_lines(p95s, top),
        median=percentile(whole, 0.5),
        p95=percentile(whole, 0.95),
        requests=sum(whole.values()),
        peak=peak,
        peak_at=to_datetime(begin + at * width).strftime("%H:%M"),
        labels=[to_datetime(begin + part * 6 * HOUR).strftime("%H:%M") for part in range(4)],
    )


def percentile(steps: Counter[int], share: float) -> float | None:
    """The upper bound in milliseconds of the step in which this share of the requests had ended."""
    wanted, seen = share * sum(steps.values()), 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= wanted and seen:
            return _rounded(STEPS[min(step, len(STEPS) - 1)] * 1000)
    return None


def _rounded(milliseconds: float) -> float:
    return round(milliseconds) if milliseconds >= 10 else round(milliseconds, 1)


def _lines(values: Sequence[float | None], top: float) -> list[str]:
    found: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            x, y = 100 * index / (SLOTS - 1), 40 - 36 * min(value, top) / top
            found[-1].append(f"{x:.1f},{y:.1f}")
    return [" ".join(points if len(points) > 1 else [points[0], _beside(points[0])]) for points in found if points]


def _beside(point: str) -> str:
    x, y = point.split(",")
    return f"{max(0.0, float(x) - 1):.1f},{y}"


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of something is used: a label, words, and the share in percent."""

    label: str
    words: str
    percent: int
    is_tight: bool = False

    @property
    def said(self) -> str:
        return f"{self.label}: {self.percent} percent used"


def gauge(label: str, used: float, whole: float, words: str, tight: int = 90) -> Gauge:
    percent = min(100, round(100 * used / whole)) if whole else 0
    return Gauge(label, words, percent, percent >= tight)


def full_in_days(first: Sample | None, last: Sample | None) -> int | None:
    """When the disk is full if it goes on as it has since the first sample; None when it does not grow, or far off."""
    if first is None or last is None or last.at - first.at < LEAST_GROWTH_SPAN:
        return None
    grown = last.disk_used - first.disk_used
    if grown <= 0:
        return None
    days = (last.disk_total - last.disk_used) / grown * (last.at - first.at) / (24 * HOUR)
    return round(days) if days < FARTHEST_DAYS else None
