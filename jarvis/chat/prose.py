"""Markdown from anybody into HTML that does nothing but look like text."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup, escape

from jarvis.web.reveal import HIDDEN, revealed

LINKS = re.compile(r"(?:https?://[^/?#\s]|mailto:[^\s@]+@[^\s@]+$)", re.IGNORECASE)
OWN_PAGES = re.compile(r"/(?:chat|admin)(?:/[\w.-]+)*")
REL = "noopener noreferrer nofollow"
LOWEST_HEADING = 6
HEADINGS_BELOW = 2
"""A page has its own h1 and h2; a message's headings stand under them."""


def is_harmless(url: str) -> bool:
    """Whether a link leads where a reader expects: the web, a mail address, or a page of ours."""
    is_known = LINKS.match(url) or OWN_PAGES.fullmatch(url)
    return is_known is not None and HIDDEN.search(url) is None


def _tame(state: StateCore) -> None:
    """Headings move down; a column's alignment becomes a class, since pages allow no inline style."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + HEADINGS_BELOW, LOWEST_HEADING)}"
        elif token.type in ("th_open", "td_open") and token.attrs.pop("style", "") == "text-align:right":
            token.attrSet("class", "num")


def _link_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", REL)
    return self.renderToken(tokens, index, options, env)


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Nothing is fetched from elsewhere: an image is a link to it, or its words inside another link."""
    token = tokens[index]
    source = str(token.attrs["src"])
    words = escape(self.renderInlineAsText(token.children, options, env) or source)
    depth = sum({"link_open": 1, "link_close": -1}.get(before.type, 0) for before in tokens[:index])
    if depth:
        return str(words)
    return f'<a href="{escape(source)}" rel="{REL}">{words}</a>'


def _code(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f"<code>{revealed(tokens[index].content)}</code>"


def _block(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    word = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    label = f' data-language="{escape(word[:30])}"' if word else ""
    return f'<div class="code"{label}><pre><code>{revealed(token.content)}</code></pre></div>\n'


def _table_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<div class="wide"><table>\n'


def _table_close(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


RULES: dict[str, Callable[..., str]] = {
    "link_open": _link_open,
    "image": _image,
    "code_inline": _code,
    "code_block": _block,
    "fence": _block,
    "table_open": _table_open,
    "table_close": _table_close,
}


def _converter() -> MarkdownIt:
    converter = MarkdownIt("commonmark", {"html": False, "linkify": False})
    converter.enable(["table", "strikethrough"])
    converter.disable(["html_block", "html_inline"])
    converter.validateLink = is_harmless  # type: ignore[method-assign]
    converter.core.ruler.push("tame", _tame)
    for name, rule in RULES.items():
        converter.add_render_rule(name, rule)
    return converter


class Kept:
    """The least recently used go first once all together are longer than `most` characters."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._items: OrderedDict[tuple[object, ...], Markup] = OrderedDict()
        self._length = 0

    def find(self, key: tuple[object, ...]) -> Markup | None:
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
            return found

    def add(self, key: tuple[object, ...], value: Markup) -> None:
        with self._lock:
            self._length += len(value) - len(self._items.pop(key, ""))
            self._items[key] = value
            while self._length > self._most:
                self._length -= len(self._items.popitem(last=False)[1])


class Prose:
    """Renders Markdown; safe to share between threads."""

    def __init__(self) -> None:
        self._local = threading.local()

    def html(self, markdown: str) -> Markup:
        """HTML with links to the web and mail only, no images, no raw HTML, headings from h3 down."""
        converter: MarkdownIt | None = getattr(self._local, "converter", None)
        if converter is None:
            converter = self._local.converter = _converter()
        return Markup(converter.render(markdown))  # noqa: S704 - this is what the module is for
