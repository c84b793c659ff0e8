"""The verdicts and trees are git's own; `make test` judges a seeded sample and JARVIS_PROOF=1 thousands."""

import os
import shutil
from pathlib import Path

import pytest

from tests.patch import compare

CASES, SEED = (6000, 20261201) if os.environ.get("JARVIS_PROOF") == "1" else (160, 7)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason=compare.WITHOUT)


@needs_git
def test_it_agrees_with_git(tmp_path: Path) -> None:
    tally = compare.compare(tmp_path, CASES, SEED)
    print(tally)
    differing = "\n".join(compare.shown(case, how) for case, how in tally.differing)
    assert tally.wrong_trees == 0, differing
    assert tally.agreement >= 0.999, f"{tally}\n{differing}"
    assert min(tally.agreed["accepted"], tally.agreed["refused"]) > CASES / 6  # the sample is not of one kind


@needs_git
@pytest.mark.skipif("JARVIS_PROOF" not in os.environ, reason="part of `make proof`")
def test_it_agrees_with_git_on_its_own_history(tmp_path: Path) -> None:
    tally = compare.compare(tmp_path, 1500, SEED, Path(__file__).resolve().parents[2])
    print(tally)
    differing = "\n".join(compare.shown(case, how) for case, how in tally.differing)
    assert tally.wrong_trees == 0, differing
    assert tally.agreement >= 0.999, f"{tally}\n{differing}"


@needs_git
def test_the_comparison_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that takes a hunk wherever it likes is found out by a small sample."""
    from jarvis.patch.placement import Image

    place = Image._place
    monkeypatch.setattr(Image, "_place", lambda image, hunk: place(image, hunk) or 0)
    tally = compare.compare(tmp_path, 40, SEED)
    assert tally.differing
