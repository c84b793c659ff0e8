"""The client keeps GitHub's rules, tells what may pass from what will not, and never shows the token."""

import logging
import socket
import threading

import pytest

from jarvis.github import client as asking
from jarvis.github.actions import rates
from jarvis.github.client import Client, GitHubRefused, GitHubRetry
from jarvis.kernel import outbound
from jarvis.queue import actions as queue
from tests.github.conftest import REPO, changed
from tests.github.fake import EPOCH, TOKEN

ISSUES = f"/repos/{REPO}/issues"


@pytest.fixture
def client(ctx):
    return Client(ctx)


def test_it_says_who_it_is_and_which_version_it_means(client, fake):
    assert client.get("/user")["login"] == fake.login
    headers = fake.asked[0].headers
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["user-agent"].startswith("jarvis/")
    assert headers["authorization"] == f"Bearer {TOKEN}"


def test_enterprise_stands_under_a_path(ctx, fake, repo):
    fake.base = "/api/v3"
    client = Client(changed(ctx, github_api_base_url=fake.url + "/"))
    for number in range(101):
        repo.issue(f"Number {number}")
    assert len(list(client.pages(ISSUES))) == 101
    assert fake.asked[0].path == f"/api/v3{ISSUES}"


def test_every_page_is_read_in_order_up_to_the_cap(client, fake, repo):
    for number in range(250):
        repo.issue(f"Number {number}")
    titles = [issue["title"] for issue in client.pages(ISSUES, direction="asc", cap=1000)]
    assert titles == [f"Number {number}" for number in range(250)]
    assert fake.count("GET", "/issues$") == 3
    assert len(list(client.pages(ISSUES, cap=150))) == 150
    assert len(list(client.pages(ISSUES, cap=5))) == 5
    assert fake.asked[-1].query["per_page"] == "5"


def test_a_next_page_on_another_server_is_not_asked_for(client, fake):
    link = {"Link": '<http://127.0.0.1:9/steal>; rel="next"'}
    fake.fail("GET", "/issues$", 200, [{"number": 1}], headers=link)
    with pytest.raises(GitHubRefused, match="another server"):
        list(client.pages(ISSUES))


def test_a_redirect_is_followed_on_the_same_server_only(client, fake, repo):
    repo.issue("Moved along")
    fake.moved["octo/pier"] = REPO
    assert client.get("/repos/octo/pier/issues/1")["title"] == "Moved along"
    fake.fail("GET", "/user", 302, headers={"Location": "http://127.0.0.1:9/steal"})
    with pytest.raises(GitHubRefused, match="leads to another server"):
        client.get("/user")
    fake.fail("GET", "/user", 301, headers={"Location": "/rate_limit"}, times=5)
    fake.fail("GET", "/rate_limit", 301, headers={"Location": "/user"}, times=5)
    with pytest.raises(GitHubRefused, match="on and on"):
        client.get("/user")


def test_what_has_not_changed_is_not_sent_again(client, fake, repo):
    repo.issue("Same")
    first, second = client.get(f"{ISSUES}/1"), client.get(f"{ISSUES}/1")
    assert first == second
    assert fake.asked[1].headers["if-none-match"]
    repo.issues[0]["title"] = "Other"
    assert client.get(f"{ISSUES}/1")["title"] == "Other"


