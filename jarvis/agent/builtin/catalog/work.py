"""What is wrong or wanted, and how maintenance goes: bugs, feature requests, runs; and asking for more of either."""

import re
from collections.abc import Mapping
from typing import Any

from jarvis.agent.builtin.intents import Act, Call, Catalog, Deed, Intent, Telling
from jarvis.agent.builtin.prose import ago, bullets, code, in_words, instant, plural, safe, sentence
from jarvis.agent.builtin.slots import Slots

WORDS = {
    "bug": "bug bugs defect defects ticket tickets",
    "wish": "feature features wish wishes request requests",
    "unsolved": "open unresolved active outstanding pending unsolved",
    "urgent": "critical urgent severe blocker",
    "upkeep": "maintenance upkeep housekeeping",
    "coming": "next upcoming due",
}
SHOWN, SHOWN_MORE = 8, 30
TITLE = re.compile(
    r"\b(?:bug|defect|issue|ticket|problem|report)s?\b(?:\s+(?:report|ticket))?\s*(?:that|saying|about|because|for|on|:|,|-)?\s*(.+)",
    re.IGNORECASE | re.DOTALL,
)


def bugs(telling: Telling) -> str:
    """How many, then each with its state and how often it was seen."""
    found = _rows(telling.result, "bugs")
    noun = "feature request" if telling.arguments.get("kind") == "feature" else "bug"
    priority = f"{telling.arguments['priority']} " if telling.arguments.get("priority") else ""
    if not found:
        return f"No {priority}{noun} is open."
    more = "at least " if telling.result.get("more") else ""
    shown = found[: SHOWN_MORE if telling.is_more else SHOWN]
    head = f"{sentence(more + in_words(len(found), f'{priority}{noun}'))} {'is' if len(found) == 1 else 'are'} open"
    rest = (
        f"\n\n{sentence(in_words(len(found) - len(shown), 'more'))} under /admin/bugs."
        if len(shown) < len(found)
        else ""
    )
    return f"{head}, newest first:\n\n{bullets(_bug_line(bug, telling) for bug in shown)}{rest}"


def _bug_line(bug: Mapping[str, Any], telling: Telling) -> str:
    state = "recurred" if bug.get("recurred") else str(bug.get("status", "")).replace("_", " ")
    seen = instant(bug.get("last_seen_at"))
    rate = f", seen in {safe(bug['flake_rate'], 40)}" if bug.get("flake_rate") else ""
    last = f", last {ago(seen, telling.now)}" if seen is not None else ""
    who = f", {safe(bug['assignee'], 40)} is on it" if bug.get("assignee") else ""
    return f"**{safe(bug.get('title'), 120)}** ({safe(bug.get('priority'), 20)}, {safe(state, 20)}{rate}{last}{who})"


def maintenance(telling: Telling) -> str:
    """Is it all right, then the last run command by command, then what is next."""
    result = telling.result
    last = result.get("running") or result.get("last_run")
    if not result.get("commands"):
        return "No maintenance command is configured: set `MAINTENANCE_COMMANDS`, one command a line."
    if not isinstance(last, Mapping):
        return f"Maintenance has {plural(len(result['commands']), 'command')} and has never run. {_next(telling)}"
    began = instant(last.get("started_at"))
    when = f" {ago(began, telling.now)}" if began is not None else ""
    state = str(last.get("state"))
    said = {
        "running": f"A maintenance run began{when} and is at work.",
        "passed": f"The last maintenance run passed{when}.",
    }
    reason = f": {safe(last['reason']).rstrip('.')}" if last.get("reason") else ""
    head = said.get(
        state, f"The last maintenance run {'failed' if state == 'failed' else f'was {safe(state, 20)}'}{when}{reason}."
    )
    runs = [run for run in _rows(result, "runs") if run.get("id") == last.get("id")]
    lines = [_command_line(command) for command in _rows(runs[0], "commands")] if runs else []
    return "\n\n".join(part for part in (head, bullets(lines), _next(telling)) if part)


def _command_line(command: Mapping[str, Any]) -> str:
    state = str(command.get("state", "")).replace("_", " ")
    exit_code = f", exit {command['exit_code']}" if command.get("exit_code") else ""
    seconds = command.get("seconds")
    took = f" after {seconds:.1f} s" if isinstance(seconds, (int, float)) else ""
    output = command.get("output")
    told = output.get("telling") if isinstance(output, Mapping) else None
    why = f": {safe(told[-1], 120)}" if told else ""
    return f"{code(command.get('command'), 80)} {safe(state, 20)}{exit_code}{took}{why}"


