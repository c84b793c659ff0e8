"""Input that fits a schema, so that what refuses it is not the schema."""

from collections.abc import Mapping
from typing import Any

from jarvis.kernel.schema import Field, Fields

NAMED: Mapping[str, Any] = {
    "cron_expr": "@every:3600",
    "timezone": "UTC",
    "lockdown": True,
    "code": "AAAAAAAAAA",
    "payload": {"kind": "prompt", "text": "What time is it?"},
    "content": "What time is it?",
    "username": "rehearsal-other",
    "role": "user",
    "password": "a rehearsal's password",
    "url": "http://192.0.2.1/",
    "argv": ["/usr/bin/touch", "rehearsal"],
    "cwd": "/",
    "principal": "role:user",
    "tool": "bugs.create",
    "effect": "allow",
    "thread_id": None,
    "patch": "--- a/README.md\n+++ b/README.md\n@@ -0,0 +1 @@\n+rehearsal\n",
}
"""What needs a meaning to be taken at all, by the name it has everywhere."""


def body(fields: Fields) -> dict[str, Any]:
    """An object with every field that can be made up."""
    made = {name: value(name, field) for name, field in fields.items()}
    return {name: one for name, one in made.items() if one is not None or fields[name].is_required}


def value(name: str, field: Field) -> Any:
    """A value a field takes."""
    known = NAMED.get(name)
    if known is not None and not field.choices and not field.check(known):
        return known
    if name in NAMED and NAMED[name] is None and field.is_nullable:
        return None
    if field.choices:
        return field.choices[0]
    if field.kind == "object":
        return body(field.fields) if field.fields else {}
    if field.kind == "array":
        return [value(name, field.items)] * max(1, field.shortest) if field.items else []
    if field.kind == "boolean":
        return True
    if field.kind in ("integer", "number"):
        return int(max(field.lowest or 0, 1))
    return _text(field)


def _text(field: Field) -> str:
    return "rehearsal".ljust(field.shortest, "x")[: field.longest]
