"""Argument rules: positions that match, and everything that must never be allowed."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel.errors import Invalid
from jarvis.policy.actions import rules


def refusal(rule):
    try:
        rules.check(rules.parse([rule]))
    except Invalid as error:
        return str(error)
    return ""


RUNNERS = "/bin/sh /bin/bash /usr/bin/env /usr/bin/perl /usr/bin/git /usr/bin/xargs /usr/bin/python3 /usr/bin/awk"


@pytest.mark.parametrize("program", RUNNERS.split())
def test_a_program_that_runs_anything_is_refused_with_the_reason(program):
    if not Path(program).exists():
        pytest.skip(f"there is no {program} here")
    assert "runs whatever it is told to" in refusal([program, "-c", {"slot": "word"}])
    assert "runs whatever it is told to" in refusal([program])


def test_a_shell_by_another_name_is_still_one(tmp_path, monkeypatch):
    link = tmp_path / "harmless"
    link.symlink_to("/bin/sh")
    assert refusal([str(link), "-c", "x"])


def test_find_and_the_like_are_allowed_word_for_word_only():
    assert refusal(["/usr/bin/find", "/etc", "-name", "hosts"]) == ""
    assert "name every word" in refusal(["/usr/bin/find", {"slot": "path", "under": "/etc"}])


@pytest.mark.parametrize(
    "program", ["ls", "./ls", "bin/ls", "", "/bin/../bin/ls", "/nowhere/ls", "/etc/passwd", "/bin"]
)
def test_a_program_must_be_an_absolute_path_to_one(program):
    assert refusal([program])


def test_a_program_that_others_can_change_is_refused(tmp_path):
    program = tmp_path / "tool"
    program.write_text("#!/bin/true\n")
    program.chmod(0o777)
    assert "can be changed by somebody other than root" in refusal([str(program)])


def test_a_program_that_becomes_writable_no_longer_runs(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a program that is root's")
    place = tmp_path / "bin"
    place.mkdir(mode=0o755)
    for parent in [place, *place.parents]:
        if parent.stat().st_mode & 0o022 and not parent.stat().st_mode & stat.S_ISVTX:
            pytest.skip(f"{parent} is open to others")
    program = place / "tool"
    program.write_text("#!/bin/true\n")
    program.chmod(0o755)
    assert rules.unfit(str(program)) == ""
    program.chmod(0o775)
    assert rules.unfit(str(program))


@pytest.mark.parametrize(
    "given_rules",
    [
        "x", {}, [[]], ["ls"], [[{"slot": "word"}]], [["/bin/ls", {"slot": "any"}]], [["/bin/ls", {"slot": "path"}]],
        [["/bin/ls", {"slot": "word", "under": "/"}]], [["/bin/ls", 5]], [["/bin/ls", None]], [["/bin/ls", "a\x00b"]],
        [["/bin/ls", {"slot": "path", "under": "/etc/.."}]], [["/bin/ls"]] * 51, [["/bin/ls", *["x"] * 40]],
        [["/bin/ls", {"slot": ["word"]}]], [["/bin/ls", {"slot": "path", "under": 5}]],
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused(given_rules):
    with pytest.raises(Invalid):
        rules.parse(given_rules)


@given(st.text(max_size=30), st.sampled_from(sorted(rules.SLOTS)))
def test_no_slot_takes_an_option(text, kind):
    assert not rules.Slot(kind, "/").fits("-" + text)


@given(st.lists(st.text(max_size=12), max_size=5))
def test_only_exactly_the_positions_match(argv):
    rule = rules.parse([["/bin/ls", "-l"]])
    assert rules.matches(rule, argv) == (argv == ["/bin/ls", "-l"])


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", ["0", "42"], ["-1", "4.2", "", "٣", "1 2", "9" * 13]),
        ("word", ["nginx", "a.b@c", "x=1"], ["-x", "a b", "", "$(id)", "a;b", "a\n"]),
        ("unit", ["nginx.service", "getty@tty1.service"], ["nginx", "-x.service", "a b.service", "a.exe"]),
        ("host", ["example.org", "10.0.0.1"], ["-x.org", "a b", "", "a..b", "exa_mple"]),
    ],
)
def test_slots_take_what_they_are_for(kind, good, bad):
    slot = rules.Slot(kind)
    assert [value for value in good if not slot.fits(value)] == []
    assert [value for value in bad if slot.fits(value)] == []


def test_a_path_stays_under_its_directory_links_followed(tmp_path):
    inner = tmp_path / "logs"
    inner.mkdir()
    (inner / "ok").write_text("")
    (tmp_path / "secret").write_text("")
    (inner / "link").symlink_to(tmp_path / "secret")
    slot = rules.Slot("path", str(inner))
    assert slot.fits(str(inner / "ok"))
    assert slot.fits(str(inner))
    for bad in (tmp_path / "secret", inner / ".." / "secret", inner / "link", f"{inner}x", "logs/ok", ""):
        assert not slot.fits(str(bad))
