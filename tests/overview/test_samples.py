"""Samples of host and server."""

from jarvis.overview import actions, store
from jarvis.overview.services import SAMPLE_SECONDS, loop
from jarvis.web.metrics import Metrics
from tests.conftest import MORNING


def test_a_sample_holds_host_and_requests(ctx):
    taken = actions.take(ctx, {3: 2, 5: 1})
    with ctx.db.read() as tx:
        assert store.last(tx) == taken
    assert taken.requests == 3
    assert taken.counts() == {3: 2, 5: 1}
    assert 0 < taken.disk_used <= taken.disk_total
    assert 0 < taken.memory_used < taken.memory_total
    assert taken.worker_bytes > 1_000_000


def test_the_service_takes_each_request_once(ctx, clock):
    metrics = Metrics()
    sampling = loop(ctx, metrics)
    metrics.observe("GET", "/", 200, 0.004)
    assert sampling.step() is False
    clock.step(SAMPLE_SECONDS)
    sampling.step()
    with ctx.db.read() as tx:
        assert [sample.requests for sample in store.since(tx, 0, 10)] == [1, 0]


def test_two_samples_at_one_instant_are_one(ctx, keep):
    keep(MORNING, {1: 1})
    keep(MORNING, {1: 5})
    with ctx.db.read() as tx:
        assert [sample.requests for sample in store.since(tx, 0, 10)] == [1]


def test_old_samples_go(ctx, clock, keep):
    keep(MORNING)
    clock.step(actions.KEPT_DAYS * 86_400 + 1)
    actions.take(ctx, {})
    with ctx.db.read() as tx:
        assert [sample.at for sample in store.since(tx, 0, 10)] == [clock()]
