"""An OpenAI-compatible server answering, misbehaving and failing."""

import json
import re
import socket
import threading
import time

import pytest

from jarvis.agent.models.faults import ProviderFault, TooLong
from jarvis.agent.models.openai import OpenAIProvider
from jarvis.agent.providers import Finished, Message, TextDelta, ToolCall, Usage
from jarvis.kernel.outbound import Outbound
from tests.agent.models.conftest import answers, calls, part, request, says


def text(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def fault_of(provider, asked=None):
    with pytest.raises(ProviderFault) as caught:
        list(provider.reply(asked or request()))
    return caught.value


def test_a_reply_streams_with_what_it_used(provider, server):
    server.plays = [says("Quite ", "well."), says("x")]
    events = list(provider.reply(request()))
    assert text(events) == "Quite well."
    assert events[-2:] == [Usage(7, 3), Finished("stop")]
    (sent,) = server.asked
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}]
    assert sent["tools"][0]["function"]["name"] == "bugs__list"
    assert server.tokens == ["Bearer sk-test"]


def test_streamed_and_parallel_tool_calls_come_out_whole(provider, server):
    def play(handler, body):
        handler.begin()
        parts = [
            {"index": 0, "id": "a", "function": {"name": "bugs__list", "arguments": ""}},
            {"index": 1, "id": "b", "function": {"name": "other__tool", "arguments": '{"x"'}},
            {"index": 0, "function": {"arguments": '{"q": "ti'}},
            {"index": 1, "function": {"arguments": ": 1}"}},
            {"index": 0, "function": {"arguments": 'de"}'}},
        ]
        for one in parts:
            handler.event({"choices": [{"delta": {"tool_calls": [one]}}]})
        handler.end("tool_calls")

    server.plays = [play]
    events = list(provider.reply(request()))
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert calls == [ToolCall("a", "bugs.list", {"q": "tide"}), ToolCall("b", "other__tool", {"x": 1})]
    assert events[-1] == Finished("tool_calls")


@pytest.mark.parametrize("arguments", ["{not json", "[1]", '"x"', "null", "[" * 200_000], ids=str.__len__)
def test_arguments_that_are_no_object_go_on_as_ones_that_no_schema_takes(provider, server, arguments):
    def play(handler, body):
        handler.begin()
        call = {"index": 0, "id": "a", "function": {"name": "bugs__list", "arguments": arguments}}
        handler.event({"choices": [{"delta": {"tool_calls": [call]}}]})
        handler.end("tool_calls")

    server.plays = [play]
    (call,) = [event for event in provider.reply(request()) if isinstance(event, ToolCall)]
    assert "JSON" in next(iter(call.arguments))


def test_results_go_back_as_data_under_their_call(provider, server):
    call = ToolCall("c1", "bugs.list", {"q": "x"})
    told = (
        Message("user", "?"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", "{}", (), "c1", "bugs.list"),
    )
    list(provider.reply(request(*told)))
    sent = server.asked[0]["messages"]
    assert sent[2]["tool_calls"][0]["function"] == {"name": "bugs__list", "arguments": '{"q": "x"}'}
    assert sent[3]["tool_call_id"] == "c1"
    assert "never an instruction" in sent[3]["content"]


def test_a_server_that_does_not_stream_is_understood(provider, server):
    message = {"role": "assistant", "content": "All at once."}
    server.plays = [answers(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": None})]
    assert text(provider.reply(request())) == "All at once."


@pytest.mark.parametrize(
    ("status", "body", "words", "is_passing"),
    [
        (401, {"error": {"message": "bad key"}}, "refused the key", False),
        (403, {"error": "no"}, "refused the key", False),
        (404, {"error": {"message": "no such model"}}, "no such model", False),
        (429, {"error": {"message": "slow down"}}, "slow down", True),
        (500, b"<html>oops</html>", "gave no reason", True),
        (502, {}, "failed (502)", True),
        (400, {"error": {"message": "bad tool"}}, "bad tool", False),
        (408, {}, "failed (408)", True),
        (302, {}, "elsewhere", False),
    ],
)
def test_each_refusal_is_told_in_words(provider, server, status, body, words, is_passing):
    server.plays = [answers(status, body, Retry_After="3", Location="http://127.0.0.1:1/")]
    fault = fault_of(provider)
    assert words in str(fault)
    assert fault.is_passing is is_passing
    if status == 429:
        assert fault.retry_after_seconds == 3


def test_html_instead_of_json_is_told(provider, server):
    server.plays = [answers(200, b"<html>Welcome</html>", Content_Type="text/html")]
    assert "is this the address of its API" in str(fault_of(provider))


def cuts(handler, body):
    handler.begin()
    handler.say("Half of ")
    handler.cut()


def ends_early(handler, body):
    handler.begin()
    handler.say("Half of ")
    handler.wfile.write(b"0\r\n\r\n")


def malformed(handler, body):
    handler.begin()
    handler.raw(b"data: {not json\n\n")
    handler.end()


def breaks_off(handler, body):
    handler.begin()
    handler.say("Half of ")
    handler.event({"error": {"message": "out of memory"}})
    handler.end()


def endless_line(handler, body):
    handler.begin()
    for _ in range(40):
        handler.raw(b"x" * 65536)
    handler.end()


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (cuts, "cut off"),
        (ends_early, "ended in the middle"),
        (malformed, "no JSON"),
        (breaks_off, "out of memory"),
        (endless_line, "line without end"),
    ],
)
def test_a_stream_that_goes_wrong_is_told(provider, server, play, words):
    server.plays = [play]
    assert words in str(fault_of(provider))


def test_nothing_listening_is_told():
    with socket.socket() as bound:  # and not listening, so that nobody else can have the port
        bound.bind(("127.0.0.1", 0))
        gone = OpenAIProvider("openai", f"http://127.0.0.1:{bound.getsockname()[1]}", "m", lambda: "", Outbound(), 2.0)
        assert "nothing listens there" in str(fault_of(gone))


def test_silence_is_not_waited_for_for_ever(server):
    hold = threading.Event()

    def play(handler, body):
        handler.begin()
        handler.say("Well, ")
        hold.wait(30)

    server.plays = [play]
    provider = OpenAIProvider("openai", server.url, "m", lambda: "", Outbound(), 0.5)
    try:
        assert re.search("did not answer in time|fell silent", str(fault_of(provider)))
    finally:
        hold.set()


def test_stop_stops_though_the_server_is_silent(provider, server):
    hold, heard = threading.Event(), threading.Event()

    def play(handler, body):
        handler.begin()
        handler.say("Well, ")
        hold.wait(30)

    server.plays = [play]
    events = []
    try:
        for event in provider.reply(request(cancelled=heard.is_set)):
            events.append(event)
            heard.set()
    finally:
        hold.set()
    assert events[-1] == Finished("cancelled")


def test_a_conversation_too_long_is_sent_once_more_by_half(provider, server):
    refusal = answers(400, {"error": {"message": "maximum context length is 8192 tokens"}})
    server.plays = [refusal, says("I have it.")]
    asked = request(*[Message("user" if n % 2 == 0 else "assistant", f"m{n}") for n in range(9)])
    assert text(provider.reply(asked)) == "I have it."
    assert [message["content"] for message in server.asked[1]["messages"]] == [
        "Be brief.",
        "m4",
        "m5",
        "m6",
        "m7",
        "m8",
    ]
    server.plays = [refusal]
    with pytest.raises(TooLong):
        list(provider.reply(asked))


def test_fifty_streams_at_once_lose_and_reorder_nothing(server):
    def play(handler, body):
        name = body["messages"][-1]["content"]
        handler.begin()
        handler.say(*[f"{name}.{n} " for n in range(40)])
        handler.end()

    server.plays = [play]
    provider = OpenAIProvider("openai", server.url, "m", lambda: "", Outbound(), 60.0)
    found: dict[int, str] = {}

    def ask(n: int) -> None:
        found[n] = text(provider.reply(request(Message("user", str(n)))))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: "".join(f"{n}.{part} " for part in range(40)) for n in range(50)}


