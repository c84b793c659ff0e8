"""Findings about secrets and private things: open to others, where they should not be, or overdue."""

from collections.abc import Iterator

from jarvis.doctor.findings import Finding, Patient
from jarvis.doctor.places import status_of, too_open
from jarvis.kernel.clock import rfc3339
from jarvis.secrets.actions import misplaced as looks
from jarvis.secrets.actions import standing
from jarvis.users import store as users


def private_places(patient: Patient) -> Iterator[Finding]:
    """Backups, patches, tokens and the unlock code are nobody else's business."""
    settings = patient.settings
    tokens = settings.jarvis_home / "tokens"
    for folder in (settings.backup_local_dir, settings.selfupdate_patch_dir, tokens):
        if status := status_of(folder):
            yield from too_open("folder-permissions", folder, status, 0o700)
    for file in (settings.admin_unlock_code_path, tokens / "google.json"):
        if status := status_of(file):
            yield from too_open("secret-permissions", file, status, 0o600)


def misplaced(patient: Patient) -> Iterator[Finding]:
    """No secret stands in a setting that is shown, in a repository, or where the last scan found one."""
    for one in looks.in_settings(patient.settings):
        message = f"{one.setting} holds a secret ({one.what}) and is shown to every admin and in the log."
        yield Finding("secret-in-setting", "warning", message, f"take it out of {one.setting}, and rotate it")
    for path in looks.committed(patient.settings):
        message = f"{path} is committed to a git repository: whoever clones it has what stands in it."
        yield Finding("secret-committed", "warning", message, "git rm --cached it, and rotate what stands in it")
    if patient.ctx is None:
        return
    with patient.ctx.db.read() as tx:
        last, admins = looks.last_scan(tx), users.count_active_admins(tx)
    if last is not None and last[1]:
        message = f"The last look for secrets, {rfc3339(last[0])}, found {last[1]} where they should not be."
        yield Finding("secrets-found", "warning", message, "jarvis secrets scan")
    if patient.settings.web_auth_setup_password and admins:
        message = "WEB_AUTH_SETUP_PASSWORD is set, and is not needed any more: somebody can sign in."
        yield Finding("setup-password-left", "warning", message, "take it out of the settings")


def overdue(patient: Patient) -> Iterator[Finding]:
    """No old secret counts longer than was meant."""
    if patient.ctx is None:
        return
    for one in standing.overdue(patient.ctx):
        message = f"The old {one.kind.name} still counts, though its time to overlap is over."
        fix = f"jarvis secrets rotate {one.kind.name} --finish"
        yield Finding("secret-overdue", "warning", message, fix)
