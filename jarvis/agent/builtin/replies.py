"""What is said when no tool answers: asking back, declining, and what would help."""

from collections.abc import Sequence

from jarvis.agent.builtin.catalog.talk import MODEL_HINT
from jarvis.agent.builtin.intents import Catalog, Intent
from jarvis.agent.builtin.matching import Reading
from jarvis.agent.builtin.prose import bullets, code, listing, safe
from jarvis.agent.providers import Asker

USUAL = ("repository.summary", "events.failures", "machine.disk", "status.health")


def between(reading: Reading) -> str:
    """Ask back, naming the readings in the user's terms."""
    if len(reading.intents) == 1:
        intent = reading.intents[0]
        return f"Do you mean {intent.reading}? Say *yes*, or put it as in *{intent.offer}*"
    options = [f"**{intent.reading}**" for intent in reading.intents]
    both = "both" if len(options) == 2 else "all of them"
    examples = listing([f"*{intent.offer.rstrip('?')}*" for intent in reading.intents], "or")
    about = f" with {code(reading.slots.term, 60)}" if reading.slots.term else ""
    ways = "two" if len(options) == 2 else "three"
    return (
        f"That{about} can be read in {ways} ways. Do you mean {listing(options, 'or')}? "
        f"Say *the first*, *the second* or *{both}*, or be as plain as {examples}."
    )


def unknown(reading: Reading, catalog: Catalog, asker: Asker) -> str:
    """Say plainly that it is out of reach, what would reach it, and what comes nearest."""
    what = f"“{safe(reading.text, 80)}”" if reading.text.strip() else "that"
    return (
        f"I cannot answer {what}: without a model I know only this host, this repository and Jarvis itself.\n\n"
        f"{_offers(_near(reading, catalog, asker))}\n\n{MODEL_HINT}"
    )


def declined(reading: Reading) -> str:
    """An act was asked for; nothing was done, and this is who does it."""
    assert reading.act is not None
    return f"I have not done that: {reading.act.told(reading.text)}"


def negated(reading: Reading) -> str:
    if reading.act is not None:
        return f"Understood: I will not {reading.act.name} anything."
    return "Understood: I leave it."


def not_offered(intent: Intent, tool: str, asker: Asker) -> str:
    """The tool is missing from this conversation; a role is the usual reason."""
    if intent.admin_only and not asker.is_admin:
        who = f"{safe(asker.name, 40)} with the role {code(asker.role)}"
        return f"Only an admin may see {intent.reading}; you are signed in as {who}."
    return f"I would need {code(tool)} to see {intent.reading}, and that tool is not offered to me here."


def failed(intent: Intent, error: object) -> str:
    """A tool said no: its own words, and no guess in their place."""
    message = error.get("message") or error.get("detail") or error.get("code") if isinstance(error, dict) else error
    text = safe(message or "it gave no reason", 300)
    return f"I could not see {intent.reading}: {text if text.endswith(('.', '!', '?', '…')) else text + '.'}"


def empty() -> str:
    return "There was nothing to answer in that. Ask me something, for example *summarize this repo*."


def _near(reading: Reading, catalog: Catalog, asker: Asker) -> list[Intent]:
    usual = [catalog.named(name) for name in USUAL]
    found = list(dict.fromkeys([*(intent.name for intent in reading.near[:2]), *(intent.name for intent in usual)]))
    intents = [catalog.named(name) for name in found]
    return [intent for intent in intents if asker.is_admin or not intent.admin_only][:4]


def _offers(intents: Sequence[Intent]) -> str:
    return f"What I can do:\n\n{bullets(f'*{intent.offer}*' for intent in intents)}"
