"""The context: on whose behalf, and where in the trace."""

import pytest

from jarvis.kernel import config
from jarvis.kernel.context import Context
from jarvis.kernel.db import Database
from jarvis.kernel.errors import Denied
from jarvis.kernel.events import each
from jarvis.kernel.ids import Ids, is_id
from jarvis.kernel.registry import Check, Registry, SlashCommand, StatusPart, TaskHandler, Tool


@pytest.fixture
def context(store: Database, set_clock, tmp_path) -> Context:
    settings = config.load({"JARVIS_HOME": str(store.path.parent)}, None, tmp_path)
    return Context(store, settings, set_clock, Ids(set_clock), Registry(), "system").traced()


def test_a_trace_goes_down_in_spans(context: Context) -> None:
    below = context.span()
    deeper = below.span()
    assert is_id(context.trace_id, "trc")
    assert context.trace_id == below.trace_id == deeper.trace_id
    assert (below.db.who.parent_id, deeper.db.who.parent_id) == (context.db.who.span_id, below.db.who.span_id)
    assert len({c.db.who.span_id for c in (context, below, deeper)}) == 3


def test_a_trace_can_be_joined_or_begun(context: Context) -> None:
    assert context.traced("trc_x").trace_id == "trc_x"
    assert context.traced().trace_id != context.trace_id
    assert context.traced().db.who.parent_id == ""
    joined = context.joined("trc_x", "spn_y")
    assert (joined.trace_id, joined.db.who.parent_id) == ("trc_x", "spn_y")
    assert joined.db.who.span_id != context.db.who.span_id


def test_acting_for_somebody_is_what_the_log_says(context: Context) -> None:
    ada = context.acting(actor="ada", user_id="usr_1", username="ada", role="admin")
    with ada.db.write() as tx:
        tx.record("thing.happened", "x")
    with context.db.read() as tx:
        event = next(each(tx))
    assert (event.actor, event.trace_id, event.span_id) == ("ada", context.trace_id, context.db.who.span_id)
    assert context.actor == context.db.who.actor == "system"


@pytest.mark.parametrize(("role", "is_admin"), [("admin", True), ("user", False), ("", False)])
def test_only_an_admin_is_one(context: Context, role: str, is_admin: bool) -> None:
    acting = context.acting(actor="x", user_id="usr_1", username="x", role=role)
    assert acting.is_admin is is_admin
    if is_admin:
        acting.require_admin()
    else:
        with pytest.raises(Denied):
            acting.require_admin()


def test_a_name_is_registered_once() -> None:
    registry = Registry()
    parts = (
        TaskHandler("jarvis.tasks.x", lambda ctx, run: None, "x"),
        SlashCommand("x", "/x", "x", False, lambda ctx, words, thread_id: ""),
        Tool("x", "x", {}, "read", lambda ctx, arguments: None),
        Check("x", True, lambda ctx: ""),
        StatusPart("x", lambda ctx: {}),
    )
    registry.add(*parts)
    tables = (registry.tasks, registry.slash, registry.tools, registry.checks, registry.status)
    assert [list(table.values()) for table in tables] == [[part] for part in parts]
    for part in parts:
        with pytest.raises(ValueError, match="registered twice"):
            registry.add(part)
