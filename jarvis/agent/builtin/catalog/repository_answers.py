"""What is said of a repository as a whole. Everything quoted from it is data: escaped, never obeyed."""

from typing import Any

from jarvis.agent.builtin.catalog.rows import Row, commit_line, inner, project_name, rows_of, spaced, sum_of
from jarvis.agent.builtin.intents import Telling
from jarvis.agent.builtin.prose import (
    ago,
    bullets,
    code,
    in_words,
    instant,
    listing,
    number,
    percent,
    plural,
    safe,
    sentence,
    size,
    when,
)

FEW, MANY = 6, 30


def summary(telling: Telling) -> str:
    found = telling.result
    lines = [
        ("Languages", _languages_line(found)), ("Layout", _layout_line(found)), ("History", _history_line(telling)),
        ("People", _people_line(found)), ("Build and test", _commands_line(found)), ("Changes most", _hot_line(found)),
        ("Not committed", _dirty_line(found)),
    ]  # fmt: skip
    parts = [_headline(found), _quote(found), bullets(f"**{label}**: {text}" for label, text in lines if text)]
    recent = rows_of(found.get("recent"))[:5]
    if len(recent) > 1 or (recent and not _get(found, "commits", "is_shallow")):
        is_one = len({row.get("author") for row in recent}) == 1
        who = f" (all by {safe(recent[0].get('author'), 40)})" if is_one and len(recent) > 1 else ""
        told = bullets(commit_line(row, telling, is_named=not who) for row in recent)
        parts.append(f"What changed last{who}:\n\n{told}")
    parts.append(_notes(found))
    return "\n\n".join(part for part in parts if part)


def about(telling: Telling) -> str:
    """What the project says it is."""
    found = telling.result
    return "\n\n".join(
        part for part in (_headline(found), _quote(found) or "It has no README that says what it is for.") if part
    )


def languages(telling: Telling) -> str:
    found = telling.result
    rows = rows_of(found.get("languages"))
    code_rows = [row for row in rows if row.get("family") == "code"]
    if not rows:
        return f"{project_name(found)} holds no file whose language I recognise."
    if not code_rows:
        return f"{project_name(found)} holds no code, only {listing([safe(row['name']) for row in rows[:FEW]])}."
    lead = code_rows[0]
    share = lead.get("share") or 0
    degree = "all" if share >= 0.9995 else "mostly" if share > 0.5 else "above all"
    head = f"{project_name(found)} is {degree} {safe(lead['name'])}"
    head += "" if share >= 0.9995 else f": {percent(share)} of its {number(sum_of(code_rows, 'lines'))} lines of code"
    shown = code_rows[: MANY if telling.is_more else 10]
    lines = [
        f"{safe(row['name'])}: {percent(row.get('share') or 0)}, "
        f"{plural(row['lines'], 'line')} in {plural(row['files'], 'file')}"
        for row in shown
    ]
    rest = [
        f"{safe(row['name'])} ({plural(row['lines'], 'line')})"
        for row in rows
        if row.get("family") in ("prose", "data")
    ]
    tail = f"\n\nBesides code there is {listing(rest[:FEW])}." if rest else ""
    return f"{head}.\n\n{bullets(lines)}{tail}{spaced(_notes(found))}"


def total_size(telling: Telling) -> str:
    found = telling.result
    measured = inner(found, "size")
    if not measured.get("files"):
        return f"{project_name(found)} holds no files."
    head = f"{project_name(found)} has {_size_text(found)}"
    code_rows = [row for row in rows_of(found.get("languages")) if row.get("family") == "code"]
    text = f"; {number(sum_of(code_rows, 'lines'))} of the lines are code" if code_rows else ""
    extras = [
        plural(measured[key], noun)
        for key, noun in (("binary_files", "binary file"), ("foreign_files", "vendored or generated file"),
                          ("links", "symbolic link"), ("submodules", "submodule"))
        if measured.get(key)
    ]  # fmt: skip
    more = f" Among the files: {listing(extras)}." if extras else ""
    return f"{head}{text}.{more}{spaced(_notes(found))}"


