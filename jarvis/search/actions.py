"""Search: the same words asked of every source, their answers in one order."""

from jarvis.kernel import words
from jarvis.kernel.context import Context
from jarvis.kernel.errors import invalid
from jarvis.search.sources import SOURCES, Hit

DAMPING = 60
"""Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): scores of different indexes do not compare, ranks do."""


def find(ctx: Context, text: str, limit: int = 50, kind: str = "") -> list[Hit]:
    """What this person may see that holds every word, best first. Raises Invalid without a word to look for."""
    asked = words.parse(text)
    if not asked:
        raise invalid("q", "needs a letter or a digit to look for")
    ranked: list[tuple[float, int, Hit]] = []
    with ctx.db.read() as tx:
        for source in SOURCES:
            if kind in ("", source.kind):
                hits = source.find(ctx, tx, asked, limit)
                ranked += [(-source.weight / (DAMPING + rank), -hit.at, hit) for rank, hit in enumerate(hits)]
    ranked.sort(key=lambda item: item[:2])
    return [hit for _, _, hit in ranked[:limit]]
