"""Everything that can be wrong with what is sent has its own answer, in one shape, and harms nothing."""

import json

import pytest

from tests.client import Client

LOGIN, USERS, SESSIONS = "/api/v1/auth/login", "/api/v1/users", "/api/v1/auth/sessions"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ada(client):
    return client.as_("ada")


def sent(client: Client, raw: bytes, headers: dict[str, str | None] | None = None):
    return client.post(USERS, body=raw, headers=JSON | (headers or {}))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"nonsense", 400),
        (b'{"username": NaN}', 400),
        (b'{"username": Infinity}', 400),
        (b'{"username": "\xff"}', 400),
        (b"\x00", 400),
        (b'{"username": "a\nb"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b"1" * 5000, 400),
        (b"[]", 422),
        (b'"text"', 422),
        (b"null", 422),
        (b"{}", 422),
        (b'{"username": 7, "password": null}', 422),
        (b'{"username": {"a": 1}}', 422),
        (b'{"username": true}', 422),
        (b'{"username": null}', 422),
        (b'{"username": "dave\\u0000"}', 422),
        (b'{"username": "\\ud800"}', 422),
        (b'{"username": "dave", "password": "\\ud800 and some more"}', 422),
        (b'{"username": "dave", "password": "correct horse", "role": "emperor"}', 422),
        (b'{"username": "dave", "password": "' + b"x" * 2000 + b'"}', 422),
    ],
)
def test_a_body_that_cannot_be_taken_says_why(ada, raw, status):
    answer = sent(ada, raw)
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert ada.get("/api/v1/auth/me").status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"]
)
def test_json_must_say_that_it_is_json(ada, kind):
    assert sent(ada, b"{}", {"Content-Type": kind}).status == 415


def test_a_charset_after_the_type_is_fine(ada):
    body = json.dumps({"username": "dave", "password": "correct horse"}).encode()
    assert sent(ada, body, {"Content-Type": "application/json; charset=utf-8"}).status == 201


def test_a_body_too_large_is_refused_unread(ada):
    class Unread:
        def read(self, *_):
            raise AssertionError("the body was read")

    answer = ada.post(USERS, headers=JSON, CONTENT_LENGTH=str(10**12), **{"wsgi.input": Unread()})
    assert answer.status == 413


@pytest.mark.parametrize("length", ["x", "-", "1.5"])
def test_a_length_that_is_no_number_is_malformed(ada, length):
    assert ada.post(USERS, headers=JSON, CONTENT_LENGTH=length).status == 400


def test_a_form_must_say_that_it_is_one(client):
    answer = client.post(
        "/login", body=b"username=alice", headers={"Content-Type": "text/plain", "Accept": "text/html"}
    )
    assert answer.status == 415
    assert "<h1>Unsupported media type</h1>" in answer.text


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"username=%ff&password=x", 400),
        (b"username=\xff&password=x", 400),
        (b"&".join(b"a=1" for _ in range(501)), 400),
        (b"username=%00&password=x", 422),
        (b"username=alice%0A&password=x", 422),
        (b"", 422),
    ],
)
def test_a_form_that_cannot_be_taken_says_why(client, raw, status):
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    answer = client.post("/login", body=raw, headers=kind)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=201", 422),
        ("limit=ten", 422),
        ("limit=" + "9" * 40, 422),
        ("after=%00", 422),
        ("after=%ff", 400),
        ("&".join(f"a{n}=1" for n in range(101)), 400),
        ("unknown=1", 200),
        ("limit=1&limit=2", 200),
    ],
)
def test_a_query_is_checked_like_a_body(ada, query, status):
    assert ada.get(f"{SESSIONS}?{query}").status == status


@pytest.mark.parametrize("name", ["x", "%00", "usr_1%2f..", "a" * 5000, "%F0%9F%92%A9", "' OR 1=1 --", "usr_%E2%80%AE"])
def test_an_id_that_cannot_be_is_not_found(ada, name):
    assert ada.get(f"{USERS}/{name.replace(' ', '%20')}").status == 404


@pytest.mark.parametrize("path", ["/%ff", "/login%ff", "/api/v1/users/%c3%28", "/%ed%a0%80"])
def test_an_address_that_is_no_text_is_malformed_and_never_mended(ada, path):
    assert ada.get(path).status == 400


@pytest.mark.parametrize("path", ["/login/", "//login", "/LOGIN", "/account/.", "/api/v1/auth/me/", "/;/login"])
def test_an_address_that_is_nearly_one_is_none(ada, path):
    answer = ada.get("/x", PATH_INFO=path)
    assert answer.status == 404


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_is_what_the_request_line_says(ada, header):
    me = ada.get("/api/v1/auth/me").json["session_id"]
    assert ada.post(f"{SESSIONS}/{me}", headers={header: "DELETE"}).status == 405
    assert ada.post(f"{SESSIONS}/{me}?_method=DELETE", form={"_method": "DELETE"}).status == 405
    assert ada.get("/api/v1/auth/me").status == 200
