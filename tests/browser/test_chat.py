"""The chat in Chromium: replies stream in, a second page follows, and all of it works without script."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from jarvis.agent.providers import TextDelta, ToolCall
from jarvis.chat import actions
from jarvis.kernel.registry import Tool
from tests.browser.conftest import sign_in
from tests.chat.scripted import Gate, Scripted, Served, calls, raises, text
from tests.conftest import acting

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr("jarvis.agent.tasks.choose", lambda ctx: scripted)
    return scripted


@pytest.fixture
def running(ctx: Any, provider: Scripted) -> Iterator[Served]:
    served = Served(ctx)
    yield served
    served.stop()


@pytest.fixture
def url(running: Served) -> str:
    return running.url


@pytest.fixture
def thread(ctx: Any, running: Served) -> str:
    """A conversation of Alice's."""
    return actions.open_thread(acting(ctx, "alice"), "About the disk").id


def ask(page: Any, question: str) -> None:
    page.fill("#content", question)
    page.press("#content", "Enter")


def test_a_reply_streams_in_and_a_second_page_follows(open_page, provider, thread):
    gate = Gate()
    provider.plays(gate)
    first = open_page(who="alice")
    first.goto(f"/chat/{thread}")
    second = first.context.new_page()
    second.goto(f"/chat/{thread}")
    ask(first, "How full is the disk?")
    for page in (first, second):
        page.get_by_text("How full is the disk?").wait_for()
        page.locator("[aria-busy=true]").wait_for()
    assert first.input_value("#content") == ""
    assert first.locator(".stop").is_visible()
    gate.say("It is **71 %**")
    for page in (first, second):
        page.locator(".prose strong", has_text="71 %").wait_for()
        assert page.locator(".caret").count() == 1
    gate.say(" full.\n\n```sh\ndf -h\n```\n")
    gate.end()
    for page in (first, second):
        page.locator(".copy-code").wait_for()
        assert page.locator("[aria-busy=true]").count() == 0
        assert page.locator("#messages > li").count() == 2
        assert not page.locator(".stop").is_visible()
    assert first.locator("#announcements").inner_text() == "It is 71 % full."
    first.click(".copy-code")
    first.get_by_text("Copied").wait_for()
    assert first.evaluate("navigator.clipboard.readText()").strip() == "df -h"


def test_a_first_question_starts_a_conversation(open_page, provider, running):
    provider.says("All is well.")
    page = open_page(who="alice")
    page.goto("/chat")
    page.click("text=Is everything all right?")
    page.wait_for_url("**/chat/thr_*")
    page.get_by_text("All is well.").wait_for()
    assert page.locator("h1").inner_text() == "Is everything all right?"


def test_all_of_it_without_script(open_page, provider, running, ctx):
    gate = Gate()
    provider.plays(gate)
    page = open_page(who="alice", has_script=False)
    page.goto("/chat")
    page.fill("#content", "How are you?\n\nTell me.")
    page.click("#send")
    assert "/chat/thr_" in page.url
    assert page.locator(".said").inner_text() == "How are you?\n\nTell me."
    gate.say("Quite well")
    gate.end()
    while not page.get_by_text("Quite well").count() or page.locator("[aria-busy=true]").count():
        page.click("text=Refresh")
    provider.plays(Gate())
    page.fill("#content", "And now?")
    page.click("#send")
    page.click("text=Stop reply")
    assert page.get_by_text("Stopped", exact=True).count() == 1
    provider.says("Again.")
    page.click("text=Ask again")
    while page.locator("[aria-busy=true]").count():
        page.click("text=Refresh")
    assert page.get_by_text("Again.").count() == 1
    page.click("summary:has-text('Manage')")
    page.fill("#new-title", "A better name")
    page.click("text=Rename")
    assert page.locator("h1").inner_text() == "A better name"
    page.click("summary:has-text('Manage')")
    page.click("text=Close conversation")
    assert page.locator("#content").count() == 0
    page.click("summary:has-text('Manage')")
    page.click("text=Reopen conversation")
    assert page.locator("#content").count() == 1
    page.click("summary:has-text('Manage')")
    page.click("summary:has-text('Delete')")
    page.click("text=Delete conversation")
    assert page.get_by_text("The conversation is deleted.").count() == 1


