"""What input looks like: fields with limits, checked with a message each, shown as JSON Schema."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.errors import FieldError, Invalid

KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One named value: its kind and its limits (lengths in characters or items)."""

    kind: str
    help: str = ""
    is_required: bool = False
    is_nullable: bool = False
    choices: tuple[str, ...] = ()
    shortest: int = 0
    longest: int = 10_000
    lowest: float | None = None
    highest: float | None = None
    pattern: str = ""
    items: "Field | None" = None
    fields: "Fields | None" = None
    is_multiline: bool = False

    def check(self, value: Any) -> str:
        """What is wrong with a value, or "" when nothing is."""
        if value is None:
            return "" if self.is_nullable else "may not be null"
        wrong_bool = isinstance(value, bool) and self.kind != "boolean"
        if wrong_bool or not isinstance(value, KINDS[self.kind]):
            return f"must be {NAMES[self.kind]}"
        if isinstance(value, str):
            return self._check_text(value)
        if isinstance(value, list):
            return self._check_items(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._check_range(value)
        if isinstance(value, dict) and self.fields is None:
            return _check_free(value)
        return ""

    def _check_text(self, text: str) -> str:
        if self.choices and text not in self.choices:
            return f"must be one of {', '.join(self.choices)}"
        if len(text.strip()) < self.shortest:
            return "may not be empty" if self.shortest == 1 else f"needs at least {self.shortest} characters"
        if len(text) > self.longest:
            return f"is too long ({len(text):,} characters; at most {self.longest:,})"
        if "\x00" in text:
            return "contains a NUL character"
        if any("\ud800" <= c <= "\udfff" for c in text):
            return "contains half a surrogate pair, which is no character"
        if not self.is_multiline and ("\n" in text or "\r" in text):
            return "must be a single line"
        if self.pattern and not re.fullmatch(self.pattern, text):
            return self.help or f"does not match {self.pattern}"
        return ""

    def _check_items(self, value: list[Any]) -> str:
        if not self.shortest <= len(value) <= self.longest:
            return f"must have {self.shortest} to {self.longest:,} items"
        if self.items is None:
            return _check_free(value)
        for index, item in enumerate(value):
            problem = self.items.check(item)
            if problem:
                return f"item {index + 1} {problem}"
        return ""

    def _check_range(self, value: float) -> str:
        if isinstance(value, float) and not math.isfinite(value):
            return "must be a finite number"
        if self.lowest is not None and value < self.lowest:
            return f"must be at least {self.lowest:g}"
        if self.highest is not None and value > self.highest:
            return f"must be at most {self.highest:g}"
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return "is too large"
        return ""

    def as_json(self) -> dict[str, Any]:
        """The field as JSON Schema."""
        shown: dict[str, Any] = {"type": [self.kind, "null"] if self.is_nullable else self.kind}
        if self.help:
            shown["description"] = self.help
        if self.choices:
            shown["enum"] = [*self.choices, None] if self.is_nullable else list(self.choices)
        if self.kind == "string" and not self.choices:
            shown |= {"maxLength": self.longest} | ({"minLength": self.shortest} if self.shortest else {})
        if self.kind == "array":
            shown |= {"maxItems": self.longest} | ({"minItems": self.shortest} if self.shortest else {})
        for name, limit in (("minimum", self.lowest), ("maximum", self.highest)):
            if limit is not None:
                shown[name] = limit
        if self.items is not None:
            shown["items"] = self.items.as_json()
        if self.fields is not None:
            shown |= object_schema(self.fields)
        return shown


Fields = Mapping[str, Field]


def object_schema(fields: Fields) -> dict[str, Any]:
    """An object's fields as JSON Schema."""
    required = [name for name, field in fields.items() if field.is_required]
    shown: dict[str, Any] = {"type": "object", "properties": {n: f.as_json() for n, f in fields.items()}}
    return shown | ({"required": required} if required else {})


def check(fields: Fields, value: Any, *, allow_unknown: bool = True) -> dict[str, Any]:
    """The known fields of an object, at every depth; raises Invalid naming every field that is wrong."""
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.", [FieldError("", "must be an object")])
    problems = list(_problems(fields, value, ""))
    if not allow_unknown:
        problems += [FieldError(str(name), "is not known here") for name in value if name not in fields]
    if problems:
        raise Invalid(fields=problems)
    return _known(fields, value)


def _known(fields: Fields, value: dict[str, Any]) -> dict[str, Any]:
    return {name: _without_unknown(field, value[name]) for name, field in fields.items() if name in value}


def _without_unknown(field: Field, value: Any) -> Any:
    if field.fields is not None and value is not None:
        return _known(field.fields, value)
    if field.kind == "array" and field.items is not None and value is not None:
        return [_without_unknown(field.items, item) for item in value]
    return value


def _problems(fields: Fields, value: dict[str, Any], prefix: str) -> list[FieldError]:
    found = []
    for name, field in fields.items():
        if name not in value:
            if field.is_required:
                found.append(FieldError(prefix + name, "is required"))
            continue
        problem = field.check(value[name])
        found += [FieldError(prefix + name, problem)] if problem else _inner(field, value[name], prefix + name)
    return found


def _inner(field: Field, value: Any, name: str) -> list[FieldError]:
    """What is wrong inside an object, or inside the objects of a list."""
    if value is None:
        return []
    if field.fields is not None:
        return _problems(field.fields, value, f"{name}.")
    if field.kind == "array" and field.items is not None:
        inner = [_inner(field.items, item, f"{name}[{index}]") for index, item in enumerate(value)]
        return [problem for problems in inner for problem in problems]
    return []


def _check_free(value: Any) -> str:
    """Whether a value without a schema of its own can be kept as JSON in UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return "contains half a surrogate pair, a number out of range, or too much nesting"
    return ""


def from_text(fields: Fields, values: Mapping[str, str]) -> dict[str, Any]:
    """Values that came as text (a query, a form) turned into their kinds; raises Invalid.

    A list has one entry a line; an empty text is a false boolean, and otherwise no value.
    """
    typed: dict[str, Any] = {}
    for name, field in fields.items():
        if name in values and (values[name] != "" or field.kind == "string"):
            typed[name] = _typed(field, values[name])
        elif field.kind == "boolean" and name in values:
            typed[name] = False
    return check(fields, typed)


def _typed(field: Field, text: str) -> Any:
    if field.kind == "integer" and re.fullmatch(r"-?\d{1,18}", text.strip(), re.ASCII):
        return int(text)
    if field.kind == "number" and re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", text.strip(), re.ASCII):
        return float(text)
    if field.kind == "array":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind == "boolean" and text.lower() in ("1", "true", "on", "yes", "0", "false", "off", "no"):
        return text.lower() in ("1", "true", "on", "yes")
    if field.kind == "string":
        return text.replace("\r\n", "\n")
    return text
