"""Doctor as a page: what is wrong, what mends it, and what was mended."""

from dataclasses import dataclass

from jarvis.doctor import actions, store
from jarvis.doctor.examine import headline
from jarvis.doctor.findings import Finding
from jarvis.doctor.store import Fix
from jarvis.web.parts import Parts
from jarvis.web.routes import Access, Reply, Request, Routes

SHOWN_FIXES = 20


@dataclass(frozen=True, slots=True)
class DoctorPage:
    findings: list[Finding]
    says: str
    fixes: list[Fix]


def routes(parts: Parts) -> Routes:
    """The one page of doctor."""
    table = Routes("doctor", pages=True)

    @table.get("/admin/doctor", Access.ADMIN, "What is wrong, and how to mend it.")
    def index(request: Request) -> Reply:
        ctx = request.ctx
        findings = actions.look(ctx)
        with ctx.db.read() as tx:
            fixes = store.newest(tx, SHOWN_FIXES)
        return request.page("doctor/index.html", DoctorPage(findings, headline(findings), fixes))

    return table
