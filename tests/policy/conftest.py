"""What policy tests share: tools of every risk, and conversations from the chat's tests."""

from collections.abc import Callable
from typing import Any

import pytest

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from tests.chat.conftest import provider, talk, work  # noqa: F401 — fixtures

ARGUMENTS = {"text": Field(kind="string", is_required=True, longest=50)}
ARGV = {"argv": Field(kind="array", is_required=True, items=Field(kind="string")), "cwd": Field(kind="string")}


@pytest.fixture
def done(ctx: Context) -> list[Any]:
    """What the tools test.look, test.change, test.admin (and host.exec, where there is none) were called with."""
    seen: list[Any] = []

    def keep(name: str) -> Callable[[Context, dict[str, Any]], Any]:
        def run(ctx: Context, arguments: dict[str, Any]) -> Any:
            seen.append((name, ctx.username, arguments.get("text") or arguments.get("argv")))
            return {"ok": True}

        return run

    ctx.registry.add(
        Tool("test.look", "Looks.", {}, "read", keep("look")),
        Tool("test.change", "Changes.", ARGUMENTS, "write", keep("change")),
        Tool("test.admin", "Changes more.", ARGUMENTS, "write", keep("admin"), admin_only=True),
    )
    ctx.registry.tools["host.exec"] = Tool("host.exec", "Runs.", ARGV, "host", keep("exec"))
    return seen
