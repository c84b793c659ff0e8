"""One repository with a bit of everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.history import LINK, Maker

README = """# Tidepool

[![build](https://ci.example/badge.svg)](https://ci.example)

Tidepool computes **tide tables** for [small harbours](https://example.org).

## Install
"""


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Maker]:
    with Maker(tmp_path / "tidepool") as made:
        yield made


@pytest.fixture
def tidepool(maker: Maker) -> Maker:
    """Six commits by three people, two branches, two tags, links, a submodule, a binary."""
    maker.commit(
        "Begin\n\nWith a body.",
        files={
            "README.md": README,
            "LICENSE": "MIT License\n\nPermission is hereby granted, free of charge, to any person",
        },
    )
    maker.commit(
        "Add the tables",
        files={
            "tidepool/tables.py": "def tide(at):\n    return at % 12\n",
            "tidepool/__init__.py": "",
            "Makefile": "build:\n\ttrue\n\ntest:\n\tpytest\n\ntest-slow:\n\tpytest -m slow\n",
        },
    )
    second = maker.commit(
        "Test the tables", "Bob <bob@example.org>", files={"tests/test_tables.py": "def test():\n    pass\n"}
    )
    maker.tag("v1.0.0", second)
    maker.write({"latest": "tidepool/tables.py"}, LINK)
    maker.write({"escape": "/etc/passwd"}, LINK)
    maker.submodule("vendored-lib")
    maker.commit(
        "Cross midnight",
        files={"tidepool/tables.py": "def tide(at):\n    return at % 24\n", "logo.png": b"\x89PNG\0\0"},
    )
    fifth = maker.commit(
        "Ship it", "Bobby <BOB@example.org>", files={"bin/run": "#!/usr/bin/env python3\nprint('hi')\n"}
    )
    maker.tag("v1.10.0", fifth, annotated=True)
    maker.commit("Keep the names: Grüße", "Zoë <zoe@example.org>", files={"docs/größe.md": "# Größe\n"})
    maker.repo.refs[b"refs/heads/dev"] = second.encode()  # type: ignore[index, assignment]
    maker.check_out()
    return maker
