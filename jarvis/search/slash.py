"""/search: the same search in the chat."""

from jarvis.kernel.clock import to_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.registry import SlashCommand
from jarvis.kernel.words import as_markdown, escape_markdown
from jarvis.search import actions
from jarvis.search.sources import Hit

MOST = 12


def _search(ctx: Context, arguments: str, thread_id: str) -> str:
    if not arguments.strip():
        return 'Say what to look for: `/search WORDS`. Quote "a phrase"; a star takes any ending: `fail*`.'
    found = [hit for hit in actions.find(ctx, arguments, MOST * 2) if not _is_echo(hit)]
    if not found:
        return f"Nothing of yours mentions {as_markdown(arguments)}."
    more = f"\n\nThe best {MOST} are shown." if len(found) > MOST else ""
    return "\n".join(_line(hit) for hit in found[:MOST]) + more


def _is_echo(hit: Hit) -> bool:
    """Whether a hit is only the question itself, asked now or before."""
    return hit.kind == "message" and hit.snippet.text.lower().startswith("/search ")


def _line(hit: Hit) -> str:
    at = to_datetime(hit.at).strftime("%d %b %H:%M")
    pieces = ((escape_markdown(part), is_match) for part, is_match in hit.snippet.pieces())
    text = "".join(f"**{part}**" if is_match else part for part, is_match in pieces)
    return f"- [{as_markdown(hit.title)}]({hit.url}), {at}: {text}"


SLASH = (SlashCommand("search", "/search WORDS", "find messages and events", False, _search),)