def test_what_was_missed_comes_after_a_restart(chromium, provider, thread, running, ctx):
    page = chromium.new_context(base_url=running.url).new_page()  # it will complain of the server that is gone
    sign_in(page, "alice")
    page.goto(f"/chat/{thread}")
    page.locator("#talk:not([data-offline])").wait_for(state="attached")
    ask(page, "/help")
    page.locator(".message.system").wait_for()
    address = running.address
    running.stop()
    page.locator("#talk[data-offline]").wait_for(state="attached")
    actions.post(acting(ctx, "alice"), thread, "/help while nobody listened")
    listener = socket.create_server(address, backlog=64)
    again = Served(ctx, listener=listener)
    try:
        page.get_by_text("/help while nobody listened").wait_for(timeout=20_000)
        page.locator("#talk:not([data-offline])").wait_for(state="attached")
        assert page.locator("#messages > li").count() == 4
    finally:
        page.context.close()
        again.stop()
        listener.close()


def test_hints_for_commands_by_keyboard(open_page, thread):
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    page.locator("#content").press_sequentially("/")
    assert page.locator("#hints button:visible").count() >= 2
    first = page.locator("#hints [aria-current]").inner_text()
    page.press("#content", "ArrowDown")
    assert page.locator("#hints [aria-current]").inner_text() != first
    page.press("#content", "ArrowUp")
    page.press("#content", "Tab")
    assert page.input_value("#content") == f"{first.split()[0]} "
    assert page.locator("#hints").is_hidden()
    page.fill("#content", "")
    page.locator("#content").press_sequentially("/he")
    assert page.locator("#hints button:visible").count() == 1
    page.press("#content", "Escape")
    assert page.locator("#hints").is_hidden()
    assert page.input_value("#content") == "/he"


def test_a_new_line_with_shift_and_nothing_sent_when_empty(open_page, thread):
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    page.press("#content", "Enter")
    page.locator("#content").press_sequentially("one")
    page.press("#content", "Shift+Enter")
    page.locator("#content").press_sequentially("two")
    assert page.input_value("#content") == "one\ntwo"
    page.press("#content", "Enter")
    page.locator(".said").wait_for()
    assert page.locator(".said").inner_text() == "one\ntwo"


def test_a_failed_reply_is_asked_again_in_place(open_page, provider, thread):
    provider.plays(raises(ValueError("x")), lambda request: text("Better."))
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    ask(page, "try")
    page.locator("button", has_text="Retry").click()
    page.locator(".prose", has_text="Better.").wait_for()
    page.locator("[aria-busy=true]").wait_for(state="detached")
    assert page.locator("#messages > li").count() == 2
    assert page.locator(".is-danger").count() == 0


def test_stop_keeps_what_was_written_and_what_is_typed(open_page, provider, thread):
    gate = Gate()
    provider.plays(gate)
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    ask(page, "go on and on")
    gate.say("So far")
    page.get_by_text("So far").wait_for()
    page.fill("#content", "my next question")
    page.click(".stop")
    page.get_by_text("Stopped", exact=True).wait_for()
    assert page.locator(".prose", has_text="So far").count() == 1
    assert page.input_value("#content") == "my next question"


def test_an_opened_tool_call_stays_open(open_page, provider, thread, ctx):
    ctx.registry.add(Tool("test.disk", "Disks.", {}, "read", lambda ctx, arguments: {"used": "71 %"}))
    gate = Gate()
    provider.plays(lambda r: [TextDelta("Looking."), *calls(ToolCall("c1", "test.disk", {}))], gate)
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    ask(page, "disk?")
    page.locator(".tool .is-ok").wait_for()
    page.click(".tool summary")
    gate.say("It is fine.")
    gate.end()
    page.locator("[aria-busy=true]").wait_for(state="detached")
    assert page.locator(".tool").get_attribute("open") is not None
    assert "71 %" in page.locator(".tool .json").last.inner_text()


def test_a_refused_message_is_kept_and_explained(open_page, provider, thread, ctx):
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    actions.change(acting(ctx, "alice"), thread, status="closed")
    ask(page, "too late?")
    page.locator("#complaint .error", has_text="closed").wait_for()
    assert page.input_value("#content") == "too late?"


