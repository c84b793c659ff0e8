"""Backups as part of the status and of readiness: a server without a fresh backup serves, and says so."""

from jarvis.backups.actions.standing import standing, summary
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.registry import Check, StatusPart


def _check(ctx: Context) -> str:
    found = standing(ctx)
    if found.problems:
        raise Unavailable(found.headline)
    return summary(found)


CHECKS = (Check("backups", False, _check),)
STATUS = (StatusPart("backups", lambda ctx: standing(ctx).as_json()),)
