"""Text on its way to whoever watches a thread."""

import threading

import pytest

from jarvis.kernel.streams import Frame, Streams


def test_frames_reach_every_sink_in_order_with_their_offsets() -> None:
    streams, one, other = Streams(), [], []
    streams.subscribe(one.append)
    streams.subscribe(other.append)
    for word in ("Gr", "üße", "!"):
        streams.delta("thr_1", "msg_1", word)
    assert [(frame["offset"], frame["text"]) for frame in one] == [(0, "Gr"), (2, "üße"), (5, "!")]
    assert one == other
    assert one[0] == {
        "type": "message.delta",
        "thread_id": "thr_1",
        "seq": 0,
        "message_id": "msg_1",
        "offset": 0,
        "text": "Gr",
    }


def test_one_who_comes_late_gets_everything_so_far() -> None:
    streams = Streams()
    assert streams.so_far("thr_1") is None
    streams.begin("thr_1", "msg_1")
    assert streams.so_far("thr_1")["text"] == ""  # type: ignore[index]
    streams.delta("thr_1", "msg_1", "ab")
    streams.delta("thr_1", "msg_1", "cd")
    frame = streams.so_far("thr_1")
    assert frame is not None
    assert (frame["offset"], frame["text"]) == (0, "abcd")


def test_each_frame_names_the_event_it_comes_after() -> None:
    streams, frames = Streams(), []
    streams.subscribe(frames.append)
    streams.begin("thr_1", "msg_1", seq=7)
    streams.delta("thr_1", "msg_1", "ab")
    streams.mark("thr_1", 9)
    streams.mark("thr_unknown", 99)
    streams.delta("thr_1", "msg_1", "cd")
    assert [frame["seq"] for frame in frames] == [7, 9]
    assert (streams.so_far("thr_1") or {})["seq"] == 9


def test_what_is_finished_is_forgotten() -> None:
    streams = Streams()
    streams.delta("thr_1", "msg_1", "ab")
    streams.end("thr_1")
    streams.end("thr_1")
    assert streams.so_far("thr_1") is None


def test_another_message_in_the_thread_starts_over() -> None:
    streams, frames = Streams(), []
    streams.subscribe(frames.append)
    streams.delta("thr_1", "msg_1", "old")
    streams.delta("thr_1", "msg_2", "new")
    assert (frames[1]["message_id"], frames[1]["offset"]) == ("msg_2", 0)


def test_threads_do_not_mix() -> None:
    streams = Streams()
    streams.delta("thr_1", "msg_1", "one")
    streams.delta("thr_2", "msg_2", "two")
    assert (streams.so_far("thr_1") or {})["text"] == "one"


def test_frames_that_are_not_kept_are_passed_on() -> None:
    streams, frames = Streams(), []
    streams.subscribe(frames.append)
    streams.tell({"type": "agent.thinking", "thread_id": "thr_1"})
    assert frames == [{"type": "agent.thinking", "thread_id": "thr_1"}]
    assert streams.so_far("thr_1") is None


def test_one_who_stopped_hears_no_more_and_may_stop_twice() -> None:
    streams, frames = Streams(), []
    stop = streams.subscribe(frames.append)
    stop()
    stop()
    streams.tell({"type": "x"})
    assert frames == []


def test_a_sink_that_fails_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    streams, frames = Streams(), []

    def fail(_: Frame) -> None:
        raise OSError("gone")

    streams.subscribe(fail)
    streams.subscribe(frames.append)
    streams.delta("thr_1", "msg_1", "ab")
    assert len(frames) == 1
    assert "failed to take a frame" in caplog.text


def test_a_sink_may_ask_what_there_is_and_may_stop() -> None:
    streams, seen = Streams(), []

    def look(_: Frame) -> None:
        seen.append(streams.so_far("thr_1"))
        stop()

    stop = streams.subscribe(look)
    frames: list[Frame] = []
    streams.subscribe(frames.append)
    streams.delta("thr_1", "msg_1", "ab")
    streams.delta("thr_1", "msg_1", "cd")
    assert len(seen) == 1
    assert len(frames) == 2, "the next in line is not passed over"


def test_writers_at_once_leave_no_gap() -> None:
    streams, frames = Streams(), []
    streams.subscribe(frames.append)
    threads = [
        threading.Thread(target=lambda: [streams.delta("thr_1", "msg_1", "xy") for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [frame["offset"] for frame in frames] == list(range(0, 1600, 2))
