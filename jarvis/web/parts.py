"""What the composition root lends to the features' routes."""

from dataclasses import dataclass

from jarvis.kernel.config import Settings
from jarvis.kernel.throttle import Throttle
from jarvis.web.assets import Assets
from jarvis.web.metrics import Metrics
from jarvis.web.render import Renderer


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each for the whole process."""

    settings: Settings
    host: str
    """What this host calls itself."""
    logins: Throttle
    """Failed sign-ins, whichever face they came through."""
    posts: Throttle
    """Messages, for each person, whichever face they came through."""
    renderer: Renderer
    assets: Assets
    metrics: Metrics
