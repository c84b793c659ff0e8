"""The newest links of the chain are checked alone, quickly, and no less strictly."""

import pytest

from jarvis.kernel import events


def check(ctx, count=100):
    with ctx.db.read() as tx:
        return events.verify_newest(tx, count)


def test_an_intact_end_has_the_same_head_as_the_whole(ctx, record):
    for _ in range(5):
        record("task.retried", name="backup")
    with ctx.db.read() as tx:
        whole = events.verify(tx)
    assert check(ctx).head_hash == check(ctx, 2).head_hash == whole.head_hash
    assert check(ctx, 2).count == 2
    assert check(ctx).count == whole.count
    assert check(ctx, 2).problems == ()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET data = '{}' WHERE seq = (SELECT max(seq) - 1 FROM events)",
        "UPDATE events SET actor = 'x' WHERE seq = (SELECT max(seq) - 1 FROM events)",
        "UPDATE events SET at = at + 1 WHERE seq = (SELECT max(seq) FROM events)",
        "DELETE FROM events WHERE seq = (SELECT max(seq) - 1 FROM events)",
    ],
)
def test_a_change_near_the_end_is_seen(ctx, record, sql):
    for _ in range(5):
        record("task.retried", name="backup")
    with ctx.db.write() as tx:
        tx.run(sql)
    assert check(ctx, 3).problems


def test_what_was_blanked_on_purpose_still_links(ctx, record):
    record("task.retried", name="a leaked secret")
    with ctx.db.write() as tx:
        events.blank(tx, check(ctx).head_seq)
    assert (check(ctx).blanked, check(ctx).problems) == (1, ())


def test_after_pruning_the_anchor_is_where_it_starts(ctx, record, clock):
    clock.step(10)
    record("task.retried", name="kept")
    with ctx.db.write() as tx:
        events.prune(tx, clock.now - 1_000_000, 1000)
    assert (check(ctx).count, check(ctx).problems) == (1, ())
