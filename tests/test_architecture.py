"""The house rules that can be read off the source: which way imports point, and what stands where.

A rule is a function that yields what is wrong with a module. Imports inside functions and
under TYPE_CHECKING count like any other, so none can be hidden there.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "jarvis"

FEATURES = (
    "users",
    "events",
    "queue",
    "system",
    "lockdown",
    "restart",
    "settings",
    "repository",
    "policy",
    "host",
    "notes",
    "bugs",
    "schedules",
    "maintenance",
    "github",
    "backups",
    "selfupdate",
    "chat",
    "agent",
    "search",
    "secrets",
    "transfer",
    "doctor",
    "evidence",
    "overview",
)
"""A feature may import only features to its left."""

FACES = frozenset(("pages", "api", "cli", "tasks", "services", "tools", "slash", "intents"))
WRITERS = frozenset(("actions", "tasks", "services"))
LONGEST = 450
LAUNCHER = "jarvis.archive.launch"
"""What its functions import is what it starts, not what it stands on."""

OWED = frozenset(
    (
        "jarvis.agent.cli imports jarvis.queue.epochs",
        "jarvis.agent.cli imports jarvis.queue.services",
        "jarvis.agent.cli imports jarvis.system.server",
        "jarvis.doctor.cli imports jarvis.system.server",
        "jarvis.doctor.condition imports jarvis.system.server",
        "jarvis.doctor.places imports jarvis.system.readiness",
        "jarvis.search.sources imports jarvis.events.sentences",
        "jarvis.system.cli imports jarvis.settings.table",
        "jarvis.chat.actions imports the face jarvis.chat.slash",
        "jarvis.chat.slash opens a write",
        "jarvis.queue.epochs opens a write",
        "jarvis.serve opens a write",
        "jarvis.system.readiness opens a write",
    )
)
"""What was there before these rules were held. It only ever gets shorter: a line that is mended must go."""


@dataclass(frozen=True)
class Module:
    """One source file: `jarvis.users.store` is part "users", room "store"."""

    path: Path

    @property
    def name(self) -> str:
        words = self.path.relative_to(PACKAGE.parent).with_suffix("").parts
        return ".".join(words).removesuffix(".__init__")

    @property
    def part(self) -> str:
        """The feature, "kernel", "web", "archive", or "" for what stands at the top."""
        within = self.path.relative_to(PACKAGE).parts
        return within[0] if len(within) > 1 else ""

    @property
    def room(self) -> str:
        """Which room of its feature: of jarvis.agent.builtin.words it is "builtin"."""
        return self.path.relative_to(PACKAGE).with_suffix("").parts[1] if self.part else ""

    @property
    def is_feature(self) -> bool:
        return self.part not in ("", "kernel", "web", "archive", "patch")

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> list["Module"]:
        """The modules of ours it names, empty packages left out."""
        tree = ast.Module(self.tree.body, []) if self.name != LAUNCHER else _without_functions(self.tree)
        found = {MODULES[name] for name in imported(tree) if name in MODULES and name != self.name}
        return sorted((module for module in found if module.path.name != "__init__.py"), key=str)

    def __str__(self) -> str:
        return self.name


def _without_functions(tree: ast.Module) -> ast.Module:
    return ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module named by an import anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:  # `from jarvis.users import store` names a module, not a thing in one
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


MODULES = {module.name: module for module in map(Module, sorted(PACKAGE.rglob("*.py")))}


def arrows_point_down(module: Module) -> Iterator[str]:
    """archive < kernel < web < features < what stands at the top; patch stands beside web."""
    below = {
        "archive": ("archive",),
        "kernel": ("archive", "kernel"),
        "patch": ("archive", "kernel", "patch"),
        "web": ("archive", "kernel", "web"),
    }
    if module.is_feature and module.part not in FEATURES:
        yield f"belongs to {module.part}, which needs its place in FEATURES"
    for other in module.imports:
        is_fine = other.part in below.get(module.part, (other.part,)) and (other.part or not module.part)
        if not is_fine and (module.part, other.name) != ("archive", "jarvis.kernel.errors"):
            yield f"imports {other}"


def features_know_those_to_their_left(module: Module) -> Iterator[str]:
    """And of those only what can be done, `actions`, and what can be read, `store`."""
    for other in module.imports:
        if module.is_feature and other.is_feature and other.part != module.part:
            is_left = FEATURES.index(other.part) < FEATURES.index(module.part)
            if not is_left or other.room not in ("actions", "store"):
                yield f"imports {other}"


def faces_use_actions_use_store(module: Module) -> Iterator[str]:
    for other in module.imports if module.is_feature else ():
        if other.part == module.part and other.room in FACES and module.room not in FACES:
            yield f"imports the face {other}"
        if other.part == module.part and (module.room, other.room) == ("store", "actions"):
            yield f"imports {other}"
        if other.part == "web" and module.room in ("actions", "store"):
            yield f"imports {other}, which is for faces"


def names_are_not_made_up_at_run_time(module: Module) -> Iterator[str]:
    """Only the command line picks a module by name; the archive checks that each can be imported."""
    evasions = {"importlib.import_module", "import_module", "__import__", "exec", "eval", "importlib.__import__"}
    if module.part not in ("", "archive"):
        called = {ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
        yield from (f"calls {name}" for name in sorted(called & evasions))
    if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(module.tree)):
        yield "has a relative import, which hides where it points"


def writes_are_opened_by_those_who_may(module: Module) -> Iterator[str]:
    if module.room in WRITERS or module.part == "kernel":
        return
    for node in ast.walk(module.tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write"
        if is_call and not node.args and not node.keywords:  # type: ignore[attr-defined]
            yield "opens a write"


SQL = re.compile(
    r"\s*(SELECT\s.*\bFROM\b|SELECT\s+\w+\(|INSERT\s+(OR\s+\w+\s+)?INTO\b|REPLACE\s+INTO\b|UPDATE\s+\w+\s+SET\b"
    r"|DELETE\s+FROM\b|(CREATE|DROP|ALTER)\s+(TABLE|INDEX|VIEW|TRIGGER|VIRTUAL)\b|PRAGMA\s+\w|VACUUM\b"
    r"|WITH\s+\w+\s+AS\s*\()",
    re.DOTALL,
)


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string; of one with placeholders, the words around them."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def sql_stands_in_store_and_kernel(module: Module) -> Iterator[str]:
    if module.room != "store" and module.part != "kernel" and any(map(SQL.match, texts(module.tree))):
        yield "holds SQL"


def columns_are_named(module: Module) -> Iterator[str]:
    if any(re.search(r"\bSELECT\s+(\w+\.)?\*", text) for text in texts(module.tree)):
        yield "selects *"


def values_are_bound_and_not_put_into_sql(module: Module) -> Iterator[str]:
    """What comes in from outside is a `:parameter`, unless it is asserted to be one of our own words."""
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        asserted = {
            n.id
            for a in ast.walk(function)
            if isinstance(a, ast.Assert)
            for n in ast.walk(a)
            if isinstance(n, ast.Name)
        }
        given = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)} - asserted
        for node in ast.walk(function):
            if isinstance(node, ast.JoinedStr) and any(map(SQL.match, texts(node))):
                put_in = {ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)}
                yield from (f"puts {name} into SQL in {function.name}" for name in sorted(put_in & given))


CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
CHANGING = frozenset(("append", "add", "update", "pop", "popitem", "clear", "extend", "insert", "remove", "setdefault"))
HOLDS_NO_DATA = ("logging.getLogger(", "threading.local(", "contextvars.ContextVar", "threading.Semaphore(")


def modules_keep_no_state(module: Module) -> Iterator[str]:
    """Constants, loggers, limits and what belongs to one thread are all that a module may hold."""
    constants = set()
    for node in module.tree.body:
        for name in _bound(node):
            constants.add(name)
            made = ast.unparse(node.value) if node.value else ""  # type: ignore[attr-defined]
            is_container = isinstance(node.value, CONTAINERS)  # type: ignore[attr-defined]
            is_made = isinstance(node.value, ast.Call) and not made.startswith(HOLDS_NO_DATA)  # type: ignore[attr-defined]
            if (is_container or is_made) and not name.lstrip("_")[:1].isupper() and name != "__all__":
                yield f"holds {name}, which is no constant"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"changes {', '.join(node.names)}"
        elif changed(node) in constants and changed(node).isupper():
            yield f"changes {changed(node)}"


def _bound(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def changed(node: ast.AST) -> str:
    """The name whose contents this expression changes, or ""."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
        target = node.func.value
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        target = node.value
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def modules_say_what_they_are(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield "has no docstring"


def modules_are_short(module: Module) -> Iterator[str]:
    if module.text.count("\n") >= LONGEST:
        yield "is too long: look for the seam"


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    arrows_point_down,
    features_know_those_to_their_left,
    faces_use_actions_use_store,
    names_are_not_made_up_at_run_time,
    writes_are_opened_by_those_who_may,
    sql_stands_in_store_and_kernel,
    columns_are_named,
    values_are_bound_and_not_put_into_sql,
    modules_keep_no_state,
    modules_say_what_they_are,
    modules_are_short,
)


