"""Kill -9 before each thing an update does to the disk: one version serves in the end, and the files say which.

`make test` tries a sample (JARVIS_SEED=… another one); JARVIS_PROOF=1 tries them all.
"""

import os
import random

import pytest

from tests.supervisor.host import Host

APPLY = [("old-worker", n) for n in range(1, 13)]
"""Both copies, the marker, the rename: each with its fsync."""
TRIAL = [("new-supervisor", n) for n in range(1, 7)] + [("old-supervisor", 1)] + [("new-worker", n) for n in (1, 2, 3)]
TAKEN_BACK = [("old-supervisor", n) for n in range(1, 7)] + [("old-worker", n) for n in (13, 14, 15)]
BY_HAND = [("new-worker", n) for n in range(1, 7)] + [("new-supervisor", 1), ("old-supervisor", 1), ("old-worker", 2)]
EVERY = [
    (scenario, role, n, both)
    for scenario, steps in (("apply", APPLY), ("apply", TRIAL), ("taken back", TAKEN_BACK), ("by hand", BY_HAND))
    for role, n in steps
    for both in ((False, True) if role.endswith("worker") else (False,))
]
SURE = [("apply", "old-worker", 11, True), ("taken back", "old-supervisor", 4, False)]
"""Between the marker and the rename, there and back."""


def tried() -> list[tuple[str, str, int, bool]]:
    if os.environ.get("JARVIS_PROOF"):
        return EVERY
    return SURE + random.Random(os.environ.get("JARVIS_SEED", "1")).sample(EVERY, 3)


@pytest.fixture
def host(tmp_path):
    found = Host(tmp_path)
    assert found.get("/version") == "old"
    yield found
    found.close()


@pytest.mark.parametrize(("scenario", "role", "number", "both"), tried())
def test_one_version_serves_and_the_files_say_which(host, scenario, role, number, both):
    orders = host.home / "kill"
    host.candidate("503" if scenario == "taken back" else "good")
    if scenario == "by hand":
        host.tell("/install/10")
        assert host.settled() == "new"
    orders.write_text(f"{role} {number} {int(both)}")
    host.tell("/back" if scenario == "by hand" else "/install/1" if scenario == "taken back" else "/install/10")
    serving = host.settled()
    if scenario == "taken back":
        assert serving == "old"
    assert {host.get("/version") for _ in range(5)} == {serving}
    assert host.settled() == serving
    if (scenario, role, number, both) in SURE:
        assert orders.with_suffix(".done").exists()
