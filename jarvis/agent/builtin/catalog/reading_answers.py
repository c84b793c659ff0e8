"""What is said of a repository's files and commits. What is quoted is data: escaped, never obeyed."""

import re
from collections.abc import Sequence

from jarvis.agent.builtin.catalog.rows import Row, commit_line, rows_of, span_of, sum_of
from jarvis.agent.builtin.intents import Telling
from jarvis.agent.builtin.prose import (
    block,
    bullets,
    code,
    in_words,
    listing,
    number,
    plural,
    safe,
    sentence,
    size,
)

MANY = 30
SHOWN_LINES = 60
MORE_LINES = 300
DECLARES = (
    r"(?:export |public |private |static |async |pub |const |final )*"
    r"(?:def|class|function|fn|func|struct|interface|type|enum|trait|const|let|var|module|macro|alias) "
)


def tree(telling: Telling) -> str:
    items = rows_of(telling.result.get("items"))
    where = code(telling.result.get("folder") or telling.result.get("path") or "the repository")
    if not items:
        return f"{where} is empty."
    limit = 200 if telling.is_more else 40
    kinds = [(kind, sum(row.get("kind") == kind for row in items)) for kind in ("folder", "file", "link", "submodule")]
    head = f"{where} holds {listing([plural(count, kind) for kind, count in kinds if count])}"
    lines = [
        f"{code(str(row.get('name')) + ('/' if row.get('kind') == 'folder' else ''))}"
        + (f" {size(row['bytes'])}" if isinstance(row.get("bytes"), int) else "")
        for row in items[:limit]
    ]
    more = len(items) > limit or telling.result.get("more")
    return f"{head}:\n\n{bullets(lines)}" + (f"\n\nOnly the first {len(lines)} are shown." if more else "")


def file(telling: Telling) -> str:
    found = telling.result
    name, text = code(found.get("name") or telling.arguments.get("name", "the file")), str(found.get("text") or "")
    facts = [size(found["bytes"])] if isinstance(found.get("bytes"), int) else []
    facts += (
        [plural(found["lines"], "line")] if isinstance(found.get("lines"), int) and not found.get("is_binary") else []
    )
    facts += [safe(found["language"])] if found.get("language") else []
    revision = f" at {code(found['ref'])}" if found.get("ref") else ""
    head = f"{name}{revision} ({', '.join(facts)})" if facts else f"{name}{revision}"
    if found.get("is_binary"):
        return f"{head} is binary, so I do not show it."
    if not text.strip():
        return f"{head} is empty."
    lines = text.split("\n")
    limit = MORE_LINES if telling.is_more else SHOWN_LINES
    cut = len(lines) > limit + 5 or bool(found.get("more"))
    shown = "\n".join(lines[:limit] if len(lines) > limit + 5 else lines)
    tail = (
        f"\n\nThese are the first {min(limit, len(lines))} lines{'' if telling.is_more else '; ask for more'}."
        if cut
        else ""
    )
    return f"{head}:\n\n{block(shown, _fence_name(found))}{tail}"


def _fence_name(found: Row) -> str:
    name = str(found.get("language") or "").lower()
    return name if name.isalpha() and name.isascii() else ""


def search(telling: Telling) -> str:
    found = telling.result
    hits, pattern = rows_of(found.get("hits")), code(found.get("pattern") or telling.arguments.get("pattern", ""))
    searched = found.get("files_searched")
    scope = f" in the {plural(searched, 'file')} of the repository" if isinstance(searched, int) else ""
    if not hits:
        caveat = "; the search was cut short, so that is not the last word" if found.get("more") else ""
        return f"{pattern} does not occur{scope}{caveat}."
    files = {str(hit.get("file")) for hit in hits}
    name = str(found.get("pattern") or "")
    ranked = _ranked(hits, name)
    limit = 60 if telling.is_more else 12
    at_least = "at least " if found.get("more") else ""
    head = f"{pattern} occurs on {at_least}{plural(len(hits), 'line')} in {plural(len(files), 'file')}"
    definition = _is_definition(ranked[0], name)
    lead = f", defined in {code(_place(ranked[0]))}" if definition else ""
    lines = [f"{code(_place(hit))} {code(hit.get('text', ''))}" for hit in ranked[:limit]]
    tail = f"\n\nThe first {limit} are shown; ask for more." if len(hits) > limit else ""
    return f"{head}{lead}:\n\n{bullets(lines)}{tail}"


