"""The settings as a page: what holds, where it came from, what it means. Changing them is the host's."""

from dataclasses import dataclass

from jarvis.kernel.schema import Field
from jarvis.settings import table as settings_table
from jarvis.settings.table import Row, Verdict
from jarvis.web.parts import Parts
from jarvis.web.routes import Access, Reply, Request, Routes

ONLY = Field(kind="string", choices=("", "changed"), help="Only settings that differ from their default.")


@dataclass(frozen=True, slots=True)
class SettingsPage:
    rows: list[Row]
    total: int
    changed: int
    only: str
    verdict: Verdict
    home: str


def routes(parts: Parts) -> Routes:
    """The one page of the settings."""
    table = Routes("settings", pages=True)

    @table.get("/admin/settings", Access.ADMIN, "Every setting as it is in force.", query={"only": ONLY})
    def index(request: Request) -> Reply:
        settings = request.ctx.settings
        rows, only = settings_table.rows(settings), request.query.get("only", "")
        changed = [row for row in rows if not row.is_default]
        shown = changed if only else rows
        verdict = settings_table.check(settings)
        page = SettingsPage(shown, len(rows), len(changed), only, verdict, str(settings.jarvis_home))
        return request.page("settings/index.html", page)

    return table
