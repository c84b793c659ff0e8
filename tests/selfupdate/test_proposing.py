"""Proposing: every field is checked and said, nothing secret is kept, and nothing happens in a lockdown."""

import json

import pytest

from jarvis import cli
from jarvis.kernel.errors import Conflict, Denied, Invalid
from jarvis.kernel.registry import TaskRun
from jarvis.lockdown import actions as lockdown
from jarvis.selfupdate import artefacts, store
from jarvis.selfupdate.actions import proposing
from tests.conftest import make_settings
from tests.selfupdate.conftest import EVIDENCE, PATCH, PROPOSAL

API = "/api/v1/selfupdate/patches"


def test_a_proposal_is_kept_with_its_bytes_its_evidence_and_its_event(ada, events):
    made = proposing.propose(ada, PATCH, "Say what it is", EVIDENCE)
    assert events("self_update.") == ["self_update.propose"]
    assert (made.state, made.proposed_by, made.evidence_of()) == ("proposed", "ada", EVIDENCE)
    place = artefacts.folder(ada, made)
    assert (place / "proposal.diff").read_text() == PATCH
    assert json.loads((place / "state.json").read_text())["state"] == "proposed"


@pytest.mark.parametrize("name", ["failure", "prediction", "falsifier", "files", "tests"])
def test_missing_evidence_is_refused_by_its_field(client, name):
    evidence = {key: value for key, value in EVIDENCE.items() if key != name}
    answer = client.bearer("ada").post(API, json={**PROPOSAL, "evidence": evidence})
    assert answer.status == 422
    assert answer.fields_at_fault() == [f"evidence.{name}"]


@pytest.mark.parametrize(("name", "empty"), [("failure", "  "), ("files", []), ("tests", [""])])
def test_empty_evidence_is_no_evidence(client, name, empty):
    answer = client.bearer("ada").post(API, json={**PROPOSAL, "evidence": {**EVIDENCE, name: empty}})
    assert answer.fields_at_fault() == [f"evidence.{name}"]


def test_every_field_that_is_wrong_is_named_at_once(client):
    answer = client.bearer("ada").post(API, json={"patch": "", "rationale": 7})
    assert answer.fields_at_fault() == ["patch", "rationale", "evidence"]


def test_a_patch_beyond_the_limit_is_refused(ada):
    with pytest.raises(Invalid, match="too long"):
        proposing.propose(ada, "x" * 2_000_001, "r", EVIDENCE)


def test_a_secret_in_the_patch_is_refused_and_in_the_words_blanked(home, make_ctx):
    ctx = make_ctx(make_settings(home, github_token="the-configured-secret"))
    ada = ctx.acting(actor="ada", user_id=None, username="ada", role="admin").traced()
    with pytest.raises(Invalid, match="secret"):
        proposing.propose(ada, PATCH + "+the-configured-secret\n", "r", EVIDENCE)
    evidence = {**EVIDENCE, "failure": "leaks the-configured-secret", "files": ["the-configured-secret"]}
    made = proposing.propose(ada, PATCH, "why the-configured-secret", evidence)
    place = artefacts.folder(ada, made)
    assert not any(b"the-configured-secret" in path.read_bytes() for path in place.iterdir())


def test_the_same_patch_in_the_same_trace_is_the_one_that_is_there(ada):
    first = proposing.propose(ada, PATCH, "r", EVIDENCE)
    assert proposing.propose(ada, PATCH, "r", EVIDENCE).id == first.id
    other = proposing.propose(ada, PATCH.replace("operator", "helper"), "r", EVIDENCE)
    assert other.trace_id != first.trace_id


def test_a_crowd_of_proposals_is_stopped(ada, monkeypatch):
    monkeypatch.setattr(proposing, "MOST_WAITING", 2)
    for _ in range(2):
        proposing.propose(ada.traced(), PATCH, "r", EVIDENCE)
    with pytest.raises(Conflict, match="wait already"):
        proposing.propose(ada.traced(), PATCH, "r", EVIDENCE)


def test_a_lockdown_refuses_it_and_says_so(ada, client, events):
    lockdown.lock_by_hand(ada, "drill")
    answer = client.bearer("ada").post(API, json=PROPOSAL)
    assert (answer.status, "Locked down" in answer.json["detail"]) == (409, True)
    assert "lockdown.refused" in events()
    assert not events("self_update.")


def test_nobody_but_an_admin_proposes_or_looks(as_user, client, proposed):
    with pytest.raises(Denied):
        proposing.propose(as_user("alice").traced(), PATCH, "r", EVIDENCE)
    for who in ("alice", "charlie"):
        assert client.bearer(who).get(f"{API}/{proposed.id}").status == 403
        assert client.bearer(who).post(API, json=PROPOSAL).status == 403
        assert client.as_(who).get("/admin/selfupdate").status == 403


def test_the_api_answers_as_the_contract_says(client):
    ada = client.bearer("ada")
    answer = ada.post(API, json=PROPOSAL)
    assert answer.status == 201
    update = answer.json
    assert answer.location == f"{API}/{update['id']}"
    assert ada.get(f"{API}/{update['trace_id']}").json == ada.get(f"{API}/{update['id']}").json == update
    assert ada.get(API).json == {"items": [update], "next": None}
    assert ada.get(f"{API}/{update['id']}/diff").text == PATCH
    timeline = ada.get(f"{API}/{update['trace_id']}/timeline").json
    assert [move["state"] for move in timeline["history"]] == ["proposed"]
    assert timeline["next_step"] == "validate"
    assert ada.get(f"{API}/upd_01M832SAC04KM844WQ28NP5Y4T").status == 404


