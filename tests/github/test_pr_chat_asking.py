"""What counts as a question to Jarvis, and what is answered to each from the diff."""

import pytest

from jarvis.github import answers, asking, pull
from jarvis.github.asking import Asked
from jarvis.github.changes import account
from tests.github.diffs import HARBOR, added
from tests.github.test_summary_account import ABOUT


def asked(body, bot="harbor-bot"):
    found = asking.asked(body, bot)
    return None if found is None else (found.name, found.words)


@pytest.mark.parametrize(
    ("body", "wanted"),
    (
        ("/jarvis help", ("help", "")),
        ("/jarvis", ("help", "")),
        ("/JARVIS Review harbor/", ("review", "harbor/")),
        ("Thanks!\n\n/jarvis risks\nand more", ("risks", "")),
        ("@harbor-bot tests", ("tests", "")),
        ("@Harbor-Bot: summarise", ("summarize", "")),
        ("@harbor-bot[bot] summary please", ("summarize", "please")),
        ("@harbor-bot why is the table dropped?", ("", "why is the table dropped?")),
        ("/jarvis review\n/jarvis risks", ("review", "")),
        ("```\ncode\n```\n/jarvis risks", ("risks", "")),
    ),
)
def test_a_line_that_begins_with_the_name_asks(body, wanted):
    assert asked(body) == wanted


@pytest.mark.parametrize(
    "body",
    (
        "",
        "ask /jarvis help",
        "I asked @harbor-bot already",
        "> /jarvis review",
        "    /jarvis review",
        "\t/jarvis review",
        "```\n/jarvis review\n```",
        "~~~~\n```\n/jarvis review\n~~~~",
        "/jarvisreview",
        "/jarvis-cli help",
        "/jarvis/bugs/store.py is the file",
        "@harbor-bottle help",
        "@harbor-bot-2 help",
    ),
)
def test_what_only_talks_about_it_does_not(body):
    assert asked(body) is None


def answer(line, path="", files=HARBOR, silence="No model."):
    found = asking.asked(line, "jarvis")
    return answers.text(found, pull.read("octo/harbor", ABOUT), account(files, 0), "jarvis", path, silence)


def test_help_lists_every_command():
    text = answer("/jarvis help")
    assert all(f"`/jarvis {name}`" in text for name in asking.COMMANDS)


def test_review_names_lines_and_what_to_read_first():
    text = answer("/jarvis review")
    assert "`harbor/settings.py:1`: looks like a secret" in text
    assert "`db/migrations/0004_places.sql:2`: destroys data" in text
    assert "#### Read first" in text


def test_review_of_a_part_is_about_that_part_only():
    text = answer("/jarvis review migrations")
    assert "About 1 file of 11." in text
    assert "settings.py" not in text


def test_review_at_a_line_is_about_its_file():
    assert "About 1 file of 11." in answer("/jarvis review", path="harbor/settings.py")


def test_review_of_what_is_not_there_says_so():
    assert "No changed file is called lighthouse" in answer("/jarvis review lighthouse")


def test_review_that_finds_nothing_says_what_it_looked_at():
    assert "Looked through the added lines of 1 file" in answer("/jarvis review", files=[added("a.py", "x = 1\n")])


def test_risks_are_told_with_why():
    assert "**Database migrations**: they run once" in answer("/jarvis risks")


def test_tests_pairs_files_and_names_those_without():
    text = answer("/jarvis tests")
    assert "- `harbor/tides.py` with `tests/test_tides.py`" in text
    assert "- `harbor/auth/login.py` (+0 −1)" in text


def test_a_mistyped_command_is_met_with_the_nearest():
    assert "did you mean `/jarvis summarize`?" in answer("/jarvis sumarize")


def test_a_question_without_a_model_says_so_and_what_can_be_asked():
    text = answer("/jarvis why is the table dropped?", silence="I have no model to answer questions with.")
    assert text.startswith("I have no model")
    assert "`/jarvis risks`" in text


def test_what_was_asked_is_quoted_as_code_and_the_marker_is_first():
    text = answers.comment(Asked("", "x", "/jarvis @octocat `x` <b>"), "mallory", "body", answers.marker("issue", 12))
    assert answers.is_answer_to(text, "issue", 12)
    assert not answers.is_answer_to(text, "review", 12)
    assert not answers.is_answer_to(f"> {text}", "issue", 12)
    assert "``/jarvis @octocat `x` <b>``" in text
