"""The gist of a README is its first words that say something."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.repository.languages import by_contents, by_name, is_foreign
from jarvis.repository.readme import MAX_GIST, gist, plain, shorten

MARKDOWN = """---
title: x
---
<p align="center"><img src="logo.png"></p>

# [Tidepool](https://x.example) [![ci](https://ci/b.svg)](https://ci)

[![Build](https://ci/badge.svg)](https://ci) ![Version](https://v/1.svg)

<!-- a comment
over lines -->

| a | b |
|---|---|

Tidepool **computes** _tide_ tables for `small` [harbours](https://x.example "t") &amp; bays.
It runs anywhere.

```sh
pip install tidepool
```
"""
RST = """
.. image:: https://ci/badge.svg
   :target: https://ci

========
Tidepool
========

|build| |docs|

Tidepool computes *tide* tables for ``small`` `harbours <https://x.example>`_ and bays.

.. code-block:: sh

   pip install tidepool
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MARKDOWN, "Tidepool computes tide tables for small harbours & bays. It runs anywhere."),
        (RST, "Tidepool computes tide tables for small harbours and bays."),
        (
            "# Title\n\nTidepool\n========\n\nTables of the tides for people who sail at night.\n",
            "Tables of the tides for people who sail at night.",
        ),
        ("", ""),
        ("# Only a title\n", ""),
        ("- a list item with several words\n- another list item with words\n", ""),
        ("    indented code is not prose at all\n", ""),
    ],
)
def test_noise_is_left_out(text: str, said: str) -> None:
    assert gist(text) == said


def test_it_ends_with_a_sentence_within_the_limit() -> None:
    said = gist("This sentence is about boats and tides. " * 60)
    assert len(said) <= MAX_GIST
    assert said.endswith("tides.")
    assert shorten("word " * 200, 50).endswith("word …")


def test_names_with_underscores_stay() -> None:
    assert "snake_case_name" in plain("call snake_case_name here")


@given(st.text(max_size=400))
def test_any_text_has_a_gist_of_one_line(text: str) -> None:
    said = gist(text)
    assert "\n" not in said
    assert len(said) <= MAX_GIST + 2


@pytest.mark.parametrize(
    "text",
    [
        "[" * 65536,
        "![" * 32768,
        "<" * 65536,
        "<a " * 20000,
        "*" * 65536,
        "_a" * 30000,
        "`" * 65536,
        "<!--" * 16000,
        "[a](" * 16000,
        "= " * 32768,
        "|" * 65536,
        "\n" * 65536,
        "**a" * 20000,
        ":a:`" * 16000,
    ],
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    started = time.process_time()
    gist(text)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "Python"),
        ("Makefile", "Makefile"),
        ("Dockerfile.dev", "Dockerfile"),
        ("x.tar.gz", "Binary"),
        ("a.unknown", "Other"),
        ("CMakeLists.txt", "CMake"),
        (".bashrc", "Shell"),
        ("a.H", "C"),
    ],
)
def test_a_name_gives_the_language_away(name: str, language: str) -> None:
    kind = by_name(name)
    assert kind is not None
    assert kind.language == language


@pytest.mark.parametrize(
    ("head", "language"),
    [
        (b"#!/bin/sh\n", "Shell"),
        (b"#!/usr/bin/env python3.11\n", "Python"),
        (b"#!/usr/bin/env -S node --x\n", "JavaScript"),
        (b"#! /opt/x/perl -w\n", "Perl"),
        (b"#!/usr/bin/env\n", "Other"),
        (b"#!\n", "Other"),
        (b"plain", "Other"),
        (b"", "Other"),
    ],
)
def test_a_shebang_gives_the_language_away(head: bytes, language: str) -> None:
    assert by_name("run") is None
    assert by_contents(head).language == language


def test_what_others_wrote_is_foreign() -> None:
    for path in ("node_modules/a.js", "x/vendor/y.go", "a.min.js", "yarn.lock", "b_pb2.py"):
        assert is_foreign(path)
    for path in ("src/vendor.py", "lock.py", "min.js"):
        assert not is_foreign(path)
