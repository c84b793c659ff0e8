"""A real browser against the real application on a loopback port.

Runs where playwright and a Chromium are present; with JARVIS_TEST_BROWSER=required their absence is a failure.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waitress.server import create_server

from tests.conftest import password_of

EXPECTED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium says of every page with such a status, ours included."""


@pytest.fixture
def url(app: Any) -> Iterator[str]:
    """Where the application is served, by plain waitress in a thread."""
    channels: dict[int, Any] = {}
    server = create_server(app, map=channels, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(server.close)
    server.task_dispatcher.shutdown()
    thread.join(10)
    for channel in list(channels.values()):
        channel.close()
    assert not thread.is_alive()


@pytest.fixture
def open_page(chromium: Any, url: str) -> Iterator[Callable[..., Any]]:
    """open_page(width=360, theme="dark", who="ada") → a page, with nothing complained of by its end."""
    contexts, complaints = [], []

    def open_one(*, width: int = 1280, theme: str = "light", who: str = "", has_script: bool = True) -> Any:
        context = chromium.new_context(
            base_url=url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            java_script_enabled=has_script,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if who:
            sign_in(page, who)
        return page

    yield open_one
    for context in contexts:
        context.close()
    unexpected = [said for said in complaints if not said.startswith(EXPECTED)]
    assert not unexpected, unexpected


def sign_in(page: Any, who: str) -> None:
    """Through the form, as a person does."""
    page.goto("/login?next=/account")
    page.fill("#username", who)
    page.fill("#password", password_of(who))
    page.click("button")
    page.wait_for_url("**/account")
