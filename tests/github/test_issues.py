"""Bugs and issues in step: one issue for a bug whatever dies, changes both ways, never an echo."""

import pytest

from jarvis.bugs import actions as bugs
from jarvis.bugs import store as bug_store
from jarvis.chat import actions as chat
from jarvis.github import handlers, wording
from jarvis.github.actions import issues
from jarvis.github.services import Follower
from jarvis.github.store import issues as links
from jarvis.kernel.errors import Conflict
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from tests.github.conftest import REPO, changed, client_of, work


@pytest.fixture
def follower(ctx):
    return Follower(ctx)


@pytest.fixture
def settled(ctx, follower):
    """Lets everything that is due happen; names of the tasks that ran."""

    def settle(most=20):
        ran = []
        for _ in range(most):
            is_more = follower.step()
            done = work(ctx)
            ran += done
            if not done and not is_more:
                return ran
        raise AssertionError("it never comes to rest: something echoes")

    return settle


@pytest.fixture
def read(ctx):
    def read(bug_id):
        with ctx.db.read() as tx:
            return bug_store.get(tx, bug_id)

    return read


def file(person, title="Tide tables fail", description="Across midnight.", **more):
    return bugs.file(person.traced(), title, description, sync_to_github=True, **more)


def test_a_bug_becomes_an_issue_with_its_labels(as_user, settled, read, repo, events):
    bug = file(as_user("alice"))
    settled()
    (issue,) = repo.issues
    assert issue["title"] == "Tide tables fail" and issue["body"].startswith("Across midnight.")
    assert [label["name"] for label in issue["labels"]] == ["jarvis", "bug"]
    after = read(bug.id)
    assert (after.github_issue_number, after.github_issue_url) == (1, issue["html_url"])
    assert after.github_synced_at and after.github_sync_error is None
    assert events("github.") == ["github.sync"]


def test_a_feature_request_has_labels_of_its_own(as_user, settled, repo):
    file(as_user("alice"), kind="feature")
    settled()
    assert [label["name"] for label in repo.issues[0]["labels"]] == ["jarvis", "feature-request"]


def test_what_nobody_sent_to_github_stays_here(as_user, settled, repo, fake):
    bug = bugs.file(as_user("alice"), "Ours alone")
    bugs.change(as_user("alice"), bug.id, title="Still ours")
    assert settled() == [] and fake.asked == []


@pytest.mark.parametrize("face", ["api", "feature api", "page", "slash", "tool", "cli"])
def test_every_face_can_send_a_bug_there(ctx, as_user, settled, repo, client, face):
    alice = as_user("alice").traced()
    if face == "api":
        made = client.bearer("alice").post("/api/v1/bugs", json={"title": "Tides", "sync_to_github": True})
        assert made.status == 201 and made.json["github_sync_error"] is None
    elif face == "feature api":
        made = client.bearer("alice").post("/api/v1/feature-requests", json={"title": "Tides", "sync_to_github": True})
        assert made.status == 201
    elif face == "page":
        filed = client.as_("alice").submit("/admin/bugs/new", "/admin/bugs", title="Tides", sync_to_github="1")
        assert filed.status == 303
    elif face == "slash":
        thread = chat.open_thread(alice, "x")
        chat.post(alice, thread.id, "/bug --github Tides :: of the bay")
    elif face == "tool":
        ctx.registry.tools["bugs.create"].run(alice, {"title": "Tides", "sync_to_github": True})
    else:
        from jarvis.bugs import cli as commands
        from jarvis.kernel.console import Console

        args = dict.fromkeys(("bug", "add"), True) | {"TITLE": "Tides", "--sync": True}
        args |= dict.fromkeys(("feature", "list", "show", "set", "close", "sync"), False)

        class Start:
            def context(self):
                return alice

        assert commands.run(Start(), args, Console(False)) == 0
    settled()
    assert [issue["title"] for issue in repo.issues] == ["Tides"]


