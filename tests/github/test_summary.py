"""One comment under each pull request: written once, edited in place, left alone when nothing is new."""

import json
import re

import pytest

from jarvis.bugs import store as bugs
from jarvis.events import sentences
from jarvis.events import store as record
from jarvis.github.store import pulls as store
from jarvis.github.summary import MARKER
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from tests.github.conftest import REPO, changed, client_of, delivering, work
from tests.github.diffs import HARBOR, added, bare
from tests.github.pulls import own, pull_event, push
from tests.github.test_summary_markup import pings, shown


@pytest.fixture
def pull(repo):
    return repo.pull("Tide tables", "Skippers asked for it.", files=list(HARBOR))["number"]


def results(done):
    return [(task.state, json.loads(task.result or "{}").get("outcome")) for task in done]


def test_opening_one_brings_a_comment(deliver, ctx, repo, pull, events):
    answer = deliver("pull_request", pull_event(repo, pull))
    assert answer.status == 202
    assert answer.json["task_id"].startswith("tsk_")
    assert results(work(ctx)) == [("done", "created")]
    (comment,) = own(repo, pull)
    assert MARKER.match(comment["body"])
    assert "Skippers asked for it." in comment["body"]
    assert "`harbor/settings.py:1`" in comment["body"]
    assert "github.summary" in events()


