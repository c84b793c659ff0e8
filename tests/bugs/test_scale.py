"""The list with 100,000 bugs is as quick as with 100: every query is a walk down an index."""

import itertools

import pytest

from jarvis.bugs import store
from jarvis.bugs.store import Filter

COUNT = 100_000


def fill(ctx, count, reporter):
    with ctx.db.write() as tx:
        tx.run(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) INSERT INTO bugs"
            " (id, kind, title, description, status, priority, reporter_id, trace_id, last_seen_at, created_at,"
            " updated_at) SELECT 'bug_' || i, 'bug', 'common ' || i, '', iif(i = 7, 'open', 'closed'),"
            " iif(i % 1000, 'low', 'high'), :reporter, '', 0, 0, 0 FROM n",
            count=count,
            reporter=reporter,
        )
        tx.run(
            "INSERT INTO bugs_fts (rowid, body) SELECT seq, title || ' __kind_bug __status_' || status"
            " || ' __priority_' || priority || ' __reporter_' || reporter_id FROM bugs"
        )


def steps(ctx, action):
    """Instructions SQLite runs for an action, in hundreds."""
    counted = []
    with ctx.db.read() as tx:
        tx.connection.set_progress_handler(lambda: bool(counted.append(1)), 100)
        action(tx)
        tx.connection.set_progress_handler(None)
    return len(counted)


@pytest.fixture
def full(ctx, as_user):
    fill(ctx, COUNT, as_user("alice").user_id)
    return ctx


def test_every_cut_is_a_short_walk(full, as_user):
    alice = as_user("alice").user_id
    kinds, statuses, priorities = ("", "bug", "feature"), ("", "active", "open", "closed"), ("", "high", "critical")
    for kind, status, priority, who in itertools.product(kinds, statuses, priorities, ("", alice)):
        wanted = Filter(kind=kind, status=status, priority=priority, reporter_id=who)
        assert steps(full, lambda tx, w=wanted: store.newest(tx, w, 50)) < 1000, wanted


def test_words_with_a_rare_cut_are_no_walk_through_all_that_match(full, as_user):
    alice = as_user("alice").user_id
    for wanted in (
        Filter(query="common"),
        Filter(query="common", status="open"),
        Filter(query="common", priority="critical"),
        Filter(query="common", status="active", reporter_id=alice),
    ):
        assert steps(full, lambda tx, w=wanted: store.newest(tx, w, 50)) < 200, wanted
    with full.db.read() as tx:
        assert [bug.id for bug in store.newest(tx, Filter(query="common", status="open"), 50)] == ["bug_7"]


def test_counts_do_not_count(full):
    assert steps(full, store.counts) < 5


def test_one_s_own_are_counted_as_far_as_it_matters(full, as_user):
    wanted = Filter(kind="bug", status="closed", reporter_id=as_user("alice").user_id)
    with full.db.read() as tx:
        assert store.count(tx, wanted, 9999) == 9999
