"""/metrics, read by a strict reader of the text format."""

import re

import pytest

from jarvis.backups import store as backups
from jarvis.overview import figures
from jarvis.web.metrics import BUCKETS, Metrics

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels; fails on what Prometheus would not take."""
    found, kinds = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert NAME.fullmatch(name)
            assert name not in kinds, f"{name} is typed twice"
            assert kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = LINE.fullmatch(line).groups()
            pairs = LABEL.findall(labels or "")
            assert LABEL.sub("", labels or "") == ""
            family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
            assert family in kinds, f"{name} has no type"
            key = (name, tuple(pairs))
            assert key not in found, f"{key} stands twice"
            found[key] = float(value)
    return found


def test_every_line_is_in_the_format(ctx):
    metrics = Metrics()
    metrics.observe("GET", '/a"b\\c\nd', 200, 0.003)
    metrics.observe("GET", "/slow", 500, 99)
    found = read(metrics.text(figures.samples(ctx)))
    assert (
        found["jarvis_http_requests_total", (("method", "GET"), ("route", '/a\\"b\\\\c\\nd'), ("status", "200"))] == 1
    )


def test_a_histogram_only_ever_rises_and_ends_with_all(ctx):
    metrics = Metrics()
    for seconds in (0.001, 0.02, 0.3, 99):
        metrics.observe("GET", "/", 200, seconds)
    found = read(metrics.text())
    name = "jarvis_http_request_duration_seconds"
    counts = [found[f"{name}_bucket", (("le", f"{bound:g}"),)] for bound in BUCKETS]
    assert counts == sorted(counts)
    assert found[f"{name}_bucket", (("le", "+Inf"),)] == found[f"{name}_count", ()] == 4
    assert found[f"{name}_sum", ()] == pytest.approx(99.321)


def test_the_host_and_this_process_are_in_it(ctx):
    found = read(Metrics().text(figures.samples(ctx)))
    assert found["jarvis_disk_free_bytes", ()] > 0
    assert found["jarvis_resident_memory_bytes", ()] > 1_000_000
    assert ("jarvis_backup_age_seconds", ()) not in found  # none yet: no age, not age nought


def test_a_backup_that_is_not_good_does_not_make_the_newest_younger(ctx, clock):
    with ctx.db.write() as tx:
        for _ in range(2):
            made = backups.insert(tx, ctx.ids.new("bkp"), "test", size=1, database_bytes=1, sha256="0", head=(0, ""))
            clock.step(60)
        backups.set_verified(tx, made.id, "Its file is gone.")
    clock.step(0)
    with ctx.db.read() as tx:
        assert backups.newest_good(tx).id != made.id
    assert read(Metrics().text(figures.samples(ctx)))["jarvis_backup_age_seconds", ()] > 60