def structure(telling: Telling) -> str:
    found = telling.result
    folders, files = rows_of(found.get("folders")), [str(name) for name in found.get("root_files") or []]
    if not folders and not files:
        return f"{project_name(found)} is empty."
    limit = MANY if telling.is_more else 14
    head = f"{project_name(found)} has {in_words(len(folders), 'folder')} at the top"
    lines = [_folder_text(row, is_long=True) for row in folders[:limit]]
    rest = (
        f"\n\n{sentence(in_words(len(folders) - limit, 'smaller folder'))} not shown." if len(folders) > limit else ""
    )
    beside = (
        f"\n\nBeside them: {listing([code(name) for name in files[:16]])}{' and more' if len(files) > 16 else ''}."
        if files
        else ""
    )
    return f"{head}{':' if lines else '.'}\n\n{bullets(lines)}{rest}{beside}".replace(".\n\n\n\n", ".\n\n")


def contributors(telling: Telling) -> str:
    found = telling.result
    people, commits = rows_of(found.get("contributors")), inner(found, "commits")
    if not people:
        return _no_git(found) or f"{project_name(found)} has no commits yet."
    total = int(commits.get("count") or 0)
    others = int(found.get("contributor_count") or len(people)) - len(people)
    lead = people[0]
    more = "at least " if not commits.get("is_complete", True) else ""
    everyone = in_words(others + len(people), "person", "people")
    verb = "has" if others + len(people) == 1 else "have"
    head = f"{sentence(more + everyone)} {verb} committed to {project_name(found)}"
    share = (
        f", most of all {safe(lead['name'], 60)} with {percent(lead['commits'] / total)} of {_count_text(commits)}"
        if total and len(people) > 1
        else ""
    )
    lines = [f"{safe(person['name'], 60)}: {plural(person['commits'], 'commit')}" for person in people]
    tail = f"\n\n{sentence(plural(others, 'other'))} not shown." if others else ""
    shallow = "\n\nThis is a shallow clone: earlier authors are not in it." if commits.get("is_shallow") else ""
    return f"{head}{share}.\n\n{bullets(lines)}{tail}{shallow}"


def branches(telling: Telling) -> str:
    found = telling.result
    refs = inner(found, "references")
    if not refs:
        return _no_git(found) or "The repository has no branches."
    names = [str(name) for name in refs.get("branches") or []]
    current = (
        f"{project_name(found)} is on {code(refs['current'])}"
        if refs.get("current")
        else f"{project_name(found)} is on no branch (detached at {code(refs.get('head') or '?')})"
    )
    others = [name for name in names if name != refs.get("current")]
    count = int(refs.get("branch_count") or len(names))
    text = (
        f"{current}; other branches: {listing([code(name) for name in others])}"
        if others
        else f"{current}, its only branch"
        if refs.get("current")
        else current
    )
    text += f" and {count - len(names):,} more" if count > len(names) else ""
    remote = refs.get("remote_branch_count")
    text += f". It knows {plural(remote, 'remote branch', 'remote branches')}" if remote else ""
    return f"{text}. {_tag_text(refs, telling)}"


def hot(telling: Telling) -> str:
    found = inner(telling.result, "hot")
    rows = rows_of(found.get("files"))
    if not rows:
        return _no_git(telling.result) or "No file was changed more than once in the commits I can see."
    looked = int(found.get("commits") or 0)
    lines = [f"{code(row['path'])}: {row['changes']} times" for row in rows]
    head = f"{code(rows[0]['path'])} changes most: {rows[0]['changes']} times in the newest {plural(looked, 'commit')}."
    return f"{head}\n\n{bullets(lines)}"


def dirty(telling: Telling) -> str:
    found = telling.result
    state = inner(found, "dirty")
    if not state:
        why = "it is bare" if found.get("kind") == "bare" else "it has no index"
        unknown = f"I cannot tell what is not committed. {_notes(found)}" if found.get("notes") else ""
        return _no_git(found) or unknown or f"{project_name(found)} has no work tree to compare: {why}."
    text = _dirty_line(found)
    partial = "" if state.get("is_complete", True) else " Not everything could be compared in time."
    on = f" on {code(_get(found, 'references', 'current'))}" if _get(found, "references", "current") else ""
    if not any(state.get(key) for key in ("staged", "modified", "deleted", "conflicted", "untracked")):
        return f"Nothing is uncommitted{on}: the work tree matches the last commit.{partial}"
    marks = {"S": "staged", "M": "modified", "D": "deleted", "U": "in conflict", "?": "untracked"}
    lines = [f"{code(str(line)[2:])} {marks.get(str(line)[:1], '')}" for line in state.get("examples") or []]
    return f"Not committed{on}: {text}{partial}\n\n{bullets(lines)}"


