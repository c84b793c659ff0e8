"""Changing one setting in a settings file: that one, and nothing else."""

import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel.envedit import with_value, write_value
from jarvis.kernel.envfile import parse
from jarvis.kernel.errors import Conflict

HERE = Path("/x/.env")
LINES = st.sampled_from(
    ["A=1", "B='x y'", 'C="a\\nb"', "# a remark", "", "export D=4", "not a setting", "A=again", "  E = 5 # why", "F="]
)
VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60)


@given(st.lists(LINES, max_size=8), st.sampled_from("ABCDEFG"), VALUES.map(str.strip), st.booleans())
def test_the_one_setting_has_the_value_and_every_other_its_own(
    lines: list[str], name: str, value: str, ends: bool
) -> None:
    text = "\n".join(lines) + ("\n" if ends else "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        path.write_text(text)
        path.chmod(0o600)
        try:
            write_value(path, name, value)
        except Conflict:
            assert path.read_text() == text
            return
        after = path.read_text()
    assert parse(HERE, after, []) == parse(HERE, text, []) | {name: value}
    assert [line for line in lines if line.startswith("#")] == [x for x in after.splitlines() if x.startswith("# a")]


def test_lines_stay_where_they_are() -> None:
    text = "# one\nA=1\n\nexport B=2 # why\nunknown thing\n"
    assert with_value(text, "B", "x y") == "# one\nA=1\n\nexport B='x y'\nunknown thing\n"
    assert with_value("A=1", "B", "2") == "A=1\nB=2\n"


@pytest.mark.parametrize("value", ["a\nB=2", "a\rB=2", "a\0", " a", "a "])
def test_a_value_of_more_than_a_line_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(Conflict):
        write_value(tmp_path / ".env", "A", value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640), (0o400, 0o400)])
def test_the_file_is_never_more_open_than_it_was(tmp_path: Path, before: int, after: int) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(before)
    write_value(path, "A", "2")
    assert stat.S_IMODE(path.stat().st_mode) == after
    assert list(tmp_path.iterdir()) == [path]
