"""Every list of the record finds its rows through an index: it grows for ever."""

import re

import pytest

from jarvis.events import store
from jarvis.events.store import Filter

FILTERS = [
    Filter(),
    Filter(type="auth."),
    Filter(types=("task.failed", "auth.login")),
    Filter(actor="ada"),
    Filter(trace_id="trc_x"),
    Filter(thread_id="thr_x"),
    Filter(owner_id="usr_x"),
    Filter(query='"tide"'),
    Filter(query='"tide"', type="bug.", owner_id="usr_x"),
    Filter(since=1, until=2),
    Filter(since=1, type="auth.", actor="ada", owner_id="usr_x"),
]
SCAN = re.compile(r"^SCAN (e|events|threads|b|c|l)\b(?!.*USING (COVERING )?INDEX)")


class Explaining:
    """Stands for a transaction and keeps the plans of what it is asked."""

    def __init__(self, tx):
        self._tx = tx
        self.plan = []

    def all(self, make, sql, /, **params):
        self.plan += [row[3] for row in self._tx.connection.execute(f"EXPLAIN QUERY PLAN {sql}", params)]
        return self._tx.all(make, sql, **params)

    def one(self, make, sql, /, **params):
        return (self.all(make, sql, **params) or [None])[0]


@pytest.mark.parametrize("wanted", FILTERS)
def test_no_filter_scans_the_record(ctx, wanted):
    with ctx.db.read() as tx:
        explaining = Explaining(tx)
        store.newest(explaining, wanted, 10)
        store.following(explaining, wanted, 0, 10)
    assert explaining.plan
    assert not [step for step in explaining.plan if SCAN.match(step)], explaining.plan


def test_traces_types_and_actors_scan_nothing(ctx):
    with ctx.db.read() as tx:
        explaining = Explaining(tx)
        store.newest_traces(explaining, 10)
        store.of_trace(explaining, "trc_x")
        assert store.types(explaining) == sorted(store.types(tx))
        assert "system" in store.actors(explaining)
        assert store.count(explaining) == store.newest_seq(explaining)
    assert not [step for step in explaining.plan if SCAN.match(step)], explaining.plan
