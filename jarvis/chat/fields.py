"""What conversations look like from outside: the fields taken and the fields shown."""

from jarvis.chat.actions import LONGEST_MESSAGE, LONGEST_TITLE
from jarvis.kernel.schema import Field, Fields

TITLE = Field(kind="string", longest=LONGEST_TITLE, help="What it is called; without one, its first message.")
STATUS = Field(kind="string", choices=("open", "closed"), help="A closed one takes no more messages.")
CONTENT = Field(
    kind="string",
    is_required=True,
    shortest=1,
    longest=LONGEST_MESSAGE,
    is_multiline=True,
    help="The question, or a command such as /help.",
)
CLIENT_ID = Field(
    kind="string",
    is_nullable=True,
    shortest=1,
    longest=100,
    help="The sender's own name for it; posted again with the same one, it is one message.",
)

CREATE: Fields = {"title": TITLE}
CHANGE: Fields = {"title": Field(kind="string", shortest=1, longest=LONGEST_TITLE), "status": STATUS}
POST: Fields = {"content": CONTENT, "client_id": CLIENT_ID}

SINCE = Field(kind="integer", lowest=0, highest=2**53, help="Only messages after this `seq`, oldest first.")
ALL = Field(kind="boolean", help="Everybody's; admins only.")

_ID = Field(kind="string", is_required=True, longest=30)
_ID_OR_NULL = Field(kind="string", is_required=True, is_nullable=True, longest=30)
_TEXT = Field(kind="string", is_required=True, is_multiline=True)
_TEXT_OR_NULL = Field(kind="string", is_required=True, is_nullable=True)
_TIME = Field(kind="string", is_required=True, help="RFC 3339, UTC.")
_SEQ = Field(kind="integer", is_required=True, help="Counts within the conversation.")
_ROLE = Field(kind="string", is_required=True, choices=("user", "assistant", "system", "tool"))
_STATE = Field(kind="string", is_required=True, choices=("pending", "streaming", "done", "failed", "stopped"))

_MESSAGE: Fields = {
    "id": _ID, "thread_id": _ID, "seq": _SEQ, "role": _ROLE, "content": _TEXT, "status": _STATE,
    "error": _TEXT_OR_NULL, "client_id": _TEXT_OR_NULL, "task_id": _ID_OR_NULL, "trace_id": _ID, "created_at": _TIME,
    "provider": Field(kind="string", help="Who answered; on replies."),
    "reply_id": Field(kind="string", longest=30, help="The reply a tool call served; on tool messages."),
    "tool": Field(kind="object", help="Name, arguments, outcome and duration; on tool messages."),
}  # fmt: skip
_POSTED = Field(kind="object", is_required=True, fields=_MESSAGE)

SHOWN: dict[str, Fields] = {
    "Thread": {
        "id": _ID, "user_id": _ID, "title": _TEXT,
        "status": Field(kind="string", is_required=True, choices=("open", "closed")), "workspace": _TEXT,
        "last_seq": _SEQ, "created_at": _TIME, "updated_at": _TIME,
    },
    "Message": _MESSAGE,
    "Posted": {
        "message": _POSTED,
        "reply": Field(kind="object", is_required=True, is_nullable=True, fields=_MESSAGE,
                       help="What will hold the answer; it holds it already for a command."),
        "task_id": _ID_OR_NULL,
        "trace_id": _ID,
    },
}  # fmt: skip
