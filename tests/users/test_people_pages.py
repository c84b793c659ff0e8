"""/admin/users: an admin's view of everybody, every dangerous act in two steps."""

import pytest

from jarvis.users import store
from tests.client import forms_of

PEOPLE = "/admin/users"


@pytest.fixture
def ada(client):
    return client.as_("ada")


@pytest.fixture
def bob_at(ctx):
    with ctx.db.read() as tx:
        return f"{PEOPLE}/{store.get_by_name(tx, 'bob').id}"


def test_the_list_opens_with_one_sentence_and_everybody(ada):
    page = ada.get(PEOPLE).text
    assert "4 people have an account, 1 of them an admin" in page
    for name in ("alice", "bob", "charlie", "ada"):
        assert f">{name}</a>" in page


def test_somebody_is_added_and_shown(ada):
    answer = ada.submit(f"{PEOPLE}/new", PEOPLE, username="dave", password="correct horse battery", role="admin")
    assert answer.status == 303
    page = ada.get(answer.location).text
    assert "Added." in page
    assert "<h1>dave</h1>" in page


def test_somebody_without_a_password_uses_tokens_only(ada):
    answer = ada.submit(f"{PEOPLE}/new", PEOPLE, username="deploy-bot", password="")
    assert "Tokens only" in ada.get(answer.location).text


def test_a_refused_form_names_every_fault_and_keeps_the_name(ada):
    answer = ada.submit(f"{PEOPLE}/new", PEOPLE, username="Two Words", password="hunter2", role="admin")
    assert answer.status == 422
    assert 'id="username-error"' in answer.text
    assert 'id="password-error"' in answer.text
    assert "hunter2" not in answer.text
    assert forms_of(answer.text)[-1].values["role"] == "admin"


def test_a_name_that_is_taken_is_a_conflict_in_place(ada):
    answer = ada.submit(f"{PEOPLE}/new", PEOPLE, username="alice", password="correct horse battery")
    assert answer.status == 409
    assert "There is a user alice already." in answer.text


@pytest.mark.parametrize(
    ("act", "typed", "sentence"),
    [
        ("role", {}, "The role is changed"),
        ("disable", {}, "Shut out"),
        ("password", {"password": "something else"}, "The password is set"),
    ],
)
def test_each_change_says_what_it_did(ada, bob_at, act, typed, sentence):
    answer = ada.submit(bob_at, f"{bob_at}/{act}", **typed)
    assert answer.status == 303
    assert sentence in ada.get(answer.location).text


def test_somebody_shut_out_can_be_let_in_again(ada, bob_at):
    ada.submit(bob_at, f"{bob_at}/disable")
    answer = ada.submit(bob_at, f"{bob_at}/enable")
    assert "Let in again" in ada.get(answer.location).text


def test_the_last_admin_is_told_why_not(ada, ctx):
    with ctx.db.read() as tx:
        at = f"{PEOPLE}/{store.get_by_name(tx, 'ada').id}"
    answer = ada.submit(at, f"{at}/disable")
    assert answer.status == 409
    assert "This is the last admin" in answer.text
    assert "<h1>ada</h1>" in answer.text


def test_sessions_and_tokens_of_somebody_can_be_ended(ada, client, bob_at):
    bob, script = client.as_("bob"), client.bearer("bob")
    actions = [form.action for form in forms_of(ada.get(bob_at).text)]
    session, token = (next(a for a in actions if word in a) for word in ("/sessions/", "/tokens/"))
    assert ada.submit(bob_at, session).status == 303
    assert ada.submit(bob_at, token).status == 303
    assert bob.get("/api/v1/auth/me").status == 401
    assert script.get("/api/v1/auth/me").status == 401


def test_every_destructive_act_stands_in_a_confirmation(ada, client, bob_at):
    client.as_("bob"), client.bearer("bob")
    page = ada.get(bob_at).text
    for word in ("/role", "/disable", "/end", "/revoke"):
        before = page[: page.index(f'{word}"')]
        assert before.rfind('<details class="confirm">') > before.rfind("</details>"), word


def test_charlie_gets_no_link_and_403(client, bob_at):
    charlie = client.as_("charlie")
    assert PEOPLE not in charlie.get("/account").text
    refused = charlie.get(bob_at)
    assert refused.status == 403
    assert "Only an admin may do this." in refused.text


def test_an_unknown_person_is_a_page_that_says_so(ada):
    assert ada.get(f"{PEOPLE}/usr_nobody").status == 404


def test_a_hostile_user_agent_is_shown_as_text(ada, client, ctx, bob_at):
    from jarvis.users import actions as acts
    from tests.conftest import acting

    with ctx.db.read() as tx:
        bob = store.get_by_name(tx, "bob")
    acts.start_session(acting(ctx, "bob"), bob, '<script>alert(1)</script>\u202e"onmouseover="x')
    page = ada.get(bob_at).text
    assert "<script>alert" not in page
    assert "\u202e" not in page
