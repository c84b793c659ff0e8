"""Commands in the comments of a pull request: answered once, to people who may write, and to nobody else."""

import json

import pytest

from jarvis.events import sentences
from jarvis.events import store as record
from jarvis.github.store import pulls as store
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from tests.github.conftest import REPO, changed, client_of, delivering, work
from tests.github.diffs import HARBOR
from tests.github.pulls import comment_event, own, pull_event, review_event


@pytest.fixture
def pull(repo):
    repo.permissions |= {"alice": "write", "ada": "admin", "bob": "read"}
    return repo.pull("Tide tables", "Skippers asked for it.", files=list(HARBOR))["number"]


@pytest.fixture
def say(deliver, repo, pull):
    """Somebody comments: say("alice", "/jarvis help") → GitHub's answer to the delivery."""

    def say(login, body, **more):
        return deliver("issue_comment", comment_event(repo, pull, repo.comment(pull, body, by=login)), **more)

    return say


def outcomes(done):
    return [json.loads(task.result or "{}").get("outcome") for task in done]


def test_a_writer_is_answered_below(say, ctx, repo, pull):
    assert "task_id" in say("alice", "/jarvis risks").json
    assert outcomes(work(ctx)) == ["answered"]
    (answer,) = own(repo, pull)
    assert "> `/jarvis risks` (`alice`)" in answer["body"]
    assert "**Database migrations**" in answer["body"]
    with ctx.db.read() as tx:
        (event,) = record.newest(tx, record.Filter(types=("github.answer",)), 5)
        assert store.is_answer(tx, answer["id"])
    assert sentences.summary(event) == f"alice was answered in {REPO}#{pull}"


@pytest.mark.parametrize("login", ("bob", "mallory"))
def test_who_may_not_write_gets_no_answer_whatever_their_comment_says(say, ctx, repo, pull, fake, login):
    say(login, "/jarvis review")
    for comment in repo.comments[pull]:
        comment["author_association"] = "OWNER"  # GitHub's word in the payload is about belonging, not about rights
    assert outcomes(work(ctx)) == ["refused"]
    assert own(repo, pull) == []
    assert fake.count("GET", "/files") == 0, "and they make little work"


def test_a_token_that_may_not_ask_for_rights_answers_nobody(say, ctx, repo, pull, fake):
    fake.fail("GET", "/permission$", 403, {"message": "Resource not accessible by personal access token"})
    say("alice", "/jarvis help")
    assert [task.state for task in work(ctx)] == ["failed"]
    assert own(repo, pull) == []


def test_review_comments_are_answered_in_their_thread_about_their_file(deliver, ctx, repo, pull):
    first = repo.review_comment(pull, "Hm.", by="bob", path="harbor/settings.py")
    reply = repo.review_comment(
        pull, "@jarvis-bot review", by="alice", path="harbor/settings.py", in_reply_to_id=first["id"]
    )
    deliver("pull_request_review_comment", review_event(repo, pull, reply))
    assert outcomes(work(ctx)) == ["answered"]
    answer = repo.review_comments[pull][-1]
    assert answer["in_reply_to_id"] == first["id"]
    assert "About 1 file of 11." in answer["body"]
    assert own(repo, pull) == []


def test_own_comments_are_never_answered(say, deliver, ctx, repo, fake, pull):
    say("alice", "/jarvis help")
    work(ctx)
    (answer,) = own(repo, pull)
    ignored = deliver("issue_comment", comment_event(repo, pull, answer)).json["ignored"]
    assert "Jarvis" in ignored
    forged = answer | {"body": "/jarvis help", "user": {"login": "alice", "type": "User"}}
    assert "Jarvis" in deliver("issue_comment", comment_event(repo, pull, forged)).json["ignored"], "known by its id"
    assert work(ctx) == []


@pytest.mark.parametrize(
    "login", ("jarvis-bot", "JARVIS-bot", "dependabot[bot]"), ids=("by name", "in other letters", "another bot")
)
def test_bots_are_not_talked_to(say, ctx, login):
    assert "bot" in say(login, "/jarvis help").json["ignored"]
    assert work(ctx) == []


def test_a_deleted_user_is_not_talked_to(deliver, repo, pull):
    comment = repo.comment(pull, "/jarvis help") | {"user": None}
    event = comment_event(repo, pull, comment | {"user": {"login": "ghost"}}) | {"comment": comment, "sender": None}
    assert "gone" in deliver("issue_comment", event).json["ignored"]


def test_a_comment_on_an_issue_is_none_of_our_business(deliver, repo):
    number = repo.issue("Just an issue")["number"]
    event = comment_event(repo, number, repo.comment(number, "/jarvis help", by="alice"))
    assert "pull request" in deliver("issue_comment", event).json["ignored"]


def test_small_talk_is_ignored_with_a_reason(say):
    assert "/jarvis" in say("alice", "Looks good to me").json["ignored"]


def test_one_comment_has_one_answer_however_often_it_is_delivered(deliver, ctx, repo, pull):
    event = comment_event(repo, pull, repo.comment(pull, "/jarvis help", by="alice"))
    for _ in range(3):
        deliver("issue_comment", event)
    work(ctx)
    deliver("issue_comment", event)
    work(ctx)
    assert len(own(repo, pull)) == 1


