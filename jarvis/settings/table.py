"""Every setting with its value, where that came from and what it means. Secrets are never shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel import config
from jarvis.kernel.config import Settings
from jarvis.kernel.secrets import Redactor

MASK = "••••••••"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as it is in force. `value` is masked when it is a secret that is set."""

    name: str
    value: str
    source: str
    """"default", "environment", "credential" or the path of a file."""
    meaning: str
    default: str
    is_secret: bool

    @property
    def is_default(self) -> bool:
        return self.source == "default"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "source": self.source,
            "meaning": self.meaning,
            "default": self.default,
            "secret": self.is_secret,
        }


def rows(settings: Settings) -> list[Row]:
    """The settings in the order of their table."""
    redactor = Redactor(settings.secrets())
    return [
        Row(
            name,
            _shown(getattr(settings, name.lower()), is_secret=spec.is_secret, redactor=redactor),
            settings.sources.get(name, "default"),
            spec.help,
            spec.default,
            spec.is_secret,
        )
        for name, spec in config.specs().items()
    ]


def _shown(value: Any, *, is_secret: bool, redactor: Redactor) -> str:
    if is_secret:
        return MASK if value else ""
    return redactor.text(_plain(value))


def _plain(value: Any) -> str:
    match value:
        case bool():
            return str(int(value))
        case tuple():
            return "\n".join(map(str, value))
        case Path() | str() | int():
            return str(value)
    return repr(value)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is odd about the settings, and why APP_ENV=prod would not start with them."""

    warnings: tuple[str, ...]
    refusals: tuple[str, ...]
    is_production: bool

    @property
    def is_refused(self) -> bool:
        return self.is_production and bool(self.refusals)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": not self.is_refused,
            "app_env": "prod" if self.is_production else "dev",
            "warnings": list(self.warnings),
            "refusals": list(self.refusals),
        }


def check(settings: Settings) -> Verdict:
    """Judge settings that parsed."""
    refusals = tuple(config.unsafe_for_production(settings))
    return Verdict(settings.warnings, refusals, settings.app_env == "prod")
