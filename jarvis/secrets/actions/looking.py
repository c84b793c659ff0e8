"""Looking for secrets: under a path and in its history, in the home, and in the database."""

from pathlib import Path

from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, NotFound
from jarvis.secrets import kinds, store
from jarvis.secrets.findings import Report, read_allowed
from jarvis.secrets.rules import Rules
from jarvis.secrets.scanning import Place, Scanner, place_of

PORTION = 500


def scan_path(settings: Settings, path: Path, *, with_history: bool) -> Report:
    """Look through the files under a path and what the history of its repository holds. Needs no database."""
    if not path.exists():
        raise NotFound(f"There is nothing at {path}.")
    root = path.resolve()
    allowed = read_allowed(root if root.is_dir() else root.parent)
    scanner = Scanner(Rules(kinds.values(settings)), allowed, closed(settings))
    _look_at(scanner, root, with_history)
    return scanner.report


def _look_at(scanner: Scanner, root: Path, with_history: bool) -> None:
    scanner.folder(root)
    if with_history and not scanner.is_over:
        try:
            scanner.history(root if root.is_dir() else root.parent)
        except JarvisError as error:
            scanner.report.left_out.append(f"the history: {error}")


def scan_all(ctx: Context, *, with_history: bool) -> Report:
    """Look through the workspace with its history, the home, the patches and the database itself."""
    ctx.require_admin()
    settings = ctx.settings
    known = dict(kinds.values(settings)) | _unlock_code(ctx)
    workspace = settings.workspace.resolve()
    scanner = Scanner(Rules(known), read_allowed(workspace), closed(settings))
    if workspace.is_dir():
        _look_at(scanner, workspace, with_history)
    home = settings.jarvis_home.resolve()
    for place in dict.fromkeys((home, settings.selfupdate_patch_dir.resolve())):
        if place.is_dir() and not place.is_relative_to(workspace) and (place == home or not place.is_relative_to(home)):
            scanner.folder(place, f"{place}/")
    _database(ctx, scanner)
    report = scanner.report
    about = {"findings": len(report.findings), "files": report.files, "rows": report.rows, "commits": report.commits}
    with ctx.db.write() as tx:
        tx.record("secret.scanned", "system", {**about, "ok": not report.findings})
    return report


def closed(settings: Settings) -> frozenset[Place]:
    """What a scan never opens: the database (closing it would drop its locks), and where secrets belong."""
    database = [settings.app_db.with_name(settings.app_db.name + end) for end in ("", "-wal", "-shm")]
    kept = [settings.admin_unlock_code_path, settings.jarvis_home / "tokens", settings.backup_local_dir]
    places = (place_of(path) for path in (*database, *settings.files, *kept))
    return frozenset(place for place in places if place is not None)


def _unlock_code(ctx: Context) -> dict[str, str]:
    try:
        return {"the unlock code": ctx.settings.admin_unlock_code_path.read_text().strip()}
    except (OSError, UnicodeDecodeError):
        return {}


def _database(ctx: Context, scanner: Scanner) -> None:
    with ctx.db.read() as tx:
        tables = store.tables(tx)
    for table, columns in tables.items():
        after = 0
        while not scanner.is_over:
            with ctx.db.read() as tx:  # a short look each, so that no reader holds the log of writes back
                rows = list(store.texts(tx, table, columns, after, PORTION))
            if not rows:
                break
            after = rows[-1][0]
            scanner.report.rows += len(rows)
            for number, values in rows:
                for column, value in zip(columns, values, strict=True):
                    if isinstance(value, str):
                        scanner.text(f"database: {table}.{column} of row {number}", value, has_lines=False)
