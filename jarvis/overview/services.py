"""Samples host and server once a minute, while a server runs."""

from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop
from jarvis.overview import actions
from jarvis.web.metrics import Metrics

SAMPLE_SECONDS = 60.0


class Sampler:
    """Takes what the requests took since the last time, and keeps it with the state of the host."""

    def __init__(self, ctx: Context, metrics: Metrics) -> None:
        self._ctx, self._metrics = ctx, metrics

    def step(self) -> bool:
        """One sample; always False, as the next is due in a minute."""
        actions.take(self._ctx, self._metrics.take_steps())
        return False


def loop(ctx: Context, metrics: Metrics) -> Loop:
    """The service of this feature."""
    return Loop("samples", Sampler(ctx, metrics).step, SAMPLE_SECONDS)