def broken(rule: Callable[[Module], Iterator[str]]) -> set[str]:
    return {f"{module} {what}" for module in MODULES.values() for what in rule(module)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(rule: Callable[[Module], Iterator[str]]) -> None:
    assert sorted(broken(rule) - OWED) == []


def test_what_is_mended_is_no_longer_owed() -> None:
    assert sorted(OWED - {what for rule in RULES for what in broken(rule)}) == []


def test_imports_make_no_circle() -> None:
    done: set[str] = set()

    def visit(module: Module, above: tuple[str, ...]) -> None:
        assert module.name not in above, " → ".join((*above, module.name))
        if module.name not in done:
            for other in module.imports:
                if not only_for_types(module, other):
                    visit(other, (*above, module.name))
            done.add(module.name)

    for module in MODULES.values():
        visit(module, ())


def only_for_types(module: Module, other: Module) -> bool:
    """A name that only annotations need, from the same part, makes no circle."""
    if module.part != other.part or "TYPE_CHECKING" not in module.text:
        return False
    tree = ast.parse(module.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return other.name not in set(imported(tree))


def test_the_supervisor_reaches_only_the_standard_library_and_its_own_kind() -> None:
    seen: set[str] = set()
    waiting = [MODULES["jarvis.supervisor"]]
    while waiting:
        module = waiting.pop()
        if module.name not in seen:
            seen.add(module.name)
            outside = {name.split(".")[0] for name in imported(module.tree)} - {"jarvis"}
            assert outside <= sys.stdlib_module_names, f"{module} imports {outside - sys.stdlib_module_names}"
            assert module.part in ("", "archive"), f"the supervisor reaches {module}"
            waiting += module.imports


ATTACKS = {
    "arrows_point_down": ("kernel/db.py", "from jarvis.web import routes"),
    "features_know_those_to_their_left": ("users/api.py", "def f():\n    from jarvis.queue import actions"),
    "faces_use_actions_use_store": ("users/actions.py", "from jarvis.users import api"),
    "names_are_not_made_up_at_run_time": ("users/api.py", "import importlib\nimportlib.import_module('x')"),
    "writes_are_opened_by_those_who_may": ("users/api.py", "def f(ctx):\n    with ctx.db.write() as tx: pass"),
    "sql_stands_in_store_and_kernel": ("users/api.py", "def f(tx):\n    tx.run(f'DELETE FROM users WHERE id = {1}')"),
    "columns_are_named": ("users/store.py", "A = 'SELECT u.* FROM users u'"),
    "values_are_bound_and_not_put_into_sql": (
        "users/store.py",
        "def f(tx, name):\n    tx.run(f'DELETE FROM users WHERE username = {name}')",
    ),
    "modules_keep_no_state": ("users/api.py", "CACHE = {}\ndef f(key):\n    CACHE[key] = 1"),
    "modules_say_what_they_are": ("users/api.py", "x = 1"),
    "modules_are_short": ("users/api.py", "\n" * LONGEST),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_would_be_missed(rule: Callable[[Module], Iterator[str]]) -> None:
    """Each rule finds its attack: a rule that passes on everything holds nothing."""
    place, text = ATTACKS[rule.__name__]
    module = Module(PACKAGE / place)
    module.__dict__["text"] = text
    module.__dict__["tree"] = ast.parse(text)
    assert list(rule(module))
