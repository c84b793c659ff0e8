"""One question to a model, without tools and without a conversation: for features that know no provider."""

import contextlib
from collections.abc import Callable

from jarvis.agent.actions import usage
from jarvis.agent.models.faults import ProviderFault
from jarvis.agent.providers import Asker, Message, ModelRequest, TextDelta, ToolCall
from jarvis.agent.router import Router
from jarvis.kernel.context import Context
from jarvis.kernel.registry import Model, Written


def names(ctx: Context) -> list[str]:
    """The models to ask, in order; the built-in operator is none."""
    settings = ctx.settings
    if settings.primary_provider == "builtin":
        return []
    found = dict.fromkeys((settings.primary_provider, settings.fallback_provider))
    return [name for name in found if name != "builtin"]


def ask(ctx: Context, rules: str, question: str, most: int, is_cancelled: Callable[[], bool]) -> Written:
    """The first answer there is, cut at `most` characters. Raises ProviderFault when no model gives one."""
    messages = (Message("user", question),)
    request = ModelRequest(messages, (), Asker("jarvis"), ctx.clock(), system=rules, cancelled=is_cancelled)
    failed: ProviderFault | None = None
    for name in names(ctx):
        if failed is not None:
            usage.record_fallback(ctx, ctx.settings.primary_provider, name, str(failed))
        try:
            return Written(name, _text(ctx, name, request, most))
        except ProviderFault as fault:
            failed = fault
    raise failed or ProviderFault("no model is configured", is_passing=False)


def _text(ctx: Context, name: str, request: ModelRequest, most: int) -> str:
    said = ""
    with contextlib.closing(Router(ctx).asked(name, request)) as events:
        for event in events:
            if isinstance(event, ToolCall):
                raise ProviderFault("it called a tool where there is none", is_passing=False)
            said += event.text if isinstance(event, TextDelta) else ""
            if len(said) > most:
                break
    if not said.strip():
        raise ProviderFault("it answered nothing")
    return said[:most]


def asks(ctx: Context) -> str:
    """Which provider would be asked first, "" when only the built-in operator is there."""
    return next(iter(names(ctx)), "")


MODELS = (Model("plain", ask, asks),)
