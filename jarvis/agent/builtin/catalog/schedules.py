"""What runs by itself: schedules, what is next, what is paused and how it went."""

from collections.abc import Mapping
from typing import Any

from jarvis.agent.builtin.intents import Call, Catalog, Intent, Telling
from jarvis.agent.builtin.prose import ago, bullets, in_words, instant, safe, sentence

WORDS = {
    "schedule": "schedule schedules scheduled recurring cron crontab timetable",
    "upnext": "next upcoming soon",
    "paused": "paused pause suspended",
    "runs": "run runs running happens",
}
SHOWN = 30


def listed(telling: Telling) -> str:
    """How many there are, what is next, and each with when it runs and how it went; what needs a hand first."""
    found = telling.result.get("schedules")
    schedules = [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
    if not schedules:
        return 'Nothing is scheduled. Begin something: `jarvis schedule add "30 7 * * 1-5" --prompt "check the disk"`'
    paused, faulty = [s for s in schedules if not s.get("enabled")], [s for s in schedules if s.get("fault")]
    coming = sorted((s for s in schedules if s.get("next_due_at")), key=lambda s: str(s["next_due_at"]))
    head = f"{sentence(in_words(len(schedules), 'schedule'))}"
    head += f", {in_words(len(paused), 'of them paused', 'of them paused')}" if paused else ""
    head += f", {in_words(len(faulty), 'set aside', 'set aside')}" if faulty else ""
    if coming:
        at = instant(coming[0]["next_due_at"])
        head += f"; next is **{safe(coming[0].get('name'), 60)}**{f' {ago(at, telling.now)}' if at is not None else ''}"
    rest = [s for s in schedules if s not in coming and s not in faulty]
    lines = [_line(schedule, telling) for schedule in [*faulty, *coming, *rest][:SHOWN]]
    return f"{head}:\n\n{bullets(lines)}"


def _line(schedule: Mapping[str, Any], telling: Telling) -> str:
    when = safe(schedule.get("in_words") or schedule.get("cron_expr") or "", 80)
    due = instant(schedule.get("next_due_at"))
    parts = [when] if when else []
    if schedule.get("fault"):
        parts.append(f"set aside: {safe(schedule['fault'], 120)}")
    elif not schedule.get("enabled"):
        why = f": {safe(schedule['paused_reason'], 80)}" if schedule.get("paused_reason") else ""
        parts.append(f"paused by {safe(schedule.get('paused_by') or 'somebody', 40)}{why}")
    elif due is not None:
        parts.append(f"next {ago(due, telling.now)}")
    last = schedule.get("last_run")
    if isinstance(last, Mapping) and last.get("state") == "failed":
        parts.append(f"the last run failed{': ' + safe(last['error'], 100) if last.get('error') else ''}")
    return f"**{safe(schedule.get('name') or 'unnamed', 60)}**: {', '.join(parts)}."


CATALOG = Catalog(
    (
        Intent(
            "schedules.list",
            "what is scheduled",
            (
                "what is scheduled?",
                "list the schedules",
                "what runs next",
                "which schedules are paused",
                "show my schedules",
                "what is scheduled next",
            ),
            {
                "schedule": 0.8,
                "upnext": 0.35,
                "paused": 0.2,
                "runs": 0.35,
                "recent": -0.2,
                "status": -0.3,
                "scheduler": 0.0,
            },
            listed,
            lambda slots: Call("schedules.list"),
            needs=("schedule|upnext",),
        ),
    ),
    WORDS,
)
