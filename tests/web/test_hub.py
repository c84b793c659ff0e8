"""Topics, order, replay without gaps, sessions that end, and what happens to those who cost too much."""

import threading
from collections.abc import Callable

import pytest

from jarvis.web.connection import Connection, HubLimits
from tests.web.peers import (
    CLOSE,
    TEXT,
    TIMEOUT,
    FakeMonotonic,
    Peer,
    Raw,
    RunningHub,
    frame,
    until,
    upgrade_request,
)

RunHub = Callable[..., RunningHub]


def test_a_topic_reaches_its_subscribers_in_their_kind(run_hub: RunHub) -> None:
    running = run_hub()
    plain, plain_side = running.connect()
    html, html_side = running.connect("", "Sec-WebSocket-Protocol: jarvis.html")
    stranger, _ = running.connect()
    for side in (plain_side, html_side):
        running.hub.subscribe(side, "news")
    running.hub.publish("news", {"json": "{}", "html": "<p>"})
    running.hub.publish("news", {"json": "only json"})
    assert [plain.text(), plain.text()] == ["{}", "only json"]
    assert html.text() == "<p>"
    assert html.is_silent()
    assert stranger.is_silent()
    for peer in (plain, html, stranger):
        peer.close()


def test_unsubscribing_ends_it_and_leaves_nothing_behind(run_hub: RunHub) -> None:
    running = run_hub()
    peer, side = running.connect()
    running.hub.subscribe(side, "news")
    running.hub.subscribe(side, "gone")
    running.hub.unsubscribe(side, "gone")
    running.hub.unsubscribe(side, "never there")
    running.hub.publish("gone", {"json": "no"})
    running.hub.publish("news", {"json": "yes"})
    assert peer.text() == "yes"
    assert set(side.topics) == {"news"}
    peer.close()
    running.until(lambda: running.closed == [side])
    assert running.hub.stats()["topics"] == 0


def test_frames_from_one_thread_arrive_in_their_order(run_hub: RunHub) -> None:
    running = run_hub()
    peers = [running.connect() for _ in range(3)]
    for _, side in peers:
        running.hub.subscribe(side, "news")
    threads = [
        threading.Thread(
            target=lambda name=name: [running.hub.publish("news", {"json": f"{name} {n}"}) for n in range(500)]
        )
        for name in "ab"
    ]
    for thread in threads:
        thread.start()
    for peer, _ in peers:
        got = [peer.text().split() for _ in range(1000)]
        for name in "ab":
            assert [int(number) for who, number in got if who == name] == list(range(500))
        peer.close()
    for thread in threads:
        thread.join()


def test_replay_and_live_frames_meet_without_gap_or_double(run_hub: RunHub) -> None:
    """A writer commits and publishes all the while; each subscriber sees every number once, in order."""
    running = run_hub(limits=HubLimits(per_owner=100))
    committed: list[int] = []
    stop, total = threading.Event(), 3000

    def write() -> None:
        for number in range(total):
            committed.append(number)  # the commit, before it is published
            running.hub.publish("log", {"json": str(number)}, seq=number)
            if number % 100 == 0:
                stop.wait(0.001)

    peers = [running.connect() for _ in range(8)]
    writer = threading.Thread(target=write)
    writer.start()

    def past() -> tuple[list[str], int]:
        snapshot = list(committed)
        stop.wait(0.002)  # slow, so that plenty is published meanwhile
        return [str(number) for number in snapshot], snapshot[-1] if snapshot else -1

    for _, side in peers:
        running.hub.follow(side, "log", past)
    writer.join()
    for peer, _ in peers:
        assert [int(peer.text()) for _ in range(total)] == list(range(total))
        assert peer.is_silent()
        peer.close()


