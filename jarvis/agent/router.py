"""Who answers: the provider the settings name, another when it does not, and what each has used."""

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jarvis.agent import store
from jarvis.agent.actions import usage
from jarvis.agent.models.faults import ProviderFault
from jarvis.agent.providers import Event, ModelRequest, Provider, TextDelta, Usage
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.config import Settings, may_send, missing_settings
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.registry import Check, StatusPart

if TYPE_CHECKING:
    from jarvis.agent.models.openai import OpenAIProvider

log = logging.getLogger(__name__)

LABELS = {"builtin": "built-in operator"}
BROKE_OFF = "\n\n*({} broke off here; what follows is another's answer.)*\n\n"
OAUTH_SECRETS = ("GOOGLE_OAUTH_CLIENT_SECRET", "GOOGLE_OAUTH_REFRESH_TOKEN")
"""An access token opens what these open, so it goes nowhere they may not go."""
SHORT_WAIT_SECONDS = 5
"""A model that asks for so little patience is waited for; for more, another answers."""


def choose(ctx: Context) -> "Router":
    """The provider for a reply."""
    return Router(ctx)


def make(ctx: Context, name: str) -> Provider:
    """A provider by its name. Raises ProviderFault when its settings are not enough."""
    if name == "builtin":
        from jarvis.agent.builtin.provider import BuiltinProvider  # its patterns cost a start 60 ms

        return BuiltinProvider()
    problem = missing(ctx.settings, name)
    if problem:
        raise ProviderFault(problem, is_passing=False)
    return _model(ctx, name)


def missing(settings: Settings, name: str) -> str:
    """Which setting keeps a provider from working, or ""."""
    wanted = missing_settings(settings, name)
    if wanted:
        return f"{name} needs {' and '.join(wanted)}"
    secrets: tuple[str, ...] = ("GEMINI_API_KEY",) if settings.gemini_api_key else OAUTH_SECRETS
    url = "GEMINI_BASE_URL"
    if name == "openai":
        secrets, url = ("OPENAI_API_KEY",), "OPENAI_BASE_URL"
    for secret in secrets if name != "builtin" else ():
        if not may_send(settings, secret, url):
            return f"{secret} is not sent to {url}: that comes from a less trusted place"
    return ""


def _model(ctx: Context, name: str) -> "OpenAIProvider":
    from jarvis.agent.models.google import GoogleToken
    from jarvis.agent.models.openai import OpenAIProvider

    settings, outbound = ctx.settings, ctx.registry.outbound
    if name == "openai":
        key = settings.openai_api_key
        base, model = settings.openai_base_url, settings.openai_model
        return OpenAIProvider(name, base, model, lambda: key, outbound, settings.provider_timeout_seconds)
    base, model, seconds = settings.gemini_base_url, settings.gemini_model, settings.provider_timeout_seconds
    if settings.gemini_api_key:
        return OpenAIProvider(name, base, model, lambda: settings.gemini_api_key, outbound, seconds)
    token = GoogleToken(settings, ctx.clock, outbound)
    return OpenAIProvider(name, base, model, token, outbound, seconds, token.forget)