def test_reading_further_up_is_not_disturbed(open_page, provider, thread, ctx):
    provider.says("A long answer.\n\n" * 60)
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    ask(page, "tell me a lot")
    page.locator(".prose p").nth(59).wait_for()
    page.locator("[aria-busy=true]").wait_for(state="detached")
    page.evaluate("window.scrollTo(0, 0)")
    actions.post(acting(ctx, "alice"), thread, "/help")
    page.locator("#pill", has_text="2 new messages").wait_for()
    assert page.evaluate("window.scrollY") == 0
    page.click("#pill")
    page.locator("#pill").wait_for(state="hidden")


def test_earlier_messages_are_added_above(open_page, thread, ctx):
    alice = acting(ctx, "alice")
    for number in range(30):
        actions.post(alice, thread, f"/help {number}")
    page = open_page(who="alice")
    page.goto(f"/chat/{thread}")
    assert page.locator("#messages > li").count() == 50
    page.evaluate("window.scrollTo(0, 0)")
    page.click("text=Earlier messages")
    page.get_by_text("/help 0", exact=True).wait_for()
    assert page.locator("#messages > li").count() == 60
    assert page.locator("text=Earlier messages").count() == 0


RICH = """Two things failed between 20:00 and 02:38 UTC:

1. **Nightly tests** at 01:00 exited 1: `test_tide_tables_cross_midnight` failed. It is the third time in nine runs.
   [The bug](/admin/bugs) now counts 3.
2. **Backup upload** at 02:15 gave up after four tries: the storage answered 503.

| Mount | Used | Size |
|---|--:|--:|
| `/` | 71 % | 228 GB |
| `/srv/a/very/long/path/that/does/not/break/anywhere/at/all/in/this/column` | 9 % | 4 TB |

```sh
journalctl --unit tidepool-worker.service --since "2026-11-22 20:00" --output short-iso-precise | grep -c upload
```

> Disk is fine for about 19 days, growing 3.4 GB a day.

## What to do

- Look at <https://example.org/runbooks/backup-upload-and-what-to-do-when-it-fails-for-the-fourth-time-in-a-row>
- Nothing else; ~~restart the worker~~ it recovered by itself.
"""


@pytest.fixture
def rich(ctx, running, provider, thread) -> str:
    """A conversation with everything in it: tool calls, a table, code, a failure, and text still coming."""
    found = {"count": 214, "note": "queue\u202estuck", "items": [1] * 9}
    ctx.registry.add(
        Tool("test.search", "Finds.", {}, "read", lambda c, a: found),
        Tool("test.disk", "Disks.", {}, "read", lambda c, a: {"used": "71 %"}),
    )
    both = [ToolCall("c1", "test.search", {}), ToolCall("c2", "test.disk", {})]
    last = Gate()
    provider.plays(
        lambda r: [TextDelta("Let me look at the record."), *calls(*both)],
        lambda r: text(RICH),
        raises(ValueError("x")),
        last,
    )
    alice = acting(ctx, "alice")
    for question in (
        "what failed last night, and is there enough disk?",
        "and the worker?",
        "meanwhile, what runs next?",
    ):
        actions.post(alice, thread, question)
    last.say("Three jobs are due before 03:15. At **02:50** the disk check runs, then at 03:00 the dependency")
    yield thread
    last.end()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_the_chat_fits(open_page, rich, width, theme, request):
    page = open_page(width=width, theme=theme, who="alice")
    page.goto("/chat")
    assert page.evaluate(OVERFLOW) <= 0
    shoot(page, f"empty-{width}-{theme}")
    page.goto(f"/chat/{rich}")
    page.get_by_text("At 02:50").wait_for()
    assert page.evaluate(OVERFLOW) <= 0
    shoot(page, f"streaming-{width}-{theme}")
    page.evaluate("window.scrollTo(0, 0)")
    shoot(page, f"top-{width}-{theme}")
    page.locator(".tool summary").first.click()
    page.locator("summary:has-text('Manage')").click()
    assert page.evaluate(OVERFLOW) <= 0
    shoot(page, f"open-{width}-{theme}", whole=True)


def shoot(page: Any, name: str, *, whole: bool = False) -> None:
    """Keep a picture where JARVIS_TEST_SHOTS says, if it says so."""
    import os

    place = os.environ.get("JARVIS_TEST_SHOTS")
    if place:
        page.screenshot(path=f"{place}/{name}.png", full_page=whole)
