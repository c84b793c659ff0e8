"""Output on its way: secrets cut by a piece are still secrets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis.kernel.secrets import MASK, Redactor
from jarvis.maintenance.output import Output, Scrubber, read

SECRET = "correct-horse-battery"
KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nAAAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["hello\n", SECRET, "a", "\n", KEY, "-----", "x" * 3000, "\r", "é"]), max_size=12),
    st.data(),
)
def test_however_it_is_cut_no_secret_gets_through(pieces, data):
    text = "".join(pieces)
    scrubber = Scrubber(Redactor([SECRET]).text)
    shown = ""
    while text:
        size = data.draw(st.integers(1, 4000))
        shown += scrubber.feed(text[:size])
        text = text[size:]
    shown += scrubber.feed("", is_last=True)
    assert SECRET not in shown
    assert "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU" not in shown


def test_whole_lines_are_shown_at_once():
    scrubber = Scrubber(Redactor().text)
    assert scrubber.feed("one\ntw") == "one\n"
    assert scrubber.feed("o\n") == "two\n"


def test_a_progress_bar_is_lines():
    scrubber = Scrubber(Redactor().text)
    assert scrubber.feed("10%\r20%\r\n30%") == "10%\n20%\n"


def test_a_key_cut_by_the_start_of_the_tail_is_not_shown(tmp_path):
    output = Output(tmp_path / "1.log", Redactor([SECRET]).text)
    output.add(b"x" * 70 + b"\n" * 1)
    for _ in range(40):
        output.add(b"filling\n" * 1000)
    output.add(KEY.encode() + f"and {SECRET}\n".encode())
    ends = output.close()
    assert MASK in ends.tail
    assert SECRET not in ends.tail
    assert "b3BlbnNzaC1rZXk" not in ends.tail


def test_bytes_that_are_no_text_are_kept_as_what_they_look_like(tmp_path):
    output = Output(tmp_path / "1.log", Redactor().text)
    output.add(b"caf\xc3")
    output.add(b"\xa9 \xff\n")
    assert output.close().head == "café \ufffd\n"


def test_what_is_there_can_be_read_while_it_is_written(tmp_path):
    output = Output(tmp_path / "1.log", Redactor().text)
    output.add(b"hello\n")
    assert read(tmp_path / "1.log", 0, 0).head == "hello\n"
    output.close()
    assert read(tmp_path / "gone.log", 0, 0).head == ""