def test_with_sync_off_it_is_filed_and_says_so(ctx, fake):
    client = client_of(changed(ctx, github_issue_sync_enabled=False))
    made = client.bearer("alice").post("/api/v1/bugs", json={"title": "x", "sync_to_github": True})
    assert made.status == 201 and "GITHUB_ISSUE_SYNC_ENABLED" in made.json["github_sync_error"]
    assert client.bearer("alice").post(f"/api/v1/bugs/{made.json['id']}/sync").status == 409


def test_changes_here_go_out_and_do_not_come_back(as_user, settled, repo, fake, deliver, read):
    alice = as_user("alice")
    bug = file(alice)
    settled()
    bugs.change(alice, bug.id, title="Tide tables fail at midnight", description="See the log.", status="resolved")
    settled()
    issue = repo.issues[0]
    assert (issue["title"], issue["state"]) == ("Tide tables fail at midnight", "closed")
    assert issue["body"].startswith("See the log.") and wording.bug_marked(issue) == bug.id
    before = len(fake.asked)
    for action in ("edited", "closed"):  # GitHub tells us what we did ourselves
        assert "task_id" in deliver("issues", repo.webhook(action, 1, by=fake.login)).json
    settled()
    assert len(fake.asked) == before
    assert read(bug.id).status == "resolved"
    bugs.change(alice, bug.id, status="open")
    settled()
    assert repo.issues[0]["state"] == "open"


def test_what_is_no_change_for_github_asks_it_nothing(as_user, settled, fake, repo):
    bug = file(as_user("alice"))
    settled()
    before = len(fake.asked)
    bugs.change(as_user("alice"), bug.id, priority="critical", assignee="bob", status="in_progress")
    settled()
    assert len(fake.asked) == before


def test_closing_reopening_and_editing_on_github_come_in(as_user, settled, repo, fake, deliver, read, events):
    bug = file(as_user("alice"))
    settled()
    issue = repo.issues[0]

    def on_github(action, **values):
        issue.update(values, updated_at=fake.stamp())
        deliver("issues", repo.webhook(action, 1, by="octocat"))
        before = fake.count("PATCH", "/issues/1")
        settled()
        assert fake.count("PATCH", "/issues/1") == before, "echoed"
        return read(bug.id)

    assert on_github("closed", state="closed").status == "closed"
    assert on_github("reopened", state="open").status == "open"
    assert on_github("edited", title="  Tides,\n again ").title == "Tides, again"
    body = issue["body"].replace("Across midnight.", "Across\r\nnoon.")
    assert on_github("edited", body=body).description == "Across\nnoon."
    assert on_github("edited", body=None).description == ""
    assert on_github("edited", title=" \u200b ".replace("\u200b", "")).title == "Tides, again"
    assert on_github("edited", title="x" * 256).title == "x" * 200
    assert on_github("edited", title="\u202eevil\ud800").title == "\u202eevil?"
    with as_user("ada").db.read() as tx:
        actor = tx.one(str, "SELECT actor FROM events WHERE type = 'bug.updated' ORDER BY seq LIMIT 1")
    assert actor == "github:octocat"


def test_a_bug_in_progress_stays_so_while_its_issue_is_open(as_user, settled, repo, fake, deliver, read):
    bug = file(as_user("alice"))
    settled()
    bugs.change(as_user("alice"), bug.id, status="in_progress")
    settled()
    repo.issues[0].update(title="Sharper title", updated_at=fake.stamp())
    deliver("issues", repo.webhook("edited", 1))
    settled()
    assert (read(bug.id).status, read(bug.id).title) == ("in_progress", "Sharper title")


def test_old_news_does_not_undo_what_came_after(as_user, settled, repo, fake, deliver, read):
    alice = as_user("alice")
    bug = file(alice)
    settled()
    stale = repo.webhook("edited", 1) | {"issue": dict(repo.issues[0], title="Older")}
    bugs.change(alice, bug.id, title="Newer", status="closed")
    settled()
    deliver("issues", stale)
    settled()
    assert (read(bug.id).title, read(bug.id).status) == ("Newer", "closed")
    assert repo.issues[0]["title"] == "Newer"


