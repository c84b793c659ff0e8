"""/bug: file one without leaving the conversation."""

from jarvis.bugs import actions
from jarvis.kernel import words
from jarvis.kernel.context import Context
from jarvis.kernel.errors import invalid
from jarvis.kernel.registry import SlashCommand

TO_GITHUB = "--github"
"""As the first word it makes a GitHub issue of the bug as well."""


def _bug(ctx: Context, arguments: str, thread_id: str) -> str:
    words_given = arguments.split(None, 1)
    is_sync = words_given[:1] == [TO_GITHUB]
    if is_sync:
        arguments = words_given[1] if len(words_given) > 1 else ""
    title, _, description = arguments.partition("::")
    if not title.strip():
        raise invalid("title", "may not be empty: /bug [--github] TITLE [:: DESCRIPTION]")
    first = title.strip().splitlines()[0]
    bug = actions.file(ctx, first, description.strip(), thread_id=thread_id, sync_to_github=is_sync)
    said = f"Filed: [{words.as_markdown(bug.title)}](/admin/bugs/{bug.id}), `{bug.id}`."
    if bug.github_sync_error:
        return f"{said} {words.as_markdown(bug.github_sync_error)}"
    return f"{said} It goes to GitHub too." if is_sync else said


SLASH = (SlashCommand("bug", "/bug [--github] TITLE [:: DESCRIPTION]", "file a bug", False, _bug),)
