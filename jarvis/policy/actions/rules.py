"""Argument rules for running programs: a rule is positions, each a literal or a typed slot, and never "anything"."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel.errors import Invalid, invalid

MOST_RULES, MOST_POSITIONS, LONGEST_LITERAL = 50, 40, 500
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
SLOTS = {
    "int": re.compile(r"[0-9]{1,12}"),
    "word": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+=-]{0,99}"),
    "unit": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,99}\.(?:service|timer|socket|target|mount|path)"),
    "host": re.compile(rf"{LABEL}(?:\.{LABEL}){{0,8}}"),
    "path": re.compile(r"/[^\x00-\x1f\x7f]{0,499}"),
}
"""What fits a slot. None can begin with a dash; a path also names the directory it stays under."""
SHELLS = frozenset(
    """
    sh bash dash ash zsh ksh fish csh tcsh busybox python perl ruby node nodejs php lua tclsh wish irb deno bun java
    jshell ghci osascript pwsh awk gawk mawk nawk env xargs parallel sudo su doas pkexec runuser setpriv nsenter unshare
    chroot ssh scp rsync git make gdb strace ltrace vim vi view ed emacs nano less more man screen tmux script expect
    socat nc ncat netcat telnet docker podman kubectl crontab at batch systemd-run watch timeout nohup nice ionice
    setsid
    stdbuf time flock chrt taskset ld.so ld-linux-x86-64.so jarvis jarvis.pyz pip npm npx uv cargo go gcc cc tee dd
    """.split()  # noqa: SIM905 — read as the list of words it is
)
"""Programs that run whatever they are told to, one way or another (-c, hooks, configuration, pagers)."""
LITERAL_ONLY = frozenset(
    (
        "find",
        "tar",
        "sed",
        "sort",
        "zip",
        "unzip",
        "curl",
        "wget",
        "mount",
        "umount",
        "rm",
        "mv",
        "cp",
        "chmod",
        "chown",
        "sqlite3",
        "psql",
        "mysql",
        "mariadb",
        "openssl",
        "apt",
        "apt-get",
        "dpkg",
        "rpm",
        "dnf",
        "yum",
    )
)
"""Programs whose options can run or write anything: allowed word for word, without a slot."""
VERSION = re.compile(r"[-.]?\d[\d.]*$")


@dataclass(frozen=True, slots=True)
class Slot:
    """A position that takes any value of a kind."""

    kind: str
    under: str = ""

    def fits(self, value: str) -> bool:
        if not SLOTS[self.kind].fullmatch(value):
            return False
        return self.kind != "path" or self._is_under(value)

    def _is_under(self, value: str) -> bool:
        """Whether a path stays under its directory, links in it followed."""
        if ".." in value.split("/"):
            return False
        top = os.path.realpath(self.under)
        real = os.path.realpath(value)
        return real == top or real.startswith(top.rstrip("/") + "/")


Position = str | Slot


def parse(rules: Any) -> list[list[Position]]:
    """Rules from JSON; raises Invalid naming the rule and why it is refused."""
    if not isinstance(rules, list) or len(rules) > MOST_RULES:
        raise invalid("rules", f"must be a list of at most {MOST_RULES} rules")
    return [_rule(number, rule) for number, rule in enumerate(rules, 1)]


def _rule(number: int, rule: Any) -> list[Position]:
    if not isinstance(rule, list) or not 1 <= len(rule) <= MOST_POSITIONS:
        raise _bad(number, f"must be a list of 1 to {MOST_POSITIONS} positions")
    if not isinstance(rule[0], str):
        raise _bad(number, "must begin with the program's absolute path, word for word")
    return [rule[0], *(_position(number, position) for position in rule[1:])]


def _position(number: int, position: Any) -> Position:
    if isinstance(position, str):
        if len(position) > LONGEST_LITERAL or "\x00" in position:
            raise _bad(number, "has a word that is too long or holds a NUL")
        return position
    if not isinstance(position, dict) or not isinstance(position.get("slot"), str) or position["slot"] not in SLOTS:
        raise _bad(number, f'has a position that is neither a word nor {{"slot": one of {", ".join(SLOTS)}}}')
    known = {"slot", "under"} if position["slot"] == "path" else {"slot"}
    if set(position) - known:
        raise _bad(number, f"has a slot with something unknown: {', '.join(sorted(set(position) - known))}")
    under = position.get("under", "")
    if position["slot"] == "path" and not (isinstance(under, str) and under.startswith("/") and ".." not in under):
        example = '{"slot": "path", "under": "/var/log"}'
        raise _bad(number, f"has a path slot without the directory it stays under: {example}")
    return Slot(position["slot"], under)


def _bad(number: int, why: str) -> Invalid:
    return invalid("rules", f"rule {number} {why}")


def check(rules: Sequence[Sequence[Position]]) -> None:
    """Raise Invalid when a rule would allow more than it says, or its program could be swapped by us."""
    for number, rule in enumerate(rules, 1):
        program = str(rule[0])
        why = unfit(program) or _runs_anything(program, rule)
        if why:
            raise _bad(number, why)


def _runs_anything(program: str, rule: Sequence[Position]) -> str:
    names = {Path(program).name, Path(os.path.realpath(program)).name}
    bare = names | {VERSION.sub("", name) for name in names}
    if bare & SHELLS:
        return (
            f"allows {program}, which runs whatever it is told to. Put what you need into a script of its own, owned by"
            " root, and allow that"
        )
    if bare & LITERAL_ONLY and any(isinstance(position, Slot) for position in rule):
        return f"has a slot for {program}, whose options can run or write anything: name every word"
    return ""


def unfit(program: str) -> str:
    """Why a program may not be run, or "": it is no absolute path to a file that only root can change."""
    if not program.startswith("/") or ".." in program.split("/"):
        return f"names {program[:100]!r}, which is no absolute path"
    real = Path(os.path.realpath(program))
    try:
        status = real.stat()
    except OSError as error:
        return f"names {program}, which cannot be looked at: {error.strerror}"
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o111:
        return f"names {program}, which is no program"
    for place in (real, *real.parents):
        found = place.stat()
        if found.st_uid != 0 or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
            return f"names {program}, but {place} can be changed by somebody other than root"
    return ""


def matches(rules: Sequence[Sequence[Position]], argv: Sequence[str]) -> bool:
    """Whether some rule has exactly these positions."""
    return any(_fits(rule, argv) for rule in rules)


def _fits(rule: Sequence[Position], argv: Sequence[str]) -> bool:
    if len(rule) != len(argv):
        return False
    pairs = zip(rule, argv, strict=True)
    return all(want.fits(word) if isinstance(want, Slot) else want == word for want, word in pairs)
