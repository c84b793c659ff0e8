"""What people say is taken for what they mean: the phrases of phrases.txt, and anything else without harm."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis.agent.builtin.catalog import shipped
from jarvis.agent.builtin.intents import Call
from jarvis.agent.builtin.matching import Matcher, Reading
from jarvis.agent.builtin.words import Lexicon, slips, words_of
from jarvis.kernel.clock import from_datetime

NOW = from_datetime(datetime(2026, 11, 23, 10, 30, tzinfo=UTC))
TABLE = Path(__file__).parent / "phrases.txt"
MATCHER = Matcher(shipped())
INTENTS = {intent.name: intent for intent in MATCHER.catalog.intents}


def _lines() -> Iterator[tuple[str, str, str]]:
    head = ""
    for line in TABLE.read_text("utf-8").splitlines():
        if line.startswith("["):
            head = line[1:-1]
        elif line and not line.startswith("#"):
            phrase, _, slots = line.partition(" | ")
            yield head, phrase, slots


PHRASES = list(_lines())


def read(text: str) -> list[Reading]:
    return MATCHER.read(text, NOW, UTC)


def told(reading: Reading) -> str:
    """A reading in the words of the table's headings."""
    if reading.kind == "between":
        return " ".join(["between", *sorted(intent.name for intent in reading.intents)])
    if reading.kind == "act":
        return f"act {reading.act.name}" if reading.act else "act"
    return reading.intents[0].name if reading.kind == "clear" else reading.kind


@pytest.mark.parametrize(("head", "phrase", "slots"), PHRASES, ids=[f"{h}: {p}" for h, p, _ in PHRASES])
def test_a_phrase_is_understood(head: str, phrase: str, slots: str) -> None:
    readings = read(phrase)
    found = [told(reading) for reading in readings if reading.kind != "negated" or head == "negated"]
    if head.startswith("act "):
        assert head in found
    elif head == "unknown":
        assert found in ([], ["unknown"])
    else:
        assert sorted(found) == sorted(head.split(" + "))
    for wanted in slots.split(", ") if slots else ():
        name, _, value = wanted.partition("=")
        slot = getattr(readings[0].slots, name)
        assert (slot.words if name == "period" else str(slot)) == value


@pytest.mark.parametrize("name", INTENTS)
def test_an_intents_own_examples_mean_it(name: str) -> None:
    for example in INTENTS[name].examples:
        assert [told(reading) for reading in read(example)] == [name], example


def test_the_table_is_large_enough_to_mean_something() -> None:
    kinds = Counter(
        "hard" if head.startswith(("unknown", "between", "act", "negated")) else "intent" for head, _, _ in PHRASES
    )
    assert kinds["intent"] >= 250
    assert kinds["hard"] >= 60


def test_every_intent_has_phrases_beyond_its_examples() -> None:
    tried = {name for head, _, _ in PHRASES for name in head.split(" + ")}
    assert set(INTENTS) <= tried


@pytest.mark.parametrize("words", ["restart", "delete everything", "please kill it", "run the tests", "push to main"])
def test_no_act_is_ever_a_call(words: str) -> None:
    assert [reading.kind for reading in read(words)] == ["act"]


@pytest.mark.parametrize(
    "words",
    [
        "don't restart",
        "do not delete the logs",
        "please don't run the tests",
        "never stop the scheduler",
        "DON'T RESTART",
    ],
)
def test_told_not_to_is_not_told_to(words: str) -> None:
    assert [reading.kind for reading in read(words)] == ["negated"]


@pytest.mark.parametrize("words", ["how do I restart jarvis", "what happens if I restart", "who restarted the server"])
def test_asking_about_an_act_does_not_ask_for_it(words: str) -> None:
    assert all(reading.kind != "act" for reading in read(words))


