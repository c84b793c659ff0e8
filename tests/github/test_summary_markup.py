"""Strangers' words as Markdown: nobody is pinged, nothing is linked, nothing is shown that was not meant to be."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from jarvis.github import markup

HOSTILE = (
    "![x](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "<!-- jarvis:summary 0123456789abcdef0123456789abcdef -->",
    "@octocat @org/team please merge",
    "closes #12 and octo/harbor#3 and GH-4",
    "https://evil.example www.evil.example me@evil.example",
    "`code` ``more` | a | b |",
    "# heading\n- item\n1. one\n> quote\n```\nfence",
    "a\u202eb\u200bc\x1b[31m\ud800",
    "- item",
    "1) item",
    "===",
    "$x^2$",
    "[ref]: https://evil.example",
    "****",
)


def shown(text: str) -> str:
    """As CommonMark with GitHub's tables and bare links renders it."""
    return MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").render(text)


def pings(html: str) -> list[str]:
    """What GitHub would turn into a mention or a reference: it looks outside code only."""
    outside = re.sub(r"<code>.*?</code>|<pre>.*?</pre>", "", html, flags=re.DOTALL)
    return re.findall(r"@[A-Za-z0-9]|#\d|GH-\d|://|www\.", outside, re.IGNORECASE)


MAKERS = (markup.code, markup.cell, markup.prose, markup.written)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_becomes_markup(make, text):
    html = shown("Said: " + make(text))
    assert not re.search(r"<(a|img|script|h\d|hr|table|iframe|!--)\b|<!--", html), html
    assert pings(html) == []
    assert not re.search("[\u202a-\u202e\x1b\ud800-\udfff]", html)


@pytest.mark.parametrize("make", (markup.code, markup.prose))
@given(text=st.text(alphabet=st.sampled_from("`*_[]()<>!@#|~\\-+=.:/ &;a1\n\tw\u202e"), max_size=60))
@settings(max_examples=150, deadline=None)
def test_a_line_stays_one_line_of_plain_words(make, text):
    made = make(text)
    html = shown(f"> {made}\n\nafter")
    assert "\n" not in made
    assert html.startswith("<blockquote>\n<p>") or not made.strip()
    assert set(re.findall(r"</?([a-z0-9]+)", html)) <= {"blockquote", "p", "code"}
    assert pings(html) == []


def test_a_code_span_holds_exactly_what_was_given():
    assert shown(markup.code("a ``b`` <c> @d")) == "<p><code>a ``b`` &lt;c&gt; @d</code></p>\n"
    assert shown(markup.code("`")) == "<p><code>`</code></p>\n"


def test_a_cell_breaks_no_table():
    hostile = markup.cell("a|b\\|c`@x")
    html = shown(f"| A | B |\n| --- | --- |\n| {hostile} | 1 |")
    assert html.count("<td>") == 2
    assert pings(html) == []


def test_lists_headings_and_code_of_a_model_are_kept():
    text = "## Risks\n\n- **One**: see `a.py`\n  - two\n1. three\n\n```python\n@octocat\n```\nend"
    html = shown(markup.written(text))
    assert "<strong>Risks</strong>" in html
    assert "<code>a.py</code>" in html
    assert html.count("<li>") == 3
    assert "<pre><code" in html
    assert pings(html) == []


def test_a_fence_that_is_never_closed_swallows_nothing_below():
    assert shown(markup.written("```\nx\n") + "\n\nmine").endswith("<p>mine</p>\n")


def test_a_long_text_is_cut_and_that_is_said():
    made = markup.written("word " * 2000, 500)
    assert len(made) < 700
    assert "cut here" in made
    assert len(markup.prose("x" * 5000, 100)) == 100
