"""Which intent a clause means: weighted evidence, how much of the clause it explains, and by what margin."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import zip_longest

from jarvis.agent.builtin import recurring
from jarvis.agent.builtin.intents import Act, Catalog, Intent
from jarvis.agent.builtin.ordinary import LOOKALIKES, ORDINARY
from jarvis.agent.builtin.slots import Slots, find_slots
from jarvis.agent.builtin.words import Heard, Lexicon, normalise, words_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENOUGH = 0.5
WORTH_ASKING = 0.38
WORTH_SUGGESTING = 0.44  # a single reading must be better than that to be offered alone
MARGIN = 0.1
FOREIGN = 0.4  # how far a concept of another intent counts as explained
UNKNOWN = 0.75  # how much a word nobody knows takes away
MAX_CLAUSES = 5

HARD_STOPS = re.compile(
    r"[?!;]+|\.(?=\s|$)"
    r"|,?\s(?:but|instead)\s(?:just\s|please\s)*(?=(?:show|tell|give|list|what|who|how|is|are|check)\b)"
    r"|,?\s(?:and\s)?(?:also|then|plus|as\swell\sas|additionally)\s|,\sand\s"
    r"|,\s(?=(?:but|what|who|how|is|are|show|tell|when|where|which|list|give)\b)",
    re.IGNORECASE,
)
SOFT_STOPS = re.compile(r"\s(?:and|&|or)\s|,\s", re.IGNORECASE)
NEGATED = re.compile(
    r"\b(?:do\snot|don't|dont|never|no\sneed\sto|please\snot|without|must\snot|mustn't|stop(?=\s\w+ing\b))\s"
    r"(?!forget|worry|you\b|we\b|i\b|they\b|it\b|know\b|understand\b|work)[a-z]",
    re.IGNORECASE,
)
POLITE = _words(
    """
    please can could would will you kindly just now go ahead and i want need like to for me us jarvis hey hi
    hello ok okay so then let lets have the try get be we sure yes quickly immediately
    """
)
ASKING = _words(
    """
    how what when where which who why did does do is are was were has have show list tell can could
    """
)
HYPOTHETICAL = re.compile(
    r"\bhow\s(?:do|can|would|could|should|to|does|did)\b|\bwhat\s(?:happens|would\shappen)\b"
    r"|\bwhen\s(?:did|was|were|will|is|does)\b|\b(?:did|has|have|was|were|had|why)\b|\bwho\s\w+ed\b",
    re.IGNORECASE,
)


BEYOND = "beyond"  # words of what only a model could do
AFTER_NOUNS = _words(
    """
    history log event status activity howmany summary structure recent queue
    """
)


@dataclass(frozen=True, slots=True)
class Scored:
    score: float
    intent: Intent


@dataclass(frozen=True, slots=True)
class Reading:
    """What one clause was taken for: clear (one intent), between (two), act, negated or unknown."""

    kind: str
    text: str
    slots: Slots
    intents: tuple[Intent, ...] = ()
    act: Act | None = None
    near: tuple[Intent, ...] = ()
    words: tuple[str, ...] = ()


class Matcher:
    """Reads text by a catalogue of intents. It keeps no state between calls."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        acts = {f"act:{act.name}": act.words for act in catalog.acts}
        self._lexicon = Lexicon({**catalog.words, **acts}, ORDINARY, LOOKALIKES)
        self._acts = {word: act for act in catalog.acts for word in act.words.split() if not act.objects}
        self._particular = [act for act in catalog.acts if act.objects]

    def read(self, text: str, now: int, where: tzinfo) -> list[Reading]:
        """The readings of a message, one for each thing it asks, at most five."""
        plain = normalise(text)
        clauses = [part.strip() for part in HARD_STOPS.split(plain) if part and part.strip()]
        readings: list[Reading] = []
        for clause in clauses[:MAX_CLAUSES]:
            readings += self._read_clause(clause, now, where)
        return _without_repeats(readings)[:MAX_CLAUSES]

    def read_one(self, clause: str, now: int, where: tzinfo) -> Reading:
        """The reading of a text that is taken as one clause."""
        slots, rest = find_slots(clause, now, where, self._lexicon.is_known)
        words = words_of(rest)
        heard = [self._lexicon.hear(word) for word in words]
        if NEGATED.search(clause) and self._negates_request(clause):
            return Reading("negated", clause, slots, act=self._act_of(heard))
        ranked = self.rank(heard, slots)
        if not HYPOTHETICAL.search(clause):
            recurs = recurring.act_of(clause, where)
            if recurs is not None:
                return Reading("act", clause, slots, act=recurs)
            act = self._imperative(heard)
            if act is not None:
                return Reading("act", clause, slots, act=act, near=_names(ranked))
        return _decided(clause, slots, ranked, tuple(words))

    def rank(self, heard: Sequence[Heard], slots: Slots) -> list[Scored]:
        """Every intent with some evidence, best first."""
        scored = [Scored(score(intent, heard, slots), intent) for intent in self.catalog.intents]
        return sorted((item for item in scored if item.score > 0.05), key=lambda item: -item.score)

    def fit(self, intent: Intent, text: str, slots: Slots) -> float:
        """How well words chosen to tell intents apart fit this one, its needs aside."""
        heard = [self._lexicon.hear(word) for word in words_of(text)]
        concepts = {concept for word in heard for concept in word.concepts}
        named = set(words_of(intent.reading))
        echoed = sum(word in named for word in words_of(text) if not self._lexicon.is_ordinary(word))
        return sum(max(intent.evidence.get(concept, 0.0), 0.0) for concept in concepts) + 0.3 * echoed

    def is_known(self, word: str) -> bool:
        return self._lexicon.is_known(word)

    def _read_clause(self, clause: str, now: int, where: tzinfo) -> list[Reading]:
        """A clause joined by `and` is several requests only when each part is clear by itself."""
        whole = self.read_one(clause, now, where)
        parts = [part for part in SOFT_STOPS.split(clause) if part.strip()]
        if len(parts) < 2 or whole.slots.quoted or whole.slots.other_ref:
            return [whole]
        split = [self.read_one(part, now, where) for part in parts[:MAX_CLAUSES]]
        serious = [reading for reading in split if not _is_small_talk(reading)]
        if serious and all(reading.kind in ("clear", "act", "negated") for reading in serious):
            names = {reading.intents[0].name if reading.intents else reading.text for reading in serious}
            return serious if len(names) > 1 or len(serious) < len(split) else [whole]
        return [whole]

    def _negates_request(self, clause: str) -> bool:
        """`don't restart` is an order not to; `why don't you …` and `what didn't work` are questions."""
        match = NEGATED.search(clause)
        before = words_of(clause[: match.start()]) if match else []
        return not (set(before) & ASKING - {"can", "could"})

    def _act_of(self, heard: Sequence[Heard]) -> Act | None:
        return next((self._acts[word.text] for word in heard if word.text in self._acts), None)

    def _imperative(self, heard: Sequence[Heard]) -> Act | None:
        """An act is asked for when its verb leads the clause, politeness aside.

        Many of these verbs are nouns too: `commit history` and a bare `schedule` order nothing.
        """
        if any(BEYOND in word.concepts for word in heard):
            return None
        particular = self._particular_act([word.text for word in heard])
        if particular is not None:
            return particular
        for word, following in zip_longest(heard, heard[1:]):
            assert word is not None
            if word.text in self._acts:
                is_noun_too = any(not concept.startswith("act:") for concept in word.concepts)
                if is_noun_too and (following is None or not following.concepts.isdisjoint(AFTER_NOUNS)):
                    return None
                return self._acts[word.text]
            if word.text not in POLITE:
                return None
        return None

    def _particular_act(self, said: Sequence[str]) -> Act | None:
        """An act on something named, when its verb leads the clause: "run maintenance", "open a bug about …"."""
        led = next((word for word in said if word not in POLITE), "")
        return next((a for a in self._particular if led in a.words.split() and {*a.objects.split()} & {*said}), None)


