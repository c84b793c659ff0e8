"""The browser that tests share: playwright's loop allows one in a process.

Runs where playwright and a Chromium are present; with JARVIS_TEST_BROWSER=required their absence is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _absent(what: str) -> None:
    if os.environ.get("JARVIS_TEST_BROWSER") == "required":
        pytest.fail(f"JARVIS_TEST_BROWSER=required, and there is no {what}")
    pytest.skip(f"there is no {what}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for the whole run."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        _absent("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
