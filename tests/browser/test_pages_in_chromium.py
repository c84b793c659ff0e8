"""Every page in Chromium: nothing the policy stops, nothing wider than the screen, no script needed."""

import os
from pathlib import Path

import pytest

from jarvis.users import actions, store
from tests.conftest import acting

PATHS = ["/account", "/admin/users", "/admin/users/new", "/docs", "/nothing"]
GATES = ["/login", "/setup?token=x", "/nothing", "/docs"]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
DARK = "rgb(18, 19, 21)"


@pytest.fixture
def bob_at(ctx):
    """Bob's page, with a session and a token of his to look at."""
    person = acting(ctx, "bob")
    with ctx.db.read() as tx:
        bob = store.get_by_name(tx, "bob")
    actions.start_session(person, bob, "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0 " + "x" * 150)
    actions.create_token(person, bob.id, "a-name-without-any-place-to-break-" * 2, 30)
    return f"/admin/users/{bob.id}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_pages_fit_and_nothing_is_complained_of(open_page, bob_at, width, theme):
    page = open_page(width=width, theme=theme)
    for path in GATES:
        page.goto(path)
        assert page.evaluate(OVERFLOW) <= 0, path
    page = open_page(width=width, theme=theme, who="ada")
    for path in [*PATHS, bob_at]:
        page.goto(path)
        for details in page.locator("main details").all():
            details.evaluate("element => { element.open = true }")
        assert page.locator("h1").count() == 1, path
        assert page.evaluate(OVERFLOW) <= 0, path


def test_a_person_adds_somebody_and_shuts_them_out_without_javascript(open_page):
    page = open_page(who="ada", has_script=False)
    page.goto("/admin/users")
    page.click("text=Add somebody")
    page.fill("#username", "dave")
    page.fill("#password", "correct horse battery")
    page.click("main button.primary")
    assert page.locator("h1").inner_text() == "dave"
    assert page.locator("text=Shut dave out").is_hidden()
    page.click("summary:has-text('Shut out')")
    page.click("text=Shut dave out")
    assert page.locator(".head .status").inner_text() == "Disabled"
    page.goto("/account")
    page.click("main >> text=Sign out")
    assert page.url.endswith("/login")


def test_a_refused_form_leads_the_eye_to_its_first_fault(open_page):
    page = open_page(who="ada")
    page.goto("/admin/users/new")
    page.fill("#username", "Two Words")
    page.fill("#password", "short")
    page.click("main button.primary")
    page.wait_for_function("document.activeElement.id === 'username'")
    assert page.input_value("#password") == ""


@pytest.mark.parametrize(("system", "choice", "is_dark"), [("light", "dark", True), ("dark", "light", False)])
def test_the_chosen_theme_wins_over_the_systems(open_page, system, choice, is_dark):
    page = open_page(theme=system, who="alice")
    assert (page.evaluate(BACKGROUND) == DARK) is (system == "dark")
    page.select_option("#theme", choice)
    page.click("text=Save preferences")
    assert (page.evaluate(BACKGROUND) == DARK) is is_dark


def test_keys_open_their_list_and_go_places_until_they_are_switched_off(open_page):
    page = open_page(who="ada")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.wait_for_url("**/admin/users")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "ada"
    page.keyboard.press("c")
    page.wait_for_url("**/admin/users/new")
    page.focus("#username")
    page.keyboard.type("g?j")
    assert page.input_value("#username") == "g?j", "keys do nothing while one types"
    page.goto("/account")
    page.uncheck("#has_keys")
    page.click("text=Save preferences")
    page.keyboard.press("g")
    page.keyboard.press("u")
    assert page.url.endswith("/account?done=preferences")


def test_an_id_is_copied_whole(open_page, bob_at):
    page = open_page(who="ada")
    page.goto(bob_at)
    page.click(".head .copy")
    page.wait_for_selector("#toasts p")
    assert page.evaluate("navigator.clipboard.readText()") == bob_at.rpartition("/")[2]


def test_times_stay_true_while_a_page_is_open(open_page, clock):
    page = open_page()
    page.clock.install(time=clock.now / 1_000_000)
    page.goto("/login?next=/admin/users")
    page.fill("#username", "ada")
    page.fill("#password", "the password of ada")
    page.click("button")
    page.wait_for_url("**/admin/users")
    assert page.locator("time[data-ago]").first.inner_text() == "just now"
    page.clock.run_for(10 * 60_000)
    assert page.locator("time[data-ago]").first.inner_text() in ("9 min ago", "10 min ago")
    assert page.locator("time[data-clock]").inner_text() == "02:56"


def test_the_first_stop_of_the_tab_key_skips_to_the_content(open_page):
    page = open_page(who="alice")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_targets_are_large_enough_to_touch(open_page, bob_at):
    page = open_page(width=360, who="ada")
    page.goto(bob_at)
    for button in page.locator("main .button:visible, .dock a:visible, .dock button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 44, button.inner_text()


@pytest.mark.skipif("JARVIS_TEST_AXE" not in os.environ, reason="JARVIS_TEST_AXE names no axe.min.js")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(open_page, bob_at, width, theme):
    source = Path(os.environ["JARVIS_TEST_AXE"]).read_text()
    strangers, adas = open_page(width=width, theme=theme), open_page(width=width, theme=theme, who="ada")
    for page, path in [(strangers, path) for path in GATES] + [(adas, path) for path in [*PATHS, bob_at]]:
        page.goto(path)
        for details in page.locator("main details").all():
            details.evaluate("element => { element.open = true }")
        page.evaluate(source)
        found = page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
        assert found == [], (path, found)
