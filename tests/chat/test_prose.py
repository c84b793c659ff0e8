"""Markdown from anybody: nothing in it runs, loads or leads astray."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from jarvis.chat.prose import Kept, Prose
from jarvis.chat.shown import call_shown, marked

PROSE = Prose()
TAGS = frozenset(
    (
        *("p", "a", "code", "pre", "div", "em", "strong", "s", "ul", "ol", "li", "blockquote", "hr", "br", "mark"),
        *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
    )
)
ATTRIBUTES = frozenset(("href", "rel", "title", "class", "data-language", "start"))

ATTACKS = (
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](  javascript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](javascript&colon;alert(1))",
    "[a](\\javascript:alert(1))",
    "[a](vbscript:x)",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](file:///etc/passwd)",
    "[a](//evil.example/x)",
    "[a](/\\evil.example)",
    "[a](/logout)",
    "[a](http://\u202eelpmaxe.evil/)",
    "[a][r]\n\n[r]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!-- <script>alert(1)</script> -->",
    "<style>*{display:none}</style>",
    '<div hx-get="/logout" hx-trigger="load">',
    "![x](http://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    '![x](http://e/ "onerror=alert(1)")',
    "[![x](http://evil.example/i.png)](javascript:alert(1))",
    "`<script>alert(1)</script>`",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    '[x](http://e/"onmouseover="alert(1))',
    '[x](http://e/ "\\" onmouseover=alert(1) \\"")',
    "> <script>\n> alert(1)\n> </script>",
    "- <iframe src=//evil></iframe>",
    "|<b>|\n|-|\n|<script>alert(1)</script>|",
    "# <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "**[a](javascript:alert(1))**",
    "[[a](javascript:1)](javascript:2)",
    "<http://e/?<script>alert(1)</script>>",
)


class Reader(HTMLParser):
    """Fails on any element or attribute that is not a plain one."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        given = dict(attributes)
        assert set(given) <= ATTRIBUTES, given
        if tag == "a":
            self.links.append(given["href"] or "")
            assert given["rel"] == "noopener noreferrer nofollow"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def links_of(markdown: str) -> list[str]:
    reader = Reader()
    reader.feed(str(PROSE.html(markdown)))
    reader.close()
    return reader.links


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_text(attack: str) -> None:
    for link in links_of(attack):
        assert re.match(r"https?://[a-z]", link), link


@given(st.text(alphabet=st.sampled_from("[]()<>!`*_#|-\n\"'=:/\\&; \tjavscripthxon\u202e1."), max_size=200))
def test_no_text_makes_anything_but_plain_elements(markdown: str) -> None:
    for link in links_of(markdown):
        assert re.match(r"https?://|mailto:|/(chat|admin)", link, re.IGNORECASE), link


def test_links_lead_to_the_web_mail_and_our_own_pages() -> None:
    text = (
        "[a](https://e.example/x?y=1) [b](http://e.example) [c](mailto:a@b.example) [d](/chat/thr_1) [e](/admin/bugs)"
    )
    assert links_of(text) == [
        "https://e.example/x?y=1", "http://e.example", "mailto:a@b.example", "/chat/thr_1", "/admin/bugs",
    ]  # fmt: skip
    assert links_of("www.example.com https://bare.example") == []


def test_an_image_is_a_link_and_never_loaded() -> None:
    assert str(PROSE.html("![a chart](https://e.example/c.png)")) == (
        '<p><a href="https://e.example/c.png" rel="noopener noreferrer nofollow">a chart</a></p>\n'
    )
    assert "<a" not in str(PROSE.html("[![alt](https://e.example/i.png)](https://e.example)")).replace("<a ", "", 1)


def test_headings_stand_under_the_pages_own() -> None:
    html = PROSE.html("# one\n\n## two\n\n###### six")
    assert re.findall(r"<(h\d)>", str(html)) == ["h3", "h4", "h6"]


def test_tables_align_by_class_and_never_by_style() -> None:
    html = str(PROSE.html("|a|b|\n|-|-:|\n|x|1|"))
    assert "style=" not in html
    assert '<td class="num">1</td>' in html


def test_hidden_characters_in_code_are_spelled_out() -> None:
    html = str(PROSE.html("`a\u202eb`\n\n```\nx\u200by\n```"))
    assert "<mark>\\u202e</mark>" in html
    assert "<mark>\\u200b</mark>" in html
    assert "\u202e" not in html


def test_deep_nesting_ends() -> None:
    assert len(str(PROSE.html("> " * 5000 + "x"))) < 100_000
    PROSE.html("[" * 20_000)
    PROSE.html("*a " * 5000)


def test_json_of_a_tool_call_cannot_hide_anything() -> None:
    call = call_shown(
        "msg_1", "c", "host.exec", "done", {"note": "a\u202eb\x1b[31m\\u202e<script>"}, '{"out": "\u2066"}'
    )
    assert "<mark>\\u202e</mark>b<mark>\\u001b</mark>[31m\\\\u202e&lt;script&gt;" in str(call.arguments)
    assert "<mark>\\u2066</mark>" in str(call.result)
    assert call.hidden == 3
    assert str(marked("\\\\u001b")) == "\\\\u001b", "a written backslash is no escape"


def test_a_long_result_is_cut_and_says_so() -> None:
    call = call_shown("msg_1", "c", "t", "done", {}, '"' + "x" * 50_000 + '"')
    assert len(str(call.result)) < 5000
    assert "cut" in str(call.result)


def test_an_elements_id_never_comes_from_a_provider() -> None:
    call = call_shown("msg_1", '"><img src=x>', "t", "done", {})
    assert re.fullmatch(r"call-[0-9a-f]{16}", call.id)


def test_what_is_kept_is_bounded_and_forgets_the_least_used() -> None:
    kept = Kept(10)
    for name in "abc":
        kept.add((name,), Markup("xxxx"))
        kept.find(("a",))
    assert kept.find(("a",)) == "xxxx"
    assert kept.find(("b",)) is None
    assert kept.find(("c",)) == "xxxx"
