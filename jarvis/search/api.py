"""Search as JSON."""

from jarvis.kernel.schema import Field, Fields
from jarvis.kernel.words import LONGEST_QUERY
from jarvis.search import actions
from jarvis.search.sources import SOURCES
from jarvis.web.parts import Parts
from jarvis.web.replies import as_json
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

TEXT = Field(kind="string", is_required=True)
HIT: Fields = {
    "kind": TEXT,
    "id": TEXT,
    "title": TEXT,
    "snippet": TEXT,
    "matches": Field(
        kind="array", is_required=True, help="Start and end of each match in the snippet.", items=Field(kind="array")
    ),
    "at": TEXT,
    "url": TEXT,
    "thread_id": Field(kind="string", is_required=True, is_nullable=True),
}
QUERY: Fields = {
    "q": Field(kind="string", is_required=True, longest=LONGEST_QUERY, help='Words, "a phrase", begin*'),
    "kind": Field(kind="string", choices=("", *(source.kind for source in SOURCES)), help="Only this kind."),
    "limit": LIST_QUERY["limit"],
}


def routes(parts: Parts) -> Routes:
    """The one route of search."""
    table = Routes("search", schemas={"Hit": HIT})

    @table.get(
        "/api/v1/search", Access.USER, "One's own messages and events, best first.",
        query=QUERY, answers={200: "Hit[]"},
    )  # fmt: skip
    def search(request: Request) -> Reply:
        asked = request.query
        found = actions.find(request.ctx, asked["q"], asked.get("limit", 50), asked.get("kind", ""))
        return as_json({"items": [hit.as_json() for hit in found], "next": None})

    return table