def test_an_edited_comment_is_not_answered_again(deliver, ctx, repo, pull):
    comment = repo.comment(pull, "/jarvis help", by="alice")
    deliver("issue_comment", comment_event(repo, pull, comment))
    work(ctx)
    edited = deliver("issue_comment", comment_event(repo, pull, comment | {"body": "/jarvis risks"}, "edited"))
    assert "edited" in edited.json["ignored"]
    assert len(own(repo, pull)) == 1


def test_an_answer_whose_confirmation_is_lost_is_not_written_twice(say, ctx, repo, fake, clock, pull):
    fake.fail("POST", "/comments$", after=True)
    say("alice", "/jarvis help")
    work(ctx)
    assert len(own(repo, pull)) == 1
    clock.step(60)
    assert outcomes(work(ctx)) == ["answered"]
    assert len(own(repo, pull)) == 1


def test_a_forged_marker_of_somebody_else_silences_nobody(say, ctx, repo, pull):
    say("alice", "/jarvis help")
    asked = repo.comments[pull][-1]
    repo.comment(pull, f"<!-- jarvis:answer issue {asked['id']} -->", by="mallory")
    assert outcomes(work(ctx)) == ["answered"]
    assert len(own(repo, pull)) == 1


def test_a_comment_deleted_before_its_turn_is_left_alone(say, ctx, repo, pull):
    say("alice", "/jarvis help")
    repo.comments[pull].clear()
    assert outcomes(work(ctx)) == ["refused"]
    assert own(repo, pull) == []


def test_who_asks_too_often_is_slowed_down_alone(say, ctx, repo, clock):
    answers = [say("mallory", "/jarvis review").json for _ in range(8)]
    assert ["task_id" in answer for answer in answers] == [True] * 6 + [False] * 2
    assert "6 times within a minute" in answers[-1]["ignored"]
    assert "task_id" in say("alice", "/jarvis help").json
    clock.step(61)
    assert "task_id" in say("mallory", "/jarvis review").json


def test_words_that_were_asked_disturb_nobody(say, ctx, repo, pull):
    say("alice", "/jarvis review @octocat/team ![x](http://evil.example) <img> \u202e")
    work(ctx)
    (answer,) = own(repo, pull)
    head = answer["body"].splitlines()[1]
    assert head == "> `/jarvis review @octocat/team ![x](http://evil.example) <img> \\u202e` (`alice`)"
    assert "called @\u200boctocat/team" in answer["body"]


def test_a_failed_answer_can_be_redelivered(deliver, ctx, repo, fake, pull):
    event = comment_event(repo, pull, repo.comment(pull, "/jarvis help", by="alice"))
    fake.fail("POST", "/comments$", 422)
    deliver("issue_comment", event, guid="one")
    assert [task.state for task in work(ctx)] == ["failed"]
    assert "task_id" in deliver("issue_comment", event, guid="one").json
    assert outcomes(work(ctx)) == ["answered"]
    assert len(own(repo, pull)) == 1


def test_a_cancelled_one_can_be_asked_again(deliver, ctx, as_user, repo, pull):
    event = comment_event(repo, pull, repo.comment(pull, "/jarvis help", by="alice"))
    task_id = deliver("issue_comment", event).json["task_id"]
    queue.cancel(as_user("ada"), task_id)
    assert "task_id" in deliver("issue_comment", event).json
    assert outcomes(work(ctx)) == ["answered"]


def test_answers_and_summaries_of_one_pull_request_take_turns(say, deliver, ctx, repo, pull):
    deliver("pull_request", pull_event(repo, pull))
    task_id = say("alice", "/jarvis help").json["task_id"]
    with ctx.db.read() as tx:
        assert tasks.get(tx, task_id).is_blocked


def test_whose_token_it_is_may_ask_and_the_answer_asks_nothing(ctx, repo, fake, pull):
    fake.login = "alice"
    theirs = changed(ctx, github_bot_login="harbor-bot")
    deliver = delivering(client_of(theirs))
    deliver("issue_comment", comment_event(repo, pull, repo.comment(pull, "/jarvis help", by="alice")))
    assert outcomes(work(theirs)) == ["answered"]
    answer = repo.comments[pull][-1]
    assert "Jarvis" in deliver("issue_comment", comment_event(repo, pull, answer)).json["ignored"]
    assert len(repo.comments[pull]) == 2


def test_what_was_asked_long_ago_is_forgotten(say, ctx, clock):
    say("alice", "/jarvis help")
    clock.step(401 * 86_400)
    say("alice", "/jarvis risks")
    with ctx.db.read() as tx:
        assert tx.all(str, "SELECT command FROM github_answers") == ["risks"]


def test_without_a_token_nothing_is_promised(ctx, repo, pull):
    deliver = delivering(client_of(changed(ctx, github_token="", github_pr_summary_enabled=False)))
    event = comment_event(repo, pull, repo.comment(pull, "/jarvis help", by="alice"))
    assert "GITHUB_TOKEN" in deliver("issue_comment", event).json["ignored"]
