"""No statement of any store reads a whole table that grows.

Every function of every store is called with made-up arguments on an empty, migrated database;
SQLite is asked how it would carry out each statement seen, and each that stands in the source
as it is. A store that comes later is covered without a word here.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import itertools
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
import pytest

from jarvis.kernel import migrate
from jarvis.kernel.db import Database, Tx
from jarvis.transfer import rows

PACKAGE = Path(__file__).resolve().parent.parent.parent / "jarvis"
ELSEWHERE = frozenset(("db.py", "changes.py"))
"""What runs statements of others, and what works on a copy that is thrown away, with a table of its own."""
HOLDERS = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if re.search(r"\btx\.(one|all|run)\(", path.read_text()) and path.name not in ELSEWHERE
)

SMALL = frozenset(
    (
        "users",  # people of a small team
        "tokens",  # made by hand, one by one
        "schedules",  # so are these
        "setup_links",  # one row
        "system_state",  # one row
        "permissions",  # set by hand, a tool and a principal each
        "bug_counts",  # one row a kind and status
        "secret_values",  # one row a secret setting
        "pragma_table_info",  # one row a column
        "schema_migrations",  # one row a migration
        "sqlite_schema",
        "sqlite_sequence",
    )
)
"""Tables that stay small, so that reading all of one is fine."""

WHOLE = {
    "salt, digest, hash FROM events ORDER BY seq": "`events verify` recomputes every link",
}
"""The end of a statement that is meant to read everything, and why."""

SAMPLES: dict[str, tuple[Any, ...]] = {
    "jarvis.users.store.find_holder.table": ("sessions", "tokens"),
    "jarvis.secrets.store.texts.table": ("messages",),
    "jarvis.secrets.store.texts.columns": (("content",),),
    "jarvis.bugs.store.insert_whole.values": (dict.fromkeys(("reporter_id", *rows.FIELDS["bugs"]), "x"),),
    "jarvis.chat.store.insert_whole.values": (dict.fromkeys(("user_id", *rows.FIELDS["threads"]), "x"),),
    "jarvis.chat.store.insert_message_whole.values": (dict.fromkeys(rows.FIELDS["messages"], "x"),),
    "jarvis.kernel.events.append.type": ("thing.happened",),
}
"""Arguments that cannot be made up from their types: module.function.parameter → values."""


def made_up(annotation: Any, module: types.ModuleType) -> list[Any]:
    """A few values of a type; the first is a full one, the others are emptier."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return [value for argument in arguments for value in made_up(argument, module)]
    if origin is typing.Literal:
        return list(arguments)
    if annotation is Any or annotation is object:
        return ["x", None]
    if annotation in PLAIN:
        return PLAIN[annotation]
    kind = origin or annotation
    if kind in (dict, Mapping):
        return [dict.fromkeys(getattr(module, "CHANGEABLE", ("name",)), "x")]
    if kind is tuple:
        return [tuple(made_up(a, module)[0] for a in arguments if a is not ...), ()]
    if kind in (list, set, frozenset) or (inspect.isclass(kind) and issubclass(kind, Iterable) and arguments):
        return [[made_up(arguments[0], module)[0]], []] if arguments else [[]]
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return list(kind)
    if dataclasses.is_dataclass(kind):
        return made_up_instances(kind, module)
    raise AssertionError(f"no value of {annotation} can be made up; name one in SAMPLES")


PLAIN: dict[Any, list[Any]] = {
    str: ["x", ""],
    int: [1, 0],
    float: [1.0],
    bool: [True, False],
    bytes: [b"x"],
    type(None): [None],
    Path: [Path("/x")],
}


