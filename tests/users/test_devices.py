"""User-Agent headers in words."""

import pytest

from jarvis.users.devices import device


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0", "Firefox on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/140 Safari/537 Edg/140.0", "Edge on Windows"),
        ("curl/8.5.0", "curl"),
        ("python-urllib3/2.8", "python-urllib3/2.8"),
        ("", "Unknown program"),
    ],
)  # fmt: skip
def test_a_device_is_named_as_people_say_it(agent, words):
    assert device(agent) == words
