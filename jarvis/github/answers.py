"""What is answered to a command in a pull request, from the diff itself, and quoted so that nobody is disturbed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from jarvis.github.asking import ALIASES, COMMANDS, Asked
from jarvis.github.changes import Account, File
from jarvis.github.findings import findings
from jarvis.github.markup import code, prose
from jarvis.github.pull import Pull
from jarvis.github.risks import Place, reading_order, risks
from jarvis.github.summary import (
    LONGEST,
    NO_RISK,
    Said,
    counted,
    model_section,
    place_of,
    reading_list,
    render,
    risk_list,
    tests_line,
)

MARKER = re.compile(r"<!-- jarvis:answer (issue|review) (\d{1,16}) -->")
MOST_FINDINGS = 25
MOST_UNTESTED = 12


def marker(kind: str, comment_id: int) -> str:
    """The hidden first line of the answer to one comment."""
    return f"<!-- jarvis:answer {kind} {comment_id} -->"


def is_answer_to(body: str, kind: str, comment_id: int) -> bool:
    """Whether a comment of our own is the answer to another; only its first line counts."""
    found = MARKER.match(body)
    return found is not None and (found[1], int(found[2])) == (kind, comment_id)


def comment(asked: Asked, login: str, text: str, marked: str, said: Said | None = None) -> str:
    """The whole answer: what was asked, quoted, and the text below it."""
    notes = f"\n\n{model_section(said)}" if said and said.text.strip() else ""
    head = f"{marked}\n> {code(asked.line, 300)} ({code(login, 60)})\n\n"
    room = LONGEST - len(head) - len(notes)
    if len(text) > room:
        text = text[:room].rsplit("\n", 1)[0] + "\n\n*(cut here: it is too long for a comment)*"
    return head + text + notes


def needs_the_diff(asked: Asked) -> bool:
    return asked.name != "help"


def is_for_a_model(asked: Asked) -> bool:
    """Whether a model has something to add: not to the list of commands, and not to one that was mistyped."""
    return asked.name != "help" and not is_mistyped(asked)


def is_mistyped(asked: Asked) -> bool:
    return not asked.name and bool(asked.nearest) and " " not in asked.words.strip()


def text(asked: Asked, pull: Pull, account: Account, bot: str, path: str, silence: str) -> str:
    """The answer without a model. `path` is the file a review comment stands at.

    `silence` says why no model adds to it, "" when one does.
    """
    if not asked.name:
        return _question(asked, bot, silence)
    return WRITERS[asked.name](asked, pull, account, bot, path)


def help_text(bot: str) -> str:
    """What can be asked."""
    rows = [f"- {code('/jarvis ' + name)}: {what}" for name, what in COMMANDS.items()]
    return (
        "\n".join(rows)
        + f"\n\n{code('@' + bot)} does as well as {code('/jarvis')}. I answer people who may write to this repository,"
        " once a comment; what is edited later is not answered again."
    )


def _question(asked: Asked, bot: str, silence: str) -> str:
    if is_mistyped(asked):
        meant = code("/jarvis " + ALIASES.get(asked.nearest, asked.nearest))
        return f"That is no command; did you mean {meant}?\n\n{help_text(bot)}"
    return f"{silence} These I can answer without one:\n\n{help_text(bot)}" if silence else ""


def _help(asked: Asked, pull: Pull, account: Account, bot: str, path: str) -> str:
    return help_text(bot)


def _summarize(asked: Asked, pull: Pull, account: Account, bot: str, path: str) -> str:
    return render(pull, account, bot)


def _review(asked: Asked, pull: Pull, account: Account, bot: str, path: str) -> str:
    chosen, note = narrowed(account, asked.words, path)
    found = findings(chosen)
    parts = [note, f"#### Lines to look at\n\n{_found(found.places)}" if found.places else _nothing(found.files)]
    order = reading_order(chosen, risks(chosen))
    return "\n\n".join(
        part for part in (*parts, reading_list(order) if len(chosen.files) > 1 else "", _limits(chosen)) if part
    )


def _nothing(files: int) -> str:
    return f"Looked through the added lines of {counted(files, 'file')} and found nothing that a rule of mine stops at."


def _found(places: Sequence[Place]) -> str:
    rows = [f"- {place_of(place)}" for place in places[:MOST_FINDINGS]]
    return "\n".join(rows + ([f"- and {len(places) - MOST_FINDINGS} more"] if len(places) > MOST_FINDINGS else []))


def _limits(account: Account) -> str:
    unread = account.unread + len(account.without_patch)
    return f"> [!NOTE]\n> {counted(unread, 'file')} could not be read here: too large, or too many." if unread else ""


def _risks(asked: Asked, pull: Pull, account: Account, bot: str, path: str) -> str:
    chosen, note = narrowed(account, asked.words, "")
    found = risk_list(risks(chosen)) or NO_RISK
    return "\n\n".join(part for part in (note, f"#### Risks\n\n{found}", _limits(chosen)) if part)


def _tests(asked: Asked, pull: Pull, account: Account, bot: str, path: str) -> str:
    chosen, note = narrowed(account, asked.words, "")
    tests = [file for file in account.of("tests") if file.status != "removed"]
    alone = [file for file in chosen.of("code") if file.status != "removed" and not tests_for(file, tests)]
    parts = [note, tests_line(chosen)]
    pairs = [(file, tests_for(file, tests)) for file in chosen.of("code")]
    with_tests = [
        f"- {code(file.path)} with {', '.join(code(one.path) for one in found[:3])}" for file, found in pairs if found
    ]
    if with_tests:
        parts.append("#### Changed together\n\n" + "\n".join(with_tests[:MOST_UNTESTED]))
    if alone:
        rows = [
            f"- {code(file.path)} (+{file.additions} −{file.deletions})"
            for file in sorted(alone, key=lambda one: -one.churn)
        ]
        more = [f"- and {len(rows) - MOST_UNTESTED} more"] if len(rows) > MOST_UNTESTED else []
        parts.append("#### Without a test of a like name\n\n" + "\n".join(rows[:MOST_UNTESTED] + more))
    return "\n\n".join(part for part in (*parts, _limits(chosen)) if part)


def tests_for(file: File, tests: Sequence[File]) -> list[File]:
    """Changed tests whose name, or folder, is that of a file."""
    stem = _stem(file.path)
    folder = PurePosixPath(file.path).parent.name
    named = [test for test in tests if stem and stem in _words(_stem(test.path))]
    return named or [test for test in tests if folder and PurePosixPath(test.path).parent.name == folder]


def _stem(path: str) -> str:
    return PurePosixPath(path).name.split(".")[0].lower()


def _words(stem: str) -> list[str]:
    bare = re.sub(r"^(tests?|spec)[_-]|[_-](tests?|spec)$", "", stem)
    return [bare, *re.split(r"[_-]", bare)]


def narrowed(account: Account, words: str, path: str) -> tuple[Account, str]:
    """Only the files whose path has one of the words, or is `path`; all of them when none is, and that is said."""
    wanted = [word.strip("`'\"").lower() for word in words.split()[:10]]
    wanted = [word for word in wanted if len(word) > 1]
    if not wanted and not path:
        return account, ""
    chosen = tuple(
        file for file in account.files if (any(w in file.path.lower() for w in wanted) if wanted else file.path == path)
    )
    if not chosen:
        return account, f"No changed file is called {prose(words or path, 100)}, so this is about all of them."
    return replace(
        account, files=chosen, total=len(chosen)
    ), f"About {counted(len(chosen), 'file')} of {account.total:,}."


WRITERS: dict[str, Callable[[Asked, Pull, Account, str, str], str]] = {
    "help": _help,
    "summarize": _summarize,
    "review": _review,
    "risks": _risks,
    "tests": _tests,
}
