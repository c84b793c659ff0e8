"""A trace is a tree: what led to what, on one clock."""

from hypothesis import given
from hypothesis import strategies as st

from jarvis.events import actions, traces
from jarvis.kernel.events import Event


def event(seq, span, parent="", type="tool.call.start", at=None, data="{}"):
    return Event(seq, f"evt_{seq}", at if at is not None else seq, type, "", "ada", "trc_x", span, parent, None, data)


def test_spans_stand_below_what_led_to_them(client, ctx):
    request = ctx.traced()
    with request.db.write() as tx:
        tx.record("message.created", "message/1", {"role": "user"})
    step = request.span()
    with step.db.write() as tx:
        tx.record("agent.step.start", "message/2", {"provider": "builtin"})
    call = step.span()
    with call.db.write() as tx:
        tx.record("tool.call.start", "tool/x", {"tool": "x", "for": "ada"})
    trace = client.as_("ada").get(f"/api/v1/traces/{request.trace_id}").json
    assert trace["count"] == 3
    (root,) = trace["spans"]
    assert root["name"] == "message.created"
    assert root["children"][0]["name"] == "agent.step.start"
    assert root["children"][0]["children"][0]["name"] == "tool.call.start"


def test_acting_for_somebody_stays_at_the_same_place(ctx, as_user):
    step = ctx.traced().span()
    agent = step.acting(actor="agent:main", user_id=None, username="", role="")
    assert agent.db.who.span_id == step.db.who.span_id
    assert agent.span().db.who.parent_id == step.db.who.span_id


def test_bars_share_one_clock():
    trace = traces.tree(
        "trc_x",
        [event(1, "a", at=1000), event(2, "b", "a", at=1250), event(3, "b", "a", at=1750), event(4, "a", at=2000)],
    )
    (root,) = traces.rows(trace)
    assert (root.left, root.width, root.microseconds) == (0, 100, 1000)
    span, end = root.rows
    assert (span.left, span.width, span.microseconds) == (25, 50, 500)
    assert span.rows[0].microseconds is None
    assert end.left + end.width == 100


def test_a_span_whose_parent_recorded_nothing_stands_at_the_top():
    trace = traces.tree("trc_x", [event(1, "a"), event(2, "b", "missing")])
    assert [root.span_id for root in trace.roots] == ["a", "b"]


def test_parents_in_a_circle_hide_nothing():
    trace = traces.tree("trc_x", [event(1, "a", "b"), event(2, "b", "a"), event(3, "c", "b"), event(4, "d", "d")])
    assert count(traces.rows(trace)) == 4


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=40))
def test_every_event_has_exactly_one_line(pairs):
    found = [event(seq, f"s{span}", f"s{parent}") for seq, (span, parent) in enumerate(pairs)]
    lines = traces.rows(traces.tree("trc_x", found))
    assert count(lines) == len(found)
    assert all(row.left >= 0 and row.left + row.width <= 100.01 for row in flat(lines))


def test_a_deep_trace_is_cut_to_a_readable_depth():
    found = [event(seq, f"s{seq}", f"s{seq - 1}") for seq in range(500)]
    lines = traces.rows(traces.tree("trc_x", found))
    assert count(lines) == 500
    assert depth(lines) <= traces.DEEPEST


def test_traces_are_listed_by_when_they_began(ctx, as_user):
    for name in ("first", "second"):
        with ctx.traced().db.write() as tx:
            tx.record("task.retried", "task/1", {"name": name})
            tx.record("task.failed", "task/1", {"name": name, "attempts": 1, "error": "no"})
    found = actions.newest_traces(as_user("ada"), 2)
    assert [trace.head.first.payload()["name"] for trace in found] == ["second", "first"]
    assert [trace.head.count for trace in found] == [2, 2]
    assert all(trace.is_failure for trace in found)


def test_durations_read_well():
    shown = [traces.duration(n) for n in (80, 9_000, 41_400, 2_100_000, 184_000_000, 7_260_000_000)]
    assert shown == ["0.1 ms", "9.0 ms", "41 ms", "2.1 s", "3 min 4 s", "2 h 1 min"]


def count(rows):
    return sum(1 + count(row.rows) for row in rows)


def flat(rows):
    return [inner for row in rows for inner in (row, *flat(row.rows))]


def depth(rows):
    return 1 + max((depth(row.rows) for row in rows), default=0) if rows else 0
