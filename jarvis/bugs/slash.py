"""/bug: file one without leaving the conversation."""

from jarvis.bugs import actions
from jarvis.kernel import words
from jarvis.kernel.context import Context
from jarvis.kernel.errors import invalid
from jarvis.kernel.registry import SlashCommand


def _bug(ctx: Context, arguments: str, thread_id: str) -> str:
    title, _, description = arguments.partition("::")
    if not title.strip():
        raise invalid("title", "may not be empty: /bug TITLE [:: DESCRIPTION]")
    first = title.strip().splitlines()[0]
    bug = actions.file(ctx, first, description.strip(), thread_id=thread_id)
    return f"Filed: [{words.as_markdown(bug.title)}](/admin/bugs/{bug.id}), `{bug.id}`."


SLASH = (SlashCommand("bug", "/bug TITLE [:: DESCRIPTION]", "file a bug", False, _bug),)
