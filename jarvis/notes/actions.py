"""What can be done with notes: each person with their own, and nobody with another's."""

from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, NotFound, invalid
from jarvis.notes import store
from jarvis.notes.store import Note

LONGEST, MOST = 1_000, 200
TOLD = 40
"""So many of the newest are told to the assistant with every question."""


def add(ctx: Context, text: str) -> Note:
    """Remember something for the one who asks."""
    kept = _kept(ctx, text)
    assert ctx.user_id is not None
    with ctx.db.write() as tx:
        if store.count(tx, ctx.user_id) >= MOST:
            raise Conflict(f"You have {MOST} notes already; remove some first.")
        note = store.insert(tx, ctx.ids.new("nte"), ctx.user_id, kept)
        tx.record("note.added", f"note/{note.id}", {"note_id": note.id, "for": ctx.username})
        return note


def change(ctx: Context, note_id: str, text: str) -> Note:
    """Say it otherwise."""
    kept = _kept(ctx, text)
    with ctx.db.write() as tx:
        own(ctx, tx, note_id)
        store.set_text(tx, note_id, kept)
        tx.record("note.changed", f"note/{note_id}", {"note_id": note_id, "for": ctx.username})
        return store.get(tx, note_id)


def remove(ctx: Context, note_id: str) -> Note:
    """Forget it; returns what was forgotten."""
    with ctx.db.write() as tx:
        note = own(ctx, tx, note_id)
        store.delete(tx, note_id)
        tx.record("note.removed", f"note/{note_id}", {"note_id": note_id, "for": ctx.username})
        return note


def remove_matching(ctx: Context, words: str) -> Note:
    """Forget the one note that holds these words; raises NotFound for none, Conflict for several."""
    wanted = " ".join(words.lower().split())
    with ctx.db.write() as tx:
        found = [n for n in store.newest(tx, ctx.user_id or "", MOST) if wanted in n.text.lower() or n.id == words]
        if not wanted or not found:
            raise NotFound(f"No note of yours says {words[:60]!r}.")
        if len(found) > 1:
            raise Conflict(f"{len(found)} notes of yours say that; be more exact.")
        return remove(ctx, found[0].id)


def own(ctx: Context, tx: Tx, note_id: str) -> Note:
    """One's own note."""
    note = store.get(tx, note_id)
    if note.user_id != ctx.user_id:
        raise NotFound("There is no such note.")
    return note


def _kept(ctx: Context, text: str) -> str:
    kept = " ".join(ctx.db.redact(text).split())
    if not kept:
        raise invalid("text", "may not be empty")
    if len(kept) > LONGEST:
        raise invalid("text", f"is too long ({len(kept):,} characters; at most {LONGEST:,})")
    return kept


def told(ctx: Context) -> list[str]:
    """What the assistant is told of the asker's notes, the newest first."""
    if ctx.user_id is None:
        return []
    with ctx.db.read() as tx:
        return [note.text for note in store.newest(tx, ctx.user_id, TOLD)]