def score(intent: Intent, heard: Sequence[Heard], slots: Slots) -> float:
    """Strength of the evidence times how much of what was said it explains, 0 to 1."""
    filled = slots.filled()
    present = {concept for word in heard for concept in word.concepts} | filled
    if BEYOND in present or any(present.isdisjoint(group.split("|")) for group in intent.needs):
        return 0.0
    strength, explained, total = 0.0, 0.0, 0.0
    used: set[str] = set()
    for word in heard:
        if word.sureness and not word.concepts:
            continue  # an ordinary word says nothing either way
        best = max((intent.evidence.get(concept, 0.0), concept) for concept in word.concepts or {""})
        worst = min((intent.evidence.get(concept, 0.0) for concept in word.concepts), default=0.0)
        total += 1 if word.concepts else UNKNOWN
        if best[0] > 0:
            explained += 1
            strength += 0 if best[1] in used else best[0] * word.sureness
            used.add(best[1])
        elif worst < 0:
            strength += worst
        elif word.concepts:
            explained += FOREIGN if not all(name.startswith("act:") for name in word.concepts) else FOREIGN / 2
    for slot in filled:
        total += 1 if slot in intent.takes else 0.5
        explained += 1 if slot in intent.takes else 0
        strength += intent.takes.get(slot, 0.0)
    if slots.has_code_word:
        strength += intent.takes.get("code", 0.0)
    return max(0.0, min(strength, 1.0)) * (explained / total) ** 0.7 if total else 0.0


