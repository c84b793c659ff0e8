-- oldest-release: 0.1.0
CREATE TABLE maintenance_runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  cause TEXT NOT NULL CHECK (cause IN ('interval', 'asked')),
  actor TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  task_id TEXT,
  state TEXT NOT NULL CHECK (state IN ('running', 'passed', 'failed', 'cancelled', 'interrupted', 'refused')),
  reason TEXT,
  workdir TEXT NOT NULL,
  revision TEXT,
  revision_title TEXT,
  repeats INTEGER NOT NULL DEFAULT 1,
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  CHECK ((state = 'running') = (finished_at IS NULL))
) STRICT;
CREATE INDEX maintenance_runs_running ON maintenance_runs (seq) WHERE state = 'running';
CREATE INDEX maintenance_runs_ended ON maintenance_runs (seq) WHERE state IN ('passed', 'failed', 'cancelled', 'interrupted');
CREATE INDEX maintenance_runs_by_start ON maintenance_runs (started_at);

CREATE TABLE maintenance_commands (
  run_seq INTEGER NOT NULL REFERENCES maintenance_runs (seq) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  command TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('waiting', 'running', 'passed', 'failed', 'timed_out', 'cancelled', 'interrupted', 'skipped')),
  exit_code INTEGER,
  killed INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  process TEXT,
  output_bytes INTEGER NOT NULL DEFAULT 0,
  output_lines INTEGER NOT NULL DEFAULT 0,
  excerpt TEXT NOT NULL DEFAULT '',
  bug_id TEXT,
  started_at INTEGER,
  finished_at INTEGER,
  PRIMARY KEY (run_seq, position)
) STRICT, WITHOUT ROWID;

-- When it was last started by the interval, and last said to be alive: outlives the process.
CREATE TABLE maintenance_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  dispatched_at INTEGER,
  beat_at INTEGER
) STRICT;
INSERT INTO maintenance_state (id) VALUES (1);

-- What a bug was found by: every run of it counts for the bug, green or not.
ALTER TABLE bugs ADD COLUMN source TEXT;
CREATE INDEX bugs_by_source ON bugs (source) WHERE source IS NOT NULL;
-- One's own bugs by any cut: each (kind, status, priority) is a walk, and walks are merged.
CREATE INDEX bugs_by_reporter_cut ON bugs (reporter_id, kind, status, priority, seq);
