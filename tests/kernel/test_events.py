"""Events: appended with their change, chained, redacted, blanked and pruned without breaking the chain."""

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis.kernel import events
from jarvis.kernel.clock import SECOND
from jarvis.kernel.db import Database, Who


def fill(db: Database, count: int, start: int = 0) -> None:
    with db.write() as tx:
        for n in range(start, start + count):
            tx.record("thing.happened", f"thing/{n}", {"n": n, "word": f"word{n}"})


def problems(db: Database) -> tuple[str, ...]:
    with db.read() as tx:
        return events.verify(tx).problems


def found(db: Database, words: str) -> list[int]:
    with db.read() as tx:
        return tx.all(int, "SELECT rowid FROM events_fts WHERE events_fts MATCH :words ORDER BY rowid", words=words)


class TestRecording:
    def test_an_event_says_what_when_who_and_where_in_the_trace(self, store: Database, set_clock) -> None:
        somebody = store.seen_by(Who("ada", "trc_1", "spn_2", "spn_1"))
        with somebody.write() as tx:
            seq = tx.record("bug.created", "bug/1", {"title": "it is cold"}, thread_id="thr_1")
        with store.read() as tx:
            event = next(events.each(tx))
        assert event.as_json() == {
            "seq": seq,
            "id": event.id,
            "at": "2027-01-15T08:00:00.000Z",
            "type": "bug.created",
            "subject": "bug/1",
            "actor": "ada",
            "trace_id": "trc_1",
            "span_id": "spn_2",
            "parent_id": "spn_1",
            "thread_id": "thr_1",
            "data": {"title": "it is cold"},
        }
        assert event.id.startswith("evt_")

    def test_sequence_numbers_have_no_holes_even_after_a_rollback(self, store: Database) -> None:
        fill(store, 2)
        with pytest.raises(KeyError), store.write() as tx:
            tx.record("thing.happened", "lost")
            raise KeyError
        fill(store, 1)
        with store.read() as tx:
            assert [event.seq for event in events.each(tx)] == [1, 2, 3]

    @pytest.mark.parametrize("type", ["created", "Bug.created", "bug created", "", "bug.", "bug.created "])
    def test_a_type_that_is_not_dotted_is_refused(self, store: Database, type: str) -> None:
        with pytest.raises(ValueError, match="dotted"), store.write() as tx:
            tx.record(type, "x")

    @pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, float("nan"), float("inf")])
    def test_data_that_is_no_json_is_named_with_its_event(self, store: Database, value: object) -> None:
        with pytest.raises(ValueError, match=r"data of event thing\.happened is no JSON"), store.write() as tx:
            tx.record("thing.happened", "x", {"value": value})
        assert problems(store) == ()

    def test_data_nested_without_end_is_cut_and_not_a_crash(self, store: Database) -> None:
        deep: dict[str, object] = {}
        for _ in range(5000):
            deep = {"in": deep}
        with store.write() as tx:
            tx.record("thing.happened", "x", deep)
        with store.read() as tx:
            assert "nested too deeply" in next(events.each(tx)).data

    def test_huge_data_is_cut_and_says_so(self, store: Database) -> None:
        with store.write() as tx:
            tx.record("thing.happened", "x", {"text": '"\\' * 500_000})
        with store.read() as tx:
            event = next(events.each(tx))
        assert event.payload()["truncated"] is True
        assert event.payload()["length"] > 1_000_000
        assert event.payload()["start"].startswith('{"text":')
        assert len(event.data) < 3 * events.LONGEST_DATA
        assert problems(store) == ()

    def test_a_long_subject_is_cut(self, store: Database) -> None:
        with store.write() as tx:
            tx.record("thing.happened", "s" * 10_000)
        with store.read() as tx:
            assert len(next(events.each(tx)).subject) == events.LONGEST_SUBJECT

    def test_half_a_surrogate_pair_does_not_stop_the_log(self, store: Database) -> None:
        with store.write() as tx:
            tx.record("thing.happened", "file/\udcff", {"\udcfe": "\udcfd"})
        with store.read() as tx:
            event = next(events.each(tx))
        assert (event.subject, event.payload()) == ("file/?", {"?": "?"})
        assert problems(store) == ()

    def test_secrets_are_blanked_in_subject_data_and_search(self, open_store: Callable[..., Database]) -> None:
        db = open_store(secrets=("hunter2hunter2",))
        with db.write() as tx:
            tx.record("thing.happened", "x/hunter2hunter2", {"a": ["hunter2hunter2"], "hunter2hunter2": 1})
        with db.read() as tx:
            event = next(events.each(tx))
        assert "hunter2" not in event.subject + event.data
        assert found(db, "hunter2hunter2") == []

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.text(max_size=60),
        st.dictionaries(
            st.text(max_size=8), st.recursive(st.none() | st.integers() | st.text(max_size=30), st.lists), max_size=4
        ),
    )
    def test_whatever_is_recorded_verifies(self, store: Database, subject: str, data: dict[str, object]) -> None:
        with store.write() as tx:
            seq = tx.record("thing.happened", subject, data)
        with store.read() as tx:
            assert events.verify(tx).problems == ()
            event = next(events.each(tx, seq - 1))
        assert json.loads(event.data) == event.payload()


