"""Identifiers sort by creation, never repeat, and are told from anything else."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel.clock import SECOND
from jarvis.kernel.ids import ALPHABET, PREFIXES, Ids, is_id

CONTRACT = [
    "usr",
    "ses",
    "tok",
    "thr",
    "msg",
    "evt",
    "trc",
    "spn",
    "tsk",
    "sch",
    "dsp",
    "bug",
    "prm",
    "apr",
    "upd",
    "bkp",
    "whk",
]


def test_every_prefix_of_the_contract_exists() -> None:
    assert set(CONTRACT) <= PREFIXES


def test_an_unknown_prefix_is_a_mistake_of_ours(set_clock) -> None:
    with pytest.raises(ValueError, match="zzz"):
        Ids(set_clock).new("zzz")


def test_a_hundred_thousand_are_unique_and_sorted_though_time_stands_still(set_clock) -> None:
    ids = Ids(set_clock)
    made = [ids.new("evt") for _ in range(100_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(st.lists(st.integers(-(10**7), 10**15), min_size=2, max_size=30))
def test_they_are_in_order_whatever_the_clock_does(instants: list[int]) -> None:
    steps = iter(instants)
    ids = Ids(lambda: next(steps))
    made = [ids.new("msg") for _ in instants]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(is_id(one, "msg") for one in made)


def test_a_clock_set_back_does_not_set_them_back(set_clock) -> None:
    ids = Ids(set_clock)
    before = ids.new("msg")
    set_clock.advance(-3600)
    assert ids.new("msg") > before


def test_threads_share_one_order(set_clock) -> None:
    ids, made = Ids(set_clock), []

    def work() -> None:
        for _ in range(500):
            made.append(ids.new("evt"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000


def test_the_time_can_be_read_from_one() -> None:
    one = Ids(lambda: 1_700_000_000 * SECOND).new("usr")
    number = 0
    for letter in one[4:]:
        number = number * 32 + ALPHABET.index(letter)
    assert number >> 80 == 1_700_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usr_",
        "usr_01ARZ3NDEKTSV4RRFFQ69G5FA",
        "usr_01ARZ3NDEKTSV4RRFFQ69G5FAVV",
        "usr_81ARZ3NDEKTSV4RRFFQ69G5FAV",
        "usr_01ARZ3NDEKTSV4RRFFQ69G5FAI",
        "usr_01arz3ndektsv4rrffq69g5fav",
        "msg_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV\n",
    ],
)
def test_what_is_no_id_is_told_from_one(text: str) -> None:
    assert not is_id(text, "usr")
    assert is_id("usr_01ARZ3NDEKTSV4RRFFQ69G5FAV", "usr")
