"""Headers that every answer carries, whatever it is about."""

import pytest

from jarvis.users import actions

MUST = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
}
CASES = [
    ("GET", "/login", {}, 200),
    ("GET", "/", {}, 303),
    ("GET", "/static/css/base.css", {}, 200),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/nothing", {}, 404),
    ("GET", "/nothing", {"Accept": "*/*"}, 404),
    ("DELETE", "/login", {}, 405),
    ("BREW", "/login", {}, 405),
    ("GET", "/api/v1/auth/me", {}, 401),
    ("OPTIONS", "/api/v1/auth/me", {}, 204),
    ("OPTIONS", "/login", {}, 405),
    ("HEAD", "/login", {}, 200),
    ("POST", "/api/v1/auth/login", {"Content-Type": "text/plain"}, 415),
    ("GET", "/login", {"Host": "evil.example"}, 400),
    ("GET", "/%ff", {}, 400),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), CASES)
def test_every_answer_is_guarded_and_traceable(client, method, path, headers, status):
    answer = client.request(method, path, headers=headers, body=b"x" if method == "POST" else None)
    assert answer.status == status
    for name, value in MUST.items():
        assert answer.headers[name] == value
    assert answer.headers["x-request-id"].startswith("trc_")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_an_unexpected_fault_says_nothing_of_itself(client, monkeypatch, caplog):
    def explode(*_):
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(actions, "sign_in", explode)
    body = {"username": "alice", "password": "x"}
    answer = client.post("/api/v1/auth/login", json=body)
    assert (answer.status, answer.json["detail"]) == (500, "Internal error")
    assert answer.json["trace_id"] == answer.headers["x-request-id"]
    assert "swordfish" not in answer.text
    assert "swordfish" in caplog.text
    assert MUST.items() <= answer.headers.items()


def test_an_unexpected_fault_on_a_page_is_a_page(client, monkeypatch):
    monkeypatch.setattr(actions, "sign_in", lambda *_: 1 / 0)
    answer = client.post("/login", form={"username": "alice", "password": "x"})
    assert answer.status == 500
    assert "<h1>Internal error</h1>" in answer.text
    assert answer.headers["x-request-id"][-6:] in answer.text


def test_a_fault_while_showing_a_fault_still_answers(app, client, monkeypatch):
    monkeypatch.setattr(app.renderer, "reply", lambda *_: 1 / 0)
    answer = client.get("/nothing")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_database_that_fails_is_said_plainly_on_pages_too(client, ctx, monkeypatch):
    from jarvis.kernel.errors import Unavailable

    alice = client.as_("alice")

    def broken(self):
        raise Unavailable("The disk under the database failed. Nothing was changed.")

    monkeypatch.setattr(type(ctx.db), "read", broken)
    page, api = alice.get("/account"), alice.get("/api/v1/auth/me")
    assert page.status == api.status == 503
    assert page.headers["retry-after"] == api.headers["retry-after"] == "5"
    assert "The disk under the database failed" in page.text
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/login", "/openapi.json", "/static/css/base.css", "/nothing"])
def test_head_answers_as_get_does_without_the_body(client, path):
    get, head = client.get(path), client.request("HEAD", path, headers={"Accept": "text/html"})
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["content-length"] == str(len(get.body))


def test_private_answers_are_not_kept_and_versioned_files_are(client):
    alice = client.as_("alice")
    for path in ("/account", "/api/v1/auth/me", "/login"):
        assert alice.get(path).headers["cache-control"] == "no-store"
    url = client.get("/login").text.split('href="')[2].split('"')[0]
    assert "immutable" in client.get(url).headers["cache-control"]


def test_a_file_is_not_sent_twice(client):
    etag = client.get("/static/css/base.css").headers["etag"]
    again = client.get("/static/css/base.css", headers={"If-None-Match": etag})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/static/../jarvis/app.py", "/static/%2e%2e/pyproject.toml", "/static/css/", "/static/css", "/static//etc/passwd",
     "/static/css/base.css%00", "/static/vendor/htmx-4.0.1/manifest.json", "/static/css/nothing.css"],
)  # fmt: skip
def test_nothing_but_static_files_is_served(client, path):
    assert client.get(path).status == 404


def test_a_wrong_method_is_told_the_right_ones(client):
    assert client.request("PUT", "/login").headers["allow"] == "GET, HEAD, POST"
    assert client.request("PATCH", "/api/v1/auth/me").headers["allow"] == "GET, HEAD"


def test_metrics_count_by_route_and_never_by_what_was_typed(app, client):
    client.get("/nothing-1")
    client.request('X"\n', "/nothing-2")
    client.get("/account")
    text = app.metrics.text()
    assert 'method="GET",route="unrouted",status="404"' in text
    assert 'method="other",route="unrouted",status="404"' in text
    assert 'route="/account",status="303"' in text
    assert "nothing-" not in text
