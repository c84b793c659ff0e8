"""A form as a page shows it: what was typed, and what is wrong with each field."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jarvis.kernel.errors import JarvisError


@dataclass(frozen=True, slots=True)
class Form:
    """Values and complaints by field. Templates never show a password field's value again."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    """What is wrong with the whole, when it is not one field's fault."""

    def value(self, name: str, otherwise: object = "") -> str:
        """What was typed into a field, or what stands there before anybody types."""
        return self.values.get(name, str(otherwise))


EMPTY = Form()


def refused(typed: Mapping[str, str] | None, error: JarvisError) -> Form:
    """The form once more, with what was typed and each complaint at its field."""
    errors = {fault.field: fault.message for fault in error.fields}
    return Form(typed or {}, errors, "" if errors else str(error))
