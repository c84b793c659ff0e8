"""What happened: failures, recent events, and search over messages and events."""

import json
from collections.abc import Mapping
from typing import Any

from jarvis.agent.builtin.intents import Call, Catalog, Intent, Telling, period_arguments
from jarvis.agent.builtin.prose import (
    at_time,
    bullets,
    code,
    in_words,
    instant,
    number,
    plural,
    safe,
    sentence,
    spanned,
    when,
    zone_name,
)
from jarvis.agent.builtin.slots import Slots

WORDS = {
    "fail": "failed fail failure failing failures error errors crash crashed crashing broke break breaking exception "
    "problem problems faulty incident incidents fault faults outage",
    "event": "event events",
    "log": "log logs journal",
    "audit": "audit trail",
    "happening": "happening happened happen happens occurred occur",
    "activity": "activity activities",
    "whatsnew": "whatsnew",
    "recent": "recent latest newest new recently last",
    "search": "search find grep seek locate hunt lookup",
    "message": "message messages chat chats conversation conversations thread threads",
    "mention": "talk talked talking say said mention mentions mentioned mentioning discuss discussed containing",
    "maintenance": "maintenance nightly backup backups",
}
FAILURES = (
    "task.failed", "maintenance.run.end", "model.run.error", "host.exec.end", "github.sync_failed", "tool.call.end",
    "system.restart.failed", "self_update.rejected", "self_update.rollback", "lockdown.triggered", "agent.step.end",
    "auth.login_failed", "lockdown.unlock_failed",
)  # fmt: skip
ALWAYS_FAILURES = ("failed", "error", "rejected", "rollback", "triggered", "unlock_failed", "login_failed")
OWN_WORK = ("tool.call.", "agent.step.", "model.run.", "message.")
SHOWN = 8
SHOWN_MORE = 30


def failures(telling: Telling) -> str:
    """How many failed, then what and when, the same failure told once with its count."""
    events = [event for event in _events(telling.result) if is_failure(event)]
    span = _span(telling)
    looked = len(_events(telling.result))
    more = " There are more events than were read, so this may not be all." if telling.result.get("more") else ""
    if not events:
        what = f"none of the {plural(looked, 'event')} read is a failure" if looked else "no failure is recorded"
        return f"Nothing failed {span}: {what}.{more}"
    groups = _grouped(events)
    shown = groups[: SHOWN_MORE if telling.is_more else SHOWN]
    kinds = in_words(len(groups), "thing")
    head = f"{sentence(kinds)} failed {span}" + (
        f", {number(len(events))} times in all" if len(events) > len(groups) else ""
    )
    lines = [_failure_line(group, telling) for group in shown]
    rest = (
        f"\n\n{sentence(in_words(len(groups) - len(shown), 'more kind'))} not shown; ask for more."
        if len(groups) > len(shown)
        else ""
    )
    return f"{head}:\n\n{bullets(lines)}{rest}{more}"


def recent(telling: Telling) -> str:
    """What happened, newest first; the events that conversations with me leave are only counted."""
    events = _events(telling.result)
    span = _span(telling)
    if not events:
        return f"Nothing is recorded {span}."
    other = [event for event in events if not str(event.get("type")).startswith(OWN_WORK)]
    told = other or events
    shown = told[: SHOWN_MORE if telling.is_more else telling.slots.count or 12]
    bad = sum(is_failure(event) for event in events)
    noun = f"{'at least ' if telling.result.get('more') else ''}{in_words(len(events), 'event')}"
    failed = f", {in_words(bad, 'of them a failure', 'of them failures')}" if bad else ""
    notes = [f"The newest {len(shown)} are shown."] if len(shown) < len(told) else []
    notes += [_own_work(len(events) - len(other))] if other and len(other) < len(events) else []
    tail = f"\n\n{' '.join(notes)}" if notes else ""
    return f"{sentence(noun)} {span}{failed}:\n\n{bullets(_event_line(event, telling) for event in shown)}{tail}"


def _own_work(count: int) -> str:
    return f"{sentence(in_words(count, 'event'))} of conversations with me {'is' if count == 1 else 'are'} left out."


def search(telling: Telling) -> str:
    found = telling.result.get("hits")
    hits = [hit for hit in found if isinstance(hit, Mapping)] if isinstance(found, list) else []
    term = code(telling.arguments.get("q", ""))
    if not hits:
        return f"No message, bug or event of yours mentions {term}."
    shown = hits[: SHOWN_MORE if telling.is_more else SHOWN]
    head = f"{sentence(in_words(len(hits), 'hit'))} for {term}"
    rest = f"\n\nThe best {len(shown)} are shown." if len(shown) < len(hits) else ""
    return f"{head}:\n\n{bullets(_hit_line(hit, telling) for hit in shown)}{rest}"


