"""A delivery is taken when GitHub signed it, stored once with what it causes, and never answered with a 5xx."""

import json
import shutil
import subprocess
import threading
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jarvis.github import handlers, services
from jarvis.github.actions import deliveries
from jarvis.github.handlers import HANDLERS, Ignored
from jarvis.github.store import deliveries as store
from jarvis.kernel.errors import TryAgain
from jarvis.kernel.registry import TaskHandler
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from tests.github.conftest import HOOK, REPO, SECRET, changed, client_of, delivering, signature

PAYLOAD = {"action": "opened", "repository": {"full_name": REPO}, "sender": {"login": "octocat"}}
TASK = "jarvis.tasks.github.example"
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


@pytest.fixture
def handled(ctx, monkeypatch):
    """An event that enqueues a task, whose outcome the test says."""
    told = {"outcome": None}

    def run(ctx, task):
        if told["outcome"] is not None:
            raise told["outcome"]
        return {"ok": True}

    def handle(tx, ctx, delivery, payload):
        if isinstance(told.get("handler"), Exception):
            queue.enqueue(ctx, TASK, {})
            raise told["handler"]
        return queue.enqueue(ctx, TASK, {"delivery": delivery.id}).id

    ctx.registry.add(TaskHandler(TASK, run, "An example.", max_attempts=1))
    monkeypatch.setattr(handlers, "HANDLERS", {**HANDLERS, ("example", "opened"): handle})
    return told


def newest(ctx):
    with ctx.db.read() as tx:
        return store.newest(tx, "", 1)[0]


def queued(ctx):
    with ctx.db.read() as tx:
        return tx.one(int, "SELECT count(*) FROM tasks WHERE name = :name", name=TASK)


def test_the_example_of_githubs_own_documentation_fits():
    sent = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert deliveries.sign("It's a Secret to Everybody", b"Hello, World!") == sent


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_what_openssl_signs_is_taken(client):
    body = json.dumps({"zen": "Keep it logically awesome. ⛵"}).encode()
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-r"], input=body, capture_output=True, check=True
    )
    headers = {
        "X-Hub-Signature-256": "sha256=" + made.stdout.split()[0].decode(),
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": GUID,
        "Origin": None,
    }
    assert client.post(HOOK, body=body, headers=headers).status == 202


def test_a_ping_is_answered_and_causes_nothing(deliver, ctx, events):
    answer = deliver("ping", {"zen": "Design for failure.", "hook_id": 1})
    assert (answer.status, answer.json) == (202, {"accepted": True, "event": "ping", "action": ""})
    assert newest(ctx).state == "accepted"
    assert events("github.") == ["github.delivery"]


def test_what_is_handled_causes_one_task_in_the_same_transaction(deliver, ctx, handled):
    answer = deliver("example", PAYLOAD, guid=GUID)
    assert answer.status == 202
    assert answer.json == {"accepted": True, "event": "example", "action": "opened", "task_id": newest(ctx).task_id}
    assert queued(ctx) == 1
    with ctx.db.read() as tx:
        assert tx.one(str, "SELECT actor FROM tasks WHERE name = :name", name=TASK) == "github:octocat"


def test_the_same_delivery_twice_is_one(deliver, ctx, handled, events):
    first = deliver("example", PAYLOAD, guid=GUID)
    again = deliver("example", PAYLOAD, guid=GUID)
    assert (first.status, again.status) == (202, 200)
    assert again.json == {"accepted": True, "duplicate": True}
    assert queued(ctx) == 1
    assert events("github.") == ["github.delivery"]


