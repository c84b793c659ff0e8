"""What the operator can be asked: one `Intent` each, open for every feature to add to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from jarvis.agent.builtin.slots import Slots
from jarvis.agent.providers import Asker
from jarvis.kernel.clock import rfc3339

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """The tool an intent needs, with its arguments."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """Everything an answer may be written from: what the tool returned, and for whom and when."""

    result: Result
    arguments: Mapping[str, Any]
    slots: Slots
    asker: Asker
    now: int
    zone: tzinfo
    workspace: str = ""
    is_more: bool = False


def no_call(slots: Slots) -> Call | None:
    """For an intent that is answered from what the operator knows of itself."""
    return None


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that can be asked.

    `evidence` weighs concepts of the lexicon; a negative weight speaks against. `needs` are groups
    (`"disk|space"`) of which each must be met by a concept or a filled slot. `takes` are the slots it
    can use and what finding one adds. `reading` completes "Do you mean …?".
    """

    name: str
    reading: str
    examples: tuple[str, ...]
    evidence: Mapping[str, float]
    answer: Callable[[Telling], str]
    call: Callable[[Slots], Call | None] = no_call
    needs: tuple[str, ...] = ()
    takes: Mapping[str, float] = field(default_factory=dict)
    admin_only: bool = False
    is_talk: bool = False
    more: str = ""
    """The intent that "tell me more" leads to; empty: the same again, longer."""

    @property
    def offer(self) -> str:
        """An example to put before somebody who was not understood."""
        return self.examples[0]


@dataclass(frozen=True, slots=True)
class Deed:
    """A change that was asked for clearly: said in one line first, then done within what the policy allows."""

    call: Call
    plan: str
    done: Callable[[Result], str]
    """Says what became of it, from what the tool returned."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something asked for that changes something: what does it, or who does where the operator may not."""

    name: str
    words: str
    hint: str
    objects: str = ""
    """Words of which one must be there too; such an act is more particular than one that needs none."""
    say: Callable[[str], str] | None = None
    """Makes the hint from what was said, where it can be more exact."""
    do: Callable[[str], Deed | None] | None = None
    """Makes the deed from what was said; None when it was not said clearly enough."""

    def deed(self, clause: str) -> Deed | None:
        """What is to be done, where the operator can do it."""
        return self.do(clause) if self.do else None

    def told(self, clause: str) -> str:
        """Who or what does it instead."""
        return self.say(clause) if self.say else self.hint


@dataclass(frozen=True, slots=True)
class Catalog:
    """All intents, the words they are recognised by, and the acts that are declined."""

    intents: tuple[Intent, ...]
    words: Mapping[str, str]
    acts: tuple[Act, ...] = ()

    def named(self, name: str) -> Intent:
        return next(intent for intent in self.intents if intent.name == name)

    def joined(self, *others: "Catalog") -> "Catalog":
        """One catalogue of several; words for the same concept add up."""
        words: dict[str, str] = dict(self.words)
        intents, acts = self.intents, self.acts
        for other in others:
            intents, acts = intents + other.intents, acts + other.acts
            for concept, more in other.words.items():
                words[concept] = f"{words.get(concept, '')} {more}".strip()
        return Catalog(intents, words, acts)


def period_arguments(slots: Slots) -> dict[str, Any]:
    """`since` and `until` as tools take them, for the period that was named."""
    if slots.period is None:
        return {}
    found = {"since": rfc3339(slots.period.since)}
    if slots.period.until is not None:
        found["until"] = rfc3339(slots.period.until)
    return found
