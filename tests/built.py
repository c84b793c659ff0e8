"""The archive of this tree, built once for all who run it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def archive() -> Iterator[Path]:
    """jarvis.pyz for this interpreter, built as an operator builds it."""
    folder = Path(tempfile.mkdtemp(prefix="jarvis-docs-"))
    made = folder / "jarvis.pyz"
    command = [sys.executable, "build_zipapp.py", "--target", "host", "--no-check", "-o", str(made)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if built.returncode and "pip" in built.stderr and "CI" not in os.environ:
        pytest.skip(f"the wheels are neither in build/wheels nor to be fetched: {built.stderr.strip()}")
    assert built.returncode == 0, built.stderr
    yield made
    shutil.rmtree(folder)
