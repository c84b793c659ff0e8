"""Whose pages may speak for whom: Host, Origin, CSRF, Bearer against cookie, CORS."""

import pytest

from jarvis import app as composition
from tests.client import ORIGIN, forms_of
from tests.conftest import make_client, make_settings

ME, LOGOUT = "/api/v1/auth/me", "/api/v1/auth/logout"
THEME = "/account/preferences"


@pytest.fixture
def alice(client):
    return client.as_("alice")


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:5173", "[::1]:8000", "LOCALHOST"])
def test_loopback_names_are_ours(alice, host):
    assert alice.get(ME, headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.nip.example", "", "[", "localhost@evil.example", "0.0.0.0"],
)
def test_a_foreign_host_name_is_refused_before_anybody_is_recognised(alice, host):
    answer = alice.get(ME, headers={"Host": host})
    assert answer.status == 400
    assert "ALLOWED_HOSTS" in answer.json["detail"]


def test_hosts_named_in_the_settings_replace_the_loopback_ones(home, make_ctx):
    ctx = make_ctx(make_settings(home, allowed_hosts=("jarvis.example",)))
    client = make_client(composition.build_application(ctx), ctx)
    assert client.get("/login", headers={"Host": "jarvis.example"}).status == 200
    assert client.get("/login").status == 400


def test_a_write_by_cookie_from_our_own_page_is_carried_out(alice):
    assert alice.post(LOGOUT).status == 204


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost:8000"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Origin": None, "Sec-Fetch-Site": "cross-site"},
        {"Origin": None, "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_write_by_cookie_from_elsewhere_is_refused(alice, headers):
    assert alice.post(LOGOUT, headers=headers).status == 403
    assert alice.get(ME).status == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_where_no_origin_is_sent_the_browsers_own_word_counts(alice, site):
    assert alice.post(LOGOUT, headers={"Origin": None, "Sec-Fetch-Site": site}).status == 204


def test_a_login_from_another_sites_page_is_refused(client):
    form = {"username": "alice", "password": "the password of alice"}
    answer = client.post("/login", form=form, headers={"Origin": "https://evil.example"})
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert "the password" not in answer.text


def test_a_script_without_a_browser_may_sign_in(client):
    body = {"username": "alice", "password": "the password of alice"}
    assert client.post("/api/v1/auth/login", json=body, headers={"Origin": None}).status == 200


@pytest.mark.parametrize("token", [None, "", "x", "0" * 64, "ä"])
def test_a_form_without_its_sessions_token_is_refused(alice, token):
    form = {"theme": "dark"} | ({"csrf_token": token} if token is not None else {})
    answer = alice.post(THEME, form=form)
    assert answer.status == 403
    assert "out of date" in answer.text


def test_a_form_with_another_sessions_token_is_refused(client, alice):
    other = forms_of(client.as_("alice").get("/account").text)[0].values["csrf_token"]
    assert alice.post(THEME, form={"theme": "dark", "csrf_token": other}).status == 403


def test_the_token_may_come_in_a_header(alice):
    token = forms_of(alice.get("/account").text)[0].values["csrf_token"]
    assert alice.post(THEME, form={"theme": "dark"}, headers={"X-CSRF-Token": token}).status == 303


def test_the_forms_token_does_not_give_the_session_away(alice):
    page = alice.get("/account").text
    assert alice.cookies["jarvis_session"] not in page


@pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer", "Basic YTpi", "", "bearer  ", "Token x"])
def test_an_authorization_header_switches_the_cookie_off(alice, value):
    assert alice.get(ME, headers={"Authorization": value}).status == 401
    assert alice.get("/account", headers={"Authorization": value}).status == 303


def test_bearer_needs_no_origin_and_no_form_token(client):
    script = client.bearer("alice")
    assert script.post(THEME, form={"theme": "dark"}, headers={"Origin": None}).status == 303


@pytest.mark.parametrize(
    "cookie",
    [
        "jarvis_session=",
        "jarvis_session=x",
        'jarvis_session="; DROP',
        "jarvis_session=jrv_ses_\xff\xfe",
        "=;=;;;",
        "x" * 9000,
    ],
)
def test_a_bad_cookie_is_nobody(client, cookie):
    assert client.get(ME, headers={"Cookie": cookie}).status == 401
    assert client.get("/account", headers={"Cookie": cookie}).status == 303


def test_the_database_is_not_asked_where_it_does_not_matter_who_asks(alice, ctx, monkeypatch):
    asked = []
    monkeypatch.setattr(type(ctx.db), "read", lambda self: asked.append(1))
    assert alice.get("/static/css/base.css").status == 200
    assert asked == []


class TestCors:
    """Bearer clients on listed origins, and never with credentials."""

    FRIEND = "https://dash.example"

    @pytest.fixture
    def client(self, home, make_ctx):
        ctx = make_ctx(make_settings(home, web_cors_origins=(self.FRIEND,)))
        return make_client(composition.build_application(ctx), ctx)

    def test_a_listed_origin_may_read_answers_without_credentials(self, client):
        answer = client.bearer("alice").get(ME, headers={"Origin": self.FRIEND})
        assert answer.headers["access-control-allow-origin"] == self.FRIEND
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers

    def test_a_preflight_says_what_is_taken(self, client):
        answer = client.request("OPTIONS", ME, headers={"Origin": self.FRIEND, "Access-Control-Request-Method": "GET"})
        assert answer.status == 204
        assert "Authorization" in answer.headers["access-control-allow-headers"]

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "https://dash.example.evil", "http://dash.example", "null", ORIGIN]
    )
    def test_others_get_no_such_header(self, client, origin):
        answer = client.bearer("alice").get(ME, headers={"Origin": origin})
        assert not any(name.startswith("access-control-") for name in answer.headers)

    def test_a_listed_origin_may_sign_in_but_not_ride_on_a_cookie(self, client):
        body = {"username": "alice", "password": "the password of alice"}
        assert client.post("/api/v1/auth/login", json=body, headers={"Origin": self.FRIEND}).status == 200
        assert client.as_("alice").post(LOGOUT, headers={"Origin": self.FRIEND}).status == 403

    def test_pages_are_not_for_other_origins(self, client):
        answer = client.get("/login", headers={"Origin": self.FRIEND})
        assert not any(name.startswith("access-control-") for name in answer.headers)