def is_failure(event: Mapping[str, Any]) -> bool:
    """As the event says; else by its type, or by an exit code, an error or an outcome in its data."""
    if isinstance(event.get("failed"), bool):
        return bool(event["failed"])
    kind = str(event.get("type", ""))
    data = event.get("data")
    data = data if isinstance(data, Mapping) else {}
    if kind.rpartition(".")[2] in ALWAYS_FAILURES:
        return True
    code_ = data.get("exit_code")
    return bool(
        (isinstance(code_, int) and not isinstance(code_, bool) and code_ != 0)
        or data.get("ok") is False
        or data.get("error")
        or data.get("outcome") in ("failed", "error", "timeout", "interrupted")
    )


def _events(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = result.get("events")
    events = [event for event in found if isinstance(event, Mapping)] if isinstance(found, list) else []
    return sorted(events, key=lambda event: instant(event.get("at")) or 0, reverse=True)


def _span(telling: Telling) -> str:
    """Whose and when, as it was asked of the tool."""
    asked = telling.arguments
    since, until = instant(asked.get("since")), instant(asked.get("until"))
    who = f"by {safe(asked['actor'], 40)} " if asked.get("actor") else ""
    about = asked.get("q") or asked.get("trace_id")
    what = f"with {code(about, 60)} " if about else ""
    words = telling.slots.period.words.lower() if telling.slots.period else ""
    if since is not None and until is None and "night" in words:
        until = telling.now
    return f"{who}{what}{'on record' if since is None else spanned(since, until, telling.now, telling.zone)}"


def _grouped(events: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for event in events:
        groups.setdefault((str(event.get("type")), _what(event)), []).append(event)
    return list(groups.values())


def _failure_line(group: list[Mapping[str, Any]], telling: Telling) -> str:
    newest = max(group, key=lambda event: instant(event.get("at")) or 0)
    times = f", {len(group)} times" if len(group) > 1 else ""
    last = "last " if len(group) > 1 else ""
    now, zone = telling.now, telling.zone
    at = instant(newest.get("at"))
    moment = f" {last}{at_time(at, now, zone)} {zone_name(at, zone)}" if at is not None else ""
    why = _why(newest)
    return f"**{safe(_what(newest), 100)}**{moment}{times}{': ' + why if why else '.'}"


def _what(event: Mapping[str, Any]) -> str:
    """The event's own words; its data's name next, its type at last."""
    data = event.get("data")
    named = data.get("name") or data.get("command") if isinstance(data, Mapping) else None
    return str(event.get("summary") or named or event.get("subject") or event.get("type") or "something")


def _why(event: Mapping[str, Any]) -> str:
    """The reason its data gives, unless its own sentence has said it."""
    data = event.get("data")
    told = _what(event)
    kind = code(event.get("type", ""))
    parts: list[str] = []
    if isinstance(data, Mapping):
        if isinstance(data.get("exit_code"), int) and data["exit_code"] and "exit code" not in told:
            parts.append(f"exit code {data['exit_code']}")
        reasons = [data[key] for key in ("error", "reason", "detail", "message") if isinstance(data.get(key), str)]
        parts += [safe(reason, 200) for reason in reasons[:1] if reason and reason not in told]
    return f"{', '.join(parts).rstrip('.')} ({kind})." if parts else f"{kind}."


def _event_line(event: Mapping[str, Any], telling: Telling) -> str:
    """Its sentence where it has one, which names who; its type and actor otherwise."""
    at = instant(event.get("at"))
    moment = f"{when(at, telling.now, telling.zone)} " if at is not None else ""
    kind = code(event.get("type", "?"))
    if event.get("summary"):
        return f"{moment}{safe(event['summary'], 140)} ({kind})"
    who = f" by {safe(event['actor'], 40)}" if event.get("actor") else ""
    what = f": {safe(event['subject'], 120)}" if event.get("subject") else ""
    return f"{moment}{kind}{who}{what}"


def _hit_line(hit: Mapping[str, Any], telling: Telling) -> str:
    at = instant(hit.get("at"))
    moment = f", {when(at, telling.now, telling.zone)}" if at is not None else ""
    snippet = safe(_unmarked(hit.get("snippet")), 160)
    title = safe(hit.get("title") or hit.get("id") or "untitled", 80)
    return f"**{title}** ({safe(hit.get('kind') or 'hit', 20)}{moment}){': ' + snippet if snippet else ''}"


def _unmarked(snippet: Any) -> str:
    return str(snippet or "").replace("<mark>", "").replace("</mark>", "").replace("<b>", "").replace("</b>", "")


def _failures_call(slots: Slots) -> Call:
    arguments: dict[str, Any] = {"type": list(FAILURES), **_asked(slots), "limit": 100}
    return Call("events.search", arguments)


def _recent_call(slots: Slots) -> Call:
    return Call("events.search", {**_asked(slots), "limit": slots.count or 100})


def _asked(slots: Slots) -> dict[str, Any]:
    found = period_arguments(slots)
    if slots.person:
        found["actor"] = slots.person
    if slots.id:
        found["q" if not slots.id.startswith("trc_") else "trace_id"] = slots.id
    elif slots.term:
        found["q"] = slots.term
    return found


def _search_call(slots: Slots) -> Call:
    return Call("search.find", {"q": slots.term or slots.quoted or slots.id or slots.person, "limit": 20})


def as_result(content: str) -> dict[str, Any]:
    """A tool message's content as the object it should be; anything else becomes an error that says so."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = _salvaged(content)
    return value if isinstance(value, dict) else {"error": "the tool returned something other than an object"}


def _salvaged(content: str) -> Any:
    """A result cut in the middle of its list, up to the last whole item, marked as having more."""
    end = content.rfind("}, {")
    try:
        value = json.loads(content[: end + 1] + "]}") if end > 0 else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return {**value, "more": True}
    return {"error": "the tool returned more than can be read at once" if content else "the tool returned nothing"}


CATALOG = Catalog(
    (
        Intent(
            "events.failures",
            "what failed in Jarvis",
            (
                "what failed last night?",
                "any errors today?",
                "what broke since yesterday",
                "show me the failures",
                "did anything crash",
                "which tasks failed this week",
                "what went wrong last night",
                "recent problems",
            ),
            {
                "fail": 0.75,
                "wrong": 0.3,
                "event": 0.15,
                "log": 0.1,
                "queue": 0.15,
                "maintenance": 0.15,
                "scheduler": 0.15,
                "recent": 0.05,
                "jarvis": 0.05,
                "happening": 0.1,
                "test": 0.05,
                "system": 0.05,
            },
            failures,
            _failures_call,
            needs=("fail|wrong",),
            takes={"period": 0.2, "person": 0.05, "count": 0.0, "id": 0.1},
        ),
        Intent(
            "events.recent",
            "what has been happening in Jarvis",
            (
                "what happened last night?",
                "recent events",
                "show me the activity of today",
                "audit log",
                "what is going on",
                "show the last 20 events",
                "what did bob do yesterday",
                "event log",
            ),
            {
                "event": 0.75,
                "activity": 0.7,
                "happening": 0.7,
                "audit": 0.7,
                "log": 0.45,
                "whatsnew": 0.45,
                "recent": 0.4,
                "changed": 0.1,
                "history": 0.42,
                "jarvis": 0.15,
                "maintenance": 0.1,
                "queue": 0.1,
                "scheduler": 0.1,
                "fail": -0.2,
                "commit": -0.3,
                "repo": -0.2,
                "file": -0.1,
                "version": -0.2,
                "system": 0.1,
            },
            recent,
            _recent_call,
            needs=("event|activity|happening|audit|log|recent|whatsnew|history|person",),
            takes={"period": 0.1, "person": 0.42, "count": 0.05, "id": 0.4},
        ),
        Intent(
            "search.find",
            "your messages and events",
            (
                "search my messages for deadline",
                "find conversations about the certificate",
                "did we talk about kubernetes yesterday",
                "any messages mentioning backups of tidepool",
            ),
            {
                "search": 0.4,
                "message": 0.5,
                "mention": 0.4,
                "file": -0.3,
                "event": 0.2,
                "log": 0.1,
                "repo": -0.3,
                "where": 0.0,
                "defined": -0.2,
                "audit": 0.1,
            },
            search,
            _search_call,
            needs=("search|message|mention", "term|quoted|id|person"),
            takes={"term": 0.2, "quoted": 0.1, "id": 0.3, "period": 0.0, "person": 0.05, "code": -0.15},
        ),
    ),
    WORDS,
)
