-- oldest-release: 0.1.0
-- How each update that was applied stood against what ran before it: what has to be as well afterwards, and its backup.
CREATE TABLE update_trials (
  update_id TEXT PRIMARY KEY REFERENCES updates (id) ON DELETE CASCADE,
  old_sha256 TEXT NOT NULL,
  new_sha256 TEXT NOT NULL,
  backup_id TEXT,
  health TEXT NOT NULL CHECK (json_valid(health)),
  at INTEGER NOT NULL
) STRICT;

-- Rollback drills: each tries a harmless and a broken update on a copy of this installation.
CREATE TABLE update_drills (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  ok INTEGER NOT NULL CHECK (ok IN (0, 1)),
  report TEXT NOT NULL CHECK (json_valid(report)),
  at INTEGER NOT NULL
) STRICT;