def test_an_edit_whose_delivery_was_lost_is_not_overwritten(as_user, settled, repo, fake, read):
    alice = as_user("alice")
    bug = file(alice)
    settled()
    repo.issues[0].update(body="Better words of somebody else.", updated_at=fake.stamp())
    bugs.change(alice, bug.id, title="New title")
    settled()
    assert repo.issues[0]["title"] == "New title" and repo.issues[0]["body"] == "Better words of somebody else."
    assert read(bug.id).description == "Better words of somebody else."


def test_a_death_between_request_and_commit_makes_no_second_issue(ctx, as_user, follower, repo, fake, clock, read):
    bug = file(as_user("alice"))
    follower.step()
    fake.fail("POST", "/issues$", after=True)
    work(ctx)
    assert len(repo.issues) == 1 and read(bug.id).github_issue_number is None
    assert "tried again" in read(bug.id).github_sync_error
    clock.step(60)
    work(ctx)
    assert len(repo.issues) == 1
    assert (read(bug.id).github_issue_number, read(bug.id).github_sync_error) == (1, None)


@pytest.mark.parametrize("status", [500, 502, 200])
def test_an_answer_that_is_lost_in_any_way_makes_no_second_issue(ctx, as_user, follower, repo, fake, clock, status):
    file(as_user("alice"))
    follower.step()
    fake.fail("POST", "/issues$", status, b"<html>", after=True)
    for _ in range(4):
        work(ctx)
        clock.step(120)
    assert len(repo.issues) == 1


def test_when_the_list_is_behind_it_waits_rather_than_make_two(ctx, as_user, follower, repo, fake, clock, read):
    bug = file(as_user("alice"))
    follower.step()
    fake.fail("POST", "/issues$", after=True)
    work(ctx)
    fake.fail("GET", "/issues$", 200, [])
    clock.step(5)
    work(ctx)
    assert fake.count("POST", "/issues$") == 1
    clock.step(60)
    work(ctx)
    assert len(repo.issues) == 1 and read(bug.id).github_issue_number == 1


def test_a_request_that_never_arrived_is_made_again(ctx, as_user, follower, repo, fake, clock):
    file(as_user("alice"))
    follower.step()
    fake.fail("POST", "/issues$", 0)
    for _ in range(5):
        work(ctx)
        clock.step(60)
    assert len(repo.issues) == 1 and fake.count("POST", "/issues$") == 2


def test_a_backup_that_was_restored_finds_its_issues_again(ctx, as_user, settled, repo, clock, read, fake):
    bug = file(as_user("alice"))
    settled()
    with ctx.db.write() as tx:  # the backup was made before
        links.delete(tx, bug.id)
        bug_store.set_synced(tx, bug.id, None, None)
    clock.step(7200)
    repo.issue("A copy of the mark", repo.issues[0]["body"], by="mallory")
    bugs.ask_sync(as_user("alice"), bug.id)
    settled()
    assert len(repo.issues) == 2 and read(bug.id).github_issue_number == 1


def test_what_changed_while_the_issue_was_made_goes_after_it(ctx, as_user, follower, repo, fake, clock):
    alice = as_user("alice")
    bug = file(alice)
    follower.step()
    fake.fail("POST", "/issues$", after=True)
    work(ctx)
    bugs.change(alice, bug.id, status="closed", title="Over")
    clock.step(60)
    work(ctx)
    assert [(issue["title"], issue["state"]) for issue in repo.issues] == [("Over", "closed")]


def test_a_bug_closed_before_it_was_sent_is_closed_there_too(as_user, settled, repo):
    alice = as_user("alice")
    bug = bugs.file(alice, "Old story")
    bugs.close(alice, bug.id)
    bugs.ask_sync(alice, bug.id)
    settled()
    assert repo.issues[0]["state"] == "closed"


def test_a_limit_is_waited_for(ctx, as_user, settled, repo, fake, clock, read):
    bug = file(as_user("alice"))
    fake.fail("POST", "/issues$", 403, {"message": "secondary rate limit"}, headers={"Retry-After": "90"})
    settled()
    assert "limit" in read(bug.id).github_sync_error
    clock.step(60)
    assert settled() == []
    clock.step(40)
    settled()
    assert len(repo.issues) == 1 and fake.count("GET", "/issues$") == 0