def test_frames_without_seq_are_held_and_kept(run_hub: RunHub) -> None:
    running = run_hub()
    peer, side = running.connect()
    subscription = running.hub.subscribe(side, "log", replay=True)
    running.hub.publish("log", {"json": "7"}, seq=7)
    running.hub.publish("log", {"json": "delta"})
    running.hub.publish("log", {"json": "9"}, seq=9)
    running.hub.replay_done(subscription, ["6", "7"], through=8)
    running.hub.publish("log", {"json": "8 late"}, seq=8)
    running.hub.publish("log", {"json": "10"}, seq=10)
    assert [peer.text() for _ in range(5)] == ["6", "7", "delta", "9", "10"]
    peer.close()


def test_a_replay_that_fails_or_comes_too_late_changes_nothing(run_hub: RunHub) -> None:
    running = run_hub()
    peer, side = running.connect()

    def broken() -> tuple[list[str], int]:
        raise LookupError

    with pytest.raises(LookupError):
        running.hub.follow(side, "log", broken)
    late = running.hub.subscribe(side, "log", replay=True)
    running.hub.unsubscribe(side, "log")
    running.hub.replay_done(late, ["never"], through=1)
    running.settle()
    assert not side.topics
    assert peer.is_silent()
    peer.close()


def test_who_falls_behind_in_a_replay_is_asked_to_come_back(run_hub: RunHub) -> None:
    running = run_hub(limits=HubLimits(outbox_bytes=10_000))
    peer, side = running.connect()
    running.hub.subscribe(side, "log", replay=True)
    for number in range(20):
        running.hub.publish("log", {"json": "x" * 1000}, seq=number)
    assert peer.close_code() == 1013
    peer.close()


def test_an_ended_session_is_closed_with_1008(run_hub: RunHub) -> None:
    running = run_hub()
    alice, _ = running.connect("alice")
    bob, _ = running.connect("bob")
    running.hub.close_where(lambda name: name == "alice", 1008, "session ended")
    assert alice.close_code() == 1008
    assert bob.is_silent()
    alice.close()
    bob.close()


def test_revoked_subscriptions_end_before_the_next_frame(run_hub: RunHub) -> None:
    running = run_hub()
    ada, side = running.connect("ada")
    running.hub.subscribe(side, "system", required="admin")
    running.hub.subscribe(side, "own")
    running.hub.publish("system", {"json": "before"})
    running.hub.revoke(lambda name: name == "ada", "admin")
    running.hub.publish("system", {"json": "secret"})
    running.hub.publish("own", {"json": "own"})
    assert [ada.text(), ada.text()] == ["before", "own"]
    assert ada.is_silent()
    ada.close()


def test_sessions_are_asked_about_on_a_timer_and_on_request(run_hub: RunHub, monotonic: FakeMonotonic) -> None:
    gone: set[str] = set()
    running = run_hub(still_allowed=lambda names: [name not in gone for name in names], monotonic=monotonic)
    alice, _ = running.connect("alice")
    bob, _ = running.connect("bob")
    gone.add("alice")
    running.hub.wake()
    assert alice.is_silent()
    monotonic.now += 31
    running.hub.wake()
    assert alice.close_code() == 1008
    gone.add("bob")
    running.hub.recheck()
    assert bob.close_code() == 1008
    alice.close()
    bob.close()


def test_a_session_that_ended_during_the_handshake_is_never_greeted(run_hub: RunHub) -> None:
    heard: list[str] = []
    running = run_hub(
        still_allowed=lambda names: [name != "charlie" for name in names],
        on_message=lambda connection, text: heard.append(text),
    )
    charlie = Peer(running.address, "/ws/charlie", behind=frame(TEXT, b"let me in"))
    assert charlie.close_code() == 1008
    charlie.close()
    running.until(lambda: len(running.closed) == 1)
    assert (running.opened, heard) == ([], [])


def test_a_failing_recheck_closes_nobody(run_hub: RunHub, caplog: pytest.LogCaptureFixture) -> None:
    fails = threading.Event()
    asked = threading.Event()

    def still_allowed(names: object) -> list[bool]:
        if fails.is_set():
            asked.set()
            raise OSError("the database is busy")
        return [True]

    running = run_hub(still_allowed=still_allowed)
    peer, _ = running.connect()
    fails.set()
    running.hub.recheck()
    assert asked.wait(TIMEOUT)
    assert peer.is_silent()
    peer.close()
    fails.clear()


