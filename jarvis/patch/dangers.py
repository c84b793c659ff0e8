"""What a patch may not do whatever git says, and what whoever approves it should look at twice."""

import re
import unicodedata
from collections.abc import Iterable

from jarvis.patch.refusal import Limits, PatchRefused, Why, shown
from jarvis.patch.trees import EXECUTABLE, FILE, KIND, LINK, SUBMODULE

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
IGNORED_BY_HFS = dict.fromkeys([0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
"""Code points that Apple's file system leaves out when it compares names."""
GIT_FOLDER = re.compile(r"\.git|git~\d+", re.IGNORECASE)
GIT_FILES = re.compile(
    r"\.git(modules|attributes|ignore|mailmap)?|(gitmod|gitatt|gi7eba|gi7d29)\S*~\d+|git~\d+", re.IGNORECASE
)
GUARDED = re.compile(r"\.git(modules|attributes)|(gitmod|gitatt|gi7eba|gi7d29)\S*~\d+", re.IGNORECASE)


def name_problem(path: bytes, limits: Limits) -> str:
    """What is wrong with a path as such; "" when nothing is."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return "a name must be UTF-8"
    parts = text.split("/")
    if len(path) > limits.path_bytes or len(parts) > limits.path_parts:
        return "a path so long or so deep is not taken"
    if text.startswith("/"):
        return "a path must be relative"
    if CONTROL.search(text) or "\\" in text or ":" in text:
        return "a name may hold no control characters, backslash or colon"
    if any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in text):
        return "a name may hold no characters that turn the direction of writing"
    return next(filter(None, map(_part_problem, parts)), "")


def _part_problem(part: str) -> str:
    if part in ("", ".", ".."):
        return "a path may hold no empty part, `.` or `..`"
    if part != part.rstrip(". "):
        return "a name may not end in a dot or a space"
    return "nothing in a `.git` may be touched" if GIT_FOLDER.fullmatch(folded(part)) else ""


def folded(part: str) -> str:
    """A name as a file system that minds neither case nor form compares it."""
    if part.isascii():
        return part.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", part).translate(IGNORED_BY_HFS).casefold())


def require_name(path: bytes, limits: Limits, line: int) -> None:
    """Raise PatchRefused for a path that is dangerous as such."""
    problem = name_problem(path, limits)
    if problem:
        raise PatchRefused(problem, line, shown(path), Why.DANGER)
    guarded = GUARDED.fullmatch(folded(path.decode().rpartition("/")[2])) if limits.is_guarded else None
    if guarded:
        raise PatchRefused("what git obeys may not be changed here", line, shown(path), Why.DANGER)


def require_result(path: bytes, mode: int, content: bytes, limits: Limits, line: int) -> None:
    """Raise PatchRefused for a file, link or submodule that may not come about at a path."""
    kind = mode & KIND
    if kind == SUBMODULE and limits.is_guarded:
        raise PatchRefused("submodules are not taken", line, shown(path), Why.DANGER)
    name = folded(path.decode().rpartition("/")[2])
    if kind == LINK and GIT_FILES.fullmatch(name):
        raise PatchRefused("a file that git obeys may be no link", line, shown(path), Why.DANGER)
    if kind == LINK and limits.is_guarded and leaves_tree(path, content):
        raise PatchRefused("this link leads out of the tree", line, shown(path), Why.DANGER)


def leaves_tree(path: bytes, target: bytes) -> bool:
    """Whether a link's target is absolute, empty, no plain text, or climbs above the root."""
    if not target or target.startswith(b"/") or b"\0" in target or b"\\" in target or b"\n" in target:
        return True
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += -1 if part == b".." else 0 if part in (b"", b".") else 1
        if depth < 0:
            return True
    return b".git" in target.lower().split(b"/")


def twin(name: bytes, others: Iterable[bytes]) -> bytes | None:
    """Another name of the same folder that some file systems would not tell from this one."""
    key = _key(name)
    return next((other for other in others if other != name and _key(other) == key), None)


def _key(name: bytes) -> str:
    return folded(name.decode("utf-8", "surrogateescape"))


PLACES = {
    "CI": r"\.(ci|github|gitlab|circleci|forgejo|gitea)/|\.gitlab-ci\.yml|\.travis\.yml|Jenkinsfile|Makefile",
    "hooks": r"(.*/)?(hooks?|\.husky)/|\.pre-commit-config\.yaml|(.*/)?(conftest|sitecustomize)\.py",
    "policy": r"(jarvis|templates)/(policy|lockdown)/",
    "auth": r"jarvis/users/|jarvis/web/(identity|csrf|routes|trust)|jarvis/kernel/(secrets|sandbox|keeper)",
    "audit": r"jarvis/events/|jarvis/kernel/(events|changes|log)",
    "tests": r"tests/|(.*/)?conftest\.py",
    "updater": r"jarvis/(selfupdate|patch|archive|restart)/|deploy/|build_zipapp\.py"
    r"|requirements.*\.lock|pyproject\.toml|jarvis/(supervisor|process|worker|serve|lifeline|life|systemd|__main__)\.py",
    "database": r"jarvis/[a-z_]+/migrations/|jarvis/kernel/(migrate|schema|db)\.py",
}
FLAGS = tuple((name, re.compile(places)) for name, places in PLACES.items())


def flags(path: str, mode_before: int, mode_after: int) -> tuple[str, ...]:
    """Why whoever approves should look twice at a change of this path; empty when there is no such reason."""
    found = [name for name, places in FLAGS if places.match(path)]
    if mode_after == EXECUTABLE and mode_before != EXECUTABLE:
        found.append("new executable")
    if LINK in (mode_before, mode_after):
        found.append("link")
    if SUBMODULE in (mode_before, mode_after):
        found.append("submodule")
    if mode_before and mode_after and mode_before != mode_after and {mode_before, mode_after} <= {FILE, EXECUTABLE}:
        found.append("mode")
    return tuple(found)