def test_the_same_delivery_at_the_same_time_is_one(ctx, app, handled):
    clients = [client_of(ctx) for _ in range(6)]
    begun, answers = threading.Barrier(6), []

    def send(client):
        begun.wait(5)
        answers.append(delivering(client)("example", PAYLOAD, guid=GUID).status)

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 5 + [202]
    assert queued(ctx) == 1


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_one_whose_task_failed_can_be_redelivered(deliver, ctx, handled, end):
    task_id = deliver("example", PAYLOAD, guid=GUID).json["task_id"]
    handled["outcome"] = ValueError("no")
    with ctx.db.read() as tx:
        task = deliveries.tasks.get(tx, task_id)
    if end == "failed":
        assert queue.run_here(ctx, task).state == "failed"
    else:
        queue.cancel(ctx, task_id)
    again = deliver("example", PAYLOAD, guid=GUID)
    assert again.status == 202 and again.json["task_id"] != task_id
    assert newest(ctx).attempts == 2
    assert deliver("example", PAYLOAD, guid=GUID).status == 200


def test_a_handler_that_fails_leaves_nothing_half_done_and_one_bug(deliver, ctx, handled):
    handled["handler"] = KeyError("surprise")
    for guid in (GUID, "another"):
        answer = deliver("example", PAYLOAD, guid=guid)
        assert answer.status == 202 and "Redeliver" in answer.json["ignored"]
    assert newest(ctx).state == "failed" and queued(ctx) == 0
    with ctx.db.read() as tx:
        assert tx.all(lambda *row: row, "SELECT title, occurrences FROM bugs") == [
            ("GitHub: handle example.opened fails: KeyError: 'surprise'", 2)
        ]
    del handled["handler"]
    assert "task_id" in deliver("example", PAYLOAD, guid=GUID).json


def test_a_database_that_is_busy_makes_github_come_again(deliver, ctx, handled):
    handled["handler"] = TryAgain("busy")
    assert deliver("example", PAYLOAD, guid=GUID).status == 503
    with ctx.db.read() as tx:
        assert store.find(tx, GUID) is None


def test_a_bug_of_a_failure_can_be_looked_at(deliver, ctx, handled, client, as_user):
    handled["handler"] = KeyError("surprise")
    deliver("example", PAYLOAD)
    with ctx.db.read() as tx:
        bug_id = tx.one(str, "SELECT id FROM bugs")
    page = client.as_("ada").get(f"/admin/bugs/{bug_id}", headers={"Accept": "text/html"})
    assert page.status == 200 and "GitHub: handle example.opened" in page.text and "green runs" not in page.text


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "sha256=", "sha1=" + "0" * 40, "sha256=" + "0" * 64, "sha256=" + "g" * 64, "0" * 64, "é" * 71,
        signature(b"another body"), signature(b"{}", "another secret"), signature(b"{}", ""),
    ],
)  # fmt: skip
def test_a_signature_that_is_missing_or_wrong_is_refused_before_anything_is_parsed(deliver, ctx, sent):
    answer = deliver("ping", b"{nonsense", X_Hub_Signature_256=sent)
    assert answer.status == 401
    with ctx.db.read() as tx:
        assert store.newest(tx, "", 1) == []


def test_the_signature_is_over_the_bytes_as_they_came(deliver):
    body = b'{"a":  1, "a": "\\u00e9" }'
    assert deliver("ping", body).status == 202
    assert deliver("ping", json.dumps(json.loads(body)).encode(), X_Hub_Signature_256=signature(body)).status == 401


def test_two_secrets_are_good_while_rotating(ctx):
    deliver = delivering(client_of(changed(ctx, github_webhook_secret="old secret , new secret,")))
    assert deliver("ping", {}, secret="old secret").status == 202
    assert deliver("ping", {}, secret="new secret").status == 202
    assert deliver("ping", {}, secret="old secret , new secret,").status == 401
    assert deliver("ping", {}, secret="").status == 401


def test_without_a_secret_nothing_is_taken(ctx):
    answer = delivering(client_of(changed(ctx, github_webhook_secret="")))("ping", {}, secret="")
    assert answer.status == 401 and "GITHUB_WEBHOOK_SECRET" in answer.json["detail"]


