"""RFC 6455 frame by frame, right and wrong, and a seeded storm of nonsense."""

import random
import struct
from collections.abc import Callable, Iterator

import pytest

from jarvis.web.connection import HubLimits
from tests.web.peers import BINARY, CLOSE, CONT, PING, PONG, TEXT, Peer, RunningHub, closing, frame

MAX = 65536
SEED = 20261123
PIECE = "é".encode()


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    running = RunningHub(limits=HubLimits(frames_burst=1000, per_owner=10_000))
    yield running
    running.stop()


@pytest.fixture
def peer(hub: RunningHub) -> Iterator[Peer]:
    client = Peer(hub.address)
    yield client
    client.close()


def raw_head(first: int, second: int, rest: bytes = b"") -> bytes:
    return struct.pack("!BB", first, second) + rest


CLOSED_WITH = {
    "binary": (frame(BINARY, b"\x00"), 1003),
    "binary fragment": (frame(BINARY, b"\x00", fin=False), 1003),
    "reserved bit 1": (frame(TEXT, b"a", rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, b"a", rsv=2), 1002),
    "reserved bit 3": (frame(PING, b"", rsv=1), 1002),
    **{f"reserved opcode {code}": (frame(code, b"a"), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "unmasked text": (frame(TEXT, b"a", mask=False), 1002),
    "unmasked close": (frame(CLOSE, b"\x03\xe8", mask=False), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "long pong": (frame(PONG, b"x" * 126), 1002),
    "fragmented ping": (frame(PING, b"x", fin=False), 1002),
    "fragmented close": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "continuation of nothing": (frame(CONT, b"a"), 1002),
    "text inside a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "close inside a message": (frame(TEXT, b"a", fin=False) + closing(1000), 1002),
    "one byte close": (frame(CLOSE, b"\x03"), 1002),
    "close reason not UTF-8": (closing(1000, b"\xff"), 1007),
    "long close reason": (closing(1000, b"x" * 124), 1002),
    **{
        f"close code {code}": (closing(code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535)
    },
    **{f"valid close code {code}": (closing(code), code) for code in (1000, 1001, 1011, 3000, 4999)},
    "empty close": (frame(CLOSE), 1005),
    "text not UTF-8": (frame(TEXT, b"\xc3\x28"), 1007),
    "overlong UTF-8": (frame(TEXT, b"\xc0\xaf"), 1007),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "cut off UTF-8": (frame(TEXT, PIECE[:1]), 1007),
    "cut off across fragments": (frame(TEXT, PIECE[:1], fin=False) + frame(CONT, b"a"), 1007),
    "one byte too many": (frame(TEXT, b"x" * (MAX + 1)), 1009),
    "too many in pieces": (frame(TEXT, b"x" * MAX, fin=False) + frame(CONT, b"x"), 1009),
    "announces 2^63": (raw_head(0x81, 0xFF, b"\x80" + bytes(7)), 1009),
    "announces 2^62": (raw_head(0x81, 0xFF, b"\x40" + bytes(7)), 1009),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", 1002),
}


@pytest.mark.parametrize("case", CLOSED_WITH)
def test_it_closes_with_the_right_code(peer: Peer, case: str) -> None:
    sent, code = CLOSED_WITH[case]
    peer.send(sent)
    assert peer.close_code() == code


ECHOED = {
    "plain": (frame(TEXT, b"hello"), ["hello"]),
    "empty": (frame(TEXT), [""]),
    "as large as may be": (frame(TEXT, b"x" * MAX), ["x" * MAX]),
    "two at once": (frame(TEXT, b"a") + frame(TEXT, b"b"), ["a", "b"]),
    "fragments": (frame(TEXT, b"a", fin=False) + frame(CONT, b"b", fin=False) + frame(CONT, b"c"), ["abc"]),
    "empty fragments": (frame(TEXT, fin=False) + frame(CONT, fin=False) * 500 + frame(CONT, b"x"), ["x"]),
    "UTF-8 across fragments": (frame(TEXT, PIECE[:1], fin=False) + frame(CONT, PIECE[1:]), ["é"]),
    "NUL": (frame(TEXT, b"\x00"), ["\x00"]),
    "four bytes": (frame(TEXT, "\U0001f980".encode()), ["\U0001f980"]),
    "length longer than needed": (raw_head(0x81, 0xFE, b"\x00\x01" + bytes(4) + b"a"), ["a"]),
    "pong nobody asked for": (frame(PONG, b"x") + frame(TEXT, b"a"), ["a"]),
}


@pytest.mark.parametrize("case", ECHOED)
def test_it_understands(peer: Peer, case: str) -> None:
    sent, texts = ECHOED[case]
    peer.send(sent)
    assert [peer.text() for _ in texts] == texts
    assert peer.is_silent()


def test_it_understands_byte_by_byte(peer: Peer) -> None:
    for byte in frame(TEXT, b"slow", fin=False) + frame(PING, b"p") + frame(CONT, b"ly"):
        peer.send(bytes([byte]))
    assert [peer.frame(), peer.frame()] == [(PONG, b"p"), (TEXT, b"slowly")]


def test_a_ping_inside_a_full_message_is_not_counted_into_it(peer: Peer) -> None:
    peer.send(frame(TEXT, b"x" * MAX, fin=False) + frame(PING, b"y" * 125) + frame(CONT))
    assert peer.frame() == (PONG, b"y" * 125)
    assert peer.text() == "x" * MAX


def test_nothing_is_heard_after_a_close(peer: Peer) -> None:
    peer.send(closing(1000) + frame(TEXT, b"too late") + frame(PING))
    assert peer.frame() == (CLOSE, b"\x03\xe8")
    assert peer.rest() == b""


def test_what_came_before_a_violation_is_heard(peer: Peer) -> None:
    peer.send(frame(TEXT, b"a"))
    assert peer.text() == "a"
    peer.send(frame(BINARY, b"b"))
    assert peer.close_code() == 1003


def test_the_close_frame_survives_a_flood_behind_the_violation(peer: Peer) -> None:
    """With unread bytes a plain close would reset the connection and destroy it."""
    peer.send(frame(PING, b"x" * 126) + bytes(600_000))
    assert peer.close_code() == 1002


def _nonsense(dice: random.Random) -> bytes:
    makers: list[Callable[[], bytes]] = [
        lambda: dice.randbytes(dice.randrange(1, 200)),
        lambda: frame(
            dice.randrange(16),
            dice.randbytes(dice.choice([0, 1, 2, 50, 125, 126, 300])),
            fin=dice.random() < 0.7,
            rsv=dice.choice([0] * 9 + [4]),
            mask=dice.random() < 0.95,
        ),
        lambda: frame(TEXT, b"valid", fin=dice.random() < 0.5),
        lambda: frame(CONT, b"more", fin=dice.random() < 0.5),
        lambda: closing(dice.randrange(6000)),
        lambda: frame(TEXT, b"cut short")[: dice.randrange(1, 14)],
    ]
    return b"".join(dice.choice(makers)() for _ in range(dice.randrange(1, 8)))


def test_hundreds_of_nonsense_connections_leave_it_unharmed(hub: RunningHub) -> None:
    dice = random.Random(SEED)
    steady, _ = hub.connect("steady")
    before = hub.hub.stats()["connections"]
    for number in range(400):
        client = Peer(hub.address, behind=_nonsense(dice) if number % 2 else b"")
        client.send(_nonsense(dice))
        client.close()
    hub.until(lambda: hub.hub.stats()["connections"] <= before)
    steady.say("still there")
    assert steady.text() == "still there"
    steady.close()