def building(telling: Telling) -> str:
    found = telling.result
    rows = rows_of(found.get("hints"))
    if not rows:
        why = "I find no Makefile, package manifest or CI file that does"
        return f"{project_name(found)} does not say how it is built or tested: {why}."
    labels = {"build": "Build", "test": "Test", "run": "Run", "check": "Check", "ci": "Continuous integration"}
    lines = []
    for kind, label in labels.items():
        commands = [row for row in rows if row.get("kind") == kind]
        if commands:
            text = listing([code(row["command"]) for row in commands[:8]])
            sources = list(dict.fromkeys(str(row.get("source")) for row in commands)) if kind != "ci" else []
            lines.append(
                f"**{label}**: {text}{f' (from {listing([code(name) for name in sources[:3]])})' if sources else ''}"
            )
    first = next((row for kind in ("test", "build", "run") for row in rows if row.get("kind") == kind), None)
    head = (
        f"{project_name(found)} is tested with {code(first['command'])}"
        if first and first["kind"] == "test"
        else f"This is what {project_name(found)} says about building and running it"
    )
    end = "." if head.endswith("`") else ":"
    return f"{head}{end}\n\n{bullets(lines)}\n\nI read these from its files and ran none of them."


def license_(telling: Telling) -> str:
    found = telling.result
    text = str(found.get("license") or "")
    if not text:
        return f"{project_name(found)} has no licence file at its top."
    if text.startswith("see "):
        return f"{project_name(found)} has a licence I do not recognise, in {code(text[4:])}."
    return f"{project_name(found)} is licensed under {safe(text)}."


def _headline(found: Row) -> str:
    rows = [row for row in rows_of(found.get("languages")) if row.get("family") == "code"]
    lead = [safe(row["name"]) for row in rows[:2] if (row.get("share") or 0) >= 0.25]
    what = f"{listing(lead)} " if lead else ""
    kind = {"git": "repository", "bare": "bare repository"}.get(str(found.get("kind")), "directory")
    article = "an" if what[:1] in "AEIO" and what else "a"
    licence = str(found.get("license") or "")
    terms = f", licensed under {safe(licence)}" if licence and not licence.startswith("see ") else ""
    version = f" {safe(found['version'], 20)}" if found.get("version") else ""
    if not inner(found, "size").get("files"):
        return f"{project_name(found)} is an empty {kind} at {code(found.get('path'))}."
    text = f"{project_name(found)}{version} is {article} {what}{kind} of {_size_text(found)}{terms}."
    return f"{text} It is in no git repository, so there is no history to tell of." if kind == "directory" else text


def _quote(found: Row) -> str:
    text = safe(found.get("description") or "", 600)
    source = f" ({code(found['readme'])})" if found.get("readme") else ""
    return f"> {text}{source}" if text else ""


def _size_text(found: Row) -> str:
    measured = inner(found, "size")
    if measured.get("is_complete", True):
        return f"{plural(measured['files'], 'file')}, {plural(measured['lines'], 'line')} and {size(measured['bytes'])}"
    return (
        f"{plural(measured['files'], 'file')} or more"
        if not measured.get("files_counted")
        else f"at least {plural(measured['files'], 'file')}"
    )


def _languages_line(found: Row) -> str:
    rows = rows_of(found.get("languages"))
    shares = [row for row in rows if row.get("family") == "code"]
    told = [
        f"{safe(row['name'])} {percent(row['share'] or 0)}"
        for row in shares[:4]
        if (row.get("share") or 0) >= 0.01 or row is shares[0]
    ]
    rest = [safe(row["name"]) for row in rows if row.get("family") in ("prose", "data")][:3]
    if not told:
        return listing(rest)
    beside = f"; besides {listing(rest)}" if rest else ""
    return f"{listing(told)} of {plural(sum_of(shares, 'lines'), 'line')} of code{beside}"


def _layout_line(found: Row) -> str:
    folders = rows_of(found.get("folders"))
    text = listing([_folder_text(row, is_long=False) for row in folders[:FEW]])
    rest = f", and {plural(len(folders) - FEW, 'smaller folder')}" if len(folders) > FEW else ""
    return text + rest


def _folder_text(row: Row, is_long: bool) -> str:
    language = row.get("language")
    hints = [plural(row["files"], "file")]
    hints += [safe(row["role"])] if row.get("role") else []
    hints += [f"mostly {safe(language)}" if is_long else safe(language)] if language else []
    text = ", ".join(hints)
    return f"{code(str(row['name']) + '/')}: {text}" if is_long else f"{code(str(row['name']) + '/')} ({text})"


