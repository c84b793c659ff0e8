"""Candidates of every bad kind are found out, each with a word that helps; the parent judges, in a cage.

The candidates are real archives of a very small Jarvis, built, started and asked as a large one is.
"""

import dataclasses
import shutil
import socket
import threading

import pytest

from jarvis import __version__
from jarvis.archive import build, hosts
from jarvis.kernel import sandbox, scrub
from jarvis.selfupdate import caged
from jarvis.selfupdate.caged import Caged, Cancelled
from jarvis.selfupdate.canary import Patience
from jarvis.selfupdate.proving import Plan, Proof
from tests.selfupdate import small

pytestmark = pytest.mark.skipif(not sandbox.kinds(), reason="no cage works here: neither bubblewrap nor Landlock")


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """The archive that runs: the small Jarvis as it should be."""
    return small.opened(small.write(tmp_path_factory.mktemp("running"), small.source()))


@pytest.fixture
def prove(running, tmp_path, cast_database):
    """Prove a candidate that does this; answers the proof, run, with its verdict in `ok`."""
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    shutil.copy(cast_database, folder / "jarvis.db")
    scrub.scrub(folder / "jarvis.db")

    def prove(source, *, is_cancelled=lambda: False, tests=(), kind=None, tell=lambda steps, doing: None):
        plan = Plan(source, running, folder, tmp_path / "candidate.pyz", tests, Patience(4.0, 0.9), __version__)
        proof = Proof(plan, Caged(kind or sandbox.kinds()[0], folder, is_cancelled), tell)
        return proof.run(), proof

    return prove


def last(proof):
    return proof.steps[-1]


def test_a_good_candidate_passes_every_step_and_each_is_told_as_it_is_made(prove, tmp_path):
    told = []
    ok, proof = prove(small.source(), tell=lambda steps, doing: told.append(doing))
    assert ok, last(proof)
    assert [step.name for step in proof.steps] == [
        "Build",
        "Version",
        "Migrations",
        "Self-check",
        "Doctor",
        "Smoke tests",
        "Baseline's smoke tests",
        "Canary",
        "Baseline on the copy",
    ]
    assert told[:2] == ["Build …", "Build: passed"]
    assert proof.built is not None
    assert (tmp_path / "candidate.pyz").stat().st_mode & 0o111
    assert all(step.seconds > 0 for step in proof.steps)


@pytest.mark.parametrize(
    ("does", "step", "word"),
    [
        ("hang", "Canary", "it was not ready within 4 s"),
        ("unready", "Canary", "/readyz answered 503, failing: database"),
        ("crash", "Canary", "exit code 3: it hurts"),
        ("lie", "Canary", "it says it is 9.9.9"),
        ("lose", "Migrations", "it lost 5 of 5 users"),
        ("garble", "Migrations", "the database is damaged"),
        ("bad migration", "Migrations", 'near "TABEL": syntax error'),
        ("poison", "Baseline on the copy", "/readyz answered 503"),
        ("sick", "Doctor", "sick: It is."),
    ],
)
def test_a_bad_candidate_is_found_out_with_a_word_that_helps(prove, does, step, word):
    ok, proof = prove(small.source(does))
    assert not ok
    assert (last(proof).name, last(proof).ok) == (step, False)
    assert word in last(proof).detail


def test_a_candidate_that_eats_memory_is_stopped(prove, monkeypatch):
    monkeypatch.setattr(caged, "MEMORY_BYTES", 120 << 20)
    ok, proof = prove(small.source("eat"))
    assert not ok
    assert "more than 120 MB of memory" in last(proof).detail


def test_one_that_does_not_parse_never_becomes_an_archive(prove, tmp_path):
    ok, proof = prove(small.source(jarvis__broken_py=b"def x(:\n"))
    assert not ok
    assert (last(proof).name, "SyntaxError" in last(proof).detail) == ("Build", True)
    assert not (tmp_path / "candidate.pyz").exists()


def test_one_whose_module_does_not_import_is_named(prove):
    ok, proof = prove(small.source(jarvis__broken_py=b"import nothing_of_this_name\n"))
    assert (ok, last(proof).name) == (False, "Self-check")
    assert any("jarvis.broken does not import" in line for line in last(proof).saw)


def test_its_own_smoke_tests_have_to_pass(prove):
    ok, proof = prove(small.source(tests__smoke__test_ships_py=b"def test_no():\n    assert 1 == 2\n"))
    assert (ok, last(proof).name) == (False, "Smoke tests")
    assert last(proof).detail.startswith("FAILED")


