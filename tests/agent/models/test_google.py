"""Gemini with a key and with OAuth: tokens are kept, renewed one at a time, and a revoked one is told."""

import dataclasses
import threading
from urllib.parse import parse_qs

import pytest

from jarvis.agent import router
from jarvis.agent.actions import usage
from jarvis.agent.models.faults import ProviderFault
from jarvis.agent.models.google import GoogleToken
from jarvis.agent.providers import TextDelta
from jarvis.kernel.outbound import Outbound
from tests.agent.models.conftest import answers, request, says


@pytest.fixture
def settings_of(settings, server):
    def make(**changes):
        given = {
            "google_oauth_client_id": "client",
            "google_oauth_client_secret": "a secret",
            "google_oauth_refresh_token": "refresh",
            "google_oauth_token_url": f"http://127.0.0.1:{server.server_port}/token",
            "gemini_base_url": server.url,
            "gemini_model": "gemini-x",
            "primary_provider": "gemini",
        }
        return dataclasses.replace(settings, **given | changes)

    return make


def granted(token="at-1", seconds=3600):
    return answers(200, {"access_token": token, "expires_in": seconds})


def test_a_token_is_got_kept_privately_and_used_again(settings_of, server, clock):
    server.plays = [granted()]
    token = GoogleToken(settings_of(), clock, Outbound())
    assert [token(), token()] == ["at-1", "at-1"]
    assert len(server.bodies) == 1
    assert parse_qs(server.bodies[0].decode())["refresh_token"] == ["refresh"]
    assert token.path.stat().st_mode & 0o777 == 0o600


def test_it_is_renewed_before_it_ends(settings_of, server, clock):
    server.plays = [granted("at-1", 600), granted("at-2", 600)]
    token = GoogleToken(settings_of(), clock, Outbound())
    assert token() == "at-1"
    clock.step(545)
    assert token() == "at-2"


def test_many_at_once_renew_it_once(settings_of, server, clock):
    server.plays = [granted()]
    token = GoogleToken(settings_of(), clock, Outbound())
    threads = [threading.Thread(target=token) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.bodies) == 1


def test_a_revoked_one_is_told_with_what_to_do(settings_of, server, clock):
    server.plays = [answers(400, {"error": "invalid_grant"})]
    with pytest.raises(ProviderFault, match="set GOOGLE_OAUTH_REFRESH_TOKEN") as caught:
        GoogleToken(settings_of(), clock, Outbound())()
    assert not caught.value.is_passing


@pytest.mark.parametrize("body", [b"<html>", {}, [], {"access_token": 5, "expires_in": 1}, {"access_token": "x"}])
def test_a_nonsense_answer_is_told(settings_of, server, clock, body):
    server.plays = [answers(200, body)]
    with pytest.raises(ProviderFault, match="no access token"):
        GoogleToken(settings_of(), clock, Outbound())()


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"client": "other", "token": "x", "expires_at": 99999999999999999}'])
def test_a_kept_file_that_is_none_of_ours_is_not_used(settings_of, server, clock, kept):
    server.plays = [granted("fresh")]
    token = GoogleToken(settings_of(), clock, Outbound())
    token.path.parent.mkdir()
    token.path.write_text(kept)
    assert token() == "fresh"


def test_secrets_are_not_sent_where_a_less_trusted_file_points(settings_of, server, clock):
    sources = {"GOOGLE_OAUTH_TOKEN_URL": "/x/.env"}
    with pytest.raises(ProviderFault, match="less trusted"):
        GoogleToken(settings_of(sources=sources), clock, Outbound())()
    assert server.bodies == []


@pytest.mark.parametrize(("changes", "token"), [({"gemini_api_key": "AIza-test"}, "AIza-test"), ({}, "at-9")])
def test_gemini_answers_with_a_key_or_a_token(ctx, settings_of, server, changes, token):
    server.plays = [says("From Gemini.")] if changes else [granted("at-9"), says("From Gemini.")]
    person = dataclasses.replace(ctx, settings=settings_of(**changes))
    chosen = router.choose(person)
    assert "".join(e.text for e in chosen.reply(request()) if isinstance(e, TextDelta)) == "From Gemini."
    assert (chosen.name, server.tokens[-1]) == ("gemini", f"Bearer {token}")


@pytest.mark.parametrize("secret", ["GOOGLE_OAUTH_REFRESH_TOKEN", "GOOGLE_OAUTH_CLIENT_SECRET"])
def test_an_access_token_goes_nowhere_its_secrets_may_not_go(ctx, settings_of, server, secret):
    server.plays = [granted("at-9"), says("Thank you.")]
    sources = {secret: "environment", "GEMINI_BASE_URL": "/x/.env"}
    chosen = router.choose(dataclasses.replace(ctx, settings=settings_of(sources=sources)))
    list(chosen.reply(request()))
    assert server.bodies == []
    assert "gemini did not answer" in chosen.name


def test_a_token_that_google_refuses_is_renewed_once(ctx, settings_of, server, monkeypatch):
    monkeypatch.setattr(usage, "wait", lambda seconds, is_cancelled: None)
    server.plays = [granted("at-1"), answers(401, {}), granted("at-2"), says("Now.")]
    chosen = router.choose(dataclasses.replace(ctx, settings=settings_of()))
    assert "".join(e.text for e in chosen.reply(request()) if isinstance(e, TextDelta)) == "Now."
    assert [token for token in server.tokens if token] == ["Bearer at-1", "Bearer at-2"]


def test_a_home_that_keeps_no_token_is_told_and_the_fallback_answers(ctx, settings_of, server, events):
    settings = settings_of()
    (settings.jarvis_home / "tokens").write_text("no directory")
    chosen = router.choose(dataclasses.replace(ctx, settings=settings))
    assert any(isinstance(event, TextDelta) for event in chosen.reply(request()))
    assert events("model") == ["model.run.start", "model.run.error", "model.run.fallback"]


@pytest.mark.parametrize("lacking", ["google_oauth_client_id", "google_oauth_client_secret"])
def test_oauth_without_all_of_its_client_is_named(settings_of, lacking):
    assert router.missing(settings_of(**{lacking: ""}), "gemini") == f"gemini needs {lacking.upper()}"
