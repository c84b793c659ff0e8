"""/restart."""

from jarvis.kernel.context import Context
from jarvis.kernel.registry import SlashCommand
from jarvis.restart import actions


def _restart(ctx: Context, arguments: str, thread_id: str) -> str:
    found = actions.request(ctx, arguments)
    seconds = actions.expected_seconds(ctx, found)
    wait = f" They get {seconds} s, then go back to the queue." if seconds else ""
    return f"**{actions.sentence(found)}**{wait}\n\nHow it went stands under /admin/restart."


SLASH = (SlashCommand("restart", "/restart [REASON]", "restarts Jarvis without losing anything", True, _restart),)
