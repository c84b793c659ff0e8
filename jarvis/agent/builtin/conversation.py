"""From a conversation to a plan: what to call now, what to ask back, what to decline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from jarvis.agent.builtin import patterns
from jarvis.agent.builtin.intents import Call, Intent
from jarvis.agent.builtin.matching import Matcher, Reading
from jarvis.agent.builtin.periods import zone
from jarvis.agent.builtin.slots import Slots
from jarvis.agent.builtin.words import normalise, words_of
from jarvis.agent.providers import Message, ModelRequest


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAX_TURNS_BACK = 4
CHOICE = {
    "first": 0,
    "former": 0,
    "1": 0,
    "1st": 0,
    "one": 0,
    "second": 1,
    "latter": 1,
    "2": 1,
    "2nd": 1,
    "two": 1,
    "third": 2,
    "3": 2,
    "3rd": 2,
}
BOTH = frozenset(["both", "all"])
YES = _words(
    """
    yes yeah yep sure ok okay right exactly correct please do
    """
)
NAME_ONLY = re.compile(r"[\s@]*([A-Za-z][\w.-]{1,30})[\s?!.]*$")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to answer; without a call it is answered at once."""

    intent: Intent
    slots: Slots
    call: Call | None
    is_more: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, and the readings that lead to words instead of calls."""

    steps: tuple[Step, ...] = ()
    others: tuple[Reading, ...] = ()

    def calls(self) -> tuple[Call, ...]:
        """Each call once, in the order of the steps."""
        unique: list[Call] = []
        for step in self.steps:
            if step.call is not None and step.call not in unique:
                unique.append(step.call)
        return tuple(unique)


class Planner:
    """Reads the last user message in the light of those before it."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    def plan(self, request: ModelRequest) -> Plan:
        said = [message.content for message in request.messages if message.role == "user"]
        if not said:
            return Plan()
        return self._plan(said[-1 - MAX_TURNS_BACK :], request.now, zone(request.time_zone))

    def _plan(self, said: Sequence[str], now: int, where: tzinfo) -> Plan:
        text = normalise(said[-1])
        readings = self._matcher.read(text, now, where)
        if len(said) > 1 and len(readings) <= 1:
            follow = self._follow_up(text, readings[0] if readings else None, said[:-1], now, where)
            if follow is not None:
                return follow
        steps = tuple(_step(r.intents[0], r.slots) for r in readings if r.kind == "clear")
        return Plan(steps, tuple(r for r in readings if r.kind != "clear"))

    def _follow_up(
        self, text: str, reading: Reading | None, before: Sequence[str], now: int, where: tzinfo
    ) -> Plan | None:
        """The last request again with what is new in this one; None when this one stands by itself."""
        if reading is not None and reading.kind in ("act", "negated"):
            return None
        if patterns.MORE.fullmatch(text):
            return _longer(self._plan(before, now, where), self._matcher)
        chosen = self._chosen(text, before, now, where)
        if chosen is not None:
            return chosen
        lead = patterns.LEADS.fullmatch(text)
        is_short = len(words_of(text)) <= 4
        if reading is not None and reading.kind == "clear" and (not lead or not _is_weak(reading)):
            return None
        if not lead and not (is_short and reading is not None and _only_slots(reading)):
            return None
        return self._changed((lead["rest"] or lead["and"] or "") if lead else text, reading, before, now, where)

    def _chosen(self, text: str, before: Sequence[str], now: int, where: tzinfo) -> Plan | None:
        """The answer to "Do you mean A or B?"."""
        asked = next((r for r in self._plan(before, now, where).others if r.kind == "between"), None)
        words = words_of(text)
        if asked is None or not words or len(words) > 8:
            return None
        if BOTH & set(words) and len(asked.intents) > 1:
            return Plan(tuple(_step(intent, asked.slots) for intent in asked.intents))
        for word in words:
            if word in CHOICE and CHOICE[word] < len(asked.intents):
                return Plan((_step(asked.intents[CHOICE[word]], asked.slots),))
        if len(asked.intents) == 1 and set(words) <= YES:
            return Plan((_step(asked.intents[0], asked.slots),))
        scored = [self._matcher.fit(intent, text, asked.slots) for intent in asked.intents]
        best = max(scored, default=0.0)
        if best > 0 and scored.count(best) == 1:
            return Plan((_step(asked.intents[scored.index(best)], asked.slots),))
        return None

    def _changed(
        self, rest: str, reading: Reading | None, before: Sequence[str], now: int, where: tzinfo
    ) -> Plan | None:
        previous = self._plan(before, now, where)
        new = self._matcher.read_one(rest, now, where).slots if rest.strip() else Slots()
        name = NAME_ONLY.match(rest)
        if not new.filled() and name and not self._matcher.is_known(name[1].lower()):
            new = replace(new, person=name[1])
        filled = {key: getattr(new, key) for key in new.filled()}
        steps = tuple(
            _step(
                step.intent,
                replace(step.slots, **{k: v for k, v in filled.items() if k in step.intent.takes}),
                step.is_more,
            )
            for step in previous.steps
            if filled and filled.keys() & step.intent.takes.keys()
        )
        return Plan(steps) if steps else None


def _step(intent: Intent, slots: Slots, is_more: bool = False) -> Step:
    return Step(intent, slots, intent.call(slots), is_more)


def _longer(previous: Plan, matcher: Matcher) -> Plan | None:
    """The same answer at greater length, or the intent that tells more."""
    steps = []
    for step in previous.steps:
        if step.intent.is_talk:
            continue
        intent = matcher.catalog.named(step.intent.more) if step.intent.more else step.intent
        slots = step.slots if step.slots.count is None else replace(step.slots, count=min(step.slots.count * 4, 200))
        slots = slots if "count" not in intent.takes or slots.count else replace(slots, count=40)
        steps.append(_step(intent, slots, True))
    return Plan(tuple(steps)) if steps else None


def _is_weak(reading: Reading) -> bool:
    """Clear only by what it leads with: "and what did bob do" stands by itself, "and yesterday" does not."""
    return not reading.words or all(len(word) < 4 for word in reading.words)


def _only_slots(reading: Reading) -> bool:
    return reading.kind == "unknown" and bool(reading.slots.filled())


def answered(messages: Sequence[Message]) -> tuple[list[tuple[Call, str]], bool]:
    """What was called since the last user message and what came back, and whether there was any call."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    contents = {m.tool_call_id: m.content for m in messages[last + 1 :] if m.role == "tool"}
    made = [call for m in messages[last + 1 :] if m.role == "assistant" for call in m.tool_calls]
    found = [(Call(call.name, call.arguments), contents.get(call.id, "")) for call in made]
    return found, bool(made)
