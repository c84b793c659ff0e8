"""Everything the operator understands as shipped; a feature adds a module here and its line below."""

from jarvis.agent.builtin.catalog import (
    condition,
    happenings,
    machine,
    notes,
    people,
    reading,
    repository,
    schedules,
    talk,
    work,
)
from jarvis.agent.builtin.intents import Catalog


def shipped() -> Catalog:
    """All intents of this release as one catalogue."""
    others = (reading, machine, happenings, condition, people, schedules, work, notes, talk)
    return repository.CATALOG.joined(*(module.CATALOG for module in others))
