"""What bugs look like from outside: the fields taken, the filters, and the fields shown."""

from jarvis.bugs.store import KINDS, PRIORITIES, STATUSES
from jarvis.kernel.schema import Field, Fields

TITLE = Field(kind="string", is_required=True, shortest=1, longest=200, help="One line that says what is wrong.")
DESCRIPTION = Field(kind="string", longest=20_000, is_multiline=True)
KIND = Field(kind="string", choices=KINDS)
STATUS = Field(kind="string", choices=STATUSES)
PRIORITY = Field(kind="string", choices=PRIORITIES)
ASSIGNEE = Field(kind="string", longest=100, is_nullable=True, help="Who is on it; null: nobody yet.")
THREAD = Field(kind="string", longest=30, is_nullable=True, help="One of your conversations, where it came up.")
SYNC = Field(kind="boolean", help="Make a GitHub issue of it; with sync off, github_sync_error says so.")

CREATE_FEATURE: Fields = {
    "title": TITLE,
    "description": DESCRIPTION,
    "priority": PRIORITY,
    "assignee": ASSIGNEE,
    "thread_id": THREAD,
    "sync_to_github": SYNC,
}
CREATE: Fields = {**CREATE_FEATURE, "kind": KIND}
CHANGE: Fields = {
    "kind": KIND,
    "title": Field(kind="string", shortest=1, longest=200),
    "description": DESCRIPTION,
    "status": STATUS,
    "priority": PRIORITY,
    "assignee": ASSIGNEE,
}
FILTERS: Fields = {
    "status": Field(kind="string", choices=("", "active", *STATUSES), help="active: open or in progress."),
    "priority": Field(kind="string", choices=("", *PRIORITIES)),
    "kind": Field(kind="string", choices=("", *KINDS)),
    "q": Field(kind="string", longest=500, help="Words in title or description."),
}

_TEXT = Field(kind="string", is_required=True)
_NULLABLE = Field(kind="string", is_required=True, is_nullable=True)
_NUMBER = Field(kind="integer", is_required=True)
_FLAG = Field(kind="boolean", is_required=True)
BUG: Fields = {
    "id": _TEXT,
    "kind": Field(kind="string", is_required=True, choices=KINDS),
    "title": _TEXT,
    "description": _TEXT,
    "status": Field(kind="string", is_required=True, choices=STATUSES),
    "priority": Field(kind="string", is_required=True, choices=PRIORITIES),
    "reporter_id": _NULLABLE,
    "assignee": _NULLABLE,
    "thread_id": _NULLABLE,
    "trace_id": _TEXT,
    "fingerprint": _NULLABLE,
    "occurrences": Field(kind="integer", is_required=True, help="How often it was seen."),
    "runs": Field(kind="integer", is_required=True, help="Runs that could have shown it, since it was filed."),
    "green_runs": Field(kind="integer", is_required=True, help="Green ones in a row; three resolve it."),
    "recurred": _FLAG,
    "flake_rate": Field(kind="string", is_required=True, is_nullable=True, help="Such as 3 of 9 runs."),
    "evidence": Field(kind="object", is_required=True, is_nullable=True, help="Of the last failure."),
    "last_seen_at": _TEXT,
    "created_at": _TEXT,
    "updated_at": _TEXT,
    "github_issue_number": Field(kind="integer", is_required=True, is_nullable=True),
    "github_issue_url": _NULLABLE,
    "github_synced_at": _NULLABLE,
    "github_sync_error": _NULLABLE,
}