def _next(telling: Telling) -> str:
    due = instant(telling.result.get("next_due_at"))
    if due is None:
        return "It only runs when asked."
    return f"The next run is due {ago(due, telling.now)}." if due > telling.now else "The next run is due now."


def _rows(result: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = result.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _bugs_call(kind: str) -> Any:
    def call(slots: Slots) -> Call:
        asked: dict[str, Any] = {"kind": kind, "status": "active", "limit": max(1, min(slots.count or 50, 100))}
        return Call("bugs.list", asked | ({"q": slots.term or slots.quoted} if slots.term or slots.quoted else {}))

    return call


def _urgent_call(slots: Slots) -> Call:
    return Call("bugs.list", {"kind": "bug", "status": "active", "priority": "critical", "limit": 50})


def _title(clause: str) -> str:
    match = TITLE.search(clause)
    return sentence(" ".join(match[1].split()).rstrip(".!"))[:200] if match and match[1].strip(" .!") else ""


def file_bug(clause: str) -> Deed | None:
    """Filing what was said as a bug."""
    title = _title(clause)
    if not title:
        return None
    return Deed(
        Call("bugs.create", {"title": title}), f"I will file the bug “{safe(title, 200)}” in your name.", _filed
    )


def _filed(result: Mapping[str, Any]) -> str:
    return f"Filed as {code(result.get('id'), 40)}: /admin/bugs/{safe(result.get('id'), 40)}"


def run_maintenance(clause: str) -> Deed:
    """Running maintenance now."""
    plan = "I will run every maintenance command now, in its directory; each that fails becomes a bug."
    return Deed(Call("maintenance.run"), plan, lambda result: "It is on its way: see /admin/maintenance.")


def file_command(clause: str) -> str:
    """What would be filed, in one line, and the exact command that does it."""
    title = _title(clause)
    if not title:
        return "I would file a bug. The command is `/bug TITLE :: DESCRIPTION`."
    return f"I would file the bug “{safe(title, 200)}” in your name. Send this to do it: {code(f'/bug {title}', 220)}"


def run_command(clause: str) -> str:
    return (
        "I would run every maintenance command now, in its directory, and file a bug for each that fails. "
        "An admin does it with `jarvis maintenance run`, or with *Run now* under /admin/maintenance."
    )


ACTS = (
    Act(
        "file a bug",
        "file report raise log open create add",
        "",
        objects="bug bugs defect ticket",
        say=file_command,
        do=file_bug,
    ),
    Act(
        "run",
        "run execute start launch trigger do rerun invoke perform",
        "",
        objects="maintenance upkeep",
        say=run_command,
        do=run_maintenance,
    ),
)

CATALOG = Catalog(
    (
        Intent(
            "bugs.list",
            "the open bugs",
            ("list open bugs", "which bugs are open?", "show me my bugs", "how many bugs are there", "any bugs?"),
            {"bug": 0.8, "unsolved": 0.2, "howmany": 0.1, "mine": 0.05, "recent": 0.05, "repo": -0.3, "commit": -0.3},
            bugs,
            _bugs_call("bug"),
            needs=("bug",),
            takes={"count": 0.05, "term": 0.0, "quoted": 0.0},
        ),
        Intent(
            "bugs.urgent",
            "the critical bugs",
            ("any critical bugs?", "which bugs are urgent", "list the critical bugs"),
            {"bug": 0.7, "urgent": 0.5, "unsolved": 0.1, "howmany": 0.1},
            bugs,
            _urgent_call,
            needs=("bug", "urgent"),
        ),
        Intent(
            "bugs.wishes",
            "the feature requests",
            ("list the feature requests", "which features were requested", "open feature requests"),
            {"wish": 0.8, "unsolved": 0.15, "howmany": 0.05, "repo": -0.3},
            bugs,
            _bugs_call("feature"),
            needs=("wish",),
            takes={"count": 0.05},
        ),
        Intent(
            "maintenance.status",
            "how maintenance stands",
            (
                "how did maintenance go?",
                "maintenance status",
                "when does maintenance run next?",
                "did the last maintenance run pass",
            ),
            {
                "upkeep": 0.75,
                "status": 0.2,
                "recent": 0.05,
                "coming": 0.2,
                "scheduler": 0.1,
                "running": 0.1,
                "jarvis": 0.05,
                "fail": -0.2,
                "event": -0.2,
            },
            maintenance,
            lambda slots: Call("maintenance.status", {"limit": 5}),
            needs=("upkeep",),
            admin_only=True,
        ),
    ),
    WORDS,
    ACTS,
)
