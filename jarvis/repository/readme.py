"""The gist of a README: its first words that say what the project is."""

import html
import re

MAX_BYTES = 64 * 1024
MAX_GIST = 420
ENOUGH = 60
MAX_LINE = 2_000
MAX_PARAGRAPH = 4_000

TAG = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
IMAGE = re.compile(r"!\[[^\[\]]{0,300}\](?:\([^()]{0,500}\)|\[[^\[\]]{0,200}\])")
LINK = re.compile(r"\[([^\[\]]{0,300})\](?:\([^()]{0,500}(?:\([^()]{0,200}\))?[^()]{0,100}\)|\[[^\[\]]{0,200}\])")
AUTOLINK = re.compile(r"<(https?://[^<>\s]{1,300})>")
RST_LINK = re.compile(r"`([^`<>]{1,200}?)\s*<[^<>`]{1,300}>`__?")
RST_ROLE = re.compile(r":[a-z:+-]{1,30}:`~?([^`]{1,100})`")
RST_REFERENCE = re.compile(r"`([^`]{1,100})`__?|(?<!\w)\|[\w .-]{1,40}\|_?")
STRONG = re.compile(r"(\*\*|__)(?=\S)(.{1,300}?)(?<=\S)\1")
EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=\S)([^*_]{1,300})(?<=\S)\1(?![\w*])")
FOOTNOTE = re.compile(r"\[\^[\w-]{1,20}\]")
HEADING = re.compile(r"#{1,6}\s")
RULE = re.compile(r"\s*([-=~^*_+#.\"'`:])(?:\s*\1){2,}\s*$")
LIST_ITEM = re.compile(r"\s{0,3}(?:[-*+•]|\d{1,3}[.)])\s")
DIRECTIVE = re.compile(r"\s*\.\. ")
DEFINITION = re.compile(r"\s{0,3}\[[^\]]{1,100}\]:\s")
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z0-9`\"'(]|$)")
BOILERPLATE = re.compile(
    r"table of contents|build status|contents:|sponsor|backers|this project is archived|star history|"
    r"(?:this )?readme (?:is )?(?:also )?available in|translations?:",
    re.IGNORECASE,
)


def gist(text: str) -> str:
    """One or two plain paragraphs, at most 420 characters ending with a sentence; may be empty."""
    chosen: list[str] = []
    for paragraph in _paragraphs(_without_markup_blocks(text[:MAX_BYTES])):
        clean = plain(paragraph[:MAX_PARAGRAPH])
        if not _says_something(clean):
            continue
        chosen.append(clean)
        if sum(map(len, chosen)) >= ENOUGH or len(chosen) == 2:
            break
    return shorten(" ".join(chosen), MAX_GIST)


def plain(text: str) -> str:
    """One paragraph without Markdown, reStructuredText or HTML marks."""
    for pattern, by in (
        (IMAGE, ""), (LINK, r"\1"), (IMAGE, ""),  (RST_LINK, r"\1"),(AUTOLINK, r"\1"), (RST_ROLE, r"\1"),
        (RST_REFERENCE, r"\1"), (TAG, ""), (FOOTNOTE, ""), (STRONG, r"\2"), (EMPHASIS, r"\2"),
    ):  # fmt: skip
        text = pattern.sub(by, text)
    text = html.unescape(text.replace("``", "`").replace("`", "").replace("\\", ""))
    return re.sub(r"\s+([,;:!?]|\.(?=\s|$))", r"\1", " ".join(text.split()))


def shorten(text: str, limit: int) -> str:
    """The text cut after its last whole sentence, or its last word, that fits."""
    if len(text) <= limit:
        return text
    ends = [match.end() for match in SENTENCE_END.finditer(text[:limit])]
    if ends and ends[-1] > limit // 3:
        return text[: ends[-1]]
    return text[:limit].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def _without_markup_blocks(text: str) -> str:
    if text.startswith("---\n") and "\n---" in text[4:]:
        text = text[4:].split("\n---", 1)[1]
    return _without_comments(text)


def _without_comments(text: str) -> str:
    """HTML comments out; one that is never closed takes the rest with it, as in a browser."""
    kept: list[str] = []
    while True:
        before, start, rest = text.partition("<!--")
        kept.append(before)
        if not start:
            return "".join(kept)
        text = rest.partition("-->")[2]


def _paragraphs(text: str) -> list[str]:
    """Runs of prose lines; headings, code, tables, lists, quotes and directives separate them."""
    found: list[str] = []
    current: list[str] = []
    fence = ""
    is_skipping_indented = False
    lines = text.splitlines()
    for number, raw in enumerate(lines):
        line = raw[:MAX_LINE].rstrip()
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~"):
            fence = "" if fence == mark else fence or mark
            line = ""
        is_indented = raw[:3] == "   " or raw[:1] == "\t"
        if DIRECTIVE.match(line):
            is_skipping_indented = True
        elif line and not is_indented:
            is_skipping_indented = False
        title = number + 1 < len(lines) and RULE.match(lines[number + 1]) and not current
        if fence or is_skipping_indented or title or not line or _is_structure(line, bool(current)):
            found.append(" ".join(current))
            current = []
        else:
            current.append(line.strip())
    return [part for part in [*found, " ".join(current)] if part]


def _is_structure(line: str, is_inside: bool) -> bool:
    if line.startswith(("    ", "\t")) and not is_inside:
        return True
    first = line.lstrip()[:1]
    return bool(
        HEADING.match(line) or RULE.match(line) or LIST_ITEM.match(line) or DEFINITION.match(line)
        or first in ("|", ">", "+") or line.lstrip().startswith("::")
    )  # fmt: skip


def _says_something(text: str) -> bool:
    letters = sum(char.isalpha() for char in text)
    return letters >= 25 and letters * 2 > len(text) and len(text.split()) >= 4 and not BOILERPLATE.match(text)
