"""The record, doctor and settings in Chromium: nothing wider than the screen, nothing complained of."""

import pytest

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LONG = "a-name-without-any-place-to-break-" * 6


@pytest.fixture
def paths(ctx):
    """Every page of the record, with long names and a failure in them."""
    run = ctx.traced()
    with run.db.write() as tx:
        tx.record("maintenance.run.start", f"command/{LONG}", {"command": LONG})
    with run.span().db.write() as tx:
        seq = tx.record("host.exec.end", "exec/1", {"command": LONG, "exit_code": 1})
        event_id = tx.one(str, "SELECT id FROM events WHERE seq = :seq", seq=seq)
    trace = f"/admin/traces/{run.trace_id}"
    return ["/admin/events", f"/admin/events/{event_id}", "/admin/traces", trace, "/admin/doctor", "/admin/settings"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_the_record_fits(open_page, paths, width, theme):
    page = open_page(width=width, theme=theme, who="ada")
    for path in paths:
        page.goto(path)
        for details in page.locator("main details").all():
            details.evaluate("element => { element.open = true }")
        assert page.locator("h1").count() == 1, path
        assert page.evaluate(OVERFLOW) <= 0, path


def test_events_are_filtered_without_javascript(open_page, paths):
    page = open_page(who="ada", has_script=False)
    page.goto("/admin/events")
    page.select_option("select[name=type]", "host.")
    page.click("text=Filter")
    assert page.locator("tbody tr").count() == 1
    page.click("tbody a")
    page.click("text=Show the trace")
    assert page.locator(".tree summary").count() == 2
