"""People by API: add, change, shut out; and the last admin stays."""

import pytest

from jarvis.kernel.errors import Denied
from jarvis.users import actions, store
from tests.conftest import password_of

USERS = "/api/v1/users"
DAVE = {"username": "dave", "password": "correct horse battery"}


def id_of(ctx, username):
    with ctx.db.read() as tx:
        return store.get_by_name(tx, username).id


def test_an_admin_adds_somebody_who_can_sign_in(client, events):
    answer = client.as_("ada").post(USERS, json=DAVE | {"role": "user"})
    assert answer.status == 201
    assert answer.location == f"{USERS}/{answer.json['id']}"
    assert client.as_("ada").get(answer.location).json == answer.json
    assert client.post("/api/v1/auth/login", json=DAVE).status == 200
    assert events("user.") == ["user.created"]


def test_a_name_is_taken_in_any_case(client):
    answer = client.as_("ada").post(USERS, json=DAVE | {"username": "ALICE"})
    assert answer.status == 409
    assert "alice" in answer.json["detail"]


def test_every_fault_is_named_at_once(client):
    answer = client.as_("ada").post(USERS, json={"username": "two words", "password": "short"})
    assert answer.status == 422
    assert answer.fields_at_fault() == ["username", "password"]


@pytest.mark.parametrize("name", ["", "cli", "system", "agent", "-x", "ä", "a/b", "a" * 64, "x\u202ey", "root\n"])
def test_names_that_would_mislead_are_refused(client, name):
    assert client.as_("ada").post(USERS, json=DAVE | {"username": name}).status == 422


def test_a_password_may_not_be_the_name(client):
    answer = client.as_("ada").post(USERS, json={"username": "dave-the-third", "password": "Dave-The-Third"})
    assert answer.fields_at_fault() == ["password"]


def test_people_are_listed_newest_first_without_the_built_in_one(client):
    items = client.as_("ada").get(USERS).json["items"]
    assert [item["username"] for item in items] == ["ada", "charlie", "bob", "alice"]
    assert not any("password" in key for item in items for key in item)


def test_charlie_sees_and_changes_nobody(client, ctx):
    charlie, alice = client.as_("charlie"), id_of(ctx, "alice")
    assert charlie.get(USERS).status == 403
    assert charlie.get(f"{USERS}/{alice}").status == 403
    assert charlie.post(USERS, json=DAVE).status == 403
    assert charlie.patch(f"{USERS}/{id_of(ctx, 'charlie')}", json={"role": "admin"}).status == 403


def test_the_actions_refuse_charlie_too(as_user, ctx):
    charlie, alice = as_user("charlie"), id_of(ctx, "alice")
    for attempt in (
        lambda: actions.create(charlie, "dave", "correct horse", "admin"),
        lambda: actions.change(charlie, alice, role="admin"),
        lambda: actions.set_password(charlie, alice, "mine now, thanks"),
        lambda: actions.create_token(charlie, alice, "hers", None),
    ):
        with pytest.raises(Denied):
            attempt()


def test_a_new_role_counts_at_once_in_open_sessions(client, ctx, events):
    bob = client.as_("bob")
    answer = client.as_("ada").patch(f"{USERS}/{id_of(ctx, 'bob')}", json={"role": "admin"})
    assert (answer.status, answer.json["role"]) == (200, "admin")
    assert bob.get(USERS).status == 200
    assert events("user.") == ["user.role_changed"]


def test_giving_the_role_one_has_changes_and_records_nothing(client, ctx, events):
    client.as_("ada").patch(f"{USERS}/{id_of(ctx, 'bob')}", json={"role": "user"})
    assert events("user.") == []


def test_shutting_out_ends_every_session(client, ctx, events):
    bob = client.as_("bob")
    client.as_("ada").patch(f"{USERS}/{id_of(ctx, 'bob')}", json={"disabled": True})
    assert bob.get("/api/v1/auth/me").status == 401
    assert "user.disabled" in events()
    assert "auth.session_revoked" in events()


def test_the_last_admin_stays_an_admin(client, ctx):
    ada = client.as_("ada")
    for change in ({"role": "user"}, {"disabled": True}):
        answer = ada.patch(f"{USERS}/{id_of(ctx, 'ada')}", json=change)
        assert answer.status == 409
    assert ada.get(USERS).status == 200


def test_several_changes_happen_all_or_none(client, ctx, events):
    ada = client.as_("ada")
    answer = ada.patch(f"{USERS}/{id_of(ctx, 'ada')}", json={"password": "a fresh password", "role": "user"})
    assert answer.status == 409
    assert events("user.") == []
    assert client.post("/api/v1/auth/login", json={"username": "ada", "password": password_of("ada")}).status == 200


def test_a_password_set_by_an_admin_ends_all_sessions(client, ctx):
    bob = client.as_("bob")
    answer = client.as_("ada").patch(f"{USERS}/{id_of(ctx, 'bob')}", json={"password": "something else"})
    assert answer.status == 200
    assert bob.get("/api/v1/auth/me").status == 401
    assert client.post("/api/v1/auth/login", json={"username": "bob", "password": "something else"}).status == 200


def test_the_built_in_user_is_not_changed(client):
    ada = client.as_("ada")
    for change in ({"disabled": True}, {"role": "user"}, {"password": "let me in as cli"}):
        assert ada.patch(f"{USERS}/{store.CLI_USER_ID}", json=change).status == 409


def test_an_unknown_person_is_not_found(client):
    assert client.as_("ada").patch(f"{USERS}/usr_nope", json={"role": "user"}).status == 404
