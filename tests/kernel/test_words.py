"""Whatever people type, the index answers or finds nothing; it never complains."""

from collections.abc import Iterator

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel import words

TOKENIZER = "unicode61 remove_diacritics 2 tokenchars '_'"


@pytest.fixture(scope="module")
def index() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute(f'CREATE VIRTUAL TABLE t USING fts5 (body, tokenize = "{TOKENIZER}")')
    for body in ("The nightly tests failed", "auth.login from Zürich", "task_failed NEAR the AND gate", "déjà vu"):
        connection.execute("INSERT INTO t (body) VALUES (?)", (body,))
    yield connection
    connection.close()


def find(index: apsw.Connection, typed: str) -> list[int]:
    query = words.parse(typed)
    if not query:
        return []
    return [row[0] for row in index.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid", (query.fts,))]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("nightly", [1]),
        ("failed nightly", [1]),
        ('"nightly tests"', [1]),
        ('"tests nightly"', []),
        ("night", []),
        ("night*", [1]),
        ("auth.login", [2]),
        ("zurich", [2]),
        ("DEJA", [4]),
        ("task_failed", [3]),
        ("AND NEAR", [3]),
        ('"unclosed', []),
        ('"nightly te"*', [1]),
        ("nightly !!!", [1]),
        ("*", []),
        ("", []),
    ],
)
def test_words_find_what_people_mean(index: apsw.Connection, typed: str, found: list[int]) -> None:
    assert find(index, typed) == found


@given(st.text())
def test_no_text_is_a_syntax_error(index: apsw.Connection, typed: str) -> None:
    find(index, typed)


@given(st.lists(st.sampled_from(['"', "*", "AND", "OR", "NOT", "NEAR(", ")", "^", ":", "-", "a", "body", "\x00", " "])))
def test_no_query_syntax_is_a_syntax_error(index: apsw.Connection, pieces: list[str]) -> None:
    find(index, "".join(pieces))


@given(st.text(), st.text())
def test_a_snippet_marks_stay_inside_it(text: str, typed: str) -> None:
    found = words.snippet(text, words.parse(typed))
    assert "".join(piece for piece, _ in found.pieces()) == found.text
    assert all(0 <= start < end <= len(found.text) for start, end in found.marks)


def test_a_snippet_shows_the_match_and_its_surroundings() -> None:
    text = "Before it. " * 50 + "Then the Nightly tests failed at once. " + "After it. " * 50
    found = words.snippet(text, words.parse("nightly failed"))
    assert [found.text[a:b] for a, b in found.marks] == ["Nightly", "failed"]
    assert len(found.text) <= 170
    assert found.text.startswith("…")
    assert found.text.endswith("…")


def test_folding_keeps_every_position() -> None:
    text = "Café İstanbul ﬁn 東京"
    assert len(words.fold(text)) == len(text)
    assert words.fold("Café") == "cafe"


def test_markdown_from_outside_is_no_markup() -> None:
    assert words.as_markdown("a *b* [c](d)\n<script>") == r"a \*b\* \[c\](d) \<script\>"