def test_only_bad_signatures_are_counted_and_good_ones_always_taken(ctx, clock):
    deliver = delivering(client_of(changed(ctx, rate_limit_webhooks_per_minute=3)))
    for _ in range(10):
        assert deliver("ping", {}).status == 202
    statuses = [deliver("ping", {}, secret="wrong").status for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert deliver("ping", {}).status == 202
    clock.step(61)
    assert deliver("ping", {}, secret="wrong").status == 401


@pytest.mark.parametrize("guid", ["", "x" * 101, "two words", "tab\t"])
def test_a_delivery_needs_its_id(deliver, guid):
    assert deliver("ping", {}, X_GitHub_Delivery=guid or None).status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"a": NaN}', b"[" * 50_000, b"1" * 9000])
def test_what_is_no_json_object_is_malformed(deliver, body):
    assert deliver("ping", body).status == 400


def test_a_form_is_read_as_well(deliver, handled):
    body = urlencode({"payload": json.dumps(PAYLOAD)}).encode()
    form = "application/x-www-form-urlencoded"
    assert "task_id" in deliver("example", body, Content_Type=form).json
    for nonsense in (b"payload=%ff", b"other=1", b"\xff", b""):
        assert deliver("example", nonsense, Content_Type=form).status == 400


@pytest.mark.parametrize(
    ("listed", "repo", "is_taken"),
    [
        (("octo/*",), "octo/harbor", True),
        (("OCTO/Harbor",), "octo/harbor", True),
        (("octo/har*", "x/y"), "x/y", True),
        (("octo/*",), "octopus/harbor", False),
        (("octo/*",), None, False),
        (("octo/*",), 7, False),
        (("*",), "octo/harbor", True),
        ((), "any/thing", True),
    ],
)
def test_the_list_of_repositories_is_kept_to(ctx, handled, listed, repo, is_taken):
    deliver = delivering(client_of(changed(ctx, github_repo_allowlist=listed)))
    answer = deliver("example", PAYLOAD | {"repository": {"full_name": repo}})
    assert answer.status == 202
    assert ("task_id" in answer.json) is is_taken
    if not is_taken:
        assert "GITHUB_REPO_ALLOWLIST" in answer.json["ignored"]
    assert deliver("ping", {"repository": {"full_name": "who/knows"}}).json == {
        "accepted": True, "event": "ping", "action": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "action", "reason"),
    [
        ("example", "vanished", "action vanished"),
        ("example", None, "action none"),
        ("star", "created", "about star"),
        ("", "opened", "X-GitHub-Event"),
        ("<script>", "opened", "X-GitHub-Event"),
    ],
)
def test_what_is_not_handled_is_ignored_with_the_reason(deliver, ctx, handled, event, action, reason):
    answer = deliver(event, PAYLOAD | {"action": action})
    assert answer.status == 202 and reason in answer.json["ignored"]
    assert newest(ctx).state == "ignored"


def test_a_delivery_as_large_as_github_sends_is_taken_and_kept_in_part(deliver, ctx, handled):
    filler = "x" * (25 * 1024 * 1024 - 1000)
    answer = deliver("example", PAYLOAD | {"filler": filler})
    assert answer.status == 202
    kept = newest(ctx)
    assert kept.payload_bytes > 26_000_000 and len(kept.payload) == deliveries.LONGEST_KEPT
    assert deliver("example", b"{" + b" " * 25 * 1024 * 1024 + b"}").status == 413


def test_secrets_in_a_payload_are_not_kept(deliver, ctx):
    token = "ghp_" + "a1B2" * 9
    edge = deliveries.LONGEST_KEPT - 20
    deliver("ping", {"a": token, "b": ctx.settings.github_token, "c": SECRET})
    assert not any(secret in newest(ctx).payload for secret in (token, ctx.settings.github_token, SECRET))
    deliver("ping", b'{"a": "' + b"x" * (edge - 8) + b" " + token.encode() + b'"}')
    assert "ghp_" not in newest(ctx).payload


def test_while_restarting_deliveries_are_taken(deliver, ctx, handled):
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET restarting = 1")
    assert "task_id" in deliver("example", PAYLOAD).json


