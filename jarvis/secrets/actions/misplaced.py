"""Quick looks at where secrets should not be, for doctor. `looking` is the thorough one."""

from dataclasses import dataclass
from pathlib import Path

from jarvis.events import store as events
from jarvis.kernel import config
from jarvis.kernel.config import Settings
from jarvis.kernel.db import Tx
from jarvis.repository import actions as repository
from jarvis.secrets import kinds
from jarvis.secrets.rules import Rules


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A secret in a setting that is shown to everybody who may see settings."""

    setting: str
    what: str


def in_settings(settings: Settings) -> list[Misplaced]:
    """Settings that are no secrets and hold one."""
    rules = Rules(kinds.values(settings))
    found = []
    for name, spec in config.specs().items():
        if spec.is_secret or settings.sources.get(name, "default") == "default":
            continue
        value = getattr(settings, name.lower())
        text = "\n".join(map(str, value)) if isinstance(value, tuple) else str(value)
        found += [Misplaced(name, match.says) for match in rules.matches(text)]
    return found


def committed(settings: Settings) -> list[Path]:
    """Settings files that a git repository holds: whoever clones it has what stands in them."""
    return [path for path in settings.files if repository.is_committed(path)]


def last_scan(tx: Tx) -> tuple[int, int] | None:
    """(when, how many were found) of the newest look everywhere; None when there was none."""
    newest = events.newest(tx, events.Filter(types=("secret.scanned",)), 1)
    return (newest[0].at, int(newest[0].payload().get("findings", 0))) if newest else None
