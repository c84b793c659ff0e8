"""host.exec and web.fetch, for the assistant."""

from typing import Any

from jarvis.host import actions, fetching
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field, Fields

EXEC: Fields = {
    "argv": Field(
        kind="array",
        is_required=True,
        shortest=1,
        longest=40,
        items=Field(kind="string", longest=1000),
        help="The program's absolute path and its arguments, word by word; no shell reads them.",
    ),
    "cwd": Field(kind="string", longest=1000, help="The directory to run in."),
    "timeout_seconds": Field(kind="integer", lowest=1, highest=86_400, help="It is ended after this (60)."),
}
URL: Fields = {"url": Field(kind="string", is_required=True, shortest=1, longest=2000)}


def _exec(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    cwd = arguments.get("cwd") or arguments["workspace"]
    found = actions.execute(ctx, arguments["argv"], cwd, arguments.get("timeout_seconds"))
    return found.as_json() | ({} if found.is_ok else {"error": _why(found.killed_for, found.exit_code)})


def _why(killed_for: str | None, exit_code: int | None) -> str:
    return f"It was ended: {killed_for}." if killed_for else f"It ended with exit code {exit_code}."


def _fetch(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    allowed = ctx.settings.web_fetch_allowed_hosts
    if not allowed:
        raise Denied("Reading the web is off: an admin names hosts in WEB_FETCH_ALLOWED_HOSTS.")
    return fetching.fetch(arguments["url"], allowed).as_json()


TOOLS = (
    Tool("host.exec", "Run one program on this host, in a cage; its output and exit code.", EXEC, "host", _exec),
    Tool("web.fetch", "Read one page of an allowed web site as text.", URL, "read", _fetch),
)
