"""The provider that needs no model: plan, call tools, then write the answer from what they returned."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jarvis.agent.builtin import replies
from jarvis.agent.builtin.catalog import shipped
from jarvis.agent.builtin.catalog.happenings import as_result
from jarvis.agent.builtin.conversation import Plan, Planner, Step, answered
from jarvis.agent.builtin.intents import Call, Deed, Telling
from jarvis.agent.builtin.matching import Matcher, Reading
from jarvis.agent.builtin.periods import zone
from jarvis.agent.builtin.prose import safe
from jarvis.agent.providers import Event, Finished, ModelRequest, TextDelta, ToolCall, Usage

log = logging.getLogger(__name__)

GROUP = re.compile(r"(?:\S{1,200}\s*){1,4}")


class BuiltinProvider:
    """Answers plain requests about this host, this repository and Jarvis. Safe to share between threads."""

    def __init__(self) -> None:
        self._matcher = Matcher(shipped())
        self._planner = Planner(self._matcher)

    @property
    def name(self) -> str:
        return "builtin"

    def reply(self, request: ModelRequest) -> Iterator[Event]:
        """Tool calls first; when their results are in the conversation, the answer word by word."""
        plan = self._planner.plan(request)
        results, was_called = answered(request.messages)
        offered = {tool.name for tool in request.tools}
        calls = [] if was_called else [call for call in plan.calls() if call.tool in offered]
        deeds = [] if was_called else [deed for deed in _deeds(plan) if deed.call.tool in offered]
        calls += [deed.call for deed in deeds]
        if request.cancelled():
            yield Finished("cancelled")
        elif calls:
            if deeds:
                yield TextDelta("\n\n".join(deed.plan for deed in deeds))
            turn = sum(message.role == "user" for message in request.messages)
            for number, call in enumerate(calls, 1):
                yield ToolCall(f"call_{turn}_{number}", call.tool, call.arguments)
            yield Finished("tool_calls")
        else:
            yield from _streamed(self._written(plan, Results(results), request), request)

    def _written(self, plan: Plan, results: "Results", request: ModelRequest) -> str:
        parts = [self._step(step, results, request) for step in plan.steps]
        parts += [self._other(reading, results, request) for reading in plan.others]
        return "\n\n".join(dict.fromkeys(part for part in parts if part)) or replies.empty()

    def _step(self, step: Step, results: "Results", request: ModelRequest) -> str:
        arguments: Mapping[str, Any] = {}
        result: Mapping[str, Any] = {}
        if step.call is not None:
            found = results.of(step.call)
            if found is None:
                return replies.not_offered(step.intent, step.call.tool, request.asker)
            arguments, result = found
            if result.get("error"):
                return replies.failed(step.intent, result["error"])
        telling = Telling(
            result, arguments, step.slots, request.asker, request.now, zone(request.time_zone), request.workspace,
            step.is_more,
        )  # fmt: skip
        try:
            return step.intent.answer(telling)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
            log.exception("the answer of %s could not be written", step.intent.name)
            return replies.failed(step.intent, "its tool returned something I cannot read.")

    def _other(self, reading: Reading, results: "Results", request: ModelRequest) -> str:
        deed = _deed(reading)
        found = results.of(deed.call) if deed is not None else None
        if deed is not None and found is not None:
            error = found[1].get("error")
            return f"I have not done that: {safe(error, 300)}" if error else deed.done(found[1])
        if reading.kind == "between":
            return replies.between(reading)
        if reading.kind == "act":
            return replies.declined(reading)
        if reading.kind == "negated":
            return replies.negated(reading)
        return replies.unknown(reading, self._matcher.catalog, request.asker)


def _deeds(plan: Plan) -> list[Deed]:
    return [deed for reading in plan.others if (deed := _deed(reading)) is not None]


def _deed(reading: Reading) -> Deed | None:
    return reading.act.deed(reading.text) if reading.kind == "act" and reading.act is not None else None


class Results:
    """What the calls of this turn returned."""

    def __init__(self, found: list[tuple[Call, str]]) -> None:
        self._found = [(call, as_result(content)) for call, content in found]

    def of(self, call: Call) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Arguments as called and the result; periods may have moved on since, so the tool decides."""
        same = [(made, result) for made, result in self._found if made.tool == call.tool]
        exact = [pair for pair in same if dict(pair[0].arguments) == dict(call.arguments)]
        alike = [pair for pair in same if _still(pair[0].arguments) == _still(call.arguments)]
        for made, result in [*exact, *alike]:
            return made.arguments, result
        return None


def _still(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that do not move with the clock."""
    return {key: value for key, value in arguments.items() if key not in ("since", "until")}


def _streamed(text: str, request: ModelRequest) -> Iterator[Event]:
    for match in GROUP.finditer(text):
        if request.cancelled():
            yield Finished("cancelled")
            return
        yield TextDelta(match[0])
    heard = sum(len(message.content) for message in request.messages)
    yield Usage(heard // 4, len(text) // 4)
    yield Finished("stop")
