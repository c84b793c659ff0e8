"""Who may open /ws: by Bearer from anywhere, by cookie only from our own pages, never by address."""

from collections.abc import Callable

import pytest

from tests.chat.scripted import Served
from tests.client import Client
from tests.web.peers import Raw, upgrade_request

Serve = Callable[..., Served]


def refusal(running: Served, *headers: str, path: str = "/ws") -> int:
    raw = Raw(running.address)
    raw.send(upgrade_request(path, *headers))
    status = raw.response()[0]
    raw.close()
    return status


def test_nobody_is_refused(served: Serve) -> None:
    running = served()
    assert refusal(running) == 401
    assert refusal(running, "Authorization: Bearer nonsense") == 401
    assert refusal(running, "Cookie: jarvis_session=nonsense", running.origin) == 401


def test_a_cookie_needs_our_own_origin(served: Serve) -> None:
    running = served()
    cookie = f"Cookie: jarvis_session={running.session('alice')}"
    assert refusal(running, cookie) == 403
    assert refusal(running, cookie, "Origin: http://evil.example") == 403
    assert refusal(running, cookie, "Origin: null") == 403
    assert running.connect(cookie, running.origin).greeting["role"] == "user"


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "api_key", "session"])
def test_a_secret_in_the_address_is_refused(served: Serve, name: str) -> None:
    running = served()
    token = running.session("alice")
    assert refusal(running, path=f"/ws?{name}={token}") == 401
    assert refusal(running, f"Authorization: Bearer {token}", path=f"/ws?{name}={token}") == 400


def test_an_ordinary_request_is_told_what_to_send(client: Client, served: Serve) -> None:
    running = served(workers=0)
    plain = Client(running.app, client._start_session, client._make_token).bearer("alice")
    answer = plain.get("/ws")
    assert answer.status == 400
    assert "upgrade" in answer.json["detail"]


def test_one_person_may_open_so_many(served: Serve) -> None:
    running = served(workers=0)
    token = f"Authorization: Bearer {running.session('alice')}"
    for _ in range(20):
        running.connect(token)
    assert refusal(running, token) == 429
    assert running.watch("bob").greeting["type"] == "auth.ok"