def test_what_is_permanent_stops_with_the_reason_and_one_bug(ctx, as_user, settled, repo, fake, read, events, clock):
    repo.permissions[fake.login] = "read"
    alice = as_user("alice")
    first, second = file(alice), file(alice, "Another")
    settled()
    for bug in (first, second):
        assert "issues=write" in read(bug.id).github_sync_error
    assert fake.count("POST", "/issues$") == 2
    assert events("github.").count("github.sync_failed") == 2
    with ctx.db.read() as tx:
        found = tx.all(lambda *row: row, "SELECT occurrences, is_sync_wanted FROM bugs WHERE fingerprint IS NOT NULL")
    assert found == [(2, 0)]
    clock.step(7 * 86_400)
    assert settled() == []
    del repo.permissions[fake.login]
    bugs.ask_sync(alice, first.id)
    assert read(first.id).github_sync_error is None
    settled()
    assert read(first.id).github_issue_number == 1


def test_it_gives_up_some_time_and_says_so(ctx, as_user, settled, fake, clock, read):
    bug = file(as_user("alice"))
    fake.fail("POST", "/issues$", 500, times=1000)
    fake.fail("GET", "/issues$", 500, times=1000)
    for _ in range(40):
        settled()
        clock.step(3 * 3600)
    with ctx.db.read() as tx:
        assert tasks.newest(tx, "failed", handlers.SYNC, 2)[0].attempts == 20
    assert "tried again" not in read(bug.id).github_sync_error


def test_without_a_token_it_says_what_to_set(ctx, as_user, read):
    bare = changed(ctx, github_token="")
    bug = file(as_user("alice"))
    Follower(bare).step()
    work(bare)
    assert "GITHUB_TOKEN is not set" in read(bug.id).github_sync_error


def test_an_issue_deleted_on_github_is_let_go_and_can_be_made_anew(ctx, as_user, settled, repo, deliver, read, fake):
    bug = file(as_user("alice"))
    settled()
    repo.issues[0]["is_deleted"] = True
    assert deliver("issues", repo.webhook("deleted", 1)).status == 202
    assert read(bug.id).github_issue_number is None and "gone" in read(bug.id).github_sync_error
    repo.issues[0]["body"] = ""
    bugs.ask_sync(as_user("alice"), bug.id)
    settled()
    assert read(bug.id).github_issue_number == 2


def test_an_issue_that_is_gone_without_a_word_is_let_go_too(as_user, settled, repo, read):
    bug = file(as_user("alice"))
    settled()
    repo.issues[0]["is_deleted"] = True
    bugs.change(as_user("alice"), bug.id, title="Changed")
    settled()
    assert read(bug.id).github_issue_number is None and read(bug.id).github_sync_error


def test_a_bug_deleted_here_leaves_its_issue(as_user, settled, repo, deliver):
    bug = file(as_user("alice"))
    settled()
    bugs.delete(as_user("alice"), bug.id)
    settled()
    assert "No bug belongs" in deliver("issues", repo.webhook("closed", 1)).json["ignored"]
    assert repo.issues[0]["state"] == "open"


def test_a_bug_deleted_before_its_turn_is_left_alone(ctx, as_user, follower, repo):
    bug = file(as_user("alice"))
    follower.step()
    bugs.delete(as_user("alice"), bug.id)
    assert [task.state for task in work(ctx)] == ["done"] and repo.issues == []


def test_deliveries_about_issues_of_others_are_ignored(deliver, repo, settled, as_user):
    repo.issue("Somebody's own")
    assert "No bug belongs" in deliver("issues", repo.webhook("closed", 1)).json["ignored"]
    assert "action opened" in deliver("issues", repo.webhook("opened", 1)).json["ignored"]
    odd = repo.webhook("closed", 1) | {"repository": {"full_name": "../../etc"}}
    assert "names no issue" in deliver("issues", odd).json["ignored"]


def test_an_issue_of_the_same_number_elsewhere_changes_nothing(as_user, settled, repo, fake, deliver, read):
    bug = file(as_user("alice"))
    settled()
    other = fake.repo("mallory/copy")
    other.issue("Mine")
    other.issues[0]["state"] = "closed"
    assert "ignored" in deliver("issues", other.webhook("closed", 1)).json
    settled()
    assert read(bug.id).status == "open"


