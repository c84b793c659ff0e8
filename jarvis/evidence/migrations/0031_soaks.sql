-- oldest-release: 0.1.0
-- One row a soak: a server watched for a set time.
CREATE TABLE soaks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  actor TEXT NOT NULL,
  version TEXT NOT NULL,
  url TEXT NOT NULL,
  problem TEXT,
  measured TEXT NOT NULL CHECK (json_valid(measured)),
  created_at INTEGER NOT NULL
) STRICT;
