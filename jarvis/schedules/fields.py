"""What a schedule looks like from outside: the fields taken and the fields shown."""

from dataclasses import replace

from jarvis.kernel.schema import Field, Fields
from jarvis.schedules import store
from jarvis.schedules.store import books

LONGEST_TEXT = 32_000
LONGEST_ARGS = 16_000
LONGEST_NAME = 120
LONGEST_SPAN = 10 * 366 * 86_400

NAME = Field(kind="string", shortest=1, longest=LONGEST_NAME, help="What people call it.")
CRON_HELP = "@every:SECONDS, five cron fields (30 7 * * 1-5) or @hourly, @daily, @weekly, @monthly, @yearly."
CRON = Field(kind="string", shortest=1, longest=200, help=CRON_HELP)
TIMEZONE = Field(kind="string", shortest=1, longest=64, help="Zone whose wall clock counts, such as Europe/Berlin.")
TEXT = Field(kind="string", shortest=1, longest=LONGEST_TEXT, is_multiline=True, help="What is asked, as if typed.")
TASK_NAME = Field(kind="string", shortest=1, longest=120, help="A task's public dotted name (admin).")
PAYLOAD_FIELDS: Fields = {
    "kind": Field(kind="string", is_required=True, choices=("prompt", "task")),
    "text": TEXT,
    "name": TASK_NAME,
    "args": Field(kind="object", help="What the task is given."),
}
PAYLOAD = Field(kind="object", fields=PAYLOAD_FIELDS, help='{"kind": "prompt", "text"} or {"kind": "task", "name"}.')
THREAD = Field(kind="string", longest=30, is_nullable=True, help="Conversation it writes in; null: one of its own.")
ENABLED = Field(kind="boolean", help="false: paused, nothing falls due.")
CATCHUP = Field(kind="string", choices=store.CATCHUPS, help="Which missed instants are made up for.")
MAX_CATCHUP = Field(kind="integer", lowest=0, highest=1000, help="How many at most.")
GRACE = Field(kind="integer", lowest=0, highest=LONGEST_SPAN, help="How many seconds late one may still run.")
OVERLAP = Field(kind="string", choices=store.OVERLAPS, help="What happens while the last run still goes on.")
REASON = Field(kind="string", longest=500, help="Why it is paused; shown until it is resumed.")

CHANGE: Fields = {
    "name": NAME,
    "cron_expr": CRON,
    "timezone": TIMEZONE,
    "payload": PAYLOAD,
    "thread_id": THREAD,
    "enabled": ENABLED,
    "catchup": CATCHUP,
    "max_catchup": MAX_CATCHUP,
    "grace_seconds": GRACE,
    "overlap": OVERLAP,
    "paused_reason": REASON,
}


def _required(field: Field) -> Field:
    return replace(field, is_required=True)


CREATE: Fields = {**CHANGE, "cron_expr": _required(CRON), "payload": _required(PAYLOAD)}

_ID = Field(kind="string", is_required=True, longest=30)
_TEXT = Field(kind="string", is_required=True, is_multiline=True, longest=LONGEST_TEXT)
_TEXT_OR_NULL = Field(kind="string", is_required=True, is_nullable=True, is_multiline=True)
_TIME = Field(kind="string", is_required=True, help="RFC 3339, UTC.")
_TIME_OR_NULL = Field(kind="string", is_required=True, is_nullable=True, help="RFC 3339, UTC.")
_FLAG = Field(kind="boolean", is_required=True)
_COUNT = Field(kind="integer", is_required=True)


SHOWN: dict[str, Fields] = {
    "Schedule": {
        "id": _ID, "user_id": _ID, "name": _TEXT, "cron_expr": _TEXT, "timezone": _TEXT,
        "payload": Field(kind="object", is_required=True), "thread_id": _TEXT_OR_NULL, "enabled": _FLAG,
        "catchup": _required(CATCHUP), "max_catchup": _COUNT, "grace_seconds": _COUNT, "overlap": _required(OVERLAP),
        "next_due_at": _TIME_OR_NULL, "last_due_at": _TIME_OR_NULL, "last_task_id": _TEXT_OR_NULL,
        "paused_reason": _TEXT_OR_NULL, "paused_by": _TEXT_OR_NULL, "paused_at": _TIME_OR_NULL,
        "fault": _TEXT_OR_NULL, "created_at": _TIME, "updated_at": _TIME,
    },
    "Dispatch": {
        "id": _ID, "schedule_id": _ID, "due_at": _TIME, "last_due_at": _TIME, "count": _COUNT,
        "outcome": Field(kind="string", is_required=True, choices=books.OUTCOMES), "reason": _TEXT,
        "by_hand": _FLAG, "dispatched_at": _TIME_OR_NULL, "task_id": _TEXT_OR_NULL, "task_state": _TEXT_OR_NULL,
        "error": _TEXT_OR_NULL, "trace_id": _ID,
    },
    "Balance": {
        "since": _TIME, "until": _TIME, "due": _COUNT, "outcomes": Field(kind="object", is_required=True),
        "off_by": _COUNT, "balances": _FLAG,
    },
}  # fmt: skip