def test_etags_are_kept_within_bounds():
    kept = outbound.Kept(most_bytes=100)
    for number in range(10):
        kept.keep(f"/{number}", outbound.Answer(200, {"etag": f'"{number}"'}, b"x" * 30))
    assert [number for number in range(10) if kept.find(f"/{number}")] == [7, 8, 9]
    kept.keep("/9", outbound.Answer(200, {"etag": '"new"'}, b"y" * 30))
    assert kept.find("/7") and kept.find("/9").headers["etag"] == '"new"'
    kept.keep("/none", outbound.Answer(200, {}, b"x"))
    kept.keep("/large", outbound.Answer(200, {"etag": '"l"'}, b"x" * (outbound.LARGEST_KEPT + 1)))
    assert kept.find("/none") is None and kept.find("/large") is None


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (403, {"Retry-After": "7"}, 7),
        (429, {"Retry-After": "30"}, 30),
        (429, {}, asking.SECONDARY_SECONDS),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(EPOCH + 120)}, 121),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, asking.SECONDARY_SECONDS),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, rates.LONGEST_RESET_SECONDS),
        (503, {"Retry-After": "Mon, 23 Nov 2026 02:46:40 GMT"}, 40),
        (503, {"Retry-After": "whenever"}, asking.SECONDARY_SECONDS),
        (503, {"Retry-After": "9" * 400}, rates.LONGEST_BLOCK_SECONDS),
        (500, {}, asking.FAULT_SECONDS),
        (502, {}, asking.FAULT_SECONDS),
    ],
)
def test_what_passes_is_tried_again_when_github_says(client, fake, status, headers, seconds):
    fake.fail("GET", "/user", status, {"message": "Wait."}, headers=headers)
    with pytest.raises(GitHubRetry) as raised:
        client.get("/user")
    assert raised.value.seconds == raised.value.retry_after_seconds == seconds
    assert queue.is_worth_retrying(raised.value)


def test_a_secondary_limit_without_a_number_is_a_minute(client, fake):
    fake.fail("POST", "/issues$", 403, {"message": "You have exceeded a secondary rate limit."})
    with pytest.raises(GitHubRetry) as raised:
        client.post(ISSUES, {"title": "x"})
    assert raised.value.seconds == 60


def test_a_limit_is_kept_to_without_asking_until_it_is_over(ctx, client, fake, clock):
    fake.remaining = 1
    client.get("/user")
    with pytest.raises(GitHubRetry, match="limit is reached"):
        client.get("/user")
    assert len(fake.asked) == 1
    fake.remaining = 5000
    clock.step(3601)
    assert Client(ctx).get("/user")
    assert rates.seconds_closed(ctx) == 0


def test_a_clock_set_back_does_not_stop_everything(ctx, client, fake, clock):
    fake.fail("GET", "/user", 429, {"message": "Slow down."}, headers={"Retry-After": "60"})
    with pytest.raises(GitHubRetry):
        client.get("/user")
    assert rates.seconds_closed(ctx) == 60
    clock.step(-30 * 86_400)
    assert client.get("/user")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "GITHUB_TOKEN"),
        (403, "permission"),
        (404, "may not see it"),
        (410, "switched off"),
        (422, "title"),
        (409, "it was refused"),
    ],
)
def test_what_will_not_work_says_why_and_what_to_do(client, fake, status, said):
    body = {
        "message": "Validation Failed",
        "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}],
    }
    fake.fail("POST", "/issues$", status, body)
    with pytest.raises(GitHubRefused, match=said) as raised:
        client.post(ISSUES, {"title": "x"})
    assert raised.value.answer == status
    assert not queue.is_worth_retrying(raised.value)


def test_the_permission_that_lacks_is_named(client, fake, repo):
    repo.permissions[fake.login] = "read"
    with pytest.raises(GitHubRefused, match="issues=write"):
        client.post(ISSUES, {"title": "x"})


@pytest.mark.parametrize(
    "body", [b"<html>Unicorn!</html>", b"[" * 100_000, b"{", b"\xff\xfe", b"1" * 10_000], ids=range(5)
)  # fmt: skip
def test_an_answer_that_is_no_json_passes(client, fake, body):
    fake.fail("GET", "/user", 200, body, headers={"Content-Type": "text/html"})
    with pytest.raises(GitHubRetry, match="GITHUB_API_BASE_URL"):
        client.get("/user")


def test_a_list_that_is_none_passes(client, fake):
    fake.fail("GET", "/issues$", 200, {"message": "?"})
    with pytest.raises(GitHubRetry, match="else than a list"):
        list(client.pages(ISSUES))


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"null", b'{"message": {"a": 1}, "errors": 7}', b"\xff"])
def test_a_refusal_in_any_shape_is_still_one(client, fake, body):
    fake.fail("GET", "/user", 404, body)
    with pytest.raises(GitHubRefused):
        client.get("/user")


def test_a_connection_that_breaks_passes(client, fake):
    fake.fail("GET", "/user", 0)
    with pytest.raises(GitHubRetry):
        client.get("/user")