def test_a_failing_callback_closes_its_connection_only(run_hub: RunHub, caplog: pytest.LogCaptureFixture) -> None:
    def on_message(connection: Connection[str], text: str) -> None:
        raise RuntimeError("secret detail")

    running = run_hub(on_message=on_message)
    peer, _ = running.connect()
    other, _ = running.connect()
    peer.say("boom")
    opcode, data = peer.frame()
    assert (opcode, data) == (CLOSE, b"\x03\xf3internal error")
    assert other.is_silent()
    peer.close()
    other.close()


def test_a_slow_consumer_is_dropped_and_the_others_are_not(run_hub: RunHub) -> None:
    running = run_hub(limits=HubLimits(outbox_bytes=1 << 20))
    slow, slow_side = running.connect()
    quick, quick_side = running.connect()
    running.hub.subscribe(slow_side, "news")
    running.hub.subscribe(quick_side, "news")
    text = "x" * 60_000
    for _ in range(400):
        running.hub.publish("news", {"json": text})
        assert quick.text() == text
    running.until(lambda: slow_side in running.closed)
    assert running.hub.stats()["slow_consumers"] == 1
    slow.close()
    quick.close()


def test_who_pings_and_reads_no_pongs_is_dropped_too(run_hub: RunHub) -> None:
    limits = HubLimits(outbox_bytes=50_000, frames_burst=1e9, frames_per_second=1e9)
    running = run_hub(limits=limits)
    peer, _ = running.connect()
    with pytest.raises(OSError):
        while True:
            peer.send(frame(9, b"x" * 125) * 500)
    running.until(lambda: len(running.closed) == 1)
    assert running.hub.stats()["slow_consumers"] == 1
    peer.close()


def test_a_burst_within_the_bound_is_delivered_whole(run_hub: RunHub) -> None:
    running = run_hub(limits=HubLimits(outbox_bytes=8 << 20))
    peer, side = running.connect()
    running.hub.subscribe(side, "news")
    for number in range(2000):
        running.hub.publish("news", {"json": f"{number} " + "x" * 3000})
    assert [int(peer.text().split()[0]) for _ in range(2000)] == list(range(2000))
    peer.close()


def test_a_silent_peer_is_pinged_and_then_dropped(run_hub: RunHub, monotonic: FakeMonotonic) -> None:
    running = run_hub(monotonic=monotonic)
    peer, side = running.connect()
    monotonic.now += 21
    running.hub.wake()
    assert peer.frame() == (9, b"")
    monotonic.now += 20
    running.hub.wake()
    running.until(lambda: running.closed == [side])
    assert running.hub.stats()["ping_timeouts"] == 1
    assert peer.rest() == b""
    peer.close()


def test_a_peer_that_answers_its_pings_stays(run_hub: RunHub, monotonic: FakeMonotonic) -> None:
    running = run_hub(monotonic=monotonic)
    peer, _ = running.connect()
    for _ in range(5):
        monotonic.now += 21
        running.hub.wake()
        assert peer.frame() == (9, b"")
        peer.send(frame(10))
        assert peer.is_silent()
    peer.close()


def test_a_close_that_nobody_answers_has_a_deadline(run_hub: RunHub, monotonic: FakeMonotonic) -> None:
    running = run_hub(monotonic=monotonic)
    peer, side = running.connect()
    running.hub.close(side, 1000, "bye")
    assert peer.frame() == (CLOSE, b"\x03\xe8bye")
    monotonic.now += 6
    running.hub.wake()
    running.until(lambda: running.closed == [side])
    assert peer.rest() == b""
    peer.close()


def test_a_long_close_reason_is_cut_between_characters(run_hub: RunHub) -> None:
    running = run_hub()
    peer, side = running.connect()
    running.hub.close(side, 1008, "é" * 100)
    assert peer.frame() == (CLOSE, b"\x03\xf0" + ("é" * 61).encode())
    peer.close()


