"""An update goes one way through its states, each kept with its history, its event and its files."""

import itertools
import json
import threading

import pytest

from jarvis.kernel.errors import Conflict, Denied, Unavailable
from jarvis.selfupdate import artefacts, states, store
from jarvis.selfupdate.actions import moving
from tests.conftest import make_settings

EVIDENCE = {"failure": "f", "prediction": "p", "falsifier": "x", "files": ["a.py"], "tests": ["t.py"]}


@pytest.fixture
def update(ada):
    with ada.db.write() as tx:
        made = store.insert(
            tx,
            ada.ids.new("upd"),
            rationale="Name the mount\nand more",
            evidence=EVIDENCE,
            patch=b"--- a\n+++ b\n",
            sha256="00" * 32,
            user_id=ada.user_id,
        )
    artefacts.write(ada, made.id)
    return made


def state_file(ctx, update):
    return json.loads((artefacts.folder(ctx, update) / "state.json").read_text())


def test_every_state_has_a_way_on_or_an_end():
    for state in states.STATES:
        assert (state in states.NEXT) != (state in states.ENDS)
        assert state in states.EVENTS
        assert all(after in states.STATES for after in states.LEGAL[state])
    for step, froms in states.STEPS.items():
        assert all(states.may(step, state) for state in froms)


def test_the_straight_way_leads_from_proposed_to_verified_and_back():
    way = ["proposed", "validated", "tested", "approved", "applied", "verified", "rolled_back"]
    assert all(states.is_legal(a, b) for a, b in itertools.pairwise(way))
    assert not states.is_legal("proposed", "tested")
    assert not states.is_legal("tested", "applied")
    assert not states.is_legal("rolled_back", "approved")


def test_a_step_out_of_order_names_the_next_one(ada, update):
    with pytest.raises(Conflict, match=r"proposed, so it cannot be applied now\. Next: validate\."):
        moving.require("apply", update)


def test_an_update_is_found_by_its_id_and_by_its_trace(ada, update):
    with ada.db.read() as tx:
        assert store.get(tx, update.id) == store.get(tx, update.trace_id) == update
        assert store.find(tx, "upd_nothing") is None
    assert update.trace_id == ada.trace_id
    assert update.title == "Name the mount"


def test_a_move_leaves_its_history_its_event_and_its_files(ada, update, events):
    moved = moving.close(ada, update, states.VALIDATED, "applies")
    assert moved.state == "validated"
    assert events("self_update.") == ["self_update.validate"]
    told = state_file(ada, update)
    assert [(move["state"], move["by"], move["detail"]) for move in told["history"]] == [
        ("proposed", "ada", ""),
        ("validated", "ada", "applies"),
    ]
    assert list(told) == ["trace_id", "id", "state", "history", "base", "tree", "checks", "marker"]
    assert told["marker"] == dict.fromkeys(store.MARKER)


def test_of_two_who_move_at_once_one_is_told_so(ada, update):
    moving.close(ada, update, states.REJECTED, "no")
    with pytest.raises(Conflict, match="rejected by now"), ada.db.write() as tx:
        moving.move(ada, tx, update, states.VALIDATED, "too late")


def test_an_illegal_move_is_a_mistake_of_ours(ada, update):
    with pytest.raises(ValueError, match="not followed by applied"), ada.db.write() as tx:
        moving.move(ada, tx, update, states.APPLIED, "")


def test_only_an_admin_rejects_and_only_what_is_not_over(ada, as_user, update, events):
    with pytest.raises(Denied):
        moving.reject(as_user("alice").traced(), update.id, "mine")
    moving.reject(ada, update.trace_id, "not wanted")
    assert events("self_update.") == ["self_update.rejected"]
    with pytest.raises(Conflict, match="It was rejected"):
        moving.reject(ada, update.id, "again")


def test_the_files_hold_the_exact_bytes_and_nobody_else_reads_them(ada, update):
    place = artefacts.folder(ada, update)
    assert place == ada.settings.selfupdate_patch_dir / update.trace_id
    assert (place / "proposal.diff").read_bytes() == b"--- a\n+++ b\n"
    assert json.loads((place / "evidence.json").read_text())["falsifier"] == "x"
    assert not (place / "report.json").exists()
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
    assert place.stat().st_mode & 0o777 == 0o700


def test_the_report_is_written_byte_for_byte(ada, update):
    with ada.db.write() as tx:
        store.set_report(tx, update.id, '{"ok": true}', "ab")
    artefacts.write(ada, update.id)
    assert (artefacts.folder(ada, update) / "report.json").read_bytes() == b'{"ok": true}'


def test_what_a_crash_left_stale_is_rebuilt(ada, update):
    with ada.db.write() as tx:
        moving.move(ada, tx, update, states.VALIDATED, "")  # and here it crashed
    assert state_file(ada, update)["state"] == "proposed"
    assert artefacts.rebuild(ada) == 1
    assert state_file(ada, update)["state"] == "validated"
    assert artefacts.rebuild(ada) == 0


def test_a_file_somebody_changed_is_put_right(ada, update):
    path = artefacts.folder(ada, update) / "state.json"
    path.write_text('{"state": "verified"}')
    assert artefacts.rebuild(ada) == 1
    assert state_file(ada, update)["state"] == "proposed"


def test_of_writers_at_once_the_last_word_is_the_databases(ada, update):
    moving.close(ada, update, states.VALIDATED, "")
    threads = [threading.Thread(target=artefacts.write, args=(ada, update.id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state_file(ada, update)["state"] == "validated"


def test_a_place_that_cannot_be_written_is_said_before_anything_happens(home, make_ctx, update):
    (home / "file").write_text("")
    ctx = make_ctx(make_settings(home, selfupdate_patch_dir=home / "file" / "patches"))
    with pytest.raises(Unavailable, match="SELFUPDATE_PATCH_DIR"):
        artefacts.require_place(ctx)


def test_a_link_in_place_of_a_file_is_replaced_and_never_followed(ada, update, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    path = artefacts.folder(ada, update) / "state.json"
    path.unlink()
    path.symlink_to(target)
    artefacts.write(ada, update.id)
    assert target.read_text() == "untouched"
    assert not path.is_symlink()