class TestTheChain:
    def test_an_intact_chain_is_counted_and_has_a_head(self, store: Database) -> None:
        fill(store, 5)
        with store.read() as tx:
            verdict, (seq, link) = events.verify(tx), events.head(tx)
        assert (verdict.count, verdict.first_seq, verdict.head_seq) == (5, 1, 5)
        assert (seq, link) == (verdict.head_seq, verdict.head_hash)
        assert (verdict.blanked, verdict.problems) == (0, ())

    def test_an_empty_log_is_intact(self, store: Database) -> None:
        assert problems(store) == ()

    @pytest.mark.parametrize(
        "attack",
        [
            """UPDATE events SET data = '{"n":99}' WHERE seq = 3""",
            "UPDATE events SET data = '' WHERE seq = 3",
            "UPDATE events SET type = 'thing.changed' WHERE seq = 3",
            "UPDATE events SET subject = 'other' WHERE seq = 3",
            "UPDATE events SET actor = 'ada' WHERE seq = 3",
            "UPDATE events SET at = at - 1 WHERE seq = 3",
            "UPDATE events SET id = 'evt_0' WHERE seq = 3",
            "UPDATE events SET trace_id = 't', span_id = 's' WHERE seq = 3",
            "UPDATE events SET parent_id = 'p' WHERE seq = 3",
            "UPDATE events SET thread_id = 'thr_1' WHERE seq = 3",
            "UPDATE events SET salt = x'00' WHERE seq = 3",
            "UPDATE events SET digest = x'00' WHERE seq = 3",
            "UPDATE events SET hash = x'00' WHERE seq = 3",
            "DELETE FROM events WHERE seq = 3",
            "DELETE FROM events WHERE seq = 1",
            "DELETE FROM events WHERE seq = 5",
            "DELETE FROM events",
            "UPDATE events SET seq = seq + 10 WHERE seq = 5",
            "UPDATE events SET seq = 99 WHERE seq = 2; UPDATE events SET seq = 2 WHERE seq = 3;"
            " UPDATE events SET seq = 3 WHERE seq = 99",
            "INSERT INTO events SELECT 6, 'evt_forged', at, type, subject, actor, trace_id, span_id, parent_id,"
            " thread_id, data, salt, digest, hash FROM events WHERE seq = 5",
        ],
    )
    def test_every_tampering_is_found(self, store: Database, attack: str) -> None:
        fill(store, 5)
        with store.write() as tx:
            tx.run(attack)
        assert problems(store) != ()

    def test_an_end_cut_off_and_written_on_is_found(self, store: Database) -> None:
        fill(store, 5)
        with store.write() as tx:
            tx.run("DELETE FROM events WHERE seq >= 4")
        fill(store, 3)
        assert problems(store) == ("events 4 to 5 are missing",)

    def test_an_end_rewritten_with_its_counter_is_found_by_a_head_kept_elsewhere(self, store: Database) -> None:
        fill(store, 5)
        with store.read() as tx:
            head = dict([events.head(tx)])
            assert events.verify(tx, head).problems == ()
        with store.write() as tx:
            tx.run("DELETE FROM events WHERE seq >= 4")
            tx.run("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'events'")
        with store.read() as tx:
            assert events.verify(tx).problems == ()
            assert events.verify(tx, head).problems == ("event 5, whose hash was kept elsewhere, is missing",)
        fill(store, 2, start=100)
        with store.read() as tx:
            assert events.verify(tx, head).problems == ("event 5: it is not the one whose hash was kept elsewhere",)

    def test_the_same_payload_twice_has_different_digests(self, store: Database) -> None:
        with store.write() as tx:
            tx.record("thing.happened", "x", {"pin": 1234})
            tx.record("thing.happened", "x", {"pin": 1234})
            first, second = tx.all(bytes, "SELECT digest FROM events ORDER BY seq")
        assert first != second, "an unsalted digest of a blanked payload could be guessed"

    def test_the_newest_alone_can_be_checked(self, store: Database) -> None:
        fill(store, 6)
        with store.read() as tx:
            for count in (1, 3, 6, 99):
                verdict = events.verify_newest(tx, count)
                assert (verdict.problems, verdict.count) == ((), min(count, 6))
                assert verdict.head_hash == events.head(tx)[1]
        with store.write() as tx:
            tx.run("UPDATE events SET actor = 'ada' WHERE seq = 2")
            assert events.verify_newest(tx, 4).problems == ()
            assert events.verify_newest(tx, 5).problems != ()
            tx.run("DELETE FROM events WHERE seq = 6")
            assert events.verify_newest(tx, 2).problems == ("events 6 to 6 are missing at the end",)

    def test_problems_are_capped(self, store: Database) -> None:
        fill(store, 60)
        with store.write() as tx:
            tx.run("UPDATE events SET data = '{}'")
        assert len(problems(store)) == 20


