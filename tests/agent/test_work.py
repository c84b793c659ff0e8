"""Bugs and maintenance in plain words: what the operator says of them, and what it will not do by itself."""

import pytest

from jarvis.agent.builtin.catalog import work
from jarvis.agent.builtin.intents import Telling
from jarvis.agent.builtin.slots import Slots
from jarvis.agent.providers import Asker
from jarvis.kernel.clock import rfc3339 as told

NOW = 1_795_401_960_000_000


def telling(result, **arguments):
    from datetime import UTC

    return Telling(result, arguments, Slots(), Asker("ada", "admin"), NOW, UTC)


BUG = {
    "title": "Tide *tables* fail",
    "priority": "high",
    "status": "open",
    "recurred": True,
    "flake_rate": "3 of 9 runs",
    "last_seen_at": told(NOW - 3_600_000_000),
    "assignee": None,
}


def test_bugs_are_counted_and_told_one_a_line():
    said = work.bugs(telling({"bugs": [BUG, {**BUG, "recurred": False, "assignee": "bob"}], "more": False}, kind="bug"))
    assert said.startswith("Two bugs are open, newest first:")
    assert r"**Tide \*tables\* fail** (high, recurred, seen in 3 of 9 runs, last 1 hour ago)" in said
    assert "bob is on it" in said


def test_none_is_said_plainly():
    assert work.bugs(telling({"bugs": []}, kind="bug", priority="critical")) == "No critical bug is open."
    assert work.bugs(telling({"bugs": []}, kind="feature")) == "No feature request is open."


def test_maintenance_is_told_with_its_commands_and_what_is_next():
    run = {"id": "run_1", "state": "failed", "reason": "1 of 2 commands failed.", "started_at": told(NOW - 60_000_000)}
    commands = [
        {"command": "make test", "state": "failed", "exit_code": 2, "seconds": 41.3, "output": {"telling": ["E x"]}},
        {"command": "df -h", "state": "passed", "exit_code": 0, "seconds": 0.02, "output": None},
    ]
    said = work.maintenance(
        telling(
            {
                "commands": ["make test", "df -h"],
                "last_run": run,
                "runs": [{**run, "commands": commands}],
                "next_due_at": told(NOW + 600_000_000),
            }
        )
    )
    assert said.startswith("The last maintenance run failed 1 minute ago: 1 of 2 commands failed.")
    assert "- `make test` failed, exit 2 after 41.3 s: E x" in said
    assert said.endswith("The next run is due in 10 minutes.")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"commands": []}, "No maintenance command is configured"),
        ({"commands": ["true"]}, "has never run"),
        ({"commands": ["true"], "running": {"id": "x", "state": "running", "started_at": told(NOW)}}, "is at work"),
        (
            {"commands": ["true"], "last_run": {"state": "interrupted", "reason": "It died."}},
            "was interrupted: It died.",
        ),
    ],
)
def test_maintenance_in_every_state(result, words):
    assert words in work.maintenance(telling(result))


def test_a_bug_to_file_is_repeated_with_the_exact_command():
    said = work.file_command("file a bug that the login page is slow")
    assert said == (
        "I would file the bug “The login page is slow” in your name. Send this to do it: `/bug The login page is slow`"
    )
    assert "/bug TITLE" in work.file_command("file a bug")


def test_a_run_is_repeated_with_who_does_it():
    assert "jarvis maintenance run" in work.run_command("run maintenance now")
