-- oldest-release: 0.1.0
-- What `doctor --fix` changed, so that `doctor --undo` can put it back.
CREATE TABLE fixes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  finding TEXT NOT NULL,
  did TEXT NOT NULL,
  change TEXT NOT NULL,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL,
  undone_at INTEGER
) STRICT;