def log(telling: Telling) -> str:
    commits = rows_of(telling.result.get("commits"))
    asked, span = telling.arguments, span_of(telling)
    who = f" by {safe(asked['author'])}" if asked.get("author") else ""
    what = f" to {code(asked['file'])}" if asked.get("file") else ""
    if not commits:
        return f"There is no commit{who}{what}{' ' + span if span else ''}."
    count = in_words(len(commits), "commit")
    if span:
        head = f"{sentence(('at least ' if telling.result.get('more') else '') + count)}{who}{what} {span}"
    else:
        head = f"The newest {count if len(commits) > 1 else 'commit'}{who}{what}"
    branch = telling.result.get("ref")
    head += f" on {code(branch)}" if branch else ""
    authors = list(dict.fromkeys(safe(row.get("author"), 40) for row in commits))
    is_one = len(authors) == 1 and len(commits) > 1
    head += f", all by {authors[0]}" if is_one and not who else ""
    shown = commits[: max(12, asked.get("n") or 0) if not span or telling.is_more else 12]
    rest = f"\n\nThe newest {len(shown)} are shown; ask for more." if len(shown) < len(commits) else ""
    lines = bullets(commit_line(row, telling, is_named=not is_one) for row in shown)
    return f"{head}:\n\n{lines}{rest}{_touched(commits)}"


def diff(telling: Telling) -> str:
    found = telling.result
    files = rows_of(found.get("files"))
    a, b = (
        code(found.get("a") or telling.arguments.get("a")),
        code(found.get("b") or telling.arguments.get("b") or "HEAD"),
    )
    if not files:
        return f"Nothing differs between {a} and {b}."
    added, removed = sum_of(files, "added"), sum_of(files, "removed")
    more = "at least " if found.get("more") else ""
    head = f"Between {a} and {b}, {more}{plural(len(files), 'file')} changed"
    head += f": {plural(added, 'line')} added, {number(removed)} removed"
    biggest = sorted(files, key=lambda row: -(int(row.get("added") or 0) + int(row.get("removed") or 0)))
    lines = [
        f"{code(row.get('path'))} {safe(row.get('kind'))}, +{row.get('added', 0)} −{row.get('removed', 0)}"
        for row in biggest[:12]
    ]
    text = str(found.get("text") or "").split("\n")
    limit = 200 if telling.is_more else 60
    shown = block("\n".join(text[:limit]), "diff") if any(text) and (len(text) <= limit or telling.is_more) else ""
    tail = (
        f"\n\n{shown}"
        if shown
        else f"\n\nThe diff has {number(len(text))} lines; ask for more to see them."
        if any(text)
        else ""
    )
    return f"{head}.\n\n{bullets(lines)}{tail}"


def _is_definition(hit: Row, name: str) -> bool:
    """A line that begins by declaring exactly this name, in the manner of the common languages."""
    pattern = rf"(?:{DECLARES}){re.escape(name.strip())}\b|{re.escape(name.strip())}\s*(?::[^=]{{1,80}})?=[^=]"
    is_name = re.fullmatch(r"\w{1,100}", name.strip()) is not None
    return is_name and re.match(pattern, str(hit.get("text", ""))) is not None


def _ranked(hits: Sequence[Row], name: str) -> list[Row]:
    """Definitions, then exact spelling, then the order found; the same file's hits stay together."""
    files = list(dict.fromkeys(str(hit.get("file")) for hit in hits))
    return sorted(
        hits,
        key=lambda hit: (
            not _is_definition(hit, name), name not in str(hit.get("text")), files.index(str(hit.get("file")))
        ),
    )  # fmt: skip


def _place(hit: Row) -> str:
    return f"{hit.get('file')}:{hit.get('line')}"


def _touched(commits: Sequence[Row]) -> str:
    """The files several of these commits share."""
    counts: dict[str, int] = {}
    for row in commits:
        for name in row.get("files") or []:
            counts[str(name)] = counts.get(str(name), 0) + 1
    often = sorted(((n, name) for name, n in counts.items() if n > 1), key=lambda item: (-item[0], item[1]))[:3]
    return (
        f"\n\nTouched most: {listing([f'{code(name)} ({n} commits)' for n, name in often])}."
        if often and len(commits) > 3
        else ""
    )