class TestBlanking:
    def test_a_payload_goes_and_the_chain_stays(self, store: Database) -> None:
        fill(store, 3)
        with store.write() as tx:
            assert events.blank(tx, 2)
            assert not events.blank(tx, 99)
        with store.read() as tx:
            verdict = events.verify(tx)
            assert [event.payload() for event in events.each(tx)][1] == {}
        assert (verdict.problems, verdict.blanked) == ((), 1)
        assert found(store, "word1") == []
        assert found(store, "word2") == [3]
        fill(store, 1)
        assert problems(store) == ()

    def test_nothing_of_it_is_left_in_the_row(self, store: Database) -> None:
        fill(store, 1)
        with store.write() as tx:
            events.blank(tx, 1)
            assert tx.one(lambda *row: row, "SELECT data, salt FROM events") == ("", b"")


class TestPruning:
    def test_the_oldest_go_an_anchor_stays_and_the_chain_goes_on(self, store: Database, set_clock) -> None:
        fill(store, 5)
        set_clock.advance(100)
        fill(store, 5, start=5)
        with store.write() as tx:
            assert events.prune(tx, set_clock() - 50 * SECOND, at_most=100) == 5
        fill(store, 1, start=10)
        with store.read() as tx:
            verdict = events.verify(tx)
        assert (verdict.problems, verdict.count, verdict.first_seq) == ((), 6, 6)
        assert (found(store, "word3"), found(store, "word7")) == ([], [8])

    def test_at_most_so_many_at_once(self, store: Database, set_clock) -> None:
        fill(store, 5)
        set_clock.advance(100)
        with store.write() as tx:
            assert [events.prune(tx, set_clock(), at_most=2) for _ in range(4)] == [2, 2, 1, 0]
        assert problems(store) == ()
        fill(store, 1)
        assert problems(store) == ()

    def test_removing_more_by_hand_is_found(self, store: Database, set_clock) -> None:
        fill(store, 5)
        set_clock.advance(100)
        with store.write() as tx:
            events.prune(tx, set_clock(), at_most=2)
            tx.run("DELETE FROM events WHERE seq = 3")
        assert problems(store) != ()

    def test_a_young_event_is_not_dropped_for_an_old_looking_one_behind_it(self, store: Database, set_clock) -> None:
        fill(store, 1)
        set_clock.advance(-1000)
        fill(store, 1)
        set_clock.advance(1010)
        with store.write() as tx:
            assert events.prune(tx, set_clock() - 500 * SECOND, at_most=10) == 0

    def test_an_event_from_the_future_does_not_stop_retention(self, store: Database, set_clock) -> None:
        set_clock.advance(10**6)
        fill(store, 1)
        set_clock.advance(-(10**6))
        fill(store, 1)
        set_clock.advance(1000)
        with store.write() as tx:
            assert events.prune(tx, set_clock() - 500 * SECOND, at_most=10) == 2


