"""Locking in two steps, a wrong code, the way out, and a rehearsal, in Chromium."""

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.lockdown import actions
from jarvis.queue import actions as queue
from tests.conftest import acting

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAGE = "/admin/lockdown"
LONG = "a-reason-without-any-place-to-break-" * 8


def code_of(ctx):
    return ctx.settings.admin_unlock_code_path.read_text().strip()


@pytest.mark.parametrize("has_script", [True, False])
def test_it_is_locked_in_two_steps_and_unlocked_with_the_code(open_page, ctx, has_script):
    page = open_page(who="ada", has_script=has_script)
    page.goto(PAGE)
    assert not page.locator("#reason").is_visible()
    page.click("text=Lock down…")
    page.fill("#reason", "the tide is odd")
    page.click(".confirm button")
    page.wait_for_selector(".strip.is-danger")
    assert "by ada: the tide is odd" in page.locator(".strip").inner_text()
    page.fill("#code", "AAAAAAAAAA")
    page.click("#unlock button")
    assert "4 of 5 tries left" in page.locator("#code-error").inner_text()
    page.fill("#code", code_of(ctx).lower())
    page.click("#unlock button")
    page.wait_for_selector("text=Everything works again")
    assert page.locator(".strip.is-danger").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_the_page_and_the_strip_fit(open_page, ctx, width, theme):
    page = open_page(width=width, theme=theme, who="ada")
    ada = acting(ctx, "ada")
    leaks = [{"kind": "tool", "name": LONG, "what": LONG}]
    report = {"ok": False, "at": "2026-11-27T21:45:13.000Z", "seconds": 2.0, "version": "0", "tried": {"tool": 27}}
    actions.keep_rehearsal(ada, {**report, "leaks": leaks, "attempts": []})
    for reason in ("", LONG):
        if reason:
            actions.lock_by_hand(ada, reason)
            actions.note_refused(ada, LONG, reason)
        for path in (PAGE, "/chat"):
            page.goto(path)
            assert page.evaluate(OVERFLOW) <= 0, (path, reason)
    assert actions.refused(ada, ctx.clock() - SECOND)


def test_the_page_follows_a_rehearsal(open_page, ctx):
    page = open_page(who="ada")
    page.goto(PAGE)
    page.click("text=Rehearse now")
    page.wait_for_selector("#rehearsal .is-busy")
    ada = acting(ctx, "ada")
    queue.run_here(ada, actions.ask_rehearsal(ada))
    page.wait_for_selector("#rehearsal .is-ok")
