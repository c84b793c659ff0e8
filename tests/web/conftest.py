"""Servers and hubs that end with their test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.web.peers import FakeMonotonic, Raw, RunningHub, RunningServer


@pytest.fixture
def monotonic() -> FakeMonotonic:
    return FakeMonotonic()


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Registers something with a `close` or `stop`, called at the end, the last first."""
    found: list[Any] = []

    def register(thing: Any) -> Any:
        found.append(thing)
        return thing

    yield register
    for thing in reversed(found):
        (getattr(thing, "stop", None) or thing.close)()


@pytest.fixture
def serve(closing: Callable[[Any], Any]) -> Callable[..., RunningServer]:
    return lambda *args, **options: closing(RunningServer(*args, **options))


@pytest.fixture
def run_hub(closing: Callable[[Any], Any]) -> Callable[..., RunningHub]:
    return lambda **options: closing(RunningHub(**options))


@pytest.fixture
def raw(closing: Callable[[Any], Any]) -> Callable[..., Raw]:
    return lambda running: closing(Raw(running.address))
