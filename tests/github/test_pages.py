"""/admin/github and `jarvis github check`: what came, what it caused, what is missing."""

import io
import json
import threading

import pytest

from jarvis import app as composition
from jarvis.bugs import actions as bugs
from jarvis.github import cli
from jarvis.github.actions import checks
from jarvis.github.services import Follower
from jarvis.kernel.console import Console
from jarvis.lockdown import actions as lockdown
from jarvis.queue import store as tasks
from tests.github.conftest import REPO, SECRET, changed, client_of, work

HTML = {"Accept": "text/html"}


@pytest.fixture
def ada(client):
    return client.as_("ada")


def found(ctx):
    return {finding.id: finding for finding in checks.check(ctx)}


def test_the_page_shows_deliveries_and_what_each_caused(ctx, ada, deliver, as_user, repo, fake):
    bug = bugs.file(as_user("alice"), "Tides", sync_to_github=True)
    Follower(ctx).step()
    work(ctx)
    repo.issues[0].update(title="Ebb", updated_at=fake.stamp())
    task_id = deliver("issues", repo.webhook("edited", 1)).json["task_id"]
    deliver("star", {"action": "created", "repository": {"full_name": REPO}})
    deliver("ping", {"zen": "<script>alert(1)</script>\u202e", "hook": {"config": {"secret": SECRET}}})
    work(ctx)
    page = ada.get("/admin/github", headers=HTML).text
    assert "issues.edited" in page and f"/admin/tasks/{task_id}" in page and "Nothing is done about star" in page
    assert "4,99" in page and "of 5,000" in page and REPO in page and SECRET not in page
    listed = ada.get("/api/v1/github/deliveries").json["items"]
    one = ada.get(f"/admin/github/{listed[2]['id']}", headers=HTML).text
    assert "&#34;title&#34;: &#34;Ebb&#34;" in one and "taken" in one and "octocat" in one
    ping = ada.get(f"/admin/github/{listed[0]['id']}", headers=HTML).text
    assert "<script>alert" not in ping and SECRET not in ping and "redacted" in ping and "\u202e" not in ping
    with ctx.db.read() as tx:
        assert tasks.get(tx, task_id).state == "done"
    assert bugs.read(as_user("ada"), bug.id).title == "Ebb"


def test_what_is_stuck_stands_first(ctx, ada, as_user, repo, fake):
    repo.permissions[fake.login] = "read"
    bugs.file(as_user("alice"), "Stuck <b>", sync_to_github=True)
    Follower(ctx).step()
    work(ctx)
    page = ada.get("/admin/github", headers=HTML).text
    assert "1 bug is not in step" in page and "issues=write" in page and "Stuck &lt;b&gt;" in page


def test_it_pages_and_cuts(ctx, ada, deliver):
    for _ in range(52):
        deliver("star", {})
    deliver("ping", {})
    page = ada.get("/admin/github", headers=HTML)
    assert page.text.count("Ignored</span>") == 49 and "Older" in page.text
    older = page.text.split('rel="next"')[0].rsplit('href="', 1)[1].rstrip('" ').replace("&amp;", "&")
    assert ada.get(older, headers=HTML).text.count("Ignored</span>") == 3
    assert "No delivery is failed" in ada.get("/admin/github?state=failed", headers=HTML).text
    assert ada.get("/admin/github?state=other", headers=HTML).status == 422
    part = ada.get("/admin/github?state=accepted", headers={"HX-Request": "true"})
    assert part.text.lstrip().startswith("<div id=") and "ping" in part.text


def test_it_is_for_admins(client):
    assert client.as_("alice").get("/admin/github", headers=HTML).status == 403


class Served:
    """The application on a real port, for one ping."""

    def __init__(self, ctx):
        from wsgiref.simple_server import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log_message(self, *args):
                pass

        self.server = make_server("127.0.0.1", 0, composition.build_application(ctx), handler_class=Quiet)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def port(ctx):
    served = Served(ctx)
    yield str(served.port)
    served.close()


def test_a_ping_to_ourselves_goes_the_whole_way(ctx, client, port):
    browser = client.as_("ada")
    browser.headers["Accept"] = "text/html"
    token = csrf(browser)
    answer = browser.post("/admin/github/ping", form={"csrf_token": token}, SERVER_PORT=port)
    assert (answer.status, answer.location) == (303, "/admin/github?done=ping")
    page = browser.get(answer.location)
    assert "The ping came back" in page.text and "Taken" in page.text


def csrf(browser):
    from jarvis.web.identity import csrf_token

    return csrf_token(browser.cookies["jarvis_session"])


def test_a_ping_that_cannot_come_back_says_why(ctx, client, port, as_user):
    nobody = "1"
    browser = client.as_("ada")
    answer = browser.post("/admin/github/ping", form={"csrf_token": csrf(browser)}, SERVER_PORT=nobody)
    assert answer.status == 503 and "did not arrive" in answer.text
    other = client_of(changed(ctx, github_webhook_secret="another one")).as_("ada")
    answer = other.post("/admin/github/ping", form={"csrf_token": csrf(other)}, SERVER_PORT=port)
    assert answer.status == 409 and "answered with 401" in answer.text
    bare = client_of(changed(ctx, github_webhook_secret="")).as_("ada")
    answer = bare.post("/admin/github/ping", form={"csrf_token": csrf(bare)}, SERVER_PORT=port)
    assert answer.status == 409 and "GITHUB_WEBHOOK_SECRET" in answer.text
    lockdown.lock(as_user("ada"), "a test")
    answer = browser.post("/admin/github/ping", form={"csrf_token": csrf(browser)}, SERVER_PORT=port)
    assert answer.status == 409 and "Locked down" in answer.text


