"""Requests that come again ("every weekday at 7 check the disk"): the schedule they become, said in one line first.

Where the policy keeps the operator from beginning it, the command that does is named instead.
"""

import re
import shlex
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from jarvis.agent.builtin.intents import Act, Call, Deed

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
PARTS_OF_DAY = {"morning": 7, "evening": 18, "night": 1, "noon": 12, "midnight": 0}
USUAL_HOUR = 7
UNIT = f"(?P<unit>minute|hour|day|weekday|workday|morning|evening|night|week|month|{'|'.join(WEEKDAYS)})s?"
EVERY = re.compile(
    rf"\b(?:every|each)\s+(?:(?P<count>\d{{1,4}})\s+)?{UNIT}\b|\b(?P<adverb>hourly|daily|nightly|weekly|monthly)\W*$"
)
AT = re.compile(r"\bat\s+(?:(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>am|pm)?|(?P<named>noon|midnight))\b")
ADVERBS = {"hourly": "hour", "daily": "day", "nightly": "night", "weekly": "week", "monthly": "month"}
ASKS = re.compile(
    r"\s*(?:what|when|which|who|how|why|where|is|are|was|were|does|do|did|has|have|show|list|find|search|tell me)\b"
)
LEAD = re.compile(
    r"^\W*(?:(?:please|can you|could you|jarvis)\W+)*"
    r"(?:(?:schedule|set up|begin|start|add)\s+(?:an?\s+|the\s+)?|remind me to\s+|i want you to\s+)?"
)
EDGES = " \t,;:.!?-"
MANAGE = re.compile(
    r"\W*(?:please\s+)?(?P<verb>pause|stop|disable|resume|enable|remove|delete|run)\s+(?:the\s+|my\s+)?"
    r"(?P<name>.{1,80}?)\s+schedule(?:\s+(?:now|please))?\W*"
)
VERBS = {"stop": "pause", "disable": "pause", "enable": "resume", "delete": "remove"}
DONE = {
    "pause": "{name} is paused",
    "resume": "{name} goes on",
    "remove": "{name} is removed",
    "run": "{name} is on its way",
}
CONSEQUENCES = {
    "pause": "pause the schedule {name}: nothing of it falls due until it is resumed",
    "resume": "resume the schedule {name}, from now on",
    "remove": "remove the schedule {name} with its history",
    "run": "run the schedule {name} once, now",
}


def act_of(text: str, where: tzinfo) -> Act | None:
    """What a clause orders about schedules, as an act that is declined with the command for it."""
    plain = text.lower()
    if ASKS.match(plain):
        return None
    managed = MANAGE.fullmatch(plain)
    return _managing(managed) if managed else _beginning(text, plain, where)


def _managing(managed: re.Match[str]) -> Act:
    verb = VERBS.get(managed["verb"], managed["verb"])
    would = CONSEQUENCES[verb].format(name=managed["name"])
    command = f"jarvis schedule {verb} {shlex.quote(managed['name'])}"
    deed = Deed(
        Call(f"schedules.{verb}", {"schedule": managed["name"]}),
        f"I will {would}.",
        lambda result: f"Done: {DONE[verb].format(name=_safe(managed['name']))}.",
    )
    hint = f"it would {would}. To do it: `{_safe(command)}`, or its button under /admin/schedules."
    return Act("schedule", "", hint, do=lambda clause: deed)


def _beginning(text: str, plain: str, where: tzinfo) -> Act | None:
    every = EVERY.search(plain)
    if every is None:
        return None
    at = AT.search(plain)
    rule = _rule(every, at)
    wish = _wish(text, every, at)
    if rule is None or not wish:
        return None
    zone = f" --timezone {where.key}" if isinstance(where, ZoneInfo) and where.key != "UTC" else ""
    command = f"jarvis schedule add {shlex.quote(rule)}{zone} --prompt {shlex.quote(wish)}"
    when = _spoken(every, at)
    would = (
        f"{when} I would be asked “{_safe(wish)}”. To begin it: `{_safe(command)}`, or add it under /admin/schedules."
    )
    given = {"cron_expr": rule, "payload": {"kind": "prompt", "text": wish}}
    given |= {"timezone": where.key} if isinstance(where, ZoneInfo) and where.key != "UTC" else {}
    deed = Deed(Call("schedules.create", given), f"{when} I will be asked “{_safe(wish)}”.", _begun)
    return Act("schedule", "", would, do=lambda clause: deed)


def _begun(result: Mapping[str, Any]) -> str:
    made = result.get("schedule")
    told = made if isinstance(made, Mapping) else {}
    return f"It has begun: next at {told.get('next_due_at')}. See /admin/schedules/{told.get('id')}."


def _rule(every: re.Match[str], at: re.Match[str] | None) -> str | None:
    """The rule as `jarvis schedule add` takes it."""
    unit, count = every["unit"] or ADVERBS[every["adverb"]], int(every["count"] or 1)
    if count < 1:
        return None
    if unit == "minute":
        return f"*/{count} * * * *" if 60 % count == 0 else f"@every:{count * 60}"
    hour, minute = _time(unit, at)
    if hour > 23 or minute > 59:
        return None
    if unit == "hour":
        return f"{minute if at else 0} */{count} * * *" if 24 % count == 0 else f"@every:{count * 3600}"
    if count > 1:
        days = {"day": 1, "week": 7}.get(unit)
        return f"@every:{count * days * 86_400}" if days else None
    return f"{minute} {hour} {_days(unit)}"


def _days(unit: str) -> str:
    """Day of month, month and weekday."""
    if unit in WEEKDAYS:
        return f"* * {WEEKDAYS.index(unit)}"
    return {"weekday": "* * 1-5", "workday": "* * 1-5", "week": "* * 1", "month": "1 * *"}.get(unit, "* * *")


def _time(unit: str, at: re.Match[str] | None) -> tuple[int, int]:
    if at is None:
        return PARTS_OF_DAY.get(unit, USUAL_HOUR), 0
    if at["named"]:
        return PARTS_OF_DAY[at["named"]], 0
    hour, minute = int(at["hour"]), int(at["minute"] or 0)
    if at["half"]:
        hour = hour % 12 + (12 if at["half"] == "pm" else 0)
    elif unit in ("evening", "night") and 5 <= hour < 12:
        hour += 12
    return hour, minute


def _wish(text: str, every: re.Match[str], at: re.Match[str] | None) -> str:
    """What is left when the times are taken out: what is to be done."""
    cuts = sorted([every.span(), *([at.span()] if at else [])], reverse=True)
    for start, end in cuts:
        text = f"{text[:start]} {text[end:]}"
    bare = " ".join(text.split()).strip(EDGES)
    lead = LEAD.match(bare.lower())
    return bare[lead.end() if lead else 0 :].strip(EDGES)[:500]


def _spoken(every: re.Match[str], at: re.Match[str] | None) -> str:
    spoken = every[0] + (f" {at[0]}" if at else "")
    return spoken[0].upper() + spoken[1:].rstrip(EDGES)


def _safe(text: str) -> str:
    """Without what would end the code span it stands in."""
    return text.replace("`", "'")