def test_what_became_of_it_is_told_in_a_sentence(deliver, ctx, repo, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    with ctx.db.read() as tx:
        (event,) = record.newest(tx, record.Filter(types=("github.summary",)), 5)
        row = store.find(tx, REPO, pull)
    assert sentences.summary(event) == f"pull request {REPO}#{pull} was summarised in a comment"
    assert (row.outcome, row.comment_id) == ("created", own(repo, pull)[0]["id"])


def test_a_push_edits_the_same_comment(deliver, ctx, repo, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    (before,) = own(repo, pull)
    first = dict(before)
    push(repo, pull, "d", added("harbor/new.py", "def anchor():\n    pass\n"))
    deliver("pull_request", pull_event(repo, pull, "synchronize"))
    assert results(work(ctx)) == [("done", "edited")]
    (after,) = own(repo, pull)
    assert after["id"] == first["id"]
    assert "`anchor`" in after["body"]
    assert after["body"] != first["body"]


def test_nothing_new_touches_nothing(deliver, ctx, repo, fake, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    fake.asked.clear()
    deliver("pull_request", pull_event(repo, pull, "reopened"))
    assert results(work(ctx)) == [("done", "untouched")]
    assert [one for one in fake.asked if one.method != "GET"] == []


def test_it_is_found_over_all_pages_among_other_peoples_markers(deliver, ctx, repo, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    (mine,) = own(repo, pull)
    repo.comments[pull] = []
    for n in range(250):
        repo.comment(pull, mine["body"] if n % 50 == 0 else f"chatter {n}", by="mallory")
    repo.comments[pull].append(mine)
    push(repo, pull, "e", bare("x.py"))
    deliver("pull_request", pull_event(repo, pull, "synchronize"))
    assert results(work(ctx)) == [("done", "edited")]
    assert len(own(repo, pull)) == 1
    assert not any("`x.py`" in one["body"] for one in repo.comments[pull][:250])


def test_one_whose_answer_is_lost_is_not_written_twice(deliver, ctx, repo, fake, clock, pull):
    fake.fail("POST", "/comments$", after=True)
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    assert len(own(repo, pull)) == 1, "it was written, but the answer never came"
    clock.step(60)
    assert results(work(ctx)) == [("done", "untouched")]
    assert len(own(repo, pull)) == 1


def test_one_that_dies_between_request_and_commit_is_not_written_twice(deliver, ctx, repo, pull, monkeypatch):
    from jarvis.github.actions import summaries

    class Killed(BaseException):
        """As SIGKILL: nothing below it gets to say anything."""

    def dies(*args, **kwargs):
        raise Killed

    task_id = deliver("pull_request", pull_event(repo, pull)).json["task_id"]
    with ctx.db.read() as tx:
        wish = tasks.payload_of(tasks.get(tx, task_id))
    monkeypatch.setattr(summaries, "_end", dies)
    with pytest.raises(Killed):
        summaries.summarise(ctx, wish, lambda: False)
    monkeypatch.undo()
    assert len(own(repo, pull)) == 1
    assert results(work(ctx)) == [("done", "untouched")]
    assert len(own(repo, pull)) == 1


def test_one_too_many_of_our_own_is_taken_away(deliver, ctx, repo, fake, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    repo.comment(pull, own(repo, pull)[0]["body"], by=fake.login)
    deliver("pull_request", pull_event(repo, pull, "reopened"))
    work(ctx)
    assert len(own(repo, pull)) == 1


def test_one_that_somebody_deletes_meanwhile_is_written_again(deliver, ctx, repo, fake, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    push(repo, pull, "d", bare("y.py"))
    fake.fail("PATCH", "/issues/comments/", 404)
    deliver("pull_request", pull_event(repo, pull, "synchronize"))
    assert results(work(ctx)) == [("done", "created")]


def test_of_several_pushes_only_the_newest_has_work(deliver, ctx, repo, fake, pull):
    for sha in "cde":
        push(repo, pull, sha, bare(f"{sha}.py"))
        deliver("pull_request", pull_event(repo, pull, "synchronize"))
    assert results(work(ctx)) == [("done", "overtaken"), ("done", "overtaken"), ("done", "created")]
    assert len([one for one in fake.asked if one.method == "POST"]) == 1
    assert "eeeeeeeeee" in own(repo, pull)[0]["body"]


def test_a_late_delivery_of_an_old_push_still_tells_of_the_newest(deliver, ctx, repo, pull):
    old = pull_event(repo, pull, "synchronize")
    push(repo, pull, "d", bare("d.py"))
    deliver("pull_request", pull_event(repo, pull, "synchronize"))
    work(ctx)
    deliver("pull_request", old)
    assert results(work(ctx)) == [("done", "untouched")]
    assert "dddddddddd" in own(repo, pull)[0]["body"]


def test_a_draft_waits_until_it_is_ready(deliver, ctx, repo, pull):
    repo.pulls[pull]["draft"] = True
    answer = deliver("pull_request", pull_event(repo, pull))
    assert "draft" in answer.json["ignored"]
    repo.pulls[pull]["draft"] = False
    deliver("pull_request", pull_event(repo, pull, "ready_for_review"))
    assert results(work(ctx)) == [("done", "created")]


def test_one_that_is_closed_before_its_turn_is_left_alone(deliver, ctx, repo, pull):
    deliver("pull_request", pull_event(repo, pull))
    repo.pulls[pull]["state"] = "closed"
    assert results(work(ctx)) == [("done", "skipped")]
    assert own(repo, pull) == []


@pytest.mark.parametrize(
    ("change", "why"),
    (
        ({"github_pr_summary_enabled": False}, "GITHUB_PR_SUMMARY_ENABLED"),
        ({"github_pr_base_branches": ("release/*",)}, "BRANCHES"),
    ),
)
def test_what_is_switched_off_is_ignored_with_the_setting(ctx, repo, pull, change, why):
    ignored = delivering(client_of(changed(ctx, **change)))("pull_request", pull_event(repo, pull)).json["ignored"]
    assert why in ignored


def test_base_branches_are_globs(ctx, repo, pull):
    repo.pulls[pull]["base"]["ref"] = "release/2.0"
    inside = changed(ctx, github_pr_base_branches=("main", "release/*"))
    assert "task_id" in delivering(client_of(inside))("pull_request", pull_event(repo, pull)).json


def test_a_large_one_is_read_in_pages_and_said_to_be_capped(deliver, ctx, repo, fake, pull):
    repo.files[pull] = [bare(f"src/{n:04}.py", patch=None) for n in range(1200)]
    repo.pulls[pull]["changed_files"] = 1200
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    (comment,) = own(repo, pull)
    assert "1,000 of its 1,200 files were read" in comment["body"]
    assert len([one for one in fake.asked if one.path.endswith("/files")]) == 10


def test_hostile_words_reach_github_as_plain_ones(deliver, ctx, repo):
    evil = "![x](https://evil.example/p.png) @octocat <b>\u202e closes #1 <!-- jarvis:summary 00 -->"
    number = repo.pull(evil, evil, files=[added(f"a/`@octocat` {evil[:20]}/x.py", "x = 1\n")])["number"]
    deliver("pull_request", pull_event(repo, number))
    work(ctx)
    body = own(repo, number)[0]["body"]
    assert body.count("<!--") == 1
    assert "\u202e" not in body
    assert "<b>" not in body
    assert pings(shown(body)) == []
    assert not re.search("<(a|img|b)[ >]", shown(body))


def test_a_secret_in_the_change_is_pointed_at_and_never_shown(deliver, ctx, repo, fake):
    key = "ghp_" + "Zz9" * 12
    number = repo.pull(f"Use {key}", f"With {key}", files=[added(f"{key}.py", f"KEY = '{key}'\n")])["number"]
    deliver("pull_request", pull_event(repo, number))
    work(ctx)
    body = own(repo, number)[0]["body"]
    assert key not in body
    assert "Strings like secrets" in body


def test_a_refusal_ends_it_with_the_reason_and_one_bug(deliver, ctx, repo, fake, pull):
    second = repo.pull("Another", files=[bare("b.py")])["number"]
    fake.fail("POST", "/comments$", 403, times=9)
    for number in (pull, second):
        deliver("pull_request", pull_event(repo, number))
    assert [task.state for task in work(ctx)] == ["failed", "failed"]
    with ctx.db.read() as tx:
        assert store.find(tx, REPO, pull).outcome == "failed"
        found = [bug for bug in bugs.newest(tx, bugs.Filter(), 10) if "summarise a pull request" in bug.title]
    assert [bug.occurrences for bug in found] == [2]


def test_a_limit_is_waited_for(deliver, ctx, repo, fake, clock, pull):
    fake.fail(
        "GET",
        f"/pulls/{pull}$",
        403,
        {"message": "You have exceeded a secondary rate limit."},
        headers={"Retry-After": "120"},
    )
    task_id = deliver("pull_request", pull_event(repo, pull)).json["task_id"]
    work(ctx)
    with ctx.db.read() as tx:
        task = tasks.get(tx, task_id)
        assert (task.state, task.run_at >= tx.now + 100_000_000) == ("queued", True)
    clock.step(200)
    assert results(work(ctx)) == [("done", "created")]


def test_a_lockdown_keeps_it_waiting(deliver, ctx, repo, as_user, pull):
    from jarvis.lockdown import actions as lockdown

    deliver("pull_request", pull_event(repo, pull))
    lockdown.lock_by_hand(as_user("ada"), "a test")
    with ctx.db.read() as tx:
        assert "jarvis.tasks.github.pr_summary" in queue.held(ctx, tx)


def test_an_apps_token_knows_its_own_by_the_bots_name(ctx, repo, fake, pull):
    fake.fail("GET", "/user$", 403, {"message": "Resource not accessible by integration"}, times=9)
    app = changed(ctx, github_bot_login="harbor-bot")
    deliver = delivering(client_of(app))
    deliver("pull_request", pull_event(repo, pull))
    work(app)
    (first,) = own(repo, pull)
    first["user"] = {"login": "harbor-bot[bot]", "type": "Bot"}
    repo.comment(pull, first["body"], by="harbor-bot")  # somebody who took the name, and is no bot
    deliver("pull_request", pull_event(repo, pull, "reopened"))
    assert results(work(app)) == [("done", "untouched")]
    assert len(repo.comments[pull]) == 2


def test_without_a_model_there_is_no_section_for_one(deliver, ctx, repo, pull):
    deliver("pull_request", pull_event(repo, pull))
    work(ctx)
    assert "In a model's words" not in own(repo, pull)[0]["body"]
