"""Updates of real processes: what serves in the end, by whose hand, and with the same listener and pid."""

import time

import pytest

from jarvis.archive import swap
from tests.supervisor.host import Host


@pytest.fixture
def host(tmp_path):
    found = Host(tmp_path)
    assert found.get("/version") == "old"
    yield found
    found.close()


def install(host, behaviour="good", seconds=10):
    host.candidate(behaviour)
    host.get(f"/install/{seconds}")


def test_a_good_update_ends_verified_under_its_own_supervisor_with_the_same_pid(host):
    supervisor = host.process.pid
    install(host)
    assert host.settled() == "new"
    assert host.get("/pids").split()[1] == str(supervisor) == str(host.process.pid)
    assert (host.starts, host.marker().holder) == (1, host.new)
    assert swap.sha256_of(host.path + swap.PREVIOUS) == host.old


def test_it_goes_back_by_hand_and_the_old_supervisor_supervises_again(host):
    supervisor = host.process.pid
    install(host)
    assert host.settled() == "new"
    host.get("/back")
    assert host.settled() == "old"
    assert host.marker().by == "admin"
    host.candidate()
    assert host.process.pid == supervisor
    assert host.starts == 1
    install(host)  # and forward again: the supervisor is one that can
    assert host.settled() == "new"


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("hangs", "not ready within 2 s"),
        ("503", "/readyz answers 503"),
        ("dies at start", "2 workers in a row died, the last with exit code 1"),
        ("crashes later", "2 workers in a row died, the last with exit code 3"),
        ("its supervisor fails", "its start failed: RuntimeError"),
    ],
)
def test_a_broken_update_is_taken_back_and_the_old_one_serves(host, behaviour, why):
    started = time.monotonic()
    install(host, behaviour, seconds=2)
    assert host.settled() == "old"
    assert why in host.marker().why
    assert host.starts == 1  # nobody had to start us anew
    assert time.monotonic() - started < 2 + 10


def test_an_update_whose_supervisor_dies_is_taken_back_by_the_launcher(host):
    install(host, "its supervisor dies", seconds=2)
    assert host.settled() == "old"
    assert (host.marker().by, host.starts) == ("launcher", 1 + swap.MOST_STARTS)
