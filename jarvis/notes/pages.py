"""/notes: what one asked to have remembered, to read, change and remove."""

from dataclasses import dataclass

from jarvis.kernel.errors import JarvisError
from jarvis.kernel.schema import Field, Fields
from jarvis.notes import actions, store
from jarvis.notes.store import Note
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other
from jarvis.web.routes import Access, Reply, Request, Routes

PAGE = "/notes"
DONE = {"added": "Remembered.", "changed": "Changed.", "removed": "Forgotten."}
GIVEN: Fields = {"text": Field(kind="string", is_required=True, shortest=1, longest=2_000, is_multiline=True)}


@dataclass(frozen=True, slots=True)
class NotesPage:
    notes: list[Note]
    form: Form
    done: str


def routes(parts: Parts) -> Routes:
    """The page and its forms."""
    table = Routes("notes", pages=True)

    @table.get(PAGE, Access.USER, "What you asked to have remembered.", query={"done": Field(kind="string")})
    def index(request: Request) -> Reply:
        return _page(request, EMPTY)

    def again(request: Request, error: JarvisError) -> Reply:
        return _page(request, refused(request.typed, error), error.status)

    @table.post(PAGE, Access.USER, "Have something remembered.", body=GIVEN, again=again)
    def add(request: Request) -> Reply:
        actions.add(request.ctx, request.body["text"])
        return see_other(f"{PAGE}?done=added")

    @table.post(PAGE + "/{id}", Access.USER, "Say a note otherwise.", body=GIVEN, again=again)
    def change(request: Request) -> Reply:
        actions.change(request.ctx, request.path["id"], request.body["text"])
        return see_other(f"{PAGE}?done=changed")

    @table.post(PAGE + "/{id}/remove", Access.USER, "Forget a note.")
    def remove(request: Request) -> Reply:
        actions.remove(request.ctx, request.path["id"])
        return see_other(f"{PAGE}?done=removed")

    return table


def _page(request: Request, form: Form, status: int = 200) -> Reply:
    with request.ctx.db.read() as tx:
        found = store.newest(tx, request.ctx.user_id or "", actions.MOST)
    return request.page("notes/index.html", NotesPage(found, form, DONE.get(request.query.get("done", ""), "")), status)
