"""A rule and its spans of time as people say them."""

import re

from cronsim import CronSim

from jarvis.schedules import cron

DAYS = {
    "*": "Daily", "1-5": "Weekdays", "6,0": "Weekends", "0,6": "Weekends", "6-7": "Weekends", "1": "Mondays",
    "2": "Tuesdays", "3": "Wednesdays", "4": "Thursdays", "5": "Fridays", "6": "Saturdays", "0": "Sundays",
    "7": "Sundays",
}  # fmt: skip
AT_A_TIME = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* (\S+)")
MINUTES = re.compile(r"\*/(\d{1,2}) \* \* \* \*")
HOURS = re.compile(r"0 \*/(\d{1,2}) \* \* \*")


def in_words(expr: str, timezone: str) -> str:
    """ "Every 10 min, UTC", "Weekdays 07:30, Europe/Lisbon"; raises ValueError or Invalid for what is no rule."""
    if expr.startswith(cron.EVERY):
        return f"Every {span(int(expr[len(cron.EVERY) :]))}"
    fields = cron.fields_of(expr)
    return f"{_plain(fields) or _explained(fields)}, {timezone}"


def _plain(fields: str) -> str:
    """The usual shapes, short."""
    timed, minutes, hours = AT_A_TIME.fullmatch(fields), MINUTES.fullmatch(fields), HOURS.fullmatch(fields)
    if timed and timed[3] in DAYS:
        return f"{DAYS[timed[3]]} {int(timed[2]):02}:{int(timed[1]):02}"
    if minutes and int(minutes[1]) and 60 % int(minutes[1]) == 0:
        return f"Every {int(minutes[1])} min"
    if hours and int(hours[1]) and 24 % int(hours[1]) == 0:
        return f"Every {int(hours[1])} h"
    return ""


def _explained(fields: str) -> str:
    try:
        return str(CronSim(fields, cron.SAMPLE).explain())
    except Exception:  # what cronsim can follow but not put into words
        return "Five cron fields"


def span(seconds: int) -> str:
    """Seconds in the largest unit that fits without a rest: 90 s, 15 min, 2 h, 3 d."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:,} {unit}"
    return f"{seconds:,} s"
