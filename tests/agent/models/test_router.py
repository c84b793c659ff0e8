"""Primary and fallback, the breaker, the budget, and what is on record."""

import dataclasses

import pytest

from jarvis.agent import router, store
from jarvis.agent.actions import usage
from jarvis.agent.models.faults import ProviderFault
from jarvis.agent.providers import Message, TextDelta
from jarvis.events import sentences
from jarvis.events import store as record
from jarvis.system.samples import samples
from tests.agent.models.conftest import answers, request, says


@pytest.fixture
def modelled(ctx, server, monkeypatch):
    """ctx with the server as primary; more settings as keywords."""
    monkeypatch.setattr(usage, "wait", lambda seconds, is_cancelled: None)

    def make(**changes):
        given = {"primary_provider": "openai", "openai_base_url": server.url, "openai_model": "m"} | changes
        return dataclasses.replace(ctx, settings=dataclasses.replace(ctx.settings, **given))

    return make


def ask(ctx, words="hello"):
    chosen = router.choose(ctx)
    said = "".join(e.text for e in chosen.reply(request(Message("user", words))) if isinstance(e, TextDelta))
    return said, chosen.name


def test_the_primary_answers_and_what_it_used_is_counted(modelled, server, events):
    server.plays = [says("Hello.")]
    ctx = modelled()
    assert ask(ctx) == ("Hello.", "openai")
    state = router.states(ctx)["openai"]
    assert (state["state"], state["today"]) == ("ready", {"requests": 1, "input_tokens": 7, "output_tokens": 3})
    assert events("model") == ["model.run.start", "model.run.end"]


def test_when_it_fails_the_fallback_answers_and_says_so(modelled, server, events):
    server.plays = [answers(500, {})]
    said, name = ask(modelled())
    assert said.startswith("Hello, alice.")
    assert name == "built-in operator, as openai did not answer"
    assert events("model") == ["model.run.start", "model.run.error", "model.run.fallback"]
    assert len(server.bodies) == 2, "a failure that may pass is tried once more"


def test_half_an_answer_is_kept_apart_from_the_fallbacks(modelled, server):
    def cuts(handler, body):
        handler.begin()
        handler.say("Half of ")
        handler.cut()

    server.plays = [cuts]
    said, _ = ask(modelled())
    assert said.startswith("Half of \n\n*(openai broke off here")
    assert "Hello, alice." in said


def test_without_a_fallback_the_reason_is_told(modelled, server):
    server.plays = [answers(401, {"error": {"message": "bad key"}})]
    with pytest.raises(ProviderFault, match="openai did not answer: it refused the key"):
        ask(modelled(fallback_provider="openai"))


def test_a_short_retry_after_is_waited_for(modelled, server):
    server.plays = [answers(429, {}, Retry_After="2"), says("Now.")]
    assert ask(modelled()) == ("Now.", "openai")


def test_a_long_one_is_not_and_it_is_left_alone_meanwhile(modelled, server, clock):
    server.plays = [answers(429, {}, Retry_After="60"), says("Now.")]
    ctx = modelled()
    assert "did not answer" in ask(ctx)[1]
    assert router.states(ctx)["openai"]["state"] == "down"
    assert "did not answer" in ask(ctx)[1]
    assert len(server.bodies) == 1
    clock.step(61)
    assert ask(ctx) == ("Now.", "openai")


def test_what_keeps_failing_is_left_alone_and_tried_again_later(modelled, server, clock):
    server.plays = [answers(500, {})]
    ctx = modelled()
    for _ in range(usage.FAILURES_TO_OPEN):
        ask(ctx)
    asked = len(server.bodies)
    ask(ctx)
    assert len(server.bodies) == asked
    assert router.states(ctx)["openai"]["state"] == "down"
    with pytest.raises(Exception, match="openai"):
        router.CHECKS[0].run(ctx)
    assert not router.CHECKS[0].is_core
    clock.step(usage.OPEN_SECONDS + 1)
    server.plays = [says("Back.")]
    assert ask(ctx) == ("Back.", "openai")
    assert router.states(ctx)["openai"]["state"] == "ready"


