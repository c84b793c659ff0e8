"""Programs that run what an option or a value says are allowed word for word only."""

import pytest

from jarvis.policy.actions import rules


@pytest.mark.parametrize("name", ["sqlite3", "psql", "mysql", "openssl", "apt-get", "dpkg", "rpm"])
def test_a_slot_for_a_program_that_runs_its_values_is_refused(name: str) -> None:
    program = f"/usr/bin/{name}"
    assert "has a slot" in rules._runs_anything(program, [program, "-o", rules.Slot("word")])
    assert rules._runs_anything(program, [program, "--version"]) == ""
