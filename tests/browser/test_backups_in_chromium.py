"""/admin/backups in Chromium with everything on it that it can show: it fits, and nothing is complained of."""

import os
from pathlib import Path

import pytest

from jarvis import __version__
from jarvis.backups import actions, store
from jarvis.backups.actions import drills

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
AXE = "axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))"


@pytest.fixture
def everything(ctx):
    """Backups that are good, elsewhere, could not be sent and are spoilt, and drills of both kinds."""
    reasons = ("interval", "before-a-move-" * 8, "asked for", "x")
    made = [actions.snapshot(ctx.traced(), reason) for reason in reasons]
    with ctx.db.write() as tx:
        store.set_uploaded(tx, made[0].id, f"safe/{made[0].name}.sealed")
        store.set_upload_problem(tx, made[1].id, "s3.example.org answered 403: the access key is wrong." + "y" * 90)
        store.set_verified(tx, made[2].id, "Its file is not the one that was written: the checksum differs.")
    drills.keep(ctx, made[0], __version__, drills.Found(None, 9, 99, 500, 1500, 2500))
    drills.keep(ctx, made[2], __version__, drills.Found("Something is missing: users had 9 rows and has 5."))


@pytest.mark.parametrize(("width", "theme"), [(320, "dark"), (1280, "light")])
def test_it_fits_and_nothing_is_complained_of(open_page, everything, width, theme):
    page = open_page(width=width, theme=theme, who="ada")
    page.goto("/admin/backups")
    assert page.evaluate(OVERFLOW) <= 0
    assert page.get_by_text("Everything was there").is_visible()
    if "JARVIS_TEST_AXE" in os.environ:
        page.evaluate(Path(os.environ["JARVIS_TEST_AXE"]).read_text("utf-8"))
        assert page.evaluate(AXE) == []
