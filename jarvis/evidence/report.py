"""The report: every point of the checklist with what was measured, and no tick where nothing ran."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jarvis.kernel.clock import rfc3339

PASSED, FAILED, NOT_RUN, STALE = "passed", "failed", "not run", "out of date"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the checklist. Only `passed` counts; `how` says how to make it so."""

    name: str
    title: str
    state: str
    said: str
    how: str
    at: int | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "state": self.state,
            "said": self.said,
            "how": self.how,
            "at": rfc3339(self.at) if self.at is not None else None,
            "measured": self.measured,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything known of one release at one instant."""

    version: str
    at: int
    by: str
    subject: dict[str, Any]
    """What was looked at: versions, hashes, the host."""
    points: tuple[Point, ...]

    @property
    def is_ok(self) -> bool:
        """Whether every point ran, for this release, lately, and passed."""
        return bool(self.points) and all(point.state == PASSED for point in self.points)

    @property
    def open_points(self) -> list[Point]:
        return [point for point in self.points if point.state != PASSED]

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": self.version,
            "ok": self.is_ok,
            "at": rfc3339(self.at),
            "by": self.by,
            "subject": self.subject,
            "points": [point.as_json() for point in self.points],
        }

    def as_text(self) -> str:
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"

    def as_markdown(self) -> str:
        verdict = (
            "Every point passed." if self.is_ok else f"{len(self.open_points)} of {len(self.points)} points are open."
        )
        return "\n".join(
            [
                f"# Evidence for Jarvis {self.version}",
                "",
                f"{verdict} Written {rfc3339(self.at)} by {_cell(self.by)}.",
                "",
                "## Checklist",
                "",
                *(line for point in self.points for line in _lines(point)),
                "",
                "## What was looked at",
                "",
                "| | |",
                "| --- | --- |",
                *(f"| {_cell(name)} | {_cell(value)} |" for name, value in _flat(self.subject)),
                "",
                "## Measured",
                "",
                "| point | figure | value |",
                "| --- | --- | --- |",
                *(
                    f"| {_cell(point.title)} | {_cell(name)} | {_cell(value)} |"
                    for point in self.points
                    for name, value in _flat(point.measured)
                ),
                "",
            ]
        )


def _lines(point: Point) -> Iterable[str]:
    tick = "x" if point.state == PASSED else " "
    at = f" ({rfc3339(point.at)})" if point.at is not None else ""
    yield f"- [{tick}] **{point.title}**: {point.state}. {_cell(point.said)}{at}"
    if point.state != PASSED:
        yield f"  To mend: `{point.how}`"


def _flat(value: dict[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, inner in value.items():
        path = f"{above}{name}"
        if isinstance(inner, dict) and inner:
            yield from _flat(inner, f"{path}.")
        else:
            yield path, _shown(inner)


def _shown(value: Any) -> Any:
    if value is None:
        return "–"
    if value in ({}, []):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _cell(value: Any) -> str:
    """Text that cannot break out of a line or a table."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
