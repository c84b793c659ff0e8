"""What in a pull request deserves a second look, and which files to read first: found in the diff, not guessed."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jarvis.github.changes import Account, File, Line
from jarvis.kernel.secrets import SHAPES

MOST_PLACES = 40
LARGE = 1000
UNTESTED = 20
"""Lines of code from which on a change without a test is told."""

SECRET_NAME = re.compile(
    r"(?:passw(?:or)?d|secret|token|api_?key|private_?key|credential)\w{0,30}[\"']?\s{0,9}[:=]{1,2}\s{0,9}[\"']([^\"'\s]{8,200})[\"']",
    re.IGNORECASE,
)
STANDS_FOR_ONE = re.compile(
    r"[{<$%]|example|changeme|dummy|placeholder|redacted|your[-_ ]|x{4}|\*{3}|\.\.\.", re.IGNORECASE
)
SECRET_FILE = re.compile(
    r"(^|/)(\.env(\.(?!example|sample|template)\w+)?|id_(rsa|ed25519|ecdsa)|[^/]+\.(pem|p12|pfx|keystore|jks))$"
)
DESTROYS = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|INDEX|CONSTRAINT|SCHEMA)|TRUNCATE\s+TABLE|DELETE\s+FROM|(drop_table|drop_column|remove_column|RemoveField|DeleteModel)\b)",
    re.IGNORECASE,
)
AUTH_PATH = re.compile(
    r"(^|[/_.-])(auth\w*|login|logout|sessions?|permissions?|policy|policies|passwords?|tokens?|csrf|acl|oauth2?|oidc|saml|jwt"
    r"|crypto\w*|rbac|roles?|secrets?|sudo|security|identity|signin|webhooks?)([/_.-]|$)",
    re.IGNORECASE,
)
AUTH_LINE = re.compile(
    r"@?\b(login_required|permission_required|require_(admin|role|auth\w*|permission\w*|login)|is_(admin|authenticated|superuser|staff)"
    r"|csrf_(exempt|protect)|check_(password|permission|token|signature)|compare_digest|authenticate|authorize|verify_\w{1,30})\b"
)
WEAKENS = re.compile(
    r"verify\s*=\s*False|check_hostname\s*=\s*False|CERT_NONE|InsecureSkipVerify\s*:\s*true|rejectUnauthorized\s*:\s*false"
    r"|csrf_exempt|Access-Control-Allow-Origin.{0,5}\*|NOPASSWD|chmod\s+(-R\s+)?0?777|permitAll\(\)"
)
CI_LINE = (
    (re.compile(r"\bpull_request_target\b"), "runs with secrets on code of strangers (pull_request_target)"),
    (re.compile(r"permissions:\s*write-all|\b(contents|id-token|packages|actions):\s*write\b"), "may write"),
    (re.compile(r"\$\{\{\s*secrets\."), "uses a secret"),
    (re.compile(r"\$\{\{\s*github\.(event\.(issue|pull_request|comment|review)|head_ref)"), "uses a stranger's text"),
    (re.compile(r"\b(curl|wget)\b.{1,200}\|\s*(sudo\s+)?(ba|z)?sh\b"), "runs what it downloads"),
    (re.compile(r"uses:\s*(?!\./)[\w./-]+@(?![0-9a-f]{40}\b)[\w./-]+"), "uses an action that is not pinned"),
    (re.compile(r"continue-on-error:\s*true|\|\|\s*true\b"), "goes on after a failure"),
)  # fmt: skip
DEPENDENCY = re.compile(
    r"\s*(?:\"(@?[\w./-]{2,100})\"\s*:\s*\"[\^~><=]*v?\d|[\"']?([A-Za-z][\w.-]{1,80}(?:\[[\w,-]+\])?)\s*(?:[=~><!]=|@)\s*[\w.*\"']"
    r"|([a-z][\w-]{1,60})\s*=\s*(?:\"[\^~]?\d|\{)|(?:require\s+)?([\w.-]+\.\w+/[\w./-]+)\s+v\d|gem\s+[\"']([\w-]+))"
)
NO_DEPENDENCY = frozenset(
    [
        "version",
        "name",
        "requires-python",
        "python",
        "line-length",
        "target-version",
        "edition",
        "rust-version",
        "node",
        "npm",
    ]
)
TEST_BEGINS = re.compile(r"\s*(?:async\s+)?(?:def test_\w|func Test\w|(?:it|test)\(|#\[test\]|@Test\b)")
TEST_IS_OFF = re.compile(
    r"@(pytest\.mark\.)?(skip|xfail|unittest\.skip|Disabled|Ignore)\b|\b(it|test|describe)\.(skip|only)\(|#\[ignore\]|t\.Skip\("
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where it stands: a line after the change, or the whole file."""

    path: str
    line: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Risk:
    """Something to look at twice, and why."""

    kind: str
    title: str
    why: str
    places: tuple[Place, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A file worth reading early, with the reasons."""

    path: str
    reasons: tuple[str, ...]
    score: int


def risks(account: Account) -> list[Risk]:
    """Every kind of risk that is there, the gravest first."""
    found = []
    for kind, title, why, weight, look in LOOKS:
        places = tuple(dict.fromkeys(place for _, place in zip(range(MOST_PLACES), look(account), strict=False)))
        if places:
            found.append(Risk(kind, title, why, places, weight))
    return sorted(found, key=lambda risk: -risk.weight)


def _secrets(account: Account) -> Iterator[Place]:
    for file in account.files:
        if SECRET_FILE.search(file.path) and file.status != "removed":
            yield Place(file.path, 0, "a file that usually holds secrets")
        if not file.is_made_by_a_program:
            yield from (Place(file.path, line.number, "looks like a secret") for line in file.added if is_secret(line))


def is_secret(line: Line) -> bool:
    """Whether a line holds what looks like a key, or a password that stands for no other."""
    text = line.text[:4000]
    if any(shape.hint in text and shape.pattern.search(text) for shape in SHAPES):
        return True
    named = SECRET_NAME.search(text)
    return named is not None and not STANDS_FOR_ONE.search(named[1])


def _migrations(account: Account) -> Iterator[Place]:
    for file in account.of("migration"):
        notes = {"modified": "changes one that may have been applied", "removed": "takes one away"}
        destroys = next((line for line in file.added if DESTROYS.search(line.text[:1000])), None)
        if destroys:
            yield Place(file.path, destroys.number, "destroys data")
        yield Place(file.path, 0, notes.get(file.status, "new"))


def _auth(account: Account) -> Iterator[Place]:
    for file in account.of("code", "configuration", "deployment", "ci"):
        for line in file.removed:
            if AUTH_LINE.search(line.text[:1000]) and not _comes_back(file, line):
                yield Place(file.path, line.number, "a check is taken out or moved")
        for line in file.added:
            if WEAKENS.search(line.text[:1000]):
                yield Place(file.path, line.number, "switches a protection off")
    for file in account.of("code"):
        if AUTH_PATH.search(file.path):
            yield Place(file.path, 0, "decides who may do what")
        elif any(AUTH_LINE.search(line.text[:1000]) for line in file.added):
            line = next(line for line in file.added if AUTH_LINE.search(line.text[:1000]))
            yield Place(file.path, line.number, "asks who may do what")


def _comes_back(file: File, line: Line) -> bool:
    return any(added.text.strip() == line.text.strip() for added in file.added)


def _dependencies(account: Account) -> Iterator[Place]:
    for file in account.of("dependencies"):
        new, gone = _named(file.added), _named(file.removed)
        changed = [name for name in new if name in gone]
        notes = [
            f"{word} {', '.join(names[:6])}"
            for word, names in (
                ("adds", [name for name in new if name not in gone]),
                ("changes", changed),
                ("drops", [name for name in gone if name not in new]),
            )
            if names
        ]
        yield Place(file.path, 0, "; ".join(notes))
    yield from (Place(file.path, 0, "versions that were locked") for file in account.of("lock"))


def _named(lines: list[Line]) -> list[str]:
    found = (DEPENDENCY.match(line.text[:300]) for line in lines)
    names = (next(filter(None, match.groups()), "") for match in found if match)
    return [name for name in dict.fromkeys(names) if name.lower() not in NO_DEPENDENCY]


def _ci(account: Account) -> Iterator[Place]:
    for file in account.of("ci"):
        said = False
        for line in file.added:
            for pattern, note in CI_LINE:
                if pattern.search(line.text[:1000]):
                    said = True
                    yield Place(file.path, line.number, note)
        if not said:
            yield Place(file.path, 0, "")


def _deployment(account: Account) -> Iterator[Place]:
    yield from (Place(file.path) for file in account.of("deployment"))


def _untested(account: Account) -> Iterator[Place]:
    code = account.of("code")
    if account.of("tests") or sum(file.additions for file in code) < UNTESTED:
        return
    yield from (Place(file.path, 0, f"+{file.additions}") for file in sorted(code, key=lambda one: -one.additions)[:5])


def _weaker_tests(account: Account) -> Iterator[Place]:
    for file in account.of("tests"):
        gone, new = (
            sum(bool(TEST_BEGINS.match(line.text[:200])) for line in lines) for lines in (file.removed, file.added)
        )
        if file.status == "removed":
            yield Place(file.path, 0, "the whole file")
        elif gone > new:
            yield Place(file.path, 0, f"{gone - new} fewer than before")
        for line in file.added:
            if TEST_IS_OFF.search(line.text[:200]):
                yield Place(file.path, line.number, "is skipped")


def _generated(account: Account) -> Iterator[Place]:
    yield from (Place(file.path, 0, f"+{file.additions} −{file.deletions}") for file in account.of("generated"))


def _unseen(account: Account) -> Iterator[Place]:
    yield from (Place(file.path, 0, "GitHub does not show its lines") for file in account.without_patch)
    binaries = (file for file in account.of("assets") if file.status != "removed" and file.patch is None)
    yield from (
        Place(file.path, 0, "binary")
        for file in binaries
        if re.search(r"\.(jar|so|dll|exe|bin|wasm|pyz|zip|gz)$", file.path)
    )


def _large(account: Account) -> Iterator[Place]:
    files = [file for file in account.files if not file.is_made_by_a_program]
    if sum(file.churn for file in files) >= LARGE:
        largest = sorted(files, key=lambda file: -file.churn)[:3]
        yield from (Place(file.path, 0, f"+{file.additions} −{file.deletions}") for file in largest)


LOOKS: tuple[tuple[str, str, str, int, Callable[[Account], Iterator[Place]]], ...] = (
    ("secrets", "Strings like secrets", "what was pushed once is known: revoke it, then take it out", 100, _secrets),
    ("auth", "Sign-in and permissions", "a mistake here lets the wrong people in, and no test may notice", 60, _auth),
    ("migrations", "Database migrations", "they run once, on real data, and are hard to take back", 50, _migrations),
    ("ci", "Continuous integration", "it runs with the repository's rights", 40, _ci),
    ("dependencies", "Dependencies", "other people's code comes in, or moves", 35, _dependencies),
    ("deployment", "Deployment", "it changes how this runs, where tests do not look", 30, _deployment),
    ("tests", "Fewer or weaker tests", "what they held is held no more", 28, _weaker_tests),
    ("untested", "Code without tests", "no test changes with it", 25, _untested),
    ("unseen", "Files whose change cannot be read here", "open them, or ask how they were made", 20, _unseen),
    ("size", "Large", "reviewers miss more in large changes; it may be several", 10, _large),
    ("generated", "Generated files", "read what they are made from instead", 5, _generated),
)  # fmt: skip
"""What is looked for: kind, title, why it matters, weight, how."""


KIND_WEIGHT = {"code": 10, "migration": 10, "tests": -5, "docs": -15, "assets": -20}


def reading_order(account: Account, found: list[Risk], most: int = 7) -> list[Reading]:
    """The files worth reading first, each with its reasons; none where every file says as little as the next."""
    reasons: dict[str, dict[str, int]] = {file.path: {} for file in account.files}
    for risk in found:
        for place in risk.places if risk.kind not in ("generated", "size", "untested") else ():
            said = place.note or risk.title.lower()
            reasons[place.path][said] = max(reasons[place.path].get(said, 0), risk.weight)
    gone = set(account.names.removed)
    readings = [_reading(file, reasons[file.path], gone) for file in account.files if not file.is_made_by_a_program]
    worth = sorted((one for one in readings if one.score > 0), key=lambda one: (-one.score, one.path))
    return worth[:most]


def _reading(file: File, reasons: dict[str, int], gone: set[str]) -> Reading:
    said = sorted(reasons, key=lambda reason: -reasons[reason])
    score = (
        max(reasons.values(), default=0)
        + 3 * len(reasons)
        + {"code": 10, "migration": 10, "tests": -5, "docs": -15, "assets": -20}.get(file.kind, 0)
    )
    lost = [name for name in gone if file.kind == "code" and any(name in line.text for line in file.removed)]
    if lost:
        said, score = [*said, "no longer defines what others may call"], score + 15
    if file.kind == "code":
        said = [*said, _size(file)]
    return Reading(file.path, tuple(said[:3]), score + min(file.churn // 10, 30) if said else 0)


def _size(file: File) -> str:
    word = {"added": "new", "removed": "taken away", "renamed": "moved"}.get(file.status, "changed")
    return f"{word}, +{file.additions} −{file.deletions}"
