"""A follow-up is read in the light of what was said before it."""

import pytest

from tests.agent.talking import Conversation

EMPTY = {
    "events.search": {"events": [], "more": False},
    "repository.log": {"ref": "main", "commits": [], "more": False},
    "repository.summary": {"name": "tidepool", "kind": "git", "size": {"files": 0}},
    "repository.tree": {"items": [], "folder": ""},
    "repository.search": {"pattern": "x", "hits": [], "files_searched": 1},
    "repository.file": {
        "name": "a.py",
        "text": "\n".join(map(str, range(500))),
        "bytes": 9,
        "lines": 500,
        "is_binary": False,
    },
    "repository.diff": {"a": "1", "b": "2", "files": [], "text": ""},
    "search.find": {"hits": []},
    "host.facts": {},
    "host.disk": {"disks": []},
    "status.read": {"version": "1", "ready": True, "system": {}},
    "users.list": {"users": []},
    "sessions.list": {"sessions": []},
}


def calls(*said: str) -> list[tuple[str, dict[str, object]]]:
    """What the last of these utterances calls."""
    talk = Conversation(EMPTY)
    for text in said:
        talk.say(text)
    return [(call.name, dict(call.arguments)) for call in talk.calls]


def names(*said: str) -> list[str]:
    return [name for name, _ in calls(*said)]


def test_another_time_asks_the_same_again() -> None:
    [(name, arguments)] = calls("what failed today?", "and yesterday?")
    assert name == "events.search"
    assert (arguments["since"], arguments["until"]) == ("2026-11-22T00:00:00.000Z", "2026-11-23T00:00:00.000Z")


@pytest.mark.parametrize(
    "words", ["what about last week?", "how about last week", "and last week?", "last week?", "same for last week"]
)
def test_a_time_alone_is_enough(words: str) -> None:
    [(name, arguments)] = calls("what failed today?", words)
    assert name == "events.search"
    assert arguments["since"] == "2026-11-16T00:00:00.000Z"


def test_another_person_keeps_the_time() -> None:
    [(name, arguments)] = calls("what did alice commit this week?", "what about bob?")
    assert name == "repository.log"
    assert arguments["author"] == "bob"
    assert arguments["since"] == "2026-11-23T00:00:00.000Z"


def test_both_requests_of_the_turn_before_follow_where_they_can() -> None:
    found = calls("what failed today, and recent commits", "and yesterday?")
    assert [name for name, _ in found] == ["events.search", "repository.log"]
    assert all(arguments["since"] == "2026-11-22T00:00:00.000Z" for _, arguments in found)


def test_a_new_subject_stands_by_itself() -> None:
    assert names("what failed today?", "and the memory?") == ["host.facts"]
    assert names("what failed today?", "how about the disk?") == ["host.disk"]
    assert names("disk", "and who is signed in?") == ["sessions.list"]


def test_more_asks_for_more() -> None:
    [(_, arguments)] = calls("show the last 5 commits", "show me more")
    assert arguments["n"] == 20
    assert names("what is this project?", "tell me more") == ["repository.summary"]
    assert names("summarize this repo", "more", "more please") == ["repository.tree"]


def test_more_of_a_file_shows_more_of_it() -> None:
    talk = Conversation(EMPTY)
    short = talk.say("show me a.py")
    assert len(talk.say("more")) > 2 * len(short)


@pytest.mark.parametrize(
    ("words", "tools"),
    [
        ("the first", ["host.disk"]),
        ("the second one", ["host.facts"]),
        ("2", ["host.facts"]),
        ("both", ["host.disk", "host.facts"]),
        ("both please", ["host.disk", "host.facts"]),
        ("disk", ["host.disk"]),
        ("the memory", ["host.facts"]),
        ("I mean the disks", ["host.disk"]),
        ("memory!", ["host.facts"]),
    ],
)
def test_a_question_asked_back_can_be_answered(words: str, tools: list[str]) -> None:
    assert names("how much is free?", words) == tools


def test_a_choice_keeps_what_was_looked_for() -> None:
    [(name, arguments)] = calls("search for deadline", "in the repository's files")
    assert (name, arguments["pattern"]) == ("repository.search", "deadline")
    [(name, arguments)] = calls("search for deadline", "my messages")
    assert (name, arguments["q"]) == ("search.find", "deadline")


def test_a_question_asked_back_can_be_left() -> None:
    assert names("how much is free?", "never mind, who is signed in?") == ["sessions.list"]


def test_a_follow_up_without_a_before_is_not_understood() -> None:
    assert calls("and yesterday?") == []
    assert calls("show me more") == []
    assert calls("the first one") == []


def test_small_talk_between_does_not_break_the_thread() -> None:
    assert names("what failed today?", "thanks", "disk") == ["host.disk"]


@pytest.mark.parametrize("words", ["restart it", "and delete it", "don't do that"])
def test_an_order_is_no_follow_up(words: str) -> None:
    assert calls("what failed today?", words) == []


def test_a_long_conversation_is_planned_in_time() -> None:
    talk = Conversation(EMPTY)
    for _ in range(40):
        talk.say("and yesterday?")
    assert talk.calls == []