def test_names_of_repositories_are_the_same_in_any_case(ctx, as_user, settled, repo, deliver, fake, read):
    bug = file(as_user("alice"))
    settled()
    repo.issues[0].update(state="closed", updated_at=fake.stamp())
    deliver("issues", repo.webhook("closed", 1) | {"repository": {"full_name": REPO.upper()}})
    settled()
    assert read(bug.id).status == "closed"


def test_secrets_do_not_go_out(as_user, settled, repo, ctx):
    token = "ghp_" + "a1B2" * 9
    file(as_user("alice"), f"Key {token}", f"And {ctx.settings.github_token}")
    settled()
    assert token not in str(repo.issues[0]) and ctx.settings.github_token not in str(repo.issues[0])


def test_a_mark_in_somebodys_words_is_no_mark(as_user, settled, repo):
    other = "bug_" + "0" * 26
    bug = file(as_user("alice"), "x", f"{wording.MARK}{other} -->")
    settled()
    assert wording.bug_marked(repo.issues[0]) == bug.id


def test_evidence_is_quoted_so_that_nothing_in_it_is_markup(as_user, settled, repo, ctx):
    evidence = {"command": "make test", "exit_code": 2, "lines": ["```", "@octocat <img src=x>"], "seconds": 1.0}
    bug = bugs.record_failure(as_user("ada"), "f" * 64, "Fails", evidence)
    bugs.ask_sync(as_user("ada"), bug.id)
    settled()
    body = repo.issues[0]["body"]
    assert "````text\n$ make test\n```\n@octocat <img src=x>\nexit 2\n````" in body


def test_the_retry_is_on_the_page_and_for_owners_only(as_user, client, settled, repo, fake, read):
    repo.has_issues = False
    bug = file(as_user("alice"))
    settled()
    page = client.as_("alice").get(f"/admin/bugs/{bug.id}", headers={"Accept": "text/html"})
    assert "Retry GitHub" in page.text and "Not synced" in page.text
    repo.has_issues = True
    at = f"/admin/bugs/{bug.id}"
    assert client.as_("alice").submit(at, f"{at}/sync").status == 303
    assert client.bearer("charlie").post(f"/api/v1/bugs/{bug.id}/sync").status == 404
    settled()
    assert read(bug.id).github_issue_number == 1
    page = client.as_("alice").get(f"/admin/bugs/{bug.id}", headers={"Accept": "text/html"})
    assert "Retry GitHub" not in page.text and "#1</a>" in page.text
    with pytest.raises(Conflict):
        bugs.ask_sync(changed(as_user("alice"), github_issue_sync_repo=""), bug.id)


def test_during_a_lockdown_nothing_goes_out_and_nothing_is_lost(ctx, as_user, follower, repo, fake):
    lockdown.lock(as_user("ada"), "a test")
    bug = file(as_user("alice"))
    assert not follower.step()
    assert work_waiting(ctx) == []
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET lockdown = 0")
    follower.step()
    assert work_waiting(ctx) == [handlers.SYNC]
    work(ctx)
    assert len(repo.issues) == 1 and bug.id in repo.issues[0]["body"]


def work_waiting(ctx):
    with ctx.db.read() as tx:
        return [task.name for task in tasks.newest(tx, "queued", "", 10)]


def test_many_changes_are_followed_in_order_and_each_once(ctx, as_user, follower, repo, fake):
    alice = as_user("alice")
    found = [file(alice, f"Number {number}") for number in range(250)]
    for bug in found[:5]:
        bugs.change(alice, bug.id, title=f"{bug.title} changed")
    assert follower.step()
    while follower.step():
        pass
    work(ctx)
    assert len(repo.issues) == 250 and fake.count("POST", "/issues$") == 250
    assert sum(issue["title"].endswith("changed") for issue in repo.issues) == 5
    assert Follower(ctx).step() is False


def test_a_task_that_names_no_bug_fails_at_once(ctx):
    for name in (handlers.SYNC, handlers.TAKE):
        assert queue.run_here(ctx, queue.enqueue(ctx, name, {})).state == "failed"
    assert issues.is_on(ctx)
