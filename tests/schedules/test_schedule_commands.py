"""`jarvis schedule`, by behaviour."""

from collections.abc import Callable

import pytest

from jarvis.kernel.errors import Conflict, Denied, Invalid, NotFound, Usage
from jarvis.schedules import cli
from tests import commandline
from tests.commandline import Ran
from tests.schedules.conftest import SWEEP, Bench

Jarvis = Callable[..., Ran]


@pytest.fixture
def jarvis(bench: Bench) -> Jarvis:
    def run(line: str, *, is_json: bool = False, by: object = None) -> Ran:
        ctx = by or commandline.as_cli(bench.ctx)
        start = commandline.Start(ctx, bench.ctx.settings, bench.clock)  # type: ignore[arg-type]
        return commandline.run(cli, f"schedule {line}", start, is_json=is_json)

    return run


def test_a_schedule_is_added_listed_changed_and_removed(jarvis: Jarvis) -> None:
    assert "No schedules. Begin one" in jarvis("list").out
    out = jarvis('add "30 7 * * 1-5" --prompt "How is the disk?" --timezone Europe/Lisbon --name Morning').out
    assert "Weekdays 07:30, Europe/Lisbon" in out
    assert "Morning" in jarvis("list").out
    assert "overlap queue" in jarvis("set morning --overlap queue --grace 60 --max-catchup 3").out
    assert "asks: How is it?" in jarvis('set morning --prompt "How is it?"').out
    assert jarvis("remove morning", is_json=True).json["removed"] is True
    with pytest.raises(NotFound):
        jarvis("show morning")


def test_the_json_is_that_of_the_api(jarvis: Jarvis, client) -> None:  # type: ignore[no-untyped-def]
    made = jarvis("add @daily --prompt x", is_json=True).json
    assert client.bearer("ada").get(f"/api/v1/schedules/{made['id']}").json == made
    assert jarvis("list", is_json=True).json == {"items": [made], "next": None}


def test_pausing_says_why_and_by_whom(jarvis: Jarvis) -> None:
    jarvis("add @daily --prompt x --name Audit")
    jarvis('pause audit --reason "too loud"')
    assert "paused by cli:root: too loud" in jarvis("list").out
    assert "is on" in jarvis("resume audit").out


def test_a_tick_dispatches_what_is_due_and_says_so(jarvis: Jarvis) -> None:
    jarvis("add @every:60 --prompt x --name Disk")
    assert jarvis("tick").out == "1 dispatched\n"
    assert jarvis("tick").out == "Nothing was due.\n"
    assert "dispatched" in jarvis("dispatches disk").out
    assert jarvis("dispatches disk", is_json=True).json["items"][0]["outcome"] == "dispatched"


def test_a_task_by_name_with_arguments(jarvis: Jarvis) -> None:
    made = jarvis(f"add @daily --task {SWEEP} --args '{{\"room\": 1}}'", is_json=True).json
    assert made["payload"] == {"kind": "task", "name": SWEEP, "args": {"room": 1}}


def test_running_one_by_hand(jarvis: Jarvis) -> None:
    jarvis("add @daily --prompt x --name Disk")
    assert jarvis("run disk", is_json=True).json["by_hand"] is True
    with pytest.raises(Conflict):
        jarvis("run disk")


def test_it_can_begin_paused(jarvis: Jarvis) -> None:
    made = jarvis("add @every:60 --prompt x --paused", is_json=True).json
    assert made["enabled"] is False
    assert jarvis("tick").out == "Nothing was due.\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("add nonsense --prompt x", Invalid),
        ("add @daily --prompt x --timezone Mars", Invalid),
        ("add @daily --task jarvis.tasks.gone", Invalid),
        (f"add @daily --task {SWEEP} --args {{", Usage),
        ("add @daily --prompt x --grace soon", Usage),
        ("add @daily", Usage),
        ("set nobody", Usage),
        ("pause nobody", NotFound),
    ],
)
def test_what_is_wrong_has_its_exit_code(jarvis: Jarvis, line: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        jarvis(line)


def test_a_name_that_could_be_several_is_asked_back(jarvis: Jarvis) -> None:
    jarvis('add @daily --prompt x --name "Disk here"')
    jarvis('add @daily --prompt x --name "Disk there"')
    with pytest.raises(Conflict, match="Disk here"):
        jarvis("show disk")
    assert "Disk there" in jarvis('show "disk there"').out


def test_acting_as_somebody_stays_within_their_rights(jarvis: Jarvis, bench: Bench) -> None:
    jarvis("add @daily --prompt x --name Secret")
    assert "Secret" not in jarvis("list", by=bench.alice).out
    with pytest.raises(NotFound):
        jarvis("show secret", by=bench.alice)
    with pytest.raises(Denied):
        jarvis("tick", by=bench.alice)
