"""Slash commands: answered by the system at once, as the one who asks, and never by the model."""

import difflib

from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError
from jarvis.kernel.registry import SlashCommand

HIDDEN = "••••••"


def is_command(text: str) -> bool:
    """Whether a message is a command: a slash, a word, and no second slash as in a path."""
    word = text.lstrip().split(maxsplit=1)[0] if text.strip() else ""
    return len(word) > 1 and word[0] == "/" and word[1].isalpha() and "/" not in word[1:]


def answer(ctx: Context, text: str, thread_id: str) -> str:
    """The Markdown answer. A refusal or a mistake is an answer too."""
    word, rest = _parts(text)
    command = ctx.registry.slash.get(word[1:].lower())
    if command is None:
        return _unknown(ctx, word)
    with ctx.db.write() as tx:
        allowed = ctx.is_admin or not command.admin_only
        about = {"command": word.lower(), "allowed": allowed}
        tx.record("command.executed", f"command/{command.name}", about, thread_id=thread_id)
    if not allowed:
        return f"`/{command.name}` is for admins, and you are not one. Ask an admin to do it."
    try:
        with ctx.db.write():
            return command.run(ctx, rest, thread_id)
    except JarvisError as error:
        return str(error)


def as_kept(ctx: Context, text: str) -> str:
    """A command as the conversation keeps it: without what is secret, also when its name was mistyped."""
    word, rest = _parts(text)
    name = word[1:].lower()
    meant = [name] if name in ctx.registry.slash else difflib.get_close_matches(name, ctx.registry.slash, n=1)
    is_secret = any(ctx.registry.slash[known].is_secret for known in meant)
    return f"{word} {HIDDEN}" if is_secret and rest else text


def _parts(text: str) -> tuple[str, str]:
    """The command's word with its slash, and what follows, whatever space stands between."""
    word, *rest = text.strip().split(maxsplit=1)
    return word, rest[0].strip() if rest else ""


def offered(ctx: Context) -> list[SlashCommand]:
    """The commands this person may use."""
    return [c for c in ctx.registry.slash.values() if ctx.is_admin or not c.admin_only]


def _unknown(ctx: Context, word: str) -> str:
    names = [command.name for command in offered(ctx)]
    near = difflib.get_close_matches(word[1:].lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean `/{near[0]}`?" if near else ""
    shown = word if len(word) < 40 else word[:39] + "…"
    return f"There is no command `{shown.replace('`', '')}`.{hint} `/help` lists them."