def test_an_answer_that_is_cut_off_passes(client, fake):
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"login": "')
        handler.close_connection = True

    fake.fail("GET", "/user", play=half)
    with pytest.raises(GitHubRetry, match="broke"):
        client.get("/user")


def test_an_answer_without_end_is_given_up(client, fake, monkeypatch):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 65536)
        except OSError:
            handler.close_connection = True

    fake.fail("GET", "/user", play=endless)
    with pytest.raises(GitHubRetry, match="larger than"):
        client.get("/user")


def test_a_byte_now_and_then_is_no_progress(client, fake, monkeypatch):
    ticks = iter(range(0, 100_000, 40))
    monkeypatch.setattr(outbound.time, "monotonic", lambda: next(ticks))

    def trickle(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(50):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        except OSError:
            handler.close_connection = True

    fake.fail("GET", "/user", play=trickle)
    with pytest.raises(GitHubRetry, match="in time"):
        client.get("/user")


def test_silence_is_given_up(client, monkeypatch, fake):
    monkeypatch.setattr(asking, "SECONDS", 0.05)
    released = threading.Event()
    fake.fail("GET", "/user", play=lambda handler: released.wait(5))
    with pytest.raises(GitHubRetry, match="in time"):
        client.get("/user")
    released.set()


def test_nothing_listens(ctx):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(GitHubRetry, match="nothing listens"):
        Client(changed(ctx, github_api_base_url=f"http://127.0.0.1:{port}")).get("/user")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"github_token": ""}, "GITHUB_TOKEN is not set"),
        ({"github_api_base_url": "http://github.example/api/v3"}, "in the clear"),
        ({"github_api_base_url": "ftp://127.0.0.1"}, "."),
        ({"github_api_base_url": "http://127.0.0.1:nonsense"}, "."),
        ({"sources": {"GITHUB_TOKEN": "environment", "GITHUB_API_BASE_URL": "/srv/.env"}}, "less trusted"),
    ],
)
def test_the_token_goes_nowhere_it_should_not(ctx, changes, said):
    with pytest.raises((GitHubRefused, GitHubRetry), match=said):
        Client(changed(ctx, **changes)).get("/user")


def test_a_proxy_of_the_environment_is_used(ctx, fake, monkeypatch):
    monkeypatch.setenv("http_proxy", fake.url)
    monkeypatch.setenv("no_proxy", "")
    elsewhere = changed(ctx, github_api_base_url="http://127.1.2.3:9")
    assert Client(elsewhere).get("/user")["login"] == fake.login
    assert fake.asked[0].headers["host"] == "127.1.2.3:9"


def test_the_token_is_in_no_error_and_no_log(client, fake, caplog, events, ctx):
    caplog.set_level(logging.DEBUG)
    fake.fail("GET", "/user", 403, {"message": f"No, {TOKEN}\u202e\x1b[31m!"})
    with pytest.raises(GitHubRefused) as raised:
        client.get("/user", q="x")
    assert TOKEN not in str(raised.value) and "redacted" in str(raised.value)
    assert "\u202e" not in str(raised.value) and "\x1b" not in str(raised.value)
    assert TOKEN not in caplog.text


def test_what_is_left_is_remembered(ctx, client, clock):
    client.get("/user")
    clock.step(10)
    client.get("/user")
    with ctx.db.read() as tx:
        from jarvis.github.store import rates as kept

        found = kept.known(tx)
    assert [(rate.resource, rate.most, rate.remaining) for rate in found] == [("core", 5000, 4998)]


def test_nonsense_in_the_rate_headers_is_left_alone(ctx, client, fake):
    odd = {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "९"}
    fake.fail("GET", "/user", 200, {"login": "x"}, headers={**odd, "X-RateLimit-Reset": "1e9"})
    client.get("/user")
    assert rates.seconds_closed(ctx) == 0


def test_it_is_never_asked_while_a_write_is_held(ctx, client):
    with ctx.db.write(), pytest.raises(RuntimeError):
        client.get("/user")


def test_paths_are_quoted(client, fake):
    with pytest.raises(GitHubRefused):
        client.get(f"/repos/{REPO}/collaborators/{asking.segment('a/../b?c')}/permission")
    assert fake.asked[0].path.endswith("/collaborators/a/../b?c/permission")
    with pytest.raises(ValueError, match="slash"):
        client.get("user")