def test_export_starts_where_it_is_told(store: Database) -> None:
    fill(store, 4)
    with store.read() as tx:
        assert [event.seq for event in events.each(tx, after=2)] == [3, 4]
    assert events.latest_seq(store) == 4


class TestEpochs:
    def test_a_new_epoch_goes_on_far_beyond_and_the_chain_holds(self, store: Database) -> None:
        fill(store, 5)
        with store.write() as tx:
            assert events.begin_epoch(tx, at_least=12_000_000) == 20_000_001
            assert tx.record("thing.happened", "thing/5") == 20_000_001
        fill(store, 3, 6)
        assert problems(store) == ()
        with store.read() as tx:
            assert events.verify_newest(tx, 3).problems == ()
            assert events.verify_newest(tx, 5).problems == ()

    def test_each_restore_leaves_another_future_behind(self, store: Database) -> None:
        for _ in range(3):
            with store.write() as tx:
                events.begin_epoch(tx)
                tx.record("thing.happened", "thing/0")
        assert problems(store) == ()
        with store.read() as tx:
            assert events.head(tx)[0] == 30_000_001

    def test_what_is_removed_on_either_side_of_the_gap_is_found_out(self, store: Database) -> None:
        fill(store, 5)
        with store.write() as tx:
            events.begin_epoch(tx)
        fill(store, 5, 5)
        for seq in (5, 10_000_001):
            with pytest.raises(AssertionError), store.write() as tx:
                tx.run("DELETE FROM events WHERE seq = :seq", seq=seq)
                assert events.verify(tx).problems == ()

    def test_an_event_of_the_future_that_was_given_up_is_missed_by_who_kept_its_hash(self, store: Database) -> None:
        fill(store, 5)
        with store.write() as tx:
            events.begin_epoch(tx)
        fill(store, 1, 5)
        with store.read() as tx:
            assert events.verify(tx, {6: "00"}).problems == ("event 6, whose hash was kept elsewhere, is missing",)

    def test_a_gap_without_its_anchor_is_no_epoch(self, store: Database) -> None:
        fill(store, 5)
        with store.write() as tx:
            events.begin_epoch(tx)
        fill(store, 1, 5)
        with store.write() as tx:
            tx.run("UPDATE event_anchors SET hash = x'00'")
        assert problems(store) == ("events 6 to 10000000 are missing",)

    @pytest.mark.parametrize("dropped", [2, 5, 7])
    def test_old_events_are_dropped_across_it(self, store: Database, set_clock, dropped: int) -> None:
        fill(store, 5)
        with store.write() as tx:
            events.begin_epoch(tx)
        fill(store, 5, 5)
        with store.write() as tx:
            assert events.prune(tx, tx.now + SECOND, dropped) == dropped
        assert problems(store) == ()
        with store.read() as tx:
            assert events.verify_newest(tx, 4).problems == ()
