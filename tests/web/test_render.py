"""How instants, sizes and ids read on a page."""

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.web.render import ago, exact, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (4, "just now"),
        (5, "5 s ago"),
        (89, "89 s ago"),
        (90, "2 min ago"),
        (31 * 60, "31 min ago"),
        (90 * 60, "2 h ago"),
        (22 * 3600, "22 h ago"),
        (36 * 3600, "2 d ago"),
        (7 * 86400, "7 d ago"),
        (-4, "just now"),
        (-240, "in 4 min"),
        (-30 * 86400 + 1, "in 30 d"),
    ],
)
def test_an_instant_is_told_by_its_distance(seconds, words):
    now = 1_795_401_960 * SECOND
    assert ago(now - seconds * SECOND, now) == words


def test_an_exact_instant_names_its_zone():
    assert exact(1_795_401_960 * SECOND) == "2026-11-23 02:46:00 UTC"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (228_000_000_000, "228 GB"), (3_400_000_000_000, "3.4 TB")],
)
def test_a_size_is_rounded_to_what_matters(count, words):
    assert size(count) == words


def test_times_are_elements_that_scripts_can_refresh(app, clock):
    render = app.renderer.environment.from_string("{{ at | when }}").render
    assert render(at=clock() - 31 * 60 * SECOND) == (
        '<time datetime="2026-11-23T02:15:00.000Z" title="2026-11-23 02:15:00 UTC" data-ago>31 min ago</time>'
    )
    assert "never" in render(at=None)


def test_ids_are_short_on_the_page_and_whole_in_the_title(app):
    bits = app.renderer.environment.get_template("shared/bits.html").module
    shown = str(bits.id("bug_01M82Y1YM085Q8WN821YPK214Y"))
    assert '<code title="bug_01M82Y1YM085Q8WN821YPK214Y"' in shown
    assert ">bug_…PK214Y</code>" in shown


def test_a_password_is_never_shown_again(app):
    from jarvis.web.forms import Form

    bits = app.renderer.environment.get_template("shared/bits.html").module
    form = Form({"password": "hunter2"}, {"password": "needs at least 8 characters"})
    shown = str(bits.field(form, "password", "Password", type="password"))
    assert "hunter2" not in shown
    assert 'aria-describedby="password-error"' in shown
    assert 'aria-invalid="true"' in shown


def test_a_confirmation_says_what_it_does_and_carries_the_token(app):
    bits = app.renderer.environment.get_template("shared/bits.html").module
    shown = str(bits.confirm("End", "/x/end", "TOKEN", "It <ends>.", "End it"))
    assert '<details class="confirm">' in shown
    assert "It &lt;ends&gt;." in shown
    assert 'name="csrf_token" value="TOKEN"' in shown
