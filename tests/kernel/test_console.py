"""How commands talk to people and programs."""

import io
import json

import pytest

from jarvis.kernel import console as kernel_console
from jarvis.kernel.console import Console, width
from jarvis.kernel.errors import Usage


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def console(is_json: bool = False, typed: str = "", out: io.TextIOBase | None = None) -> Console:
    return Console(is_json, out or io.StringIO(), io.StringIO(), io.StringIO(typed))  # type: ignore[arg-type]


def said(talking: Console) -> str:
    assert isinstance(talking.out, io.StringIO)
    return talking.out.getvalue()


class TestAnswers:
    def test_text_for_people_and_one_json_value_for_programs(self) -> None:
        people, programs = console(), console(is_json=True)
        for talking in (people, programs):
            talking.answer({"name": "Zoë"}, "It is Zoë.")
        assert said(people) == "It is Zoë.\n"
        assert said(programs) == '{"name": "Zoë"}\n'

    def test_json_on_a_terminal_is_laid_out(self) -> None:
        talking = console(is_json=True, out=Terminal())
        talking.answer({"a": 1}, "")
        assert said(talking) == '{\n  "a": 1\n}\n'

    @pytest.mark.parametrize("is_json", [True, False])
    def test_nothing_stored_steers_the_terminal(self, is_json: bool) -> None:
        hostile = "\x1b]0;owned\x07\x9b31m\u202e\x7fend"
        talking = console(is_json)
        talking.answer({"text": hostile}, hostile)
        talking.write(hostile if not is_json else "")
        assert not set(said(talking)) & set("\x1b\x07\x9b\u202e\x7f")
        if is_json:
            assert json.loads(said(talking)) == {"text": hostile}

    def test_remarks_go_to_standard_error_and_steer_nothing_either(self) -> None:
        talking = console()
        talking.say("look\x1b[2J\u202e out")
        assert isinstance(talking.err, io.StringIO)
        assert talking.err.getvalue() == "look\\u001b[2J\\u202e out\n"
        assert said(talking) == ""

    def test_lines_stay_lines(self) -> None:
        talking = console()
        talking.answer(None, "a\r\nb\n\tc")
        assert said(talking) == "a\nb\n\tc\n"

    def test_a_terminal_that_cannot_show_it_gets_an_escape(self) -> None:
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="ascii")
        console(out=out).answer(None, "Zoë 🙂 \udcff")
        assert raw.getvalue() == b"Zo\\xeb \\U0001f642 \\udcff\n"


class TestTables:
    def test_columns_are_as_wide_as_they_need_to_be(self) -> None:
        table = console().table([["a", "long word"], ["longer", "b"]], ["id", "what"], "none")
        assert table.splitlines() == ["ID      WHAT", "a       long word", "longer  b"]

    def test_without_rows_it_says_what_to_do(self) -> None:
        assert console().table([], ["id"], "Add one first.") == "Add one first."

    def test_wide_and_combining_characters_keep_the_columns(self) -> None:
        rows = [["世界", "x"], ["ab", "x"], ["e\u0301\u0301", "x"], ["🙂", "x"]]
        lines = console().table(rows, ["a", "b"], "").splitlines()
        assert {width(line[: line.rindex("x")]) for line in lines[1:]} == {6}

    def test_a_cell_can_forge_neither_a_row_nor_a_colour(self) -> None:
        table = console().table([["a\nb\r\x1b[31m\tc", "x"]], ["id", "what"], "")
        assert len(table.splitlines()) == 2
        assert r"a\nb\u000d\u001b[31m c" in table


class TestPasswords:
    def test_from_standard_input_it_is_the_first_line(self) -> None:
        assert console(typed="pass word \r\nmore\n").password(from_stdin=True) == "pass word "

    def test_without_a_terminal_it_says_what_to_use(self) -> None:
        with pytest.raises(Usage, match="--password-stdin"):
            console().password(from_stdin=False)

    def test_bytes_that_are_no_text_are_refused_in_words(self) -> None:
        source = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8")
        with pytest.raises(Usage, match="not valid text"):
            Console(source=source).password(from_stdin=True)

    @pytest.mark.parametrize(("typed", "twice"), [(["one", "two"], True), ([], True), (["one"], True)])
    def test_typed_twice_it_must_be_the_same(
        self, monkeypatch: pytest.MonkeyPatch, typed: list[str], twice: bool
    ) -> None:
        answers = iter(typed)

        def ask(_: str) -> str:
            try:
                return next(answers)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr(kernel_console.getpass, "getpass", ask)
        with pytest.raises(Usage):
            Console(source=Terminal()).password(from_stdin=False, twice=twice)

    def test_typed_well_it_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernel_console.getpass, "getpass", lambda _: "secret word")
        assert Console(source=Terminal()).password(from_stdin=False) == "secret word"
