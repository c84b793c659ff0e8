"""The runbook's Scheduler Check, step by step, on a real server beside a real command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis.kernel.wake import Wake

ROOT = Path(__file__).parents[2]


class House:
    """A home with a server on it, and the command line."""

    def __init__(self, home: Path) -> None:
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("JARVIS")} | {"JARVIS_HOME": str(home)}
        self.home = home

    def jarvis(self, *words: str) -> Any:
        command = [sys.executable, "-m", "jarvis", *words, "--json"]
        ran = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def events(self, type: str) -> list[Any]:
        found: list[Any] = self.jarvis("events", "tail", "--type", type, "--count", "1000")["items"]
        return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    place = House(tmp_path / "home")
    command = [sys.executable, "-m", "jarvis", "serve", "--port", "0", "--no-supervisor"]
    place.jarvis("schedule", "list")  # makes the home
    wake = Wake()
    listener = wake.listen(place.home / "run") if (place.home / "run").is_dir() else None
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=place.env, stderr=log, stdout=log)
        seen = -1
        while not (place.home / "run" / "server.json").exists():
            assert server.poll() is None, (tmp_path / "log").read_text()
            seen = wake.wait(seen, 0.2)
        yield place
        server.terminate()
        server.wait(30)
    if listener is not None:
        listener.close()


def test_the_scheduler_check_of_the_runbook(house: House) -> None:
    # 1. Insert schedule with cron_expr='@every:60'.
    schedule = house.jarvis("schedule", "add", "@every:60", "--prompt", "How full is the disk?")
    # 2. Trigger jarvis.tasks.scheduler.scheduler_tick: by hand, beside the loop that does the same.
    for _ in range(2):
        house.jarvis("schedule", "tick")
        house.jarvis("task", "run", "jarvis.tasks.scheduler.scheduler_tick")
    # 3. Exactly one schedule.trigger event, and no due_at dispatched twice.
    triggers = [event["data"] for event in house.events("schedule.trigger")]
    due = [(event["schedule_id"], event["due_at"]) for event in triggers]
    assert len(due) == len(set(due)) >= 1
    assert due[0] == (schedule["id"], schedule["next_due_at"])
    dispatches = house.jarvis("schedule", "dispatches", schedule["id"])["items"]
    assert [item["id"] for item in dispatches] == [event["dispatch_id"] for event in triggers]
    # 4. /status tells the backlog.
    answer = house.jarvis("ask", "/status")
    assert "scheduler: 1 schedules" in json.dumps(answer)
    # 5. And so does the status itself.
    scheduler = house.jarvis("status")["scheduler"]
    assert (scheduler["schedules"], scheduler["due"], scheduler["deferred"]) == (1, 0, 0)
    assert scheduler["next_due_at"] > schedule["next_due_at"]
