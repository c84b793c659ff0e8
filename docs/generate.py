"""Writes the tables that stand in the documentation from the code they tell of.

    python -m docs.generate            rewrite them (make docs)
    python -m docs.generate --check    only name the pages that are stale; exit 1 when there are any

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`. All around it is written by hand.
"""

import ast
import importlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jarvis import app, cli
from jarvis.chat import frames
from jarvis.events import sentences
from jarvis.kernel import config, errors, migrate
from jarvis.kernel.clock import system_clock
from jarvis.kernel.config import Spec
from jarvis.kernel.registry import Registry
from jarvis.web import faults
from jarvis.web.routes import Access, Route

ROOT = Path(__file__).resolve().parent.parent
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
EVENT_TYPE = re.compile(r"[a-z_]+(\.[a-z_]+)+")
RECORDERS = ("record", "_record", "_tell")
"""What the calls are named that record an event."""
WHO = {
    Access.ALL: "anyone",
    Access.USER: "user",
    Access.ADMIN: "admin",
    Access.SIGNED: "signature",
    Access.LOCAL: "token, or loopback",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what would end a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """As code, or nothing where there is nothing."""
    return f"`{text}`" if text else ""


@cache
def assembled() -> tuple[tuple[Route, ...], Registry]:
    """Every route and the registry of a whole server, put together and taken apart again."""
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load({"JARVIS_HOME": folder}, None, Path(folder))
        migrate.migrate(settings.app_db, system_clock)
        ctx = app.make_context(settings, system_clock, app.make_registry())
        served = app.build(ctx, is_live=False)
        served.live.close()
        ctx.db.close()
    return tuple(served.application.routes), ctx.registry


def routes() -> tuple[Route, ...]:
    """Every route, in the order in which they were declared."""
    return assembled()[0]


def registry() -> Registry:
    """Every tool, slash command, task and check."""
    return assembled()[1]


def settings() -> str:
    rows = [(code(name), _default(name, spec), _meaning(spec)) for name, spec in config.specs().items()]
    return table(("Setting", "Default", "Meaning"), rows)


def _default(name: str, spec: Spec) -> str:
    computed = {"JARVIS_HOME": "$XDG_DATA_HOME/jarvis, or ~/.local/share/jarvis", "WORKSPACE": "where it was started"}
    return computed.get(name, code(spec.default))


def _meaning(spec: Spec) -> str:
    return spec.help + (" **Secret.**" if spec.is_secret else "") + (" A list." if spec.is_list else "")


def there() -> dict[str, tuple[str, str]]:
    """The commands whose module is there: (module, summary) by name."""
    places = {module: ROOT / f"{module.replace('.', '/')}.py" for module, _ in cli.COMMANDS.values()}
    return {name: found for name, found in cli.COMMANDS.items() if places[found[0]].is_file()}


def commands() -> str:
    rows = [(f"[`{name}`](#{_family(name)})", summary) for name, (_, summary) in there().items()]
    return table(("Command", "What it does"), rows)


def usages() -> str:
    """The text behind --help of each command, once for commands that share one."""
    modules = {module: None for module, _ in there().values()}
    return "\n".join(_usage(module) for module in modules)


def _usage(module: str) -> str:
    text = (importlib.import_module(module).__doc__ or "").strip()
    return f"### {', '.join(_sharing(module))}\n\n```text\n{text}\n```\n"


def _sharing(module: str) -> list[str]:
    return [name for name, (found, _) in there().items() if found == module]


def _family(name: str) -> str:
    return "-".join(_sharing(cli.COMMANDS[name][0]))


def slash() -> str:
    found = sorted(registry().slash.values(), key=lambda command: command.name)
    rows = [(code(c.usage), c.summary, "admin" if c.admin_only else "user") for c in found]
    return table(("Command", "What it does", "Who"), rows)


def tools() -> str:
    found = sorted(registry().tools.values(), key=lambda tool: tool.name)
    rows = [(code(t.name), t.summary, t.risk, "admin" if t.admin_only else "user") for t in found]
    return table(("Tool", "What it tells or does", "Risk", "Who"), rows)


def checks() -> str:
    rows = [(code(check.name), "core" if check.is_core else "") for check in registry().checks.values()]
    return table(("Check", "Counts"), rows)


def api() -> str:
    found = [route for route in routes() if not route.is_page]
    return table(("Route", "Who", "What"), [_route(route) for route in sorted(found, key=_place)])


def pages() -> str:
    found = [route for route in routes() if route.is_page and route.method == "GET"]
    return table(("Page", "Who", "What"), [_route(route) for route in sorted(found, key=_place)])


def _route(route: Route) -> tuple[str, str, str]:
    path = re.sub(r"{(\w+)(:\w+)?}", lambda found: found[1].upper(), route.path)
    return code(path if route.is_page else f"{route.method} {path}"), WHO[route.access], route.summary


def _place(route: Route) -> tuple[str, int]:
    return route.path, ("GET", "POST", "PUT", "PATCH", "DELETE").index(route.method)


def problems() -> str:
    assembled()  # brings in every module that has an error of its own
    kinds: list[type[errors.JarvisError]] = [errors.JarvisError, *errors.JarvisError.__subclasses__()]
    shown = [kind for kind in kinds if kind not in (errors.Usage, errors.Misconfigured)]  # of commands alone
    shown.sort(key=lambda kind: (kind.status, kind.code))
    rows = [(str(kind.status), code(_problem_type(kind)), kind.title, str(kind.exit_code)) for kind in shown]
    return table(("Status", "`type`", "`title`", "Exit code"), rows)


def _problem_type(kind: type[errors.JarvisError]) -> str:
    return str(faults.problem(kind(), "")["type"])


def frame_types() -> str:
    return table(("Frame", "Sent for the event"), [(code(frame), code(event)) for event, frame in frames.TYPES.items()])


@dataclass(frozen=True, slots=True)
class Recorded:
    """One place in the code that records events: which types, and the names in their data as far as they show."""

    types: tuple[str, ...]
    data: tuple[str, ...]


def events() -> str:
    found: dict[str, set[str]] = {}
    for place in recorded():
        for kind in place.types:
            found.setdefault(kind, set()).update(place.data)
    rows = [(code(kind), _said(kind), ", ".join(map(code, sorted(names)))) for kind, names in sorted(found.items())]
    return table(("Type", "Says", "Data holds"), rows)


def _said(kind: str) -> str:
    sentence = sentences.TABLE.get(kind, "")
    return re.sub(r"{(\w+)}", r"*\1*", sentence if isinstance(sentence, str) else sentence({}))


def recorded() -> Iterator[Recorded]:
    """Every call in the package that records an event, read off the source."""
    for path in sorted((ROOT / "jarvis").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef):
                yield from _in_function(function)


def _in_function(function: ast.FunctionDef) -> Iterator[Recorded]:
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names.setdefault(ast.unparse(target), []).append(node.value)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in RECORDERS:
            found = [text for argument in node.args for text in _texts(argument, names)]
            types = tuple(text for text in found if EVENT_TYPE.fullmatch(text))
            data = {key for argument in node.args for key in _keys(argument, names)}
            yield Recorded(types, tuple(sorted(data)))


def _texts(node: ast.expr, names: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """The strings an expression may be: itself, either branch, or what its name was given."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.IfExp(_, first, second):
            yield from [*_texts(first, names), *_texts(second, names)]
        case ast.BoolOp(_, values):
            for value in values:
                if not isinstance(value, ast.Name):  # `x = x or …` would never end
                    yield from _texts(value, names)
        case ast.Subscript(table):
            yield from table_values().get(ast.unparse(table).rpartition(".")[2], ())
        case ast.Name(name):
            for value in names.get(name, ()):
                yield from _texts(value, names)


@cache
def table_values() -> dict[str, list[str]]:
    """The texts in each module's tables, by the table's name: which event a state is told by stands in one."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "jarvis").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
                texts = [each.value for each in node.value.values if isinstance(each, ast.Constant)]
                found.setdefault(ast.unparse(node.target), []).extend(text for text in texts if isinstance(text, str))
    return found


def _keys(node: ast.expr, names: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """The keys of a dict written out, merged or named."""
    match node:
        case ast.Dict(keys, values):
            for key, value in zip(keys, values, strict=True):
                yield from [str(key.value)] if isinstance(key, ast.Constant) else _keys(value, names)
        case ast.BinOp(left, ast.BitOr(), right):
            yield from [*_keys(left, names), *_keys(right, names)]
        case ast.Name(name):
            for value in names.get(name, ()):
                yield from _keys(value, names)


def targets() -> str:
    """What make offers, from the remarks in the Makefile."""
    found = re.findall(r"^([\w-]+):.*?## (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    return table(("Target", "What it does"), [(code(f"make {name}"), remark) for name, remark in found])


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "usages": usages,
    "slash": slash,
    "tools": tools,
    "checks": checks,
    "api": api,
    "pages": pages,
    "problems": problems,
    "frames": frame_types,
    "events": events,
    "targets": targets,
}


def renewed(text: str) -> str:
    """A page with its tables as they are now."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def stale() -> list[Path]:
    """The pages whose tables are not as the code is."""
    return [page for page in PAGES if renewed(text := page.read_text("utf-8")) != text]


def main(words: list[str]) -> int:
    found = stale()
    for page in found:
        print(f"{page.relative_to(ROOT)} {'is stale: make docs' if words else 'is written'}")
        if not words:
            page.write_text(renewed(page.read_text("utf-8")), "utf-8")
    return 1 if words and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
