"""Lines of a diff that a reviewer would stop at: added ones that match a rule, with the reason."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jarvis.github.changes import Account, File
from jarvis.github.risks import CI_LINE, DESTROYS, WEAKENS, Place, is_secret

MOST_FINDINGS = 200
LONGEST_LINE = 1000
PYTHON, SCRIPT = r"\.pyi?$", r"\.([jt]sx?|mjs|cjs|vue|svelte)$"
RULES = (
    ("", r"^(<{7} |={7}$|>{7} )", "a merge conflict was left in"),
    ("", r"\b(TODO|FIXME|XXX)\b", "says that something is not done"),
    (PYTHON, r"^\s*(breakpoint\(\)|import i?pdb|i?pdb\.set_trace\(\))", "stops in the debugger"),
    (SCRIPT, r"^\s*(debugger\b|console\.(log|debug)\()", "left over from looking for something"),
    (PYTHON, r"^\s*except\s*:|except\s+BaseException\b", "catches everything, stopping the program included"),
    (PYTHON, r"^\s*except\b[^:]{0,80}:\s*(pass|\.\.\.)\s*$", "lets a failure pass in silence"),
    (PYTHON, r"\b\w*(run|call|Popen|check_output)\(.*shell\s*=\s*True|\bos\.(system|popen)\(", "runs a shell"),
    (PYTHON, r"(?<![\w.])(eval|exec)\(|\bpickle\.loads?\(|\byaml\.load\((?!.*Safe)", "runs what it is given"),
    (SCRIPT, r"(?<![\w.])eval\(|\bnew Function\(", "runs what it is given"),
    (SCRIPT, r"dangerouslySetInnerHTML|\.innerHTML\s*=", "shows what it is given as HTML"),
    (PYTHON, r"\.execute\w*\(\s*(f[\"']|[\"'].*[\"']\s*(%|\+|\.format))", "puts values into SQL, unbound"),
    (PYTHON, r"def\s+\w+\(.*=\s*(\[\]|\{\}|set\(\))\s*[,):]", "a default that every call shares"),
    (PYTHON, r"\b(requests\.(get|post|put|request)|urlopen)\([^()]*\)(?!.*timeout)", "gives no timeout"),
    (PYTHON, r"(?<!\w)time\.sleep\(", "waits by the clock"),
    ("", r"#\s*(noqa|type:\s*ignore|nosec)|eslint-disable|@ts-ignore|//\s*nolint|#\[allow\(", "silences a checker"),
    (r"\.go$", r"^\s*_\s*(,\s*_\s*)?=\s*\w+[\w.]*\(", "drops an error"),
    (r"\.rs$", r"\.unwrap\(\)|\bunsafe\b", "may end the program, or leaves what the compiler holds"),
    (r"\.(sh|bash)$", r"\brm\s+-\w*r\w*f?\s+[\"']?\$|\beval\s", "acts on whatever a variable holds"),
)  # fmt: skip
"""Path, line, why: a rule without a path is for every file that people write."""
COMPILED = tuple((re.compile(path, re.IGNORECASE), re.compile(line), why) for path, line, why in RULES)


@dataclass(frozen=True, slots=True)
class Findings:
    """Places to look at, and how many files were looked through."""

    places: tuple[Place, ...]
    files: int


def findings(account: Account) -> Findings:
    """What the rules find in the added lines of files that people write."""
    files = [file for file in account.files if not file.is_made_by_a_program and file.kind not in ("docs", "assets")]
    places = dict.fromkeys(place for file in files for place in _in_file(file))
    return Findings(tuple(places)[:MOST_FINDINGS], len(files))


def _in_file(file: File) -> Iterator[Place]:
    rules = [(line, why) for path, line, why in COMPILED if path.search(file.path)]
    for line in file.added:
        text = line.text[:LONGEST_LINE]
        if is_secret(line):
            yield Place(file.path, line.number, "looks like a secret")
        if WEAKENS.search(text):
            yield Place(file.path, line.number, "switches a protection off")
        if file.kind == "migration" and DESTROYS.search(text):
            yield Place(file.path, line.number, "destroys data")
        if file.kind == "ci":
            yield from (Place(file.path, line.number, why) for rule, why in CI_LINE if rule.search(text))
        yield from (Place(file.path, line.number, why) for rule, why in rules if rule.search(text))
