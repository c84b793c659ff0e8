"""/lockdown and /unlock."""

from jarvis.kernel.context import Context
from jarvis.kernel.registry import SlashCommand
from jarvis.lockdown import actions


def _lockdown(ctx: Context, arguments: str, thread_id: str) -> str:
    was = actions.standing(ctx).state.lockdown
    state = actions.lock_by_hand(ctx, arguments)
    if was:
        return f"Jarvis was locked down already by {state.lockdown_by}: {state.lockdown_reason}"
    path = ctx.settings.admin_unlock_code_path
    return (
        f"**Locked down**: {state.lockdown_reason}\n\nReading works; nothing else does. To lift it, read the code"
        f" on the host (`{path}`, or `jarvis unlock-code rotate` for a fresh one) and send `/unlock CODE`."
    )


def _unlock(ctx: Context, arguments: str, thread_id: str) -> str:
    was = actions.standing(ctx).state.lockdown
    verdict = actions.unlock(ctx, arguments)
    if not verdict.is_good:
        return f"Still locked down. {verdict.why}"
    return "**Unlocked.** Everything works again." if was else verdict.why


SLASH = (
    SlashCommand("lockdown", "/lockdown REASON", "locks everything but reading", True, _lockdown),
    SlashCommand(
        "unlock", "/unlock CODE", "lifts a lockdown with the code from the host", True, _unlock, is_secret=True
    ),
)
