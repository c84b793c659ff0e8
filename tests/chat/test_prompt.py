"""What a provider is told of a long conversation."""

from jarvis.agent import prompt
from jarvis.chat import store


def told(ctx, thread):
    with ctx.db.read() as tx:
        reply = store.newest_messages(tx, thread.id, 1)[-1]
    return prompt.conversation(ctx, reply)


def test_a_short_conversation_is_told_whole(ctx, talk, work, provider):
    provider.says("Fine.")
    thread = talk("alice")
    for n in range(3):
        thread.say(f"question {n}")
        work.all()
    assert [m.content for m in told(ctx, thread)] == ["question 0", "Fine.", "question 1", "Fine.", "question 2"]


def test_of_a_long_one_the_newest_is_whole_and_the_rest_in_brief(ctx, talk, work, provider, monkeypatch):
    monkeypatch.setattr(prompt, "MOST_CHARACTERS", 2_000)
    monkeypatch.setattr(prompt, "LONGEST_DIGEST", 1_000)
    provider.says("An answer. " * 20)
    thread = talk("alice")
    for n in range(20):
        thread.say(f"question {n} " + "and more " * 20)
        work.all()
    digest, *rest = told(ctx, thread)
    assert digest.role == "system"
    assert digest.content.startswith("Earlier in this conversation, shortened")
    assert len(digest.content) < 1_200
    assert sum(len(m.content) for m in rest) <= 2_000
    whole = [m.content.split(" and")[0] for m in rest if m.role == "user"]
    assert whole[-1] == "question 19"
    assert f"- user: question {int(whole[0].split()[1]) - 1} " in digest.content


def test_a_budget_smaller_than_one_message_still_tells_that_one(ctx, talk, work, provider, monkeypatch):
    monkeypatch.setattr(prompt, "MOST_CHARACTERS", 10)
    provider.says("Fine.")
    thread = talk("alice")
    thread.say("a question of more than ten characters")
    work.all()
    assert told(ctx, thread)[-1].content == "a question of more than ten characters"
