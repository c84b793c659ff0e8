-- oldest-release: 0.1.0
-- Since when each secret setting has its value: a salted, stretched digest tells whether it is still the same.
CREATE TABLE secret_values (
  name TEXT PRIMARY KEY,
  salt BLOB NOT NULL,
  digest BLOB NOT NULL,
  first_seen_at INTEGER NOT NULL
) STRICT;

-- What was rotated, and until when the old one is good beside the new.
CREATE TABLE secret_rotations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  subject TEXT NOT NULL,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL,
  old_until INTEGER,
  finished_at INTEGER
) STRICT;
CREATE INDEX secret_rotations_by_name ON secret_rotations (name, seq);
