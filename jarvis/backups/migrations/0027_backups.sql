-- oldest-release: 0.1.0
CREATE TABLE backups (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  database_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  head_seq INTEGER NOT NULL,
  head_hash TEXT NOT NULL,
  problem TEXT,
  created_at INTEGER NOT NULL,
  verified_at INTEGER NOT NULL
) STRICT;

-- When the interval last asked for one: outlives the process.
CREATE TABLE backup_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  dispatched_at INTEGER
) STRICT;
INSERT INTO backup_state (id) VALUES (1);
