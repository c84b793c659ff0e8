"""What a row of each part holds. What does not fit is refused, with everything that is wrong about it."""

from collections.abc import Mapping
from typing import Any

from jarvis.bugs import store as bugs
from jarvis.kernel import schema
from jarvis.kernel.errors import Conflict, Invalid
from jarvis.kernel.ids import is_id
from jarvis.kernel.schema import Field, Fields
from jarvis.policy import store as policy

LARGEST = 2**53


def _text(longest: int = 200, *, is_nullable: bool = False, choices: tuple[str, ...] = ()) -> Field:
    return Field(
        kind="string", is_required=True, is_nullable=is_nullable, choices=choices, longest=longest, is_multiline=True
    )


def _number(*, is_nullable: bool = False) -> Field:
    return Field(kind="integer", is_required=True, is_nullable=is_nullable, lowest=0, highest=LARGEST)


LONG = 4_000_000
MAYBE = _text(is_nullable=True)
FIELDS: Mapping[str, Fields] = {
    "people": {"username": _text(63), "role": _text(choices=("user", "admin"))},
    "settings": {"name": _text(), "value": _text(100_000)},
    "permissions": {
        "principal": _text(),
        "tool": _text(),
        "effect": _text(choices=policy.EFFECTS),
        "rules": Field(kind="array", is_required=True),
    },
    "threads": {
        "id": _text(40),
        "owner": _text(63),
        "title": _text(2000),
        "status": _text(choices=("open", "closed")),
        "workspace": _text(5000),
        "created_at": _number(),
        "updated_at": _number(),
    },
    "messages": {
        "id": _text(40),
        "thread_id": _text(40),
        "seq": _number(),
        "role": _text(choices=("user", "assistant", "system", "tool")),
        "content": _text(LONG),
        "status": _text(choices=("done", "failed", "stopped")),
        "error": _text(LONG, is_nullable=True),
        "reply_id": MAYBE,
        "trace_id": _text(40),
        "workspace": _text(5000),
        "provider": _text(),
        "detail": _text(LONG),
        "created_at": _number(),
        "finished_at": _number(is_nullable=True),
    },
    "bugs": {
        "id": _text(40),
        "kind": _text(choices=bugs.KINDS),
        "title": _text(2000),
        "description": _text(LONG),
        "status": _text(choices=bugs.STATUSES),
        "priority": _text(choices=bugs.PRIORITIES),
        "reporter": MAYBE,
        "assignee": MAYBE,
        "thread_id": MAYBE,
        "trace_id": _text(40),
        "fingerprint": MAYBE,
        "occurrences": _number(),
        "runs": _number(),
        "green_runs": _number(),
        "has_recurred": _number(),
        "evidence": _text(LONG),
        "last_seen_at": _number(),
        "created_at": _number(),
        "updated_at": _number(),
        "github_issue_number": _number(is_nullable=True),
        "github_issue_url": _text(2000, is_nullable=True),
        "source": _text(2000, is_nullable=True),
    },
    "schedules": {
        "id": _text(40),
        "owner": _text(63),
        "name": _text(2000),
        "cron_expr": _text(),
        "timezone": _text(),
        "payload": Field(kind="object", is_required=True),
        "thread_id": MAYBE,
        "catchup": _text(choices=("all", "latest", "skip")),
        "max_catchup": _number(),
        "grace_seconds": _number(),
        "overlap": _text(choices=("skip", "queue", "allow")),
    },
}
PREFIXES = {"threads": "thr", "messages": "msg", "bugs": "bug", "schedules": "sch"}


def checked(part: str, row: dict[str, Any]) -> dict[str, Any]:
    """The known fields of a row; raises Conflict with what is wrong."""
    try:
        found = schema.check(FIELDS[part], row)
    except Invalid as error:
        wrong = "; ".join(f"{fault.field} {fault.message}" for fault in error.fields)
        raise Conflict(f"A row of {part} does not fit: {wrong}.") from None
    prefix = PREFIXES.get(part)
    if prefix is not None and not is_id(found["id"], prefix):
        raise Conflict(f"A row of {part} has no id of ours: {str(found['id'])[:40]!r}.")
    return found
