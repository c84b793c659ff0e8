-- oldest-release: 0.1.0
-- Every restart somebody asked for: what was in flight before, and what became of it.
CREATE TABLE restarts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL CHECK (state IN ('asked', 'draining', 'leaving', 'complete', 'failed')),
  reason TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  version TEXT NOT NULL,
  in_flight TEXT NOT NULL,
  outcome TEXT NOT NULL DEFAULT '[]',
  error TEXT,
  asked_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX restarts_open ON restarts (seq) WHERE state IN ('asked', 'draining', 'leaving');