def test_a_good_setup_has_nothing_missing(ctx, fake, repo, deliver):
    repo.permissions[fake.login] = "admin"
    config = {"url": "https://jarvis.example/api/v1/webhooks/github", "content_type": "json"}
    repo.hooks.append({"id": 1, "active": True, "events": ["*"], "config": config, "last_response": {"code": 200}})
    deliver("ping", {})
    findings = checks.check(changed(ctx, github_repo_allowlist=(REPO, "octo/*")))
    assert [finding for finding in findings if finding.severity != checks.OK] == []
    assert {f"{REPO}/{what}" for what in ("metadata", "issues", "pulls", "webhook")} <= {f.id for f in findings}
    assert repo.issues == [], "looking makes nothing"


@pytest.mark.parametrize(
    ("changes", "finding", "severity", "said"),
    [
        ({"github_token": ""}, "token", "error", "GITHUB_TOKEN is not set"),
        ({"github_token": "ghp_" + "x" * 36}, "token", "warning", "classic"),
        ({"github_token": "wrong"}, "api", "error", "not accepted"),
        ({"github_webhook_secret": ""}, "secret", "error", "refused"),
        ({"github_webhook_secret": "short"}, "secret", "warning", "shorter"),
        ({"github_webhook_secret": f"{SECRET},{SECRET}2"}, "secret", "ok", "2 secrets"),
        ({"github_issue_sync_repo": "nonsense"}, "issue-sync", "error", "not owner/repo"),
        ({"github_issue_sync_repo": ""}, "issue-sync", "error", "no repository"),
        ({"github_issue_sync_repo": "octo/hidden"}, "octo/hidden/metadata", "error", "may not see it"),
        ({"github_bot_login": "somebody"}, "bot-login", "warning", "writes as jarvis-bot"),
        ({}, "deliveries", "warning", "not delivered anything"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(ctx, changes, finding, severity, said):
    one = found(changed(ctx, **changes))[finding]
    assert one.severity == severity and said in one.message
    assert bool(one.fix) == (severity != "ok")


def test_each_permission_is_looked_at_by_itself(ctx, fake, repo):
    repo.permissions[fake.login] = "read"
    one = found(ctx)[f"{REPO}/issues"]
    assert (one.severity, one.fix) == ("error", "In the token's Repository permissions set Issues: Read and write.")
    repo.permissions[fake.login] = "write"
    repo.has_issues = False
    assert "switched off" in found(ctx)[f"{REPO}/issues"].message
    fake.fail("GET", "/pulls$", 403, {"message": "Resource not accessible by personal access token"})
    assert "Pull requests" in found(changed(ctx, github_repo_allowlist=(REPO,)))[f"{REPO}/pulls"].fix


@pytest.mark.parametrize(
    ("scopes", "severity"), [("repo", "ok"), ("", "error"), ("gist", "error"), ("repo, delete_repo", "warning")]
)
def test_classic_scopes_are_weighed(ctx, fake, scopes, severity):
    fake.scopes = scopes
    assert found(ctx)["scope"].severity == severity


@pytest.mark.parametrize(
    ("hook", "severity", "said"),
    [
        (None, "error", "has no webhook"),
        ({"active": False}, "error", "not active"),
        ({"events": ["push"]}, "warning", "does not send issues"),
        ({"last_response": {"code": 401}}, "error", "answered with 401"),
        ({"events": "odd", "config": None}, "error", "has no webhook"),
    ],
)
def test_the_webhook_is_looked_at_where_the_token_may(ctx, fake, repo, hook, severity, said):
    repo.permissions[fake.login] = "admin"
    if hook is not None:
        config = {"url": "https://jarvis.example/api/v1/webhooks/github"}
        repo.hooks.append({"active": True, "events": ["*"], "config": config, **hook})
    one = found(ctx)[f"{REPO}/webhook"]
    assert one.severity == severity and said in one.message


def test_a_github_that_is_down_is_told(ctx, fake):
    fake.fail("GET", "/user", 503)
    assert found(ctx)["api"].severity == "error"
    fake.fail("GET", "/user", 403, {"message": "Resource not accessible by integration"})
    assert "no person" in found(ctx)["api"].message


def test_the_command_prints_findings_and_says_so_with_its_exit_code(ctx, as_user, deliver):
    def command(context, *, is_json=False, **given):
        class Start:
            def context(self):
                return context

        out = io.StringIO()
        args = {"check": False, "deliveries": False, "--state": None, "--limit": "20", **given}
        return cli.run(Start(), args, Console(is_json, out=out)), out.getvalue()

    ada = as_user("ada")
    code, text = command(ada, check=True)
    assert code == 0 and "Nothing is missing that is needed." in text
    code, text = command(changed(ada, github_token=""), check=True, is_json=True)
    assert code == 1 and json.loads(text)["ok"] is False
    assert "jarvis github check" in command(ada, deliveries=True)[1]
    deliver("ping", {})
    assert "ping" in command(ada, deliveries=True)[1]
    assert json.loads(command(ada, deliveries=True, is_json=True)[1])["items"][0]["event"] == "ping"
    for wrong in ({"--state": "odd"}, {"--limit": "0"}):
        with pytest.raises(Exception, match="--"):
            command(ada, deliveries=True, **wrong)
    with pytest.raises(Exception, match="admin"):
        command(as_user("alice"), check=True)
