-- oldest-release: 0.1.0
-- Written by each readiness evaluation, so that "ready" means a commit went through.
CREATE TABLE readiness_probe (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at INTEGER NOT NULL
) STRICT;
