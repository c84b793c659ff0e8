"""Find messages and events.

Usage:
  jarvis search WORDS... [--kind KIND] [--limit N]

Options:
  --kind KIND  message or event
  --limit N    how many at most [default: 20]

Every word must be there; quote "a phrase"; a star takes any ending: fail*. Also takes --json and --as USER.
"""

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.errors import Usage
from jarvis.search import actions
from jarvis.search.sources import SOURCES


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out the search; finding nothing is an answer too."""
    kinds = [source.kind for source in SOURCES]
    kind, limit = args["--kind"] or "", args["--limit"]
    if kind not in ("", *kinds):
        raise Usage(f"--kind is one of {', '.join(kinds)}.")
    if not limit.isdecimal() or not 1 <= int(limit) <= 200:
        raise Usage("--limit takes a whole number from 1 to 200.")
    found = actions.find(start.context(), " ".join(args["WORDS"]), int(limit), kind)
    rows = [(rfc3339(hit.at)[:16].replace("T", " "), hit.kind, hit.title, hit.snippet.text) for hit in found]
    text = console.table(rows, ("at", "kind", "where", "what"), "Nothing of yours mentions that.")
    console.answer({"items": [hit.as_json() for hit in found], "next": None}, text)
    return 0
