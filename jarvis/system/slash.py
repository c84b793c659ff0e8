"""/help and /status: what one may do here, and how it is."""

from jarvis.kernel.context import Context
from jarvis.kernel.registry import SlashCommand
from jarvis.system import actions, report


def _help(ctx: Context, arguments: str, thread_id: str) -> str:
    commands = [c for c in ctx.registry.slash.values() if ctx.is_admin or not c.admin_only]
    wanted = arguments.strip().lstrip("/").lower()
    chosen = [command for command in commands if command.name == wanted] or commands
    lines = [f"- `{command.usage}`: {command.summary}" for command in sorted(chosen, key=lambda c: c.name)]
    return "\n".join([*lines, "", "Anything else is a question: just ask."])


def _status(ctx: Context, arguments: str, thread_id: str) -> str:
    return report.markdown(actions.status(ctx))


SLASH = (
    SlashCommand("help", "/help [COMMAND]", "what you can do here", False, _help),
    SlashCommand("status", "/status", "how everything is", False, _status),
)
