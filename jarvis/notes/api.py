"""Notes over HTTP: one's own."""

from jarvis.kernel.schema import Field, Fields
from jarvis.notes import actions, store
from jarvis.web import replies
from jarvis.web.parts import Parts
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

NOTES = "/api/v1/notes"
GIVEN: Fields = {"text": Field(kind="string", is_required=True, shortest=1, longest=actions.LONGEST, is_multiline=True)}
NOTE: Fields = {
    "id": Field(kind="string"),
    "text": Field(kind="string"),
    "created_at": Field(kind="string"),
    "updated_at": Field(kind="string"),
}


def routes(parts: Parts) -> Routes:
    """List, make, change, remove."""
    table = Routes("notes", schemas={"Note": NOTE})

    @table.get(NOTES, Access.USER, "Your notes, newest first.", query=LIST_QUERY, answers={200: "Note[]"})
    def index(request: Request) -> Reply:
        limit, before = replies.window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, request.ctx.user_id or "", limit + 1, before)
        return replies.page_of(found, lambda note: note.as_json(), limit, lambda note: note.seq)

    @table.post(NOTES, Access.USER, "Have something remembered.", body=GIVEN, answers={201: "Note"})
    def create(request: Request) -> Reply:
        note = actions.add(request.ctx, request.body["text"])
        return replies.created(note.as_json(), f"{NOTES}/{note.id}")

    @table.patch(NOTES + "/{id}", Access.USER, "Say a note otherwise.", body=GIVEN, answers={200: "Note"})
    def change(request: Request) -> Reply:
        return replies.as_json(actions.change(request.ctx, request.path["id"], request.body["text"]).as_json())

    @table.delete(NOTES + "/{id}", Access.USER, "Forget a note.", answers={204: "Gone."})
    def delete(request: Request) -> Reply:
        actions.remove(request.ctx, request.path["id"])
        return replies.no_content()

    return table
