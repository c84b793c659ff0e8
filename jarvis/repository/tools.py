"""A repository for the assistant: read through dulwich, inside the directory the question is about."""

import os
from pathlib import Path
from typing import Any

from jarvis.kernel.clock import parse_rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, Malformed, invalid
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field, Fields
from jarvis.repository import reading, summary

PATH = Field(kind="string", longest=1000, help="Another directory; only admins may leave the workspace.")
REF = Field(kind="string", longest=200, help="A branch, tag or commit; HEAD without it.")
TIME = Field(kind="string", longest=40, help="RFC 3339, such as 2026-11-23T02:44:51Z.")


def _place(ctx: Context, arguments: dict[str, Any]) -> Path:
    """Where to read: the workspace, or a directory inside it. An admin may look anywhere."""
    workspace = Path(arguments.get("workspace") or ctx.settings.workspace)
    wanted = Path(os.path.realpath(workspace / arguments.get("path", "")))
    if not ctx.is_admin and not wanted.is_relative_to(os.path.realpath(workspace)):
        raise Denied(f"{arguments['path'][:200]} lies outside of the workspace; only an admin may look there.")
    return wanted


def _summary(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return summary.summary_data(_place(ctx, arguments))


def _tree(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    folder = arguments.get("subdir", "")
    return reading.as_data(reading.tree(_place(ctx, arguments), arguments.get("ref"), folder))


def _file(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    name = arguments.get("name") or "README"
    return reading.as_data(reading.read_file(_place(ctx, arguments), arguments.get("ref"), name))


def _search(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return reading.as_data(reading.search(_place(ctx, arguments), arguments["pattern"], arguments.get("ref")))


def _log(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    found = reading.log(
        _place(ctx, arguments),
        arguments.get("ref"),
        arguments.get("n", 20),
        arguments.get("file"),
        arguments.get("author"),
        _instant(arguments, "since"),
        _instant(arguments, "until"),
    )
    return reading.as_data(found)


def _instant(arguments: dict[str, Any], name: str) -> int | None:
    try:
        return parse_rfc3339(arguments[name]) if arguments.get(name) else None
    except Malformed as error:
        raise invalid(name, str(error)) from None


def _diff(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return reading.as_data(reading.diff(_place(ctx, arguments), arguments["a"], arguments.get("b") or "HEAD"))


def _tool(name: str, about: str, fields: Fields, run: Any) -> Tool:
    return Tool(f"repository.{name}", about, {"path": PATH, **fields}, "read", run)


TOOLS = (
    _tool("summary", "What a repository is: languages, size, structure, README, commits, people.", {}, _summary),
    _tool(
        "tree",
        "The names in one folder of the repository.",
        {"ref": REF, "subdir": Field(kind="string", longest=1000, help="The folder; the top without it.")},
        _tree,
    ),
    _tool(
        "file",
        "The text of one file.",
        {"ref": REF, "name": Field(kind="string", longest=1000, help="Its path, or its name when that is enough.")},
        _file,
    ),
    _tool(
        "search",
        "Lines of the repository's files that contain a text.",
        {"ref": REF, "pattern": Field(kind="string", is_required=True, shortest=1, longest=500, help="The text.")},
        _search,
    ),
    _tool(
        "log",
        "The newest commits, with the files each changed.",
        {
            "ref": REF,
            "n": Field(kind="integer", lowest=1, highest=200, help="How many (20)."),
            "file": Field(kind="string", longest=1000, help="Only those that touched this path."),
            "author": Field(kind="string", longest=200, help="Only by this person."),
            "since": TIME,
            "until": TIME,
        },
        _log,
    ),
    _tool(
        "diff",
        "What changed between two revisions.",
        {
            "a": Field(kind="string", is_required=True, shortest=1, longest=200, help="The older revision."),
            "b": Field(kind="string", longest=200, help="The newer one; HEAD without it."),
        },
        _diff,
    ),
)
