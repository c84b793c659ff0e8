"""/account: one's own password, sessions, tokens and preferences, and nobody else's."""

import re

import pytest

from tests.conftest import password_of

ME = "/api/v1/auth/me"


@pytest.fixture
def alice(client):
    return client.as_("alice")


def test_changing_the_password_ends_every_other_session(client, alice, events):
    other = client.as_("alice")
    answer = alice.submit("/account", "/account/password", current=password_of("alice"), password="a new password")
    assert (answer.status, answer.location) == (303, "/account?done=password")
    assert "Your password is changed" in alice.get(answer.location).text
    assert other.get(ME).status == 401
    assert "user.password_changed" in events()


def test_a_wrong_current_password_changes_nothing(alice):
    answer = alice.submit("/account", "/account/password", current="a guess", password="a new password")
    assert answer.status == 422
    assert "Current password is not your password." in answer.text
    assert "a guess" not in answer.text
    assert "a new password" not in answer.text


def test_another_session_of_ones_own_can_be_ended(client, alice):
    other = client.as_("alice")
    action = f"/account/sessions/{other.get(ME).json['session_id']}/end"
    assert alice.submit("/account", action).location == "/account?done=session"
    assert other.get(ME).status == 401


def test_the_session_in_use_has_no_end_button(alice):
    assert f"/account/sessions/{alice.get(ME).json['session_id']}/end" not in alice.get("/account").text


@pytest.mark.parametrize("who", ["charlie", "ada"])
def test_account_reaches_ones_own_sessions_only_even_for_an_admin(client, alice, who):
    other = client.as_(who)
    csrf = re.search(r'name="csrf_token" value="(\w+)"', other.get("/account").text)[1]
    session_id = alice.get(ME).json["session_id"]
    answer = other.post(f"/account/sessions/{session_id}/end", form={"csrf_token": csrf})
    assert answer.status == 404
    assert alice.get(ME).status == 200


def test_a_token_is_shown_once(client, alice):
    answer = alice.submit("/account", "/account/tokens", name="laptop", days="30")
    assert answer.status == 201
    key = re.search(r"jrv_tok_[\w-]+", answer.text)[0]
    assert client.get(ME, headers={"Authorization": f"Bearer {key}"}).json["username"] == "alice"
    again = alice.get("/account").text
    assert key not in again
    assert "laptop" in again


def test_a_token_without_a_name_is_refused_at_its_field(alice):
    answer = alice.submit("/account", "/account/tokens", name=" ", days="soon")
    assert answer.status == 422
    assert 'id="token-name-error"' in answer.text
    assert 'id="token-days-error"' in answer.text
    assert 'value="soon"' in answer.text


def test_a_token_can_be_revoked_after_saying_what_that_does(alice, client):
    page = alice.submit("/account", "/account/tokens", name="laptop", days="").text
    key = re.search(r"jrv_tok_[\w-]+", page)[0]
    action = re.search(r"/account/tokens/tok_\w+/revoke", page)[0]
    assert "Scripts that use “laptop” are refused at once." in page
    assert alice.submit("/account", action).location == "/account?done=token"
    assert client.get(ME, headers={"Authorization": f"Bearer {key}"}).status == 401


@pytest.mark.parametrize(
    ("theme", "is_dark_linked", "media"),
    [("system", True, True), ("light", False, False), ("dark", True, False)],
)
def test_the_theme_is_a_matter_of_which_style_sheet_is_linked(alice, theme, is_dark_linked, media):
    alice.submit("/account", "/account/preferences", theme=theme)
    page = alice.get("/account").text
    assert ("theme-dark.css" in page) is is_dark_linked
    assert ('media="(prefers-color-scheme: dark)"' in page) is media
    assert f'data-theme="{theme}"' in page


def test_single_keys_can_be_switched_off(alice):
    assert 'id="keys"' in alice.get("/account").text
    csrf = re.search(r'name="csrf_token" value="(\w+)"', alice.get("/account").text)[1]
    alice.post("/account/preferences", form={"csrf_token": csrf, "theme": "system"})  # an unticked box is not sent
    page = alice.get("/account").text
    assert 'data-keys="off"' in page
    assert 'id="keys"' not in page


def test_an_unknown_theme_is_refused(alice):
    assert alice.submit("/account", "/account/preferences", theme="neon").status == 422


def test_a_notice_comes_from_us_and_not_from_the_address(alice):
    page = alice.get("/account?done=%3Cb%3EYou%20won").text
    assert "You won" not in page