def test_a_budget_that_is_used_up_denies_before_the_call(modelled, server, clock):
    server.plays = [says("Hello.")]
    ctx = modelled(provider_daily_token_budget=10)
    assert ask(ctx)[1] == "openai"
    asked = len(server.bodies)
    assert "did not answer" in ask(ctx)[1]
    assert len(server.bodies) == asked
    clock.step(86_400)
    assert ask(ctx)[1] == "openai"


def test_the_budget_refusal_says_what_to_wait_for(modelled, server):
    ctx = modelled(provider_daily_token_budget=10, fallback_provider="openai")
    ask(ctx)
    with pytest.raises(ProviderFault, match="budget of 10 tokens is used up"):
        ask(ctx)


def test_missing_settings_are_named(modelled):
    ctx = modelled(openai_model="", openai_base_url="")
    state = router.states(ctx)["openai"]
    assert (state["state"], state["detail"]) == ("misconfigured", "openai needs OPENAI_BASE_URL and OPENAI_MODEL")
    assert "did not answer" in ask(ctx)[1]


def test_a_key_is_not_sent_where_a_less_trusted_file_points(modelled, server):
    ctx = modelled(openai_api_key="sk-secret", sources={"OPENAI_API_KEY": "environment", "OPENAI_BASE_URL": "/x/.env"})
    assert "did not answer" in ask(ctx)[1]
    assert server.bodies == []


def test_an_error_on_record_holds_no_secret(modelled, server, ctx):
    server.plays = [answers(401, {"error": {"message": "Incorrect API key: sk-" + "a1B2" * 12}})]
    ask(modelled())
    with ctx.db.read() as tx:
        assert "a1B2a1B2" not in (store.health(tx, "openai").last_error or "")


def test_the_fallback_is_told_in_a_sentence(modelled, server, ctx):
    server.plays = [answers(401, {})]
    ask(modelled())
    with ctx.db.read() as tx:
        (found,) = record.newest(tx, record.Filter(type="model.run.fallback"), 1)
    assert sentences.summary(found) == "openai did not answer, builtin did"


@pytest.mark.parametrize("ending", ["end", "cut"])
def test_what_a_server_does_not_count_is_estimated(modelled, server, ending):
    def play(handler, body):
        handler.begin()
        handler.say("word " * 400)
        handler.end(usage=False) if ending == "end" else handler.cut()

    server.plays = [play]
    ctx = modelled(provider_daily_token_budget=400)
    ask(ctx)
    assert router.states(ctx)["openai"]["today"]["output_tokens"] == 500
    asked = len(server.bodies)
    assert "did not answer" in ask(ctx)[1]
    assert len(server.bodies) == asked


def test_a_fault_of_our_own_ends_the_run_and_the_fallback_answers(modelled, events, monkeypatch):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(router, "_model", broken)
    said, name = ask(modelled())
    assert said
    assert name.endswith("as openai did not answer")
    assert events("model") == ["model.run.start", "model.run.error", "model.run.fallback"]


def test_stopped_while_it_was_silent_it_has_not_recovered(modelled, server, clock):
    server.plays = [answers(500, {})]
    ctx = modelled()
    for _ in range(usage.FAILURES_TO_OPEN):
        ask(ctx)
    clock.step(usage.OPEN_SECONDS + 1)
    list(router.choose(ctx).reply(request(cancelled=lambda: True)))
    assert router.states(ctx)["openai"]["state"] == "down"


def test_the_metrics_tell_who_is_up_and_what_was_used(modelled, server):
    server.plays = [says("Hello.")]
    ctx = modelled()
    ask(ctx)
    found = {(name, labels): value for name, _, labels, value in samples(ctx)}
    assert found["jarvis_provider_up", 'provider="openai"'] == 1
    assert found["jarvis_provider_input_tokens_today", 'provider="openai"'] == 7


def test_what_it_cost_is_told_where_the_prices_are_known(modelled, server):
    server.plays = [says("Hello.")]
    ctx = modelled(provider_cents_per_million_input=250, provider_cents_per_million_output=1000)
    ask(ctx)
    today = router.states(ctx)["openai"]["today"]
    assert today["cost_cents"] == round((7 * 250 + 3 * 1000) / 1_000_000, 4)
