"""One shape for every JSON error, over many of them."""

import pytest

from jarvis.kernel import errors
from jarvis.web import faults

CASES = [
    ("GET", "/nothing", {}, 404),
    ("GET", "/api/v1/nothing", {"Accept": "text/html"}, 404),
    ("GET", "/api/v1/auth/me", {"Accept": "text/html"}, 401),
    ("POST", "/api/v1/auth/me", {}, 405),
    ("POST", "/api/v1/auth/login", {}, 415),
    ("POST", "/api/v1/auth/login", {"Content-Type": "application/json"}, 400),
    ("GET", "/api/v1/auth/me", {"Host": "evil.example"}, 400),
    ("POST", "/api/v1/auth/login", {"Origin": "https://evil.example"}, 403),
    ("GET", "/%ff", {}, 400),
    ("GET", "/metrics-of-nobody", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), CASES)
def test_every_error_has_the_same_members(client, method, path, headers, status):
    answer = client.request(method, path, headers={"Accept": "*/*"} | headers, body=b"{" if method == "POST" else None)
    shown = answer.json
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(shown) == {"type", "title", "status", "detail", "trace_id"}
    assert shown["status"] == answer.status == status
    assert shown["trace_id"] == answer.headers["x-request-id"]
    assert all(isinstance(shown[name], str) and shown[name] for name in ("type", "title", "detail"))


def test_bad_input_adds_errors_by_field(client):
    answer = client.post("/api/v1/auth/login", json={})
    assert answer.status == 422
    assert answer.json["errors"] == [
        {"field": "username", "message": "is required"},
        {"field": "password", "message": "is required"},
    ]


def kinds():
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.JarvisError)]
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", kinds())
def test_every_error_of_the_vocabulary_has_a_safe_face(kind):
    error = kind("Something.")
    reply = faults.as_problem(error, "trc_x")
    assert reply.status == error.status
    assert (reply.status in (429, 503)) is ("Retry-After" in reply.headers)
    assert faults.page(error, "trc_x").advice


def test_a_detail_that_is_no_text_does_not_break_the_answer():
    assert faults.as_problem(errors.NotFound("\ud800"), "trc_x").status == 404


def test_a_401_says_how_to_sign_in(client):
    assert client.get("/api/v1/auth/me").headers["www-authenticate"] == "Bearer"
