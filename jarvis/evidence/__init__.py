"""Release evidence: what was measured of this release, written down; nothing counts as passed that did not run."""