def test_a_step_out_of_order_conflicts_and_names_the_next(client, proposed):
    answer = client.bearer("ada").post(f"{API}/{proposed.id}/approve", json={})
    assert (answer.status, answer.json["detail"].endswith("Next: validate.")) == (409, True)


def test_the_task_proposes_once(ada):
    handler = ada.registry.tasks["jarvis.tasks.selfupdate.self_update_propose"]
    run = TaskRun("tsk", 1, dict(PROPOSAL), lambda: False, lambda text: None)
    first = handler.run(ada, run)
    assert handler.run(ada, run) == first
    with ada.db.read() as tx:
        assert [update.id for update in store.newest(tx, 10)] == [first["id"]]


def test_the_assistant_may_propose_and_look_and_nothing_else(ada):
    tools = {name: tool for name, tool in ada.registry.tools.items() if name.startswith("selfupdate.")}
    assert {name: tool.risk for name, tool in tools.items()} == {
        "selfupdate.propose": "write",
        "selfupdate.list": "read",
        "selfupdate.show": "read",
    }
    assert all(tool.admin_only for tool in tools.values())
    made = tools["selfupdate.propose"].run(ada, dict(PROPOSAL))
    assert tools["selfupdate.show"].run(ada, {"id": made["id"]})["state"] == "proposed"
    assert tools["selfupdate.list"].run(ada, {})["updates"][0]["next"] == "validate"


def test_the_form_proposes_and_keeps_what_was_typed_when_it_cannot(client):
    browser = client.as_("ada")
    page = "/admin/selfupdate/new"
    flat = {
        "patch": PATCH,
        "rationale": "Say it",
        "failure": "f",
        "prediction": "p",
        "falsifier": "x",
        "files": "README.md\n",
        "tests": "tests/docs/test_docs.py",
    }
    refused = browser.submit(page, "/admin/selfupdate", **{**flat, "falsifier": ""})
    assert refused.status == 422
    assert "# Jarvis, your operator" in refused.text
    assert 'id="falsifier-error"' in refused.text
    done = browser.submit(page, "/admin/selfupdate", **flat)
    assert done.status == 303
    shown = browser.get(done.location).text
    assert "Nothing of it runs before you say so" in shown
    assert "<del" in shown
    assert "<ins" in shown


def test_what_was_proposed_is_shown_as_text_and_never_as_markup(ada, client):
    evil = PATCH + "+<script>alert(1)</script>\u202e\n"
    evidence = {**EVIDENCE, "failure": "<img src=x>", "files": ["<b>"]}
    made = proposing.propose(ada, evil, "<script>title</script>", evidence)
    shown = client.as_("ada").get(f"/admin/selfupdate/{made.id}").text
    assert "<script>alert" not in shown
    assert "<img src=x>" not in shown
    assert "\u202e" not in shown
    assert "<script>title" not in client.as_("ada").get("/admin/selfupdate").text


def test_the_partial_is_only_sent_when_something_changed(client, proposed):
    browser = client.as_("ada")
    here = f"/admin/selfupdate/{proposed.id}"
    first = browser.get(here, headers={"HX-Request": "true"})
    assert first.text.lstrip().startswith('<div id="live"')
    seen = first.text.partition("?seen=")[2].partition('"')[0]
    assert browser.get(f"{here}?seen={seen}", headers={"HX-Request": "true"}).status == 204


@pytest.fixture
def run_cli(home, monkeypatch, capsys):
    monkeypatch.setenv("JARVIS_HOME", str(home))

    def run(*words):
        code = cli.main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_line_proposes_shows_lists_and_rejects(run_cli, tmp_path, home):
    patch, evidence = tmp_path / "fix.diff", tmp_path / "evidence.json"
    patch.write_text(PATCH)
    evidence.write_text(json.dumps(EVIDENCE))
    words = ("selfupdate", "propose", str(patch), "--rationale", "Say it", "--evidence", str(evidence), "--json")
    code, out, _ = run_cli(*words)
    made = json.loads(out)
    assert (code, made["state"]) == (0, "proposed")
    assert f"next: jarvis selfupdate validate {made['id']}" in run_cli("selfupdate", "show", made["trace_id"])[1]
    assert made["id"] in run_cli("selfupdate", "list")[1]
    code, _, err = run_cli("selfupdate", "approve", made["id"])
    assert (code, "Next: validate." in err) == (65, True)
    assert run_cli("selfupdate", "reject", made["id"], "not", "wanted")[0] == 0
    assert run_cli("selfupdate", "show", "upd_nothing")[0] == 66


def test_the_command_line_names_what_it_cannot_read(run_cli, tmp_path):
    patch, evidence = tmp_path / "fix.diff", tmp_path / "evidence.json"
    patch.write_text(PATCH)
    evidence.write_text("{")
    words = ("selfupdate", "propose", str(patch), "--rationale", "Say it", "--evidence")
    assert run_cli(*words, str(tmp_path / "none"))[0] == 66
    code, _, err = run_cli(*words, str(evidence))
    assert (code, "not JSON" in err) == (65, True)
    evidence.write_text("{}")
    code, _, err = run_cli(*words, str(evidence))
    assert (code, "evidence.failure" in err) == (65, True)