def _history_line(telling: Telling) -> str:
    found = telling.result
    commits, refs = inner(found, "commits"), inner(found, "references")
    if not commits:
        return "no commits yet" if refs else ""
    first, last = instant(commits.get("first_at")), instant(commits.get("last_at"))
    where = f" on {code(refs['current'])}" if refs.get("current") else f" up to {code(refs.get('head'))} (detached)"
    text = _count_text(commits) + where
    if commits.get("count") != 1:
        text += f" since {_date(first, telling)}" if first is not None else ""
        text += ", the last" if last is not None else ""
    else:
        text += "," if last is not None else ""
    text += f" {ago(last, telling.now)}" if last is not None else ""
    others = int(refs.get("branch_count") or 0) - bool(refs.get("current"))
    parts = [text]
    parts += ["a shallow clone, so older commits are not here"] if commits.get("is_shallow") else []
    parts += [plural(others, "other branch", "other branches")] if others > 0 else []
    parts += [f"latest tag {code(refs['latest_tag'])}"] if refs.get("latest_tag") else []
    return "; ".join(parts)


def _count_text(commits: Row) -> str:
    count = int(commits.get("count") or 0)
    return plural(count, "commit") if commits.get("is_complete", True) else f"more than {plural(count, 'commit')}"


def _people_line(found: Row) -> str:
    people = rows_of(found.get("contributors"))
    others = int(found.get("contributor_count") or 0) - len(people)
    text = [f"{safe(person['name'], 40)} ({number(person['commits'])})" for person in people]
    return listing([*text, f"{number(others)} more"] if others > 0 else text)


def _commands_line(found: Row) -> str:
    rows = rows_of(found.get("hints"))
    commands = [code(row["command"]) for kind in ("build", "test") for row in rows if row.get("kind") == kind][:5]
    jobs = [code(row["command"]) for row in rows if row.get("kind") == "ci"][:2]
    text = listing(commands)
    return f"{text}{'; ' if text else ''}CI in {listing(jobs)}" if jobs else text


def _hot_line(found: Row) -> str:
    hot_ = inner(found, "hot")
    rows = rows_of(hot_.get("files"))[:3]
    if not rows or int(hot_.get("commits") or 0) < 10:
        return ""
    told = [f"{code(row['path'])} ({row['changes']})" for row in rows]
    return f"{listing(told)} in the newest {plural(hot_['commits'], 'commit')}"


def _dirty_line(found: Row) -> str:
    state = inner(found, "dirty")
    words = (
        ("staged", "staged"),
        ("modified", "modified"),
        ("deleted", "deleted"),
        ("conflicted", "in conflict"),
        ("untracked", "untracked"),
    )
    parts = [f"{number(state[key])} {word}" for key, word in words if state.get(key)]
    total = sum(int(state.get(key) or 0) for key, _ in words)
    return f"{listing(parts)} {'file' if total == 1 else 'files'}." if parts else ""


def _tag_text(refs: Row, telling: Telling) -> str:
    count = int(refs.get("tag_count") or 0)
    if not count:
        return "There are no tags."
    at = instant(refs.get("latest_tag_at"))
    moment = f" ({_date(at, telling)})" if at is not None else ""
    if not refs.get("latest_tag"):
        return f"There are {plural(count, 'tag')}."
    return (
        f"The only tag is {code(refs['latest_tag'])}{moment}."
        if count == 1
        else f"The latest of {plural(count, 'tag')} is {code(refs['latest_tag'])}{moment}."
    )


def _notes(found: Row) -> str:
    notes = [safe(note, 300) for note in found.get("notes") or []]
    return " ".join(note if note.endswith(".") else f"{note}." for note in notes)


def _no_git(found: Row) -> str:
    return (
        f"{code(found.get('path'))} is in no git repository, so I cannot tell."
        if found.get("kind") == "directory"
        else ""
    )


def _date(at: int, telling: Telling) -> str:
    return (
        when(at, telling.now, telling.zone).rsplit(" ", 1)[0]
        if telling.now - at > 2 * 86_400_000_000
        else when(at, telling.now, telling.zone)
    )


def _get(found: Row, outer: str, name: str) -> Any:
    return inner(found, outer).get(name)