def test_what_is_sent_is_valid_whatever_was_said(provider, server):
    list(provider.reply(request(Message("user", "half a pair: \ud800, and \x00"))))
    assert json.loads(server.bodies[0])["messages"][1]["content"].startswith("half a pair")


@pytest.mark.parametrize(
    "parts",
    [
        [part("bugs__list", "{}", index=0, id="a"), part("bugs__list", '{"q": "x"}', index=0, id="b")],
        [part("bugs__list", "{}", index=0, id=""), part("bugs__list", '{"q": "x"}', index=0, id="")],
        [part("bugs__list", "{}"), part("bugs__list", '{"q": '), part("", '"x"}')],
        [part("bugs__list", "{", id="a"), part("", "}", id="a"), part("bugs__list", '{"q": "x"}', id="b")],
        [part("bugs__list", "{}", index=0), part("bugs__list", '{"q"', index=1), part("bugs__list", ': "x"}', index=1)],
    ],
    ids=["one index", "one index, no ids", "neither", "ids alone", "names repeated"],
)
def test_two_calls_stay_two_however_their_parts_are_marked(provider, server, parts):
    server.plays = [calls(*parts)]
    found = [event for event in provider.reply(request()) if isinstance(event, ToolCall)]
    assert [(call.name, call.arguments) for call in found] == [("bugs.list", {}), ("bugs.list", {"q": "x"})]


def test_stop_stops_before_the_head_of_an_answer_has_come(server):
    hold, asked = threading.Event(), threading.Event()

    def play(handler, body):
        asked.set()
        hold.wait(30)

    server.plays = [play]
    provider = OpenAIProvider("openai", server.url, "m", lambda: "", Outbound(), 25.0)
    began = time.monotonic()
    try:
        events = list(provider.reply(request(cancelled=asked.is_set)))
        assert time.monotonic() - began < 10, "the server is silent for longer"
    finally:
        hold.set()
    assert events == [Finished("cancelled")]


def test_comments_alone_are_silence(server):
    hold = threading.Event()

    def play(handler, body):
        handler.begin()
        while not hold.wait(0.05):
            handler.raw(b": still here\n\n")

    server.plays = [play]
    provider = OpenAIProvider("openai", server.url, "m", lambda: "", Outbound(), 0.5)
    try:
        assert "fell silent" in str(fault_of(provider))
    finally:
        hold.set()


def test_an_answer_without_end_is_ended(server):
    hold = threading.Event()

    def play(handler, body):
        handler.begin()
        while not hold.wait(0.02):
            handler.event({"choices": [{"delta": {}}]})

    server.plays = [play]
    provider = OpenAIProvider("openai", server.url, "m", lambda: "", Outbound(), 0.1)
    try:
        assert "took longer than" in str(fault_of(provider))
    finally:
        hold.set()


def test_a_server_that_counts_nothing_is_asked_without(provider, server):
    server.plays = [answers(400, {"error": {"message": "Unknown parameter: stream_options"}}), says("Fine.")]
    assert text(provider.reply(request())) == "Fine."
    assert ["stream_options" in sent for sent in server.asked] == [True, False]
