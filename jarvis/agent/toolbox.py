"""Running one tool call: its arguments checked, the policy asked, its result bounded and only ever data."""

import logging
from dataclasses import dataclass
from typing import Any

from jarvis.agent.providers import ToolCall, ToolSpec
from jarvis.kernel import schema
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError
from jarvis.kernel.registry import Tool
from jarvis.policy import actions as policy
from jarvis.policy.actions import Asker, Decision

log = logging.getLogger(__name__)

LONGEST_RESULT = 60_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A call whose arguments fit, with what the policy says; or what is wrong with it."""

    call: ToolCall
    tool: Tool | None
    arguments: dict[str, Any]
    decision: Decision
    problem: str = ""


def asker(ctx: Context) -> Asker:
    """For whom the agent calls."""
    return Asker(ctx.username, ctx.role)


def offered(ctx: Context) -> list[Tool]:
    """The tools this person may get to use through the agent."""
    return policy.offered(ctx, asker(ctx))


def spec(tool: Tool) -> ToolSpec:
    """The tool as a provider is told of it."""
    return ToolSpec(tool.name, tool.summary, schema.object_schema(tool.parameters))


def check(ctx: Context, call: ToolCall, thread_id: str) -> Checked:
    """Whether a call fits its schema, and what the policy says to it; the decision is on record afterwards."""
    tool, arguments, problem = ctx.registry.tools.get(call.name), dict(call.arguments), ""
    if tool is not None:
        try:
            arguments = schema.check(tool.parameters, arguments, allow_unknown=False)
        except JarvisError as error:
            problem = str(error)
    who = asker(ctx)
    decision = policy.decide(ctx, who, call.name, arguments)
    policy.record(ctx, who, call.name, arguments, decision, thread_id=thread_id)
    return Checked(call, tool, arguments, decision, problem)


def run(ctx: Context, found: Checked, workspace: str) -> tuple[str, Any]:
    """(outcome, result): "done", "refused" or "failed". Whatever is wrong goes back to the provider in words."""
    if found.problem:
        return "failed", {"error": found.problem}
    if found.tool is None or not found.decision.is_allowed:
        return "refused", {"error": found.decision.reason}
    try:
        return "done", found.tool.run(ctx, {**found.arguments, "workspace": workspace})
    except JarvisError as error:
        return "failed", {"error": str(error)}
    except Exception:
        name = found.call.name
        log.exception("tool %s failed", name)
        return "failed", {"error": f"{name} failed inside Jarvis; the log has the reason under {ctx.trace_id}."}


def bounded(text: str, longest: int = LONGEST_RESULT) -> str:
    """A result short enough for a prompt; what was cut is said."""
    if len(text) <= longest:
        return text
    return text[:longest] + f"… (cut: {len(text):,} characters in all)"
