"""What comes again is repeated in one line with the command that begins it; nothing is begun."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.agent.builtin import recurring
from jarvis.schedules import cron
from tests.agent.talking import NOW, Conversation

BEGUN = [
    ("every weekday at 7 check the disk", "0 7 * * 1-5", "check the disk"),
    ("every day at 7:30 tell me what failed", "30 7 * * *", "tell me what failed"),
    ("Check the disk every morning", "0 7 * * *", "Check the disk"),
    ("every 15 minutes look at the load", "*/15 * * * *", "look at the load"),
    ("every 7 minutes look at the load", "@every:420", "look at the load"),
    ("please summarise the repo every monday at 9am", "0 9 * * 1", "summarise the repo"),
    ("schedule a disk check every day at noon", "0 12 * * *", "disk check"),
    ("remind me to rotate the keys every month", "0 7 1 * *", "rotate the keys"),
    ("look at the logs every 2 hours", "0 */2 * * *", "look at the logs"),
    ("look at the logs every 2 weeks", "@every:1209600", "look at the logs"),
    ("every evening at 8 say what is left", "0 20 * * *", "say what is left"),
    ("list the errors, daily", "", ""),
    ("check the disk hourly", "0 */1 * * *", "check the disk"),
    ("every friday at 5:15pm ask 'is it done?'", "15 17 * * 5", "ask 'is it done?'"),
]


@pytest.mark.parametrize(("text", "rule", "wish"), BEGUN)
def test_a_wish_that_comes_again_becomes_a_command(text: str, rule: str, wish: str) -> None:
    import shlex

    act = recurring.act_of(text, UTC)
    if not rule:
        assert act is None
        return
    assert act is not None
    words = shlex.split(act.hint.split("`")[1])
    assert words[:4] == ["jarvis", "schedule", "add", rule]
    assert words[4] == "--prompt"
    assert words[5].rstrip("?") == wish.rstrip("?")
    cron.check(rule, "UTC", NOW)


@pytest.mark.parametrize(
    "text",
    [
        "what runs every day?", "which jobs run every monday", "is there a backup every night?", "every day",
        "show me every file", "every 0 minutes look at the load", "every day at 25 check the disk", "nightly tests",
    ],
)  # fmt: skip
def test_a_question_or_half_a_wish_begins_nothing(text: str) -> None:
    assert recurring.act_of(text, UTC) is None


def test_the_askers_zone_is_in_the_command() -> None:
    act = recurring.act_of("every day at 7 check the disk", ZoneInfo("Europe/Berlin"))
    assert act is not None
    assert "--timezone Europe/Berlin" in act.hint


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("pause the backup schedule", "jarvis schedule pause backup"),
        ("please stop the nightly tests schedule", "jarvis schedule pause 'nightly tests'"),
        ("resume my disk schedule", "jarvis schedule resume disk"),
        ("delete the disk check schedule", "jarvis schedule remove 'disk check'"),
        ("run the disk schedule now", "jarvis schedule run disk"),
    ],
)
def test_managing_one_names_the_command_for_it(text: str, command: str) -> None:
    said = Conversation({}).say(text)
    assert said.startswith("I have not done that: it would")
    assert f"`{command}`" in said


@given(st.text(max_size=80))
def test_anything_said_is_taken_without_harm(text: str) -> None:
    for lead in ("", "every day at 7 "):
        act = recurring.act_of(lead + text, UTC)
        assert act is None or act.hint.count("`") == 2


def test_what_is_scheduled_is_told_with_what_needs_a_hand_first() -> None:
    rows = [
        {"name": "Disk", "enabled": True, "in_words": "Every 10 min, UTC", "next_due_at": "2026-11-23T02:40:00.000Z",
         "last_run": {"state": "failed", "error": "no answer"}},
        {"name": "Morning", "enabled": False, "paused_by": "bob", "paused_reason": "holiday",
         "cron_expr": "30 7 * * *"},
        {"name": "Old", "enabled": True, "fault": "cron_expr: bad"},
    ]  # fmt: skip
    talk = Conversation({"schedules.list": {"schedules": rows}})
    said = talk.say("what runs next?")
    assert said.startswith("Three schedules, one of them paused, one set aside; next is **Disk** in 2 minutes:")
    assert "the last run failed: no answer" in said
    assert "paused by bob: holiday" in said
    assert [line.split("**")[1] for line in said.splitlines() if line.startswith("- ")] == ["Old", "Disk", "Morning"]
    assert "Nothing is scheduled" in Conversation({"schedules.list": {"schedules": []}}).say("list the schedules")