def test_politeness_and_case_change_nothing() -> None:
    plain = told(read("disk usage")[0])
    for phrase in (
        "DISK USAGE",
        "Disk usage, please!",
        "could you please show me the disk usage?",
        "hey jarvis: disk usage",
    ):
        assert [told(reading) for reading in read(phrase)] == [plain]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("comits", "repository.log"),
        ("contirbutors", "repository.contributors"),
        ("langauges", "repository.languages"),
        ("memroy", "machine.memory"),
        ("brnaches", "repository.branches"),
        ("sesions", "sessions.list"),
        ("proccesses", "machine.processes"),
        ("uptmie", "machine.uptime"),
        ("lisence", "repository.license"),
    ],
)
def test_a_slip_of_the_finger_is_forgiven(typo: str, meant: str) -> None:
    assert [told(reading) for reading in read(typo)] == [meant]


@pytest.mark.parametrize("word", ["horse", "house", "spice", "charge", "massage", "bread", "orange", "princess"])
def test_a_real_word_is_not_bent_into_ours(word: str) -> None:
    assert [told(reading) for reading in read(word)] in ([], ["unknown"])


def test_two_words_as_near_are_neither() -> None:
    lexicon = Lexicon({"a": "planet", "b": "planer"}, [])
    assert lexicon.nearest("planes") is None


def test_swapped_letters_are_one_slip() -> None:
    assert slips("memroy", "memory", 2) == 1
    assert slips("abc", "xyz", 2) == 3


def test_contractions_and_phrases_become_one_word() -> None:
    assert words_of("What's the file system?") == ["what", "is", "the", "filesystem"]


def test_calls_name_known_tools_only() -> None:
    known = {
        "status.read",
        "bugs.list",
        "notes.list",
        "maintenance.status",
        "events.search",
        "search.find",
        "users.list",
        "sessions.list",
        "host.facts",
        "host.disk",
        "repository.summary",
        "repository.tree",
        "repository.file",
        "repository.search",
        "repository.log",
        "repository.diff",
        "schedules.list",
    }
    seen: set[str] = set()
    for _, phrase, _ in PHRASES:
        for reading in read(phrase):
            calls = [intent.call(reading.slots) for intent in reading.intents]
            seen |= {call.tool for call in calls if isinstance(call, Call)}
    assert seen == known


ODD = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from([p for _, p, _ in PHRASES]), min_size=1, max_size=4).map(" and ".join),
    st.lists(
        st.sampled_from(
            [
                "show",
                "where",
                "is",
                "a.b",
                "v1.2",
                "HEAD~1",
                "last",
                "3",
                "days",
                "`x`",
                "and",
                ",",
                "?",
                "don't",
                "/etc/",
                "_",
                "..",
                "'q'",
            ]
        ),
        max_size=60,
    ).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(ODD)
def test_any_text_has_readings_and_no_crash(text: str) -> None:
    for reading in read(text):
        assert reading.kind in ("clear", "between", "act", "negated", "unknown")
        assert reading.kind != "clear" or len(reading.intents) == 1
        for intent in reading.intents:
            call = intent.call(reading.slots)
            assert call is None or all(value is not None for value in call.arguments.values())


HOSTILE = {
    "one letter": "a" * 65_536,
    "words": "disk " * 13_108,
    "spaces": " " * 65_536,
    "commas": ", " * 32_768,
    "quotes": "`'\"" * 21_846,
    "slashes": "a/" * 32_768,
    "dots": "." * 65_536,
    "search": "search for " * 6_000,
    "where": "where is " * 7_300,
    "numbers": "9" * 65_536,
    "underscores": "a_" * 32_768,
    "and": "and " * 16_384,
    "between": "between a and " * 4_700,
    "dashes": "-" * 65_536,
    "last": "last 1 " * 9_400,
    "nul": "\0" * 65_536,
    "bidi": "\u202e" * 65_536,
    "ligatures": "\ufdfa" * 65_536,
    "newlines": "\n" * 65_536,
    "typos": "memoryx dizk comitx " * 3_300,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_long_hostile_text_takes_no_long_time(kind: str) -> None:
    started = time.process_time()
    read(HOSTILE[kind])
    assert time.process_time() - started < 1.0
