"""Nobody opens the database's files by hand: closing one would drop SQLite's locks."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent / "jarvis"
OPENERS = {"open", "read_bytes", "read_text", "write_bytes", "write_text", "copy", "copy2", "copyfile", "move", "touch"}
ALLOWED = {("kernel/migrate.py", "create")}  # O_EXCL: it makes the file, so no connection can have it open
NAMES = (".app_db", "jarvis.db", "-wal", "-shm", "db.path", "_shared.path")


def opens_by_hand(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions that pass something that looks like the database's path to something that opens files."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            names = _database_names(function)
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _opener(call) in OPENERS and _mentions(call, names):
                    yield function.name, call.lineno


def _opener(call: ast.Call) -> str:
    if ast.unparse(call.func) == "Database.open":
        return ""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _database_names(function: ast.AST) -> tuple[str, ...]:
    """Local names given the database's path, beside the ways of spelling it."""
    given = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and any(name in ast.unparse(node.value) for name in NAMES)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return (*NAMES, *given)


def _mentions(call: ast.Call, names: tuple[str, ...]) -> bool:
    words = [ast.unparse(argument) for argument in (*call.args, *(k.value for k in call.keywords))]
    if isinstance(call.func, ast.Attribute):
        words.append(ast.unparse(call.func.value))
    return any(word == name or (not name.isidentifier() and name in word) for word in words for name in names)


def test_no_module_opens_the_database_its_log_or_its_index() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} in {function}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for function, line in opens_by_hand(ast.parse(path.read_text()))
        if (str(path.relative_to(PACKAGE)), function) not in ALLOWED
    ]
    assert found == []


def test_only_the_kernel_opens_connections() -> None:
    found = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "kernel" and "apsw.Connection(" in path.read_text()
    ]
    assert found == []


def test_the_scan_sees_what_it_should() -> None:
    for line in (
        "open(ctx.settings.app_db, 'rb')",
        "ctx.settings.app_db.read_bytes()",
        "shutil.copyfile(settings.app_db, there)",
        "p = ctx.db.path\n    p.read_bytes()",
        "open(str(home / 'jarvis.db'))",
        "os.open(f'{home}/jarvis.db-wal', os.O_RDONLY)",
    ):
        assert list(opens_by_hand(ast.parse(f"def f(ctx):\n    {line}\n"))), line
    assert not list(opens_by_hand(ast.parse("def f(ctx, path):\n    open(path)\n")))
