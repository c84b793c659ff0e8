"""Questions about the repository's files and commits, one by one."""

from typing import Any

from jarvis.agent.builtin.catalog import reading_answers as answers
from jarvis.agent.builtin.intents import Call, Catalog, Intent, Telling, period_arguments
from jarvis.agent.builtin.slots import Slots


def _tree(slots: Slots) -> Call:
    return Call("repository.tree", _with_ref({"subdir": slots.folder.strip("/")} if slots.folder else {}, slots))


def _file(slots: Slots) -> Call:
    return Call("repository.file", _with_ref({"name": slots.file or "README"}, slots))


def _search(slots: Slots) -> Call:
    return Call("repository.search", _with_ref({"pattern": slots.term or slots.quoted}, slots))


def _log(slots: Slots) -> Call:
    arguments: dict[str, Any] = {"n": slots.count or (50 if slots.period else 10), **period_arguments(slots)}
    if slots.person:
        arguments["author"] = slots.person
    if slots.file or slots.folder:
        arguments["file"] = (slots.file or slots.folder).strip("/")
    return Call("repository.log", _with_ref(arguments, slots))


def _changes(slots: Slots) -> Call:
    """Since a revision that is a diff, otherwise the log."""
    if slots.ref:
        return Call("repository.diff", {"a": slots.ref, "b": slots.other_ref or "HEAD"})
    return _log(slots)


def _with_ref(arguments: dict[str, Any], slots: Slots) -> dict[str, Any]:
    return {**arguments, "ref": slots.ref} if slots.ref else arguments


def _changes_answer(telling: Telling) -> str:
    return answers.diff(telling) if "a" in telling.arguments else answers.log(telling)


CATALOG = Catalog(
    (
        Intent(
            "repository.tree",
            "the files in a folder",
            (
                "list the files in src/",
                "what is in the jarvis/kernel/ folder",
                "list the files",
                "ls",
                "show the files in docs/",
            ),
            {
                "file": 0.5,
                "folder": 0.35,
                "repo": 0.1,
                "structure": 0.15,
                "ls": 0.9,
                "open": 0.05,
                "size": -0.2,
                "howmany": -0.3,
                "most": -0.2,
                "changed": -0.3,
                "dirty": -0.3,
            },
            answers.tree,
            _tree,
            needs=("file|folder|ls",),
            takes={"folder": 0.52, "ref": 0.05},
        ),
        Intent(
            "repository.log",
            "the recent commits",
            (
                "recent commits",
                "show the git log",
                "last 5 commits",
                "what did Alice commit this week",
                "commit history",
                "who committed last",
                "what was the last commit",
                "commits to README.md",
            ),
            {
                "commit": 0.7,
                "history": 0.4,
                "log": 0.45,
                "recent": 0.2,
                "repo": 0.15,
                "who": 0.02,
                "changed": 0.05,
                "event": -0.3,
                "most": -0.2,
                "contributors": -0.2,
                "diff": -0.1,
                "host": -0.3,
                "dirty": -0.2,
                "fail": -0.3,
            },
            answers.log,
            _log,
            needs=("commit|history|log", "commit|history|repo|log"),
            takes={"period": 0.1, "person": 0.15, "count": 0.1, "file": 0.15, "folder": 0.15, "ref": 0.05},
        ),
        Intent(
            "repository.changes",
            "what changed in the repository",
            (
                "what changed since yesterday?",
                "what changed last",
                "what is different since v1.2",
                "diff between main and HEAD~3",
                "what changed in setup.py",
                "compare v1.0..v2.0",
                "latest changes in the repo",
                "what has Bob changed",
            ),
            {
                "changed": 0.6,
                "whatsnew": 0.45,
                "diff": 0.7,
                "repo": 0.25,
                "recent": 0.15,
                "commit": 0.1,
                "file": 0.05,
                "most": -0.3,
                "often": -0.3,
                "event": -0.3,
                "log": 0.05,
                "version": 0.05,
                "tag": 0.1,
                "dirty": -0.2,
                "user": -0.3,
                "host": -0.2,
                "howmany": -0.1,
                "branch": 0.1,
            },
            _changes_answer,
            _changes,
            needs=("changed|diff|whatsnew",),
            takes={"period": 0.2, "ref": 0.25, "file": 0.2, "folder": 0.2, "person": 0.15, "count": 0.05},
        ),
        Intent(
            "repository.search",
            "the text of the repository's files",
            (
                "where is parse_config defined?",
                "search the code for TODO",
                "find usages of open_door",
                "grep the repo for timeout",
                "where do we use the retry helper",
                "which files mention sqlite",
            ),
            {
                "search": 0.4,
                "repo": 0.4,
                "defined": 0.4,
                "where": 0.3,
                "mention": 0.3,
                "file": 0.25,
                "message": -0.4,
                "event": -0.4,
                "log": -0.2,
                "who": 0.1,
                "fail": -0.2,
            },
            answers.search,
            _search,
            needs=("term|quoted", "search|defined|where|file|repo"),
            takes={"term": 0.2, "quoted": 0.1, "code": 0.2, "ref": 0.0},
        ),
        Intent(
            "repository.file",
            "a file of the repository",
            (
                "show me the README",
                "open jarvis/cli.py",
                "cat pyproject.toml",
                "what is in setup.cfg",
                "read the readme",
                "display Makefile",
                "show me main.py at v1.0",
            ),
            {
                "open": 0.3,
                "mention": 0.02,
                "readme": 0.7,
                "file": 0.1,
                "repo": 0.05,
                "build": 0.0,
                "changed": -0.5,
                "commit": -0.5,
                "diff": -0.5,
                "folder": -0.4,
                "contributors": -0.4,
                "disk": -0.5,
                "search": -0.2,
                "size": 0.02,
                "free": -0.4,
                "space": -0.5,
                "most": -0.3,
            },
            answers.file,
            _file,
            needs=("file|readme",),
            takes={"file": 0.62, "ref": 0.1, "period": -0.2, "term": -0.2},
        ),
    ),
    {"ls": "ls dir"},
)
