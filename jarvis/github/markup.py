"""Words of strangers as GitHub Markdown in which nothing is markup: no ping, no link, no image, no HTML."""

import re
from collections.abc import Iterator

from jarvis.web.reveal import HIDDEN, named

BREAK = "\u200b"
"""Put where GitHub would find a mention, an issue or an address; what a text brings of it is spelled out first."""
SPECIAL = re.compile(r"([\\`*_\[\]|~!$#])")
HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
LINKED = (
    (re.compile(r"@(?=[A-Za-z0-9\[])"), f"@{BREAK}"),
    (re.compile(r"#(?=\d)"), f"#{BREAK}"),
    (re.compile(r"\bGH-(?=\d)", re.IGNORECASE), f"GH{BREAK}-"),
    (re.compile(r":(?=//)"), f":{BREAK}"),
    (re.compile(r"\bwww(?=\.)", re.IGNORECASE), f"www{BREAK}"),
    (re.compile(r"\b(mailto|xmpp)(?=:)", re.IGNORECASE), rf"\1{BREAK}"),
)
OPENS_A_LIST = re.compile(r"\d{0,9}(?=[-+=.)])")
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
SPAN = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)")
ITEM = re.compile(r"(\s*)(?:[-*+]|(\d{1,3})[.)])\s+(.*)")
HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*?)\s*#*\s*")
EMPHASIS = re.compile(r"\*\*|__")


def line(text: str, most: int = 200) -> str:
    """Text on one line of so many characters at most, what cannot be seen spelled out."""
    seen = HIDDEN.sub(lambda found: named(found[0]), " ".join(text[: most * 4].split()))
    return seen if len(seen) <= most else seen[: most - 1].rstrip() + "…"


def code(text: str, most: int = 200) -> str:
    """Text as a code span, in which GitHub finds nothing to link and nobody to tell."""
    inside = line(text, most) or "(nothing)"
    longest = max((len(run) for run in re.findall("`+", inside)), default=0)
    room = " " if inside[0] == "`" or inside[-1] == "`" else ""
    return f"{'`' * (longest + 1)}{room}{inside}{room}{'`' * (longest + 1)}"


def cell(text: str, most: int = 80) -> str:
    """A code span for a table, whose columns no text can break."""
    return code(text.replace("|", "¦"), most)


def prose(text: str, most: int = 500) -> str:
    """Text as plain words on one line."""
    found = SPECIAL.sub(r"\\\1", line(text, most))
    for pattern, instead in LINKED:
        found = pattern.sub(instead, found)
    found = re.sub("[&<>]", lambda match: HTML[match[0]], found)
    start = OPENS_A_LIST.match(found)
    return f"{found[: start.end()]}\\{found[start.end() :]}" if start else found


def written(text: str, most: int = 4000) -> str:
    """Several lines of somebody's Markdown, of which lists, headings and code are left."""
    lines, found = iter(text[:most].splitlines()), list[str]()
    for one in lines:
        fence = FENCE.match(one)
        if fence:
            found += _fenced(lines, fence[1])
        else:
            found.append(_shaped(one))
    if len(text) > most:
        found += ["", "*(cut here: it went on)*"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(found)).strip()


def _fenced(lines: Iterator[str], mark: str) -> list[str]:
    inside = []
    for one in lines:
        if one.strip().startswith(mark) and not one.strip().strip(mark[0]):
            break
        inside.append(HIDDEN.sub(lambda found: named(found[0]), one[:300]))
    longest = max((len(run) for one in inside for run in re.findall("`+", one)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + "text", *inside, fence]


def _shaped(one: str) -> str:
    heading, item = HEADING.fullmatch(one), ITEM.fullmatch(one)
    if heading:
        return f"**{_inline(heading[1])}**\n" if heading[1].strip() else ""
    if item and item[3].strip():
        depth = "  " * min(len(item[1].expandtabs(4)) // 2, 2)
        return f"{depth}{item[2] + '.' if item[2] else '-'} {_inline(item[3])}"
    return _inline(one)


def _inline(text: str) -> str:
    found, at = "", 0
    for span in SPAN.finditer(text):
        found += _spaced(text[at : span.start()]) + code(span[2], 300)
        at = span.end()
    return (found + _spaced(text[at:])).strip()


def _spaced(text: str) -> str:
    """Plain words, keeping the space that parts them from a code span."""
    plain = EMPHASIS.sub("", text)
    head, tail = " " * plain[:1].isspace(), " " * plain[-1:].isspace()
    return f"{head}{prose(plain, 1000)}{tail}" if plain.strip() else " " * bool(plain)
