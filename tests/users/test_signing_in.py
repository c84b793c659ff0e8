"""Signing in and out, by form and by API."""

import pytest

from jarvis.users import actions, passwords, store
from tests.client import Client, forms_of
from tests.conftest import make_client, make_settings, password_of

LOGIN = "/api/v1/auth/login"
ALICE = {"username": "alice", "password": "the password of alice"}


def test_login_tells_the_token_once_and_sets_the_cookie(client, events):
    answer = client.post(LOGIN, json=ALICE)
    assert answer.status == 200
    assert set(answer.json) == {"token", "session_id", "user_id", "username", "role", "expires_at"}
    assert answer.json["expires_at"] == "2026-12-23T02:46:00.000Z"
    cookie = answer.headers["set-cookie"]
    assert cookie == f"jarvis_session={answer.json['token']}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert events("auth.") == ["auth.login"]


def test_the_token_of_a_login_works_as_bearer(client):
    token = client.post(LOGIN, json=ALICE).json["token"]
    client.cookies.clear()
    me = client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json["username"] == "alice"
    assert me.json["id"] == me.json["user_id"]
    assert me.json["session_id"].startswith("ses_")


def test_the_cookie_is_secure_over_https(client):
    answer = client.post(
        LOGIN, json=ALICE, headers={"Origin": "https://localhost:8000"}, **{"wsgi.url_scheme": "https"}
    )
    assert answer.headers["set-cookie"].endswith("; Secure")


def test_the_name_is_taken_in_any_case_and_with_spaces_around(client):
    assert client.post(LOGIN, json=ALICE | {"username": " Alice "}).status == 200


@pytest.mark.parametrize(
    "typed",
    [
        {"username": "alice", "password": "wrong"},
        {"username": "nobody-here", "password": "wrong"},
        {"username": "cli", "password": ""},
        {"username": "system", "password": "x"},
    ],
)
def test_a_refusal_reads_the_same_whichever_part_is_wrong(client, typed):
    answer = client.post(LOGIN, json=typed)
    assert (answer.status, answer.json["detail"]) == (401, "The name or the password is wrong.")
    assert "set-cookie" not in answer.headers


def test_nobody_costs_as_much_as_somebody(client, monkeypatch):
    worked = []
    real = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda *given: worked.append(given[2:]) or real(*given))
    client.post(LOGIN, json={"username": "alice", "password": "wrong"})
    client.post(LOGIN, json={"username": "nobody-here", "password": "wrong"})
    assert len(worked) == 2
    assert worked[0] == worked[1]


def test_somebody_shut_out_cannot_sign_in_even_with_the_right_password(client, ctx, as_user):
    with ctx.db.read() as tx:
        bob = store.get_by_name(tx, "bob")
    actions.set_disabled(as_user("ada"), bob.id, True)
    assert client.post(LOGIN, json={"username": "bob", "password": password_of("bob")}).status == 401


def test_failed_tries_are_slowed_down_by_name_and_by_client(client, clock, events):
    for _ in range(10):
        assert client.post(LOGIN, json=ALICE | {"password": "wrong"}).status == 401
    refused = client.post(LOGIN, json=ALICE)
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    elsewhere = client.post(LOGIN, json=ALICE, REMOTE_ADDR="192.0.2.9")
    assert elsewhere.status == 429, "the name is slowed down wherever the tries come from"
    clock.step(61)
    assert client.post(LOGIN, json=ALICE).status == 200
    assert events("auth.login_failed") == ["auth.login_failed"] * 10


def test_the_form_signs_in_and_goes_on_to_where_one_wanted_to_go(client):
    sent_away = client.get("/account?done=token")
    assert (sent_away.status, sent_away.location) == (303, "/login?next=/account%3Fdone%3Dtoken")
    answer = client.submit(sent_away.location, "/login", username="alice", password=password_of("alice"))
    assert (answer.status, answer.location) == (303, "/account?done=token")
    assert client.get(answer.location).status == 200


def test_without_a_place_to_go_the_form_leads_to_the_chat(client):
    answer = client.submit("/login", "/login", username="alice", password=password_of("alice"))
    assert answer.location == "/chat"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\r\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "account",
        "/a//evil.example",
        "/%0d%0aSet-Cookie:x=y\r\nX: y",
        "/login?next=/login",
        "/logout",
        "\u2028//evil.example",
        "",
    ],
)
def test_next_leads_nowhere_but_to_a_page_of_ours(client, target):
    answer = client.post("/login", form=ALICE | {"next": target})
    if answer.status == 303:
        assert answer.location == "/chat"
    else:
        assert answer.status == 422  # not even a single line


def test_next_with_letters_of_any_alphabet_survives_as_an_address(client):
    answer = client.post("/login", form=ALICE | {"next": "/admin/bugs?q=größe"})
    assert answer.location == "/admin/bugs?q=gr%C3%B6%C3%9Fe"


def test_a_refused_form_keeps_the_name_and_never_the_password(client):
    answer = client.post("/login", form={"username": "alice", "password": "hunter2 hunter2", "next": "/account"})
    assert answer.status == 401
    assert 'value="alice"' in answer.text
    assert "hunter2" not in answer.text
    assert "The name or the password is wrong." in answer.text
    assert forms_of(answer.text)[0].values["next"] == "/account"


def test_an_empty_form_is_shown_again_with_each_fault_at_its_field(client):
    answer = client.post("/login", form={"username": "", "password": ""})
    assert answer.status == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'id="username-error"' in answer.text


def test_a_throttled_form_says_how_long_to_wait(client):
    for _ in range(10):
        client.post("/login", form=ALICE | {"password": "wrong"})
    answer = client.post("/login", form=ALICE)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many tries" in answer.text


def test_somebody_signed_in_is_not_asked_again(client):
    answer = client.as_("alice").get("/login?next=/account")
    assert (answer.status, answer.location) == (303, "/account")


def test_a_form_left_open_in_another_tab_still_signs_in(client):
    alice = client.as_("alice")
    answer = alice.post("/login", form={"username": "bob", "password": password_of("bob")})
    assert answer.status == 303
    assert alice.get("/api/v1/auth/me").json["username"] == "bob"


def test_an_ended_session_is_told_so_at_the_door(client, clock):
    alice = client.as_("alice")
    clock.step(721 * 3600)
    answer = alice.get(alice.get("/account").location)
    assert "Your session ended" in answer.text


def test_before_anybody_has_an_account_the_door_says_where_the_link_is(empty_home, make_ctx):
    from jarvis import app as composition

    ctx = make_ctx(make_settings(empty_home))
    page = make_client(composition.build_application(ctx), ctx).get("/login").text
    assert "Nobody has an account yet" in page
    assert "jarvis user add NAME --role admin" in page


def test_signing_out_ends_the_session_and_the_cookie(client, events):
    alice = client.as_("alice")
    key = alice.cookies["jarvis_session"]
    answer = alice.submit("/account", "/logout")
    assert (answer.status, answer.location) == (303, "/login")
    assert alice.cookies == {}
    alice.cookies["jarvis_session"] = key
    assert alice.get("/account").status == 303
    assert events("auth.logout") == ["auth.logout"]


def test_signing_out_by_api_ends_the_session(client):
    token = client.post(LOGIN, json=ALICE).json["token"]
    client.cookies.clear()
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.post("/api/v1/auth/logout", headers=bearer).status == 204
    assert client.get("/api/v1/auth/me", headers=bearer).status == 401


def test_an_api_token_is_not_signed_out(client: Client):
    answer = client.bearer("alice").post("/api/v1/auth/logout")
    assert answer.status == 409
    assert "revoke" in answer.json["detail"]
