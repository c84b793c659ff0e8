"""One look at everything, worst first."""

from jarvis.doctor import condition, exposure, places, upgrades, upkeep
from jarvis.doctor.findings import SEVERITIES, Finding, Look, Patient
from jarvis.kernel.errors import Misconfigured

LOOKS: tuple[Look, ...] = (
    places.home,
    places.database_file,
    condition.database,
    places.environment,
    condition.production,
    condition.providers,
    condition.github,
    condition.people,
    condition.chain,
    condition.flags,
    condition.serving,
    upkeep.backups,
    condition.drain,
    exposure.private_places,
    exposure.misplaced,
    exposure.overdue,
    upgrades.waiting,
    places.disk,
    places.workspace,
)


def examine(patient: Patient) -> list[Finding]:
    """Every finding, errors first, then in the order of the table."""
    found = [finding for look in LOOKS for finding in look(patient)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def of_settings(error: Misconfigured) -> list[Finding]:
    """Settings that do not parse: nothing else can be looked at before they do."""
    fix = "mend the value where it stands, or take it away to get the default"
    return [Finding("setting-invalid", "error", line, fix) for line in str(error).splitlines()]


def headline(findings: list[Finding]) -> str:
    """The one sentence that answers "is it all right?"."""
    counts = {severity: sum(f.severity == severity for f in findings) for severity in SEVERITIES}
    parts = [_counted(counts[name], name) for name in ("error", "warning") if counts[name]]
    if not parts:
        return "Nothing is wrong."
    verb = "wants" if sum(counts[name] for name in ("error", "warning")) == 1 else "want"
    return f"{' and '.join(parts)} {verb} a look."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
