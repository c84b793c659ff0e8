-- oldest-release: 0.1.0
-- What was tried against a locked copy of everything, and what got through.
CREATE TABLE lockdown_rehearsals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  is_ok INTEGER NOT NULL CHECK (is_ok IN (0, 1)),
  report TEXT NOT NULL
) STRICT;
