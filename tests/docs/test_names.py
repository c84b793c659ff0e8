"""What the pages name exists: tables, links, files, settings, commands, routes, findings."""

import ast
import importlib
import re
from functools import cache

import pytest

from docs import generate
from jarvis import cli
from jarvis.kernel import config, errors
from tests.docs.reading import FENCE, GENERATED, PAGES, ROOT, name_of, without_fences

FOLDERS = ("jarvis", "tests", "docs", "templates", "static", "benchmarks", "deploy", ".ci")
SYSTEM = ("/dev/", "/proc/", "/tmp/", "/etc/", "/usr/", "/var/", "/opt/", "/srv/")
ASKED = "/jarvis"  # no address: how a comment in a pull request begins
FILE = re.compile(rf"(?<![\w/.<…$-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]+")
SETTING = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
COMMAND = re.compile(r"(?:^|[ ;|(])jarvis(?:\.pyz)? ((?:[a-z][\w-]*(?: |$))+)", re.MULTILINE)
ADDRESS = re.compile(r"(?:^|[\s\"'(]|//[\w.]+:(?:8000|5173))(/[a-z][\w./$-]*)")


def written(page):
    """A page without what is generated."""
    return GENERATED.sub("", page.read_text("utf-8"))


def code_of(page):
    """Everything that a page sets as code by hand."""
    text = written(page)
    return [*(block for _, block in FENCE.findall(text)), *re.findall(r"`([^`\n]+)`", without_fences(text))]


def test_the_tables_are_as_the_code_is():
    stale = [name_of(page) for page in generate.stale()]
    assert not stale, f"run `make docs`: {stale}"


def test_every_table_stands_somewhere():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert set(re.findall(r"<!-- generated: (\w+) -->", text)) == set(generate.TABLES)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if not target.startswith(("http://", "https://")):
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


@cache
def anchors(page):
    """The headings of a page as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", without_fences(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_are_there(page):
    for code in code_of(page):
        for name in FILE.findall(code):
            assert (ROOT / name.rstrip("/.")).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_and_variables_named_are_read_somewhere(page):
    for name in set(SETTING.findall(written(page))):
        assert name in config.specs() or name in sources(), name


@cache
def sources():
    here = ROOT / "tests" / "docs"
    scripts = [path for path in ROOT.glob("deploy/*") if path.is_file()]
    files = [*ROOT.glob("jarvis/**/*.py"), *ROOT.glob("tests/**/*.py"), *scripts, ROOT / "Makefile"]
    return "".join(path.read_text("utf-8") for path in files if path.parent != here)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_are_there(page):
    for words in [words for code in code_of(page) for words in COMMAND.findall(code)]:
        command, *rest = words.split()
        assert command in generate.there(), f"jarvis {words}"
        verbs = verbs_of(command)
        assert not rest or not verbs or rest[0] in verbs, f"jarvis {words}"


def verbs_of(command):
    """The words that may follow a command, by its usage."""
    usage = importlib.import_module(cli.COMMANDS[command][0]).__doc__ or ""
    lines = [line.split() for line in usage.splitlines() if line.split()[:2] == ["jarvis", command]]
    return {line[2] for line in lines if len(line) > 2 and line[2].isalpha() and line[2].islower()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_named_are_there(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for code in code_of(page):
        assert set(re.findall(r"(?:^|&& )make ([a-z][\w-]*)", code, re.MULTILINE)) <= targets, code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_addresses_named_have_a_route(page):
    routes = [route.path for route in generate.routes()]
    for found in [found for code in code_of(page) for found in ADDRESS.findall(code)]:
        path = found.rstrip("/.")
        is_elsewhere = found.startswith((*SYSTEM, ASKED)) or path[1:] in generate.registry().slash
        assert is_elsewhere or any(fits(route, path) for route in routes), path


def fits(route, path):
    """Whether an address, with stand-ins such as ID or $THREAD, is a route's, or the beginning of it."""
    theirs, ours = route.split("/")[1:], path.split("/")[1:]
    return len(ours) <= len(theirs) and all(a == b or a.startswith("{") for a, b in zip(theirs, ours, strict=False))


def test_every_finding_of_doctor_is_explained():
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "jarvis" / "doctor").glob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    named = [call.args[0] for call in calls if ast.unparse(call.func) in ("Finding", "_too_open")]
    found = {name.value for name in named if isinstance(name, ast.Constant)}
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert found
    assert [name for name in sorted(found) if f"`{name}`" not in runbook] == []


def test_every_exit_code_is_explained():
    table = (ROOT / "docs" / "commands.md").read_text("utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    codes = {kind.exit_code for kind in [errors.JarvisError, *errors.JarvisError.__subclasses__()]}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes | {0, 1, 130}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_no_page_names_the_place_it_was_written_in(page):
    text = re.sub(r"https?://\S+", "", page.read_text("utf-8"))
    first = {route.path.split("/")[1] for route in generate.routes()}
    absolute = [
        path for path in re.findall(r"(?<![\w.:/~})…*$>-])/[a-z]+/[\w./-]+", text) if not path.startswith(SYSTEM)
    ]
    assert [path for path in absolute if path.split("/")[1] not in first] == []
