"""Every event says something in a sentence, whatever its data lacks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.events import sentences
from jarvis.kernel.events import Event


def event(type, data=None, actor="ada", subject="thing/1"):
    text = json.dumps(data) if data is not None else ""
    return Event(1, "evt_1", 0, type, subject, actor, "trc_1", "spn_1", "", None, text)


@pytest.mark.parametrize(
    ("type", "data", "said"),
    [
        ("auth.login", {"client": "127.0.0.1"}, "ada signed in from 127.0.0.1"),
        ("auth.login", {"client": ""}, "ada signed in"),
        ("auth.login_failed", {"client": "10.0.0.1"}, "a sign-in as 1 from 10.0.0.1 failed"),
        ("command.executed", {"command": "/restart", "allowed": False}, "ada tried /restart, which is for admins"),
        ("command.executed", {"command": "/help", "allowed": True}, "ada used /help"),
        ("maintenance.run.end", {"command": "make", "exit_code": 2}, "make ended with exit code 2"),
        ("maintenance.run.end", {"command": "make", "exit_code": 0}, "make succeeded"),
        ("nobody.knows_this", {}, "nobody knows this, thing/1"),
        ("task.failed", {"name": "backup"}, "task failed, thing/1"),
    ],
)
def test_events_say_what_happened(type, data, said):
    assert sentences.summary(event(type, data)) == said


@pytest.mark.parametrize("type", sentences.TABLE)
@pytest.mark.parametrize("data", [None, {}])
def test_missing_data_is_no_reason_to_say_nothing(type, data):
    assert sentences.summary(event(type, data))


@given(st.sampled_from(sorted(sentences.TABLE)), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_no_data_can_break_a_sentence(type, data):
    said = sentences.summary(event(type, data))
    assert said.isprintable() or "\n" not in said


def test_braces_from_outside_stay_what_they_are():
    assert sentences.summary(event("thread.created", {"title": "{actor.__class__}"})) == "ada began “{actor.__class__}”"


@pytest.mark.parametrize(
    ("type", "data", "failed"),
    [
        ("task.failed", {}, True),
        ("auth.login_failed", {}, True),
        ("tool.call.end", {"outcome": "failed"}, True),
        ("tool.call.end", {"outcome": "done"}, False),
        ("agent.step.end", {"status": "failed"}, True),
        ("host.exec.end", {"exit_code": 1}, True),
        ("host.exec.end", {"exit_code": 0}, False),
        ("message.created", {}, False),
    ],
)
def test_failures_are_told_apart(type, data, failed):
    assert sentences.is_failure(event(type, data)) is failed


def test_a_heading_has_a_capital_unless_a_name_begins_it():
    assert sentences.title(event("message.done", {"status": "done"})) == "The reply is complete"
    assert sentences.title(event("auth.logout", {})) == "ada signed out"
