-- oldest-release: 0.1.0
-- Every program the assistant ran, with what it said.
CREATE TABLE host_runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  argv TEXT NOT NULL,
  cwd TEXT NOT NULL,
  username TEXT NOT NULL,
  sandbox TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'ended', 'interrupted')),
  exit_code INTEGER,
  killed_for TEXT,
  output TEXT NOT NULL DEFAULT '',
  left_out_bytes INTEGER NOT NULL DEFAULT 0,
  trace_id TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX host_runs_running ON host_runs (seq) WHERE state = 'running';
