"""A newer archive renamed over the one that runs is noticed, and so is one that a restart could not run."""

import pytest

from jarvis.doctor import upgrades
from jarvis.doctor.findings import Patient
from jarvis.kernel import fitting
from jarvis.kernel.registry import StatusPart
from jarvis.system import actions as system
from tests.selfupdate.archives import installed, pack


@pytest.fixture
def place(tmp_path):
    with installed(tmp_path / "opt") as found:
        yield found


def upgrade(place, name, **more):
    pack(place.path.with_name("incoming"), name, **more).rename(place.path)


@pytest.fixture
def patient(ctx, clock):
    ctx.registry.add(StatusPart("checks", lambda ctx: {}))  # the server itself looks
    return Patient(ctx.settings, clock, ctx)


def test_nothing_waits_where_the_running_file_lies(patient, place):
    assert list(upgrades.waiting(patient)) == []
    upgrade(place, "old")  # the same bytes under another inode
    assert list(upgrades.waiting(patient)) == []


def test_a_newer_file_waits_for_a_restart(patient, place):
    upgrade(place, "new", version="1.4.0")
    (found,) = upgrades.waiting(patient)
    assert (found.id, found.severity, found.message) == ("restart-pending", "warning", "Restart to run 1.4.0.")
    assert (found.fix, found.is_command) == ("jarvis restart", True)


def test_another_build_of_this_version_is_told_by_its_tree(patient, place):
    upgrade(place, "new")
    (found,) = upgrades.waiting(patient)
    assert found.message == "Restart to run 0.1.0 (tree new000000000)."


def test_a_downgrade_that_the_database_does_not_allow_says_why(ctx, patient, place):
    with ctx.db.write() as tx:
        tx.run("INSERT INTO schema_migrations VALUES (9999, '9999_far', 'x', '0.2.0', 0)")
    upgrade(place, "older", version="0.1.0")
    (found,) = upgrades.waiting(patient)
    assert (found.id, found.severity) == ("archive-unfit", "error")
    assert "needs at least 0.2.0; this is 0.1.0" in found.message


def test_a_file_cut_short_and_no_file_at_all_are_errors(patient, place):
    place.path.with_name("half").write_bytes(place.path.read_bytes()[:-9])
    place.path.with_name("half").rename(place.path)
    assert [found.id for found in upgrades.waiting(patient)] == ["archive-unfit"]
    place.path.unlink()
    assert [found.id for found in upgrades.waiting(patient)] == ["archive-unfit"]


def test_a_command_from_the_new_file_hears_which_release_the_server_runs(settings, clock, ctx, monkeypatch):
    beside = Patient(settings, clock, ctx)
    monkeypatch.setattr(system, "ask_server", lambda ctx: ({"version": "0.0.9"}, 0.0))
    (found,) = upgrades.waiting(beside)
    assert found.message == "The server still runs 0.0.9. Restart to run 0.1.0."


def test_a_checkout_has_no_file_to_wait_for(ctx):
    assert fitting.waiting(ctx.settings) is None