def made_up_instances(kind: Any, module: types.ModuleType) -> list[Any]:
    """A dataclass with everything set, with nothing set, and with each field set alone."""
    hints = typing.get_type_hints(kind)
    full = {field.name: made_up(hints[field.name], module)[0] for field in dataclasses.fields(kind) if field.init}
    needed = {
        field.name: full[field.name]
        for field in dataclasses.fields(kind)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    alone = [kind(**{**needed, name: value}) for name, value in full.items() if name not in needed]
    return [kind(**full), kind(**needed), *alone]


def functions(module: types.ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of a module that take a transaction."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and "tx" in inspect.signature(function).parameters:
            yield name, function


def calls(function: Callable[..., Any], module: types.ModuleType) -> Iterator[dict[str, Any]]:
    """Arguments to call a function with: everything full, then each parameter with its other values."""
    hints = typing.get_type_hints(function, vars(typing) | {"Tx": Tx, "Database": Database})
    values: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind == parameter.VAR_KEYWORD:
            values |= {changed: ["x"] for changed in getattr(module, "CHANGEABLE", ())}
        elif name != "tx":
            given = SAMPLES.get(f"{module.__name__}.{function.__name__}.{name}")
            values[name] = given or made_up(hints[name], module)
    full = {name: options[0] for name, options in values.items()}
    yield full
    for name, options in values.items():
        yield from ({**full, name: option} for option in options[1:])
    yield {name: options[-1] for name, options in values.items()}


def statements_of(function: Callable[..., Any], module: types.ModuleType, store: Database) -> set[str]:
    """What a function sends to SQLite, whatever becomes of it."""
    seen: set[str] = set()

    def remember(_cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
        seen.add(sql)
        return True

    for arguments in itertools.islice(calls(function, module), 60):
        with pytest.raises(_Over), store.write() as tx:
            tx.connection.exec_trace = remember
            try:
                result = function(tx, **arguments)
                if inspect.isgenerator(result):
                    list(result)
            except Exception:  # nothing is there, or nothing of that kind fits: the statement has been seen
                pass
            finally:
                tx.connection.exec_trace = None
            raise _Over
    return {sql for sql in seen if READS.match(sql)}


class _Over(Exception):
    """Takes back what a function did."""


READS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|REPLACE)\b")


def written_out(module: types.ModuleType) -> set[str]:
    """The statements that stand in a module's source as they are, or with its constants put in."""
    tree = ast.parse(inspect.getsource(module))
    tree.body = [node for node in tree.body if not isinstance(node, ast.Assign)]  # pieces that functions use
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.add(_put_together(node, module))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            found.add(node.value)
    return {text for text in found if STATEMENT.match(text)}


STATEMENT = re.compile(r"\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s)", re.DOTALL)


def _put_together(node: ast.JoinedStr, module: types.ModuleType) -> str:
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        else:
            assert isinstance(part, ast.FormattedValue)
            name = ast.unparse(part.value)
            if not name.isupper() or not isinstance(getattr(module, name, None), str):
                return ""  # only known when it runs
            text += getattr(module, name)
    return text


def plan(connection: apsw.Connection, sql: str) -> list[str]:
    """How SQLite would carry a statement out."""
    names = dict.fromkeys(re.findall(r":([a-z_]+)", sql))
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", names)]


SCAN = re.compile(r"(?:SCAN|SEARCH) (\S+)(?: (.*))?")


def scans(connection: apsw.Connection, sql: str) -> list[str]:
    """The growing tables that a statement reads from end to end."""
    if any(sql.endswith(end) for end in WHOLE):
        return []
    steps = plan(connection, sql)
    is_sorted = any("TEMP B-TREE" in step for step in steps)
    some = [step for step in steps if not _is_of_few(connection, step)]
    found = [table for step in some if (table := _scanned(step, sql)) and table not in SMALL]
    return [table for table in found if is_sorted or not _is_bounded(table, sql)]


def _is_of_few(connection: apsw.Connection, step: str) -> bool:
    """Whether it goes along an index of the rows in some state alone, such as those that wait."""
    match = re.search(r"INDEX (\w+)$", step)
    sql = "SELECT sql FROM sqlite_schema WHERE name = :name AND sql LIKE '% WHERE %'"
    kept = connection.execute(sql, {"name": match[1]}).fetchall() if match else []
    return any(re.search(r" WHERE \w+ (= '|IN \()", text) for (text,) in kept)


def _is_bounded(table: str, sql: str) -> bool:
    """Whether it is read in its order up to a limit, with no condition that could pass over rows."""
    return re.search(rf"\bFROM\s+{table}(\s+\w+)?\s+ORDER BY [^()]*\bLIMIT\b", sql) is not None


def _scanned(step: str, sql: str) -> str:
    match = SCAN.fullmatch(step)
    if match is None or match[1].startswith("(") or match[1] == "CONSTANT":
        return ""
    alias, how = match[1], match[2] or ""
    if step.startswith("SEARCH") and "AUTOMATIC" not in how:  # an automatic index is made by reading everything
        return ""
    if re.search(rf"\b(?:WITH|RECURSIVE|,)\s+{alias}\s*(?:\([^)]*\)\s*)?AS\s*\(", sql):
        return ""  # no table: what it is made of is judged by its own steps
    virtual = re.fullmatch(r"VIRTUAL TABLE INDEX \d+:(.*)", how)
    is_list = alias == "json_each" or re.search(rf"\bjson_each\s*\([^)]*\)\s+(?:AS\s+)?{alias}\b", sql)
    if virtual and (virtual[1] or is_list):
        return ""  # a full-text match, a row by its number, or a list that was handed in
    named = re.search(rf"\b(?:FROM|JOIN|,)\s+(\w+)\s+(?:AS\s+)?{alias}\b", sql)
    return named[1] if named else alias


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path = tmp_path_factory.mktemp("schema") / "jarvis.db"
    migrate.migrate(path, lambda: 0)
    connection = apsw.Connection(str(path))
    yield connection
    connection.close()


@pytest.mark.parametrize("name", HOLDERS)
def test_no_statement_reads_all_of_a_growing_table(
    name: str, schema: apsw.Connection, open_store: Callable[..., Database]
) -> None:
    module, store = importlib.import_module(name), open_store()
    where: dict[str, set[str]] = {"(written out)": written_out(module)}
    for function_name, function in functions(module):
        where[function_name] = statements_of(function, module, store)
    found = [
        f"{function_name} reads all of {table}: {' '.join(sql.split())}"
        for function_name, statements in where.items()
        for sql in sorted(statements)
        for table in scans(schema, sql)
    ]
    assert found == []


@pytest.mark.parametrize("name", HOLDERS)
def test_every_function_could_be_tried(name: str, open_store: Callable[..., Database]) -> None:
    """A function none of whose statements was seen would not be covered."""
    module, store = importlib.import_module(name), open_store()
    silent = [
        function_name
        for function_name, function in functions(module)
        if "tx." in inspect.getsource(function) and not statements_of(function, module, store)
    ]
    assert silent == []


class TestTheJudgement:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT id FROM events WHERE subject = :subject",
            "SELECT id FROM events e WHERE e.subject = :subject LIMIT 1",
            "SELECT count(*) FROM events",
            "SELECT id FROM events ORDER BY subject LIMIT 5",
            "SELECT rowid FROM events_fts",
            "DELETE FROM sessions WHERE client = :client",
            "SELECT u.id FROM users u JOIN sessions s ON s.client = u.username",
            "UPDATE events SET data = '' WHERE id IN (SELECT id FROM sessions WHERE agent = :agent)",
        ],
    )
    def test_reading_everything_is_found(self, schema: apsw.Connection, sql: str) -> None:
        assert scans(schema, sql)

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT id FROM events WHERE seq > :seq ORDER BY seq LIMIT 5",
            "SELECT id FROM events ORDER BY seq DESC LIMIT 1",
            "SELECT id FROM events WHERE thread_id = :thread AND seq < :seq ORDER BY seq DESC LIMIT 5",
            "SELECT rowid FROM events_fts WHERE events_fts MATCH :words",
            "DELETE FROM events_fts WHERE rowid = :seq",
            "SELECT id FROM users WHERE theme = :theme",
            "SELECT value FROM json_each(:ids)",
            "SELECT u.id FROM json_each(:ids) j JOIN events u ON u.id = j.value",
            "INSERT INTO event_anchors (seq, hash, at) VALUES (:a, :b, :c)",
            "SELECT x FROM (SELECT id AS x FROM events ORDER BY seq LIMIT 5)",
        ],
    )
    def test_what_an_index_or_a_limit_bounds_is_not(self, schema: apsw.Connection, sql: str) -> None:
        assert scans(schema, sql) == []