def test_while_locked_they_are_stored_and_wait(deliver, ctx, handled, as_user):
    lockdown.lock(as_user("ada"), "a test")
    answer = deliver("example", PAYLOAD, guid=GUID)
    assert answer.status == 202 and "unlocks" in answer.json["waiting"]
    assert deliver("example", PAYLOAD, guid=GUID).status == 200
    assert deliver("star", PAYLOAD).json["ignored"]
    assert deliver("ping", {}).json == {"accepted": True, "event": "ping", "action": ""}
    follower = services.Follower(ctx)
    assert not follower.step() and queued(ctx) == 0
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 0")
    assert follower.step()
    assert not follower.step()
    with ctx.db.read() as tx:
        taken = store.find(tx, GUID)
    assert taken.state == "accepted" and taken.task_id and queued(ctx) == 1


def test_old_ones_are_forgotten_but_not_those_that_wait(deliver, ctx, clock, handled, as_user):
    deliver("ping", {}, guid="old")
    lockdown.lock(as_user("ada"), "a test")
    deliver("example", PAYLOAD, guid="waits")
    clock.step(31 * 86_400)
    for _ in range(3):
        deliver("ping", {})
    with ctx.db.read() as tx:
        assert store.find(tx, "old") is None
        assert store.find(tx, "waits") is not None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
    | st.sampled_from(["\u202eevil", "\ud800", "<script>", "@everyone", "a\x00b", "../../x", "9" * 30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "action", "repository", "sender", "issue", "pull_request", "comment", "installation", "changes", "number",
        "label", "full_name", "login", "user", "title", "body", "state", "html_url", "updated_at", "head", "base",
    ]
)  # fmt: skip
SHAPED = st.dictionaries(NAMES, st.dictionaries(NAMES, ANYTHING, max_size=6) | ANYTHING, max_size=8)
EVENTS = st.sampled_from(
    [
        "ping", "issues", "issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment",
        "push", "star", "installation", "repository", "workflow_run", "label", "member", "meta", "x" * 99,
    ]
)  # fmt: skip
ACTIONS = st.sampled_from(
    ["opened", "closed", "reopened", "edited", "deleted", "created", "transferred", "synchronize", "ready_for_review"]
)


def test_nothing_github_or_anybody_may_send_is_a_5xx(deliver, ctx, events):
    @hypothesis_settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(event=EVENTS, action=ACTIONS | ANYTHING, payload=SHAPED, is_ours=st.booleans())
    def check(event, action, payload, is_ours):
        payload = {**payload, "action": action}
        if is_ours:
            payload["repository"] = {"full_name": REPO}
        answer = deliver(event, json.dumps(payload).encode("utf-8", "surrogatepass"))
        assert answer.status == 202
        told = answer.json
        assert told["accepted"] is True and ("task_id" in told or "ignored" in told or event == "ping")

    check()
    with ctx.db.read() as tx:
        assert tx.all(str, "SELECT title FROM bugs") == []


def test_deliveries_are_for_admins(client, deliver, ctx):
    deliver("ping", {"zen": "Approachable is better than simple."})
    listed = client.bearer("ada").get("/api/v1/github/deliveries").json["items"]
    assert [(one["event"], one["state"]) for one in listed] == [("ping", "accepted")]
    one = client.bearer("ada").get(f"/api/v1/github/deliveries/{listed[0]['id']}").json
    assert "Approachable" in one["payload"]
    assert client.bearer("alice").get("/api/v1/github/deliveries").status == 403
    assert client.bearer("ada").get("/api/v1/github/deliveries?state=failed").json["items"] == []


def test_an_outcome_is_what_a_handler_says(deliver, ctx, monkeypatch):
    monkeypatch.setattr(
        handlers, "HANDLERS", {("example", handlers.ANY): lambda tx, ctx, delivery, payload: Ignored("Not today.")}
    )
    assert deliver("example", PAYLOAD).json["ignored"] == "Not today."