def _decided(clause: str, slots: Slots, ranked: list[Scored], words: tuple[str, ...]) -> Reading:
    near = _names(ranked)
    if not ranked or ranked[0].score < WORTH_ASKING:
        return Reading("unknown", clause, slots, near=near, words=words)
    best = ranked[0]
    rivals = [item for item in ranked[1:] if best.score - item.score < MARGIN and item.score >= WORTH_ASKING]
    rivals = [item for item in rivals if not _is_kin(best.intent, item.intent)]
    if rivals:
        chosen = (best.intent, *(item.intent for item in rivals[:2]))
        return Reading("between", clause, slots, chosen, near=near, words=words)
    kind = "clear" if best.score >= ENOUGH else "between" if best.score >= WORTH_SUGGESTING else "unknown"
    return Reading(kind, clause, slots, (best.intent,) if kind != "unknown" else (), near=near, words=words)


def _is_kin(a: Intent, b: Intent) -> bool:
    """Two views of the same result: the better one is simply given."""
    family_a, family_b = a.name.split(".")[0], b.name.split(".")[0]
    apart = "machine.disk" in (a.name, b.name)  # "how much is free" may be either
    return family_a == family_b and family_a in ("talk", "repository", "machine") and not apart


def _names(ranked: list[Scored]) -> tuple[Intent, ...]:
    return tuple(item.intent for item in ranked[:4] if not item.intent.is_talk)


def _is_small_talk(reading: Reading) -> bool:
    return bool(reading.intents) and reading.intents[0].is_talk


def _without_repeats(readings: list[Reading]) -> list[Reading]:
    """Small talk gives way to a request, a clause of no content to any other, and nothing is answered twice."""
    serious = [reading for reading in readings if not _is_small_talk(reading)]
    has_clear = any(reading.kind == "clear" for reading in serious)
    chosen = [r for r in serious if not _is_filler(r, has_clear)] or serious or readings[:1]
    kept: list[Reading] = []
    for reading in chosen:
        if all((reading.kind, reading.intents, reading.slots) != (k.kind, k.intents, k.slots) for k in kept):
            kept.append(reading)
    return kept


def _is_filler(reading: Reading, has_clear: bool) -> bool:
    """Beside something clear, a clause that says nothing, or that is a mere guess."""
    if reading.kind == "between":
        return has_clear and len(reading.intents) == 1
    is_empty = not reading.slots.filled() and all(word in ORDINARY for word in reading.words)
    return reading.kind == "unknown" and is_empty