@dataclass(slots=True)
class Router:
    """Asks the primary; where it fails, the fallback, saying so. One router serves one reply."""

    ctx: Context
    name: str = ""
    _failed: str = ""

    def __post_init__(self) -> None:
        self.name = self.ctx.settings.primary_provider

    def reply(self, request: ModelRequest) -> Iterator[Event]:
        """The events of whoever answers. Raises ProviderFault when nobody does."""
        settings = self.ctx.settings
        if self._failed:  # once in a reply is enough: the rest of it comes from the same hand
            yield from self._answered(settings.fallback_provider, request)
            return
        said = ""
        try:
            for event in self.asked(settings.primary_provider, request):
                said += event.text if isinstance(event, TextDelta) else ""
                yield event
            return
        except ProviderFault as fault:
            if settings.fallback_provider == settings.primary_provider:
                raise self._as_told(settings.primary_provider, fault) from fault
            self._fall_back(fault)
        if said:
            yield TextDelta(BROKE_OFF.format(settings.primary_provider))
        yield from self._answered(settings.fallback_provider, request)

    def _fall_back(self, fault: ProviderFault) -> None:
        settings = self.ctx.settings
        self._failed = settings.primary_provider
        other = LABELS.get(settings.fallback_provider, settings.fallback_provider)
        self.name = f"{other}, as {settings.primary_provider} did not answer"
        usage.record_fallback(self.ctx, settings.primary_provider, settings.fallback_provider, str(fault))

    def _answered(self, name: str, request: ModelRequest) -> Iterator[Event]:
        try:
            yield from self.asked(name, request)
        except ProviderFault as fault:
            raise self._as_told(name, fault) from fault

    def _as_told(self, name: str, fault: ProviderFault) -> ProviderFault:
        return ProviderFault(f"{name} did not answer: {str(fault).rstrip('.')}.", is_passing=fault.is_passing)

    def asked(self, name: str, request: ModelRequest) -> Generator[Event, None, None]:
        """The events of one provider, counted and on record. Raises ProviderFault."""
        if name == "builtin":
            yield from make(self.ctx, name).reply(request)
            return
        usage.require_budget(self.ctx)
        usage.require_closed_circuit(self.ctx, name)
        run = usage.begin(self.ctx, name, len(request.system) + sum(len(m.content) for m in request.messages))
        try:
            for event in self._patiently(name, request):
                if isinstance(event, Usage):
                    run.count(event)
                elif isinstance(event, TextDelta):
                    run.said += len(event.text)
                yield event
        except ProviderFault as fault:
            run.failed(fault)
            raise
        except GeneratorExit:
            run.ended("stopped")
            raise
        except Exception as error:
            log.exception("asking %s failed inside Jarvis", name)
            inside = ProviderFault(f"something went wrong inside Jarvis; the log has it under {self.ctx.trace_id}")
            run.failed(inside)
            raise inside from error
        run.ended("cancelled" if request.cancelled() else "done")

    def _patiently(self, name: str, request: ModelRequest) -> Iterator[Event]:
        """Ask, and once more after a failure that may pass, as long as nothing has been said."""
        provider, has_begun = make(self.ctx, name), False
        try:
            for event in provider.reply(request):
                has_begun = True
                yield event
            return
        except ProviderFault as fault:
            wait = fault.retry_after_seconds if fault.retry_after_seconds is not None else 1
            if has_begun or not fault.is_passing or wait > SHORT_WAIT_SECONDS:
                raise
        usage.wait(wait, request.cancelled)
        yield from provider.reply(request)


def states(ctx: Context) -> dict[str, dict[str, Any]]:
    """Each configured provider and how it is, for the status."""
    settings = ctx.settings
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys((settings.primary_provider, settings.fallback_provider, "builtin")):
        found[name] = _state(ctx, name)
    return found


def _state(ctx: Context, name: str) -> dict[str, Any]:
    role = "primary" if name == ctx.settings.primary_provider else "fallback"
    if name == "builtin":
        return {"state": "ready", "detail": "built in, no model", "role": role}
    problem = missing(ctx.settings, name)
    if problem:
        return {"state": "misconfigured", "detail": problem, "role": role}
    with ctx.db.read() as tx:
        health, now = store.health(tx, name), tx.now
        used = next((one for one in store.usage(tx, usage.day(ctx)) if one.provider == name), None)
    told: dict[str, Any] = {"role": role, "failures": health.failures}
    if used is not None:
        told["today"] = usage.told(ctx, used)
    if health.open_until > now:
        detail = f"{health.last_error}; tried again after {rfc3339(health.open_until)}"
        return {"state": "down", "detail": detail, **told}
    if health.failures:
        return {"state": "failing", "detail": health.last_error or "", **told}
    return {"state": "ready", "detail": "answered" if health.last_ok_at else "not asked yet", **told}


def _check(ctx: Context) -> str:
    """The readiness check: told, and never what readiness hangs on."""
    name = ctx.settings.primary_provider
    state = _state(ctx, name)
    if state["state"] in ("down", "misconfigured"):
        raise Unavailable(f"{name}: {state['detail']}")
    return f"{name}: {state['detail']}"


STATUS = (StatusPart("providers", states),)
CHECKS = (Check("provider", False, _check),)
