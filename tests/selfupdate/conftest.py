"""What the tests of self-update share: Ada, a proposal, and updates that have come so far."""

from collections.abc import Callable
from typing import Any

import pytest

from jarvis.kernel.context import Context
from jarvis.selfupdate import states, store
from jarvis.selfupdate.actions import moving, proposing
from jarvis.selfupdate.store import Update

PATCH = """\
--- a/README.md
+++ b/README.md
@@ -1 +1 @@
-# Jarvis
+# Jarvis, your operator
"""
EVIDENCE = {
    "failure": "Nobody knows what it is",
    "prediction": "The title says it",
    "falsifier": "Somebody asks again",
    "files": ["README.md:1"],
    "tests": ["tests/docs/test_docs.py"],
}
PROPOSAL = {"patch": PATCH, "rationale": "Say what it is\nIn the title.", "evidence": EVIDENCE}


@pytest.fixture
def ada(as_user: Callable[[str], Context]) -> Context:
    return as_user("ada").traced()


@pytest.fixture
def proposed(ada: Context) -> Update:
    return proposing.propose(ada, PATCH, PROPOSAL["rationale"], EVIDENCE)


def bring_to_tested(ctx: Context, update: Update, **result: Any) -> Update:
    """As validating and testing leave it, without their work."""
    found = {"base": "b" * 40, "base_version": "0.1.0", "tree": "t" * 40, "files": [], "protected_why": [], **result}
    with ctx.db.write() as tx:
        store.set_result(tx, update.id, **found)
        store.set_report(tx, update.id, '{"ok": true}', "r" * 64)
        store.set_candidate(tx, update.id, version="0.1.0", sha256="c" * 64, size=1)
        for state in (states.VALIDATED, states.TESTED):
            update = moving.move(ctx, tx, store.get(tx, update.id), state, "")
    return update


@pytest.fixture
def tested(ada: Context, proposed: Update) -> Update:
    return bring_to_tested(ada, proposed)