def test_tests_it_took_the_teeth_out_of_are_run_as_they_were(prove):
    toothless = b"def test_nothing():\n    pass\n"
    behaviour = b"DOES = 'well'\nTEETH = False\n"
    source = small.source(tests__smoke__test_ships_py=toothless, jarvis__behaviour_py=behaviour)
    ok, proof = prove(source)
    assert (ok, last(proof).name) == (False, "Baseline's smoke tests")


def test_one_without_any_test_is_refused(prove):
    ok, proof = prove(small.source(tests__smoke__test_ships_py=b""))
    assert (ok, last(proof).detail) == (False, "there is not one test in it")


def test_named_tests_are_run_where_they_can_be_and_left_out_where_not(prove):
    source = small.source(
        tests__good_py=b"def test_it():\n    assert True\n", tests__deep_py=b"from hypothesis import given\n"
    )
    ok, proof = prove(source, tests=("tests/good.py::test_it", "tests/deep.py", "by hand"))
    named = next(step for step in proof.steps if step.name == "Named tests")
    assert ok
    assert named.detail == "all pass; left out: tests/deep.py needs hypothesis"


def test_named_tests_that_fail_are_a_failure(prove):
    source = small.source(tests__test_bad_py=b"def test_it():\n    assert 'this' == 'that'\n")
    ok, proof = prove(source, tests=("tests/test_bad.py",))
    assert (ok, last(proof).name) == (False, "Named tests")


@pytest.mark.parametrize("kind", sandbox.kinds())
def test_it_sees_nothing_of_ours_and_reaches_nobody(prove, kind, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_TOKEN", "a-token-of-ours")
    secret = tmp_path / "secret"
    secret.write_text("x")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        source = small.source("tell")
        cli = source.files["jarvis/cli.py"].replace(b"PORT = 9", b"PORT = %d" % port)
        cli = cli.replace(b"SECRET", str(secret).encode())
        ok, proof = prove(type(source)({**source.files, "jarvis/cli.py": cli}), kind=kind)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (ok, last(proof).name) == (False, "Doctor")
    assert last(proof).detail.startswith("told: shut unseen ")
    assert set(last(proof).detail.split()[3:]) <= {
        "PATH",
        "HOME",
        "JARVIS_HOME",
        "TMPDIR",
        "LANG",
        "PWD",
        "LC_CTYPE",
        "PYTHONDONTWRITEBYTECODE",
        "JARVIS_MAINTENANCE",
    }


@pytest.mark.parametrize("after", ["Build: passed", "Smoke tests …"])
def test_it_can_be_stopped_and_nothing_is_left(prove, after):
    stop = threading.Event()

    def tell(steps, doing):
        if doing == after:
            stop.set()

    with pytest.raises(Cancelled):
        prove(small.source(), is_cancelled=stop.is_set, tell=tell)
    assert not [thread for thread in threading.enumerate() if thread.name == "canary"]


def test_it_is_built_with_the_dependencies_of_what_runs_or_not_at_all(prove):
    ok, proof = prove(small.source(**{"requirements.lock": b"other==1.0 --hash=sha256:" + b"0" * 64 + b"\n"}))
    assert (ok, last(proof).name) == (False, "Build")
    assert "pins other dependencies" in last(proof).detail


def test_a_scrubbed_copy_opens_no_door(tmp_path, ctx, as_user):
    from jarvis.kernel.snapshot import snapshot
    from jarvis.queue import actions as queue
    from jarvis.users import actions as users
    from jarvis.users import store as people

    ada = as_user("ada").traced()
    with ctx.db.read() as tx:
        user = people.get_by_name(tx, "ada")
    users.start_session(ada, user, "a-named-browser")
    users.create_token(ada, user.id, "a-named-token", None)
    queue.enqueue(ctx, "jarvis.tasks.backups.snapshot", {"reason": "a-named-task"})
    copy = tmp_path / "copy.db"
    snapshot(ctx.settings.app_db, copy)
    before = scrub.condition(copy)
    scrub.scrub(copy)
    raw = copy.read_bytes()
    for told in (b"a-named-browser", b"a-named-task", b"scrypt"):
        assert told not in raw
    after = scrub.condition(copy)
    assert after == before
    assert (after.problem, scrub.losses(before, after)) == ("", "")


def test_the_small_jarvis_is_a_real_archive(running):
    assert f"native/{hosts.host_tag()}.zip" in running
    assert build.from_archive(running, small.source()).tests


def test_what_is_taken_over_from_the_archive_that_runs_comes_out_the_same(running):
    source = small.source("better")
    needs = build.from_archive(running, source)
    assert needs.known is not None
    assert needs.packed
    whole = build.build(source, dataclasses.replace(needs, known=None, packed={}))
    assert build.build(source, needs).data == whole.data
