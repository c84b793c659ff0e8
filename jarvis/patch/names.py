"""Reads file names out of the header lines of a patch: quotes, prefixes, time stamps."""

import re

SPACE = b" \t\r\n"
NULL_DEVICE = re.compile(rb"/dev/null[ \t\r\n]")
SLASHES = re.compile(rb"/{2,}")
ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
QUOTED = re.compile(rb'"((?:[^"\\]|\\[abtnvfr"\\]|\\[0-3][0-7][0-7])*)"', re.DOTALL)
UNCLOSED = re.compile(rb'"(?:[^"\\\n]|\\[abtnvfr"\\]|\\[0-3][0-7][0-7])*\n')
ESCAPED = re.compile(rb'\\(?:([abtnvfr"\\])|([0-3][0-7][0-7]))')
NAME_END = re.compile(rb"[\r\n]")
NAME_END_TAB = re.compile(rb"[\t\r\n]")
STAMP = re.compile(
    rb"(?:\t|[ ]+)(?:\d\d)?\d\d-\d\d-\d\d[ ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[ ][+-]\d{4}|[ ][+-]\d\d:\d\d)?(?=\n|$)"
)
EPOCH = re.compile(rb"(1969-12-31|1970-01-01) ([0-2][0-9]):([0-5][0-9]):00(?:\.0+)? ([-+])([0-2][0-9]):?([0-5][0-9])\n")


def unquote(text: bytes) -> tuple[bytes, int] | None:
    """A C-quoted name at the start of text and where it ends; None when the quoting is wrong."""
    match = QUOTED.match(text)
    if match is None:
        return None
    return ESCAPED.sub(lambda m: bytes([ESCAPES[m[1]] if m[1] else int(m[2], 8)]), match[1]), match.end()


def is_unclosed(text: bytes) -> bool:
    """Whether a quoted name does not end on its line: git would read on into the next ones."""
    return UNCLOSED.match(text) is not None


def is_null_device(text: bytes) -> bool:
    """Whether a header line names /dev/null."""
    return NULL_DEVICE.match(text) is not None


def squash(name: bytes) -> bytes:
    """`//` is one slash."""
    return SLASHES.sub(b"/", name)


def strip(name: bytes, level: int) -> bytes | None:
    """A name without its first `level` folders; None when it has not so many."""
    if level <= 0:
        return name
    parts = name.split(b"/", level)
    return parts[level] if len(parts) > level else None


def named(text: bytes, level: int, *, ends_at_tab: bool) -> bytes | None:
    """The name a header line gives; text is what stands behind its keyword."""
    quoted = _quoted(text, level)
    if quoted is not None:
        return quoted
    end = (NAME_END_TAB if ends_at_tab else NAME_END).search(text)
    return _plain(text[: end.start()] if end else text, level)


def traditional(text: bytes, level: int, other: bytes | None = None) -> bytes | None:
    """The name on a `---` or `+++` line without `diff --git`; `other` is the one from the line before."""
    quoted = _quoted(text, level)
    if quoted is not None:
        return quoted
    stamp = STAMP.search(text)
    end = stamp or NAME_END_TAB.search(text)
    name = _plain(text[: end.start()] if end else text, level)
    if name is None:
        return other
    if other is not None and len(other) < len(name) and name.startswith(other):
        return other  # `file.orig` and `file~` mean `file`
    return name


def is_epoch(text: bytes) -> bool:
    """Whether the time stamp behind the last tab is the epoch, by which diff says that there was no file."""
    _, tab, stamp = text.rpartition(b"\t")
    match = EPOCH.match(stamp) if tab else None
    if match is None:
        return False
    minutes = int(match[2]) * 60 + int(match[3])
    offset = (int(match[5]) * 60 + int(match[6])) * (1 if match[4] == b"+" else -1)
    return minutes - offset == (24 * 60 if match[1].startswith(b"1969") else 0)


def agreed(line: bytes, level: int) -> bytes | None:
    """The name on a `diff --git` line (what stands behind those words), if both sides agree on it."""
    body = line.rstrip(b"\n")
    if body.startswith(b'"'):
        return _agreed_quoted(body, level)
    name = _tree_name(body, level)
    if name is None:
        return None
    quote = name.find(b'"')
    if quote >= 0:
        return _agreed_second_quoted(name, quote, level)
    return _agreed_plain(name, level)


def _agreed_quoted(body: bytes, level: int) -> bytes | None:
    found = unquote(body)
    if found is None:
        return None
    first = _tree_name(found[0], level)
    rest = body[found[1] :]
    second = rest.lstrip(SPACE)
    if first is None or not second or len(second) == len(rest):
        return None
    if second.startswith(b'"'):
        again = unquote(second)
        return first if again is not None and _tree_name(again[0], level) == first else None
    return first if _tree_name(second, level) == first else None


def _agreed_second_quoted(name: bytes, quote: int, level: int) -> bytes | None:
    found = unquote(name[quote:])
    second = _tree_name(found[0], level) if found else None
    if second is None or len(second) >= quote or not name.startswith(second):
        return None
    return second if name[len(second) : len(second) + 1] in (b" ", b"\t", b"\r") else None


def _agreed_plain(name: bytes, level: int) -> bytes | None:
    """A name may hold spaces: the separator is the one that leaves the same name on both sides."""
    for at, byte in enumerate(name):
        if byte in b"\t ":
            second = _tree_name(name[at + 1 :], level)
            if second is None:
                return None
            if second == name[:at]:
                return second
    return None


def _tree_name(name: bytes, level: int) -> bytes | None:
    """As strip, but nothing absolute."""
    return None if level > 0 and name.startswith(b"/") else strip(name, level)


def _quoted(text: bytes, level: int) -> bytes | None:
    found = unquote(text) if text.startswith(b'"') else None
    name = strip(found[0], level) if found else None
    return None if name is None else squash(name)


def _plain(text: bytes, level: int) -> bytes | None:
    name = strip(text, level)
    return squash(name) if name else None