def test_too_many_frames_are_closed_with_1008(run_hub: RunHub, monotonic: FakeMonotonic) -> None:
    running = run_hub(monotonic=monotonic, limits=HubLimits(frames_per_second=10, frames_burst=20))
    peer, _ = running.connect()
    for _ in range(20):
        peer.say("a")
    assert [peer.text() for _ in range(20)] == ["a"] * 20
    monotonic.now += 1
    for _ in range(10):
        peer.say("b")
    assert [peer.text() for _ in range(10)] == ["b"] * 10
    peer.send(frame(9) * 2)
    until(lambda: running.hub.stats().get("too_fast") == 1)
    peer.close()


def test_a_full_inbox_asks_to_try_later(run_hub: RunHub) -> None:
    gate = threading.Event()
    running = run_hub(on_message=lambda *_: gate.wait(TIMEOUT) and None, limits=HubLimits(inbox_messages=5))
    peer, _ = running.connect()
    peer.send(frame(TEXT, b"a") * 20)
    assert peer.close_code() == 1013
    gate.set()
    peer.close()


def test_one_owner_has_only_so_many(run_hub: RunHub) -> None:
    running = run_hub(owner=lambda name: name, limits=HubLimits(per_owner=2))
    first, _ = running.connect("alice")
    second, _ = running.connect("alice")
    third = Raw(running.address)
    third.send(upgrade_request("/ws/alice"))
    assert third.response()[0] == 429
    bob, _ = running.connect("bob")
    first.close()
    running.until(lambda: len(running.closed) == 1)
    fourth, _ = running.connect("alice")
    for peer in (second, third, bob, fourth):
        peer.close()


def test_beyond_the_limit_the_handshake_is_refused(run_hub: RunHub) -> None:
    running = run_hub(limits=HubLimits(connections=1))
    first, _ = running.connect()
    second = Raw(running.address)
    second.send(upgrade_request())
    assert second.response()[0] == 503
    first.close()
    second.close()


def test_handshakes_that_slip_through_together_are_closed_with_1013(run_hub: RunHub) -> None:
    running = run_hub(limits=HubLimits(connections=1))
    gate = threading.Event()
    running.hub.after(lambda: gate.wait(TIMEOUT) and None)
    server = running.running.server
    peers = []
    for _ in range(2):
        peers.append(Raw(running.address))
        peers[-1].send(upgrade_request())
        until(lambda: server.stats().requests == len(peers) and server.stats().channels == 0)
    gate.set()
    assert [peer.response()[0] for peer in peers] == [101, 101]
    assert peers[1].exactly(4)[2:] == b"\x03\xf5"
    peers[0].send(frame(TEXT, b"here"))
    assert peers[0].exactly(6) == b"\x81\x04here"
    for peer in peers:
        peer.close()


def test_draining_closes_all_with_1001_and_refuses_new_ones(run_hub: RunHub) -> None:
    running = run_hub()
    peers = [running.connect()[0] for _ in range(5)]
    drained: list[bool] = []
    thread = threading.Thread(target=lambda: drained.append(running.hub.drain(TIMEOUT)))
    thread.start()
    for peer in peers:
        assert peer.frame() == (CLOSE, b"\x03\xe9restarting")
    late = Raw(running.address)
    late.send(upgrade_request())
    assert late.response()[0] == 503
    for peer in (*peers, late):
        peer.close()
    thread.join()
    assert drained == [True]
    running.until(lambda: len(running.closed) == 5)


def test_draining_an_empty_hub_is_quick(run_hub: RunHub) -> None:
    assert run_hub().hub.drain(TIMEOUT)


def test_stopping_cuts_off_and_tells_the_application(run_hub: RunHub) -> None:
    running = run_hub()
    peer, side = running.connect()
    running.hub.drain(0)
    running.hub.stop()
    assert running.closed == [side]
    assert running.hub.stats()["connections"] == 0
    running.hub.publish("news", {"json": "to nobody"})
    peer.close()
    running.running.stop()
