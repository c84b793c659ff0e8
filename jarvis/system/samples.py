"""What /metrics shows beside the requests: the record's and the queue's figures, read when asked."""

from jarvis.events import store as events
from jarvis.kernel.context import Context
from jarvis.queue import store as tasks
from jarvis.system import store
from jarvis.web.metrics import Sample


def samples(ctx: Context) -> list[Sample]:
    """Events ever recorded, tasks by state, and the two flags."""
    with ctx.db.read() as tx:
        total, counts, state = events.newest_seq(tx), tasks.counts(tx), store.state(tx)
    found: list[Sample] = [("jarvis_events_total", "counter", "", float(total))]
    found += [("jarvis_tasks", "gauge", f'state="{state}"', float(count)) for state, count in counts.items()]
    found += [("jarvis_lockdown", "gauge", "", state.lockdown), ("jarvis_restarting", "gauge", "", state.restarting)]
    found += _providers(ctx)
    return [(name, kind, labels, float(value)) for name, kind, labels, value in found]


def _providers(ctx: Context) -> list[Sample]:
    """Whether each provider answers, and today's requests and tokens."""
    found: list[Sample] = []
    for name, state in ctx.registry.status["providers"].run(ctx).items():
        label = f'provider="{name}"'
        found.append(("jarvis_provider_up", "gauge", label, float(state["state"] not in ("down", "misconfigured"))))
        for what, count in state.get("today", {}).items():
            found.append((f"jarvis_provider_{what}_today", "gauge", label, float(count)))
    return found
