"""What people, sessions and tokens look like from outside: the fields taken and the fields shown."""

from jarvis.kernel.schema import Field, Fields
from jarvis.users import passwords

NAME_HELP = "1 to 63 lower-case letters, digits, dots, dashes or underscores"
USERNAME = Field(kind="string", is_required=True, shortest=1, longest=63, help=NAME_HELP)
PASSWORD = Field(
    kind="string",
    is_required=True,
    shortest=1,
    longest=passwords.LONGEST,
    help=f"At least {passwords.SHORTEST} characters.",
)
ROLE = Field(kind="string", choices=("user", "admin"), help="What they may do.")
DAYS = Field(kind="integer", is_nullable=True, lowest=1, highest=3650, help="Days until it expires; never without.")
TOKEN_NAME = Field(kind="string", is_required=True, shortest=1, longest=100, help="What it is for.")

LOGIN: Fields = {
    "username": Field(kind="string", is_required=True, shortest=1, longest=200),
    "password": Field(kind="string", is_required=True, longest=10_000, is_multiline=True),
}
CREATE: Fields = {
    "username": USERNAME,
    "password": Field(kind="string", is_nullable=True, longest=passwords.LONGEST, help="Without one: tokens only."),
    "role": ROLE,
}
CHANGE: Fields = {
    "role": ROLE,
    "disabled": Field(kind="boolean", help="Shut out: sessions end, tokens stop working."),
    "password": Field(kind="string", longest=passwords.LONGEST, help="A new password; every session ends."),
}
CREATE_TOKEN: Fields = {"name": TOKEN_NAME, "days": DAYS}

_ID = Field(kind="string", is_required=True, longest=30)
_TEXT = Field(kind="string", is_required=True)
_TIME = Field(kind="string", is_required=True, help="RFC 3339, UTC.")
_TIME_OR_NULL = Field(kind="string", is_required=True, is_nullable=True, help="RFC 3339, UTC.")
_FLAG = Field(kind="boolean", is_required=True)
_ROLE = Field(kind="string", is_required=True, choices=("user", "admin"))
_SECRET = Field(kind="string", is_required=True, help="The secret itself, told this once.")

SHOWN: dict[str, Fields] = {
    "User": {
        "id": _ID, "username": _TEXT, "role": _ROLE, "disabled": _FLAG, "builtin": _FLAG,
        "created_at": _TIME, "last_seen_at": _TIME_OR_NULL,
    },
    "Session": {
        "id": _ID, "user_id": _ID, "username": _TEXT, "client": _TEXT, "agent": _TEXT,
        "created_at": _TIME, "expires_at": _TIME, "last_seen_at": _TIME, "current": _FLAG,
    },
    "Token": {
        "id": _ID, "user_id": _ID, "name": _TEXT, "created_at": _TIME,
        "expires_at": _TIME_OR_NULL, "last_used_at": _TIME_OR_NULL,
    },
    "NewToken": {
        "id": _ID, "user_id": _ID, "name": _TEXT, "created_at": _TIME,
        "expires_at": _TIME_OR_NULL, "last_used_at": _TIME_OR_NULL, "token": _SECRET,
    },
    "SignedIn": {
        "token": _SECRET, "session_id": _ID, "user_id": _ID, "username": _TEXT, "role": _ROLE, "expires_at": _TIME,
    },
    "Me": {
        "id": _ID, "user_id": _ID, "username": _TEXT, "role": _ROLE,
        "session_id": Field(kind="string", is_required=True, is_nullable=True, help="Null for an API token."),
    },
}  # fmt: skip
