-- oldest-release: 0.1.0
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  actor TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  span_id TEXT NOT NULL,
  parent_id TEXT NOT NULL,
  thread_id TEXT,
  data TEXT NOT NULL,
  salt BLOB NOT NULL,
  digest BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_trace ON events (trace_id, seq) WHERE trace_id <> '';
CREATE INDEX events_by_thread ON events (thread_id, seq) WHERE thread_id IS NOT NULL;
CREATE INDEX events_by_type ON events (type, seq);
CREATE INDEX events_by_actor ON events (actor, seq);
CREATE INDEX events_by_time ON events (at, seq);

CREATE VIRTUAL TABLE events_fts USING fts5 (body, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2 tokenchars '_'");

-- Where the chain goes on after old events were dropped.
CREATE TABLE event_anchors (
  seq INTEGER PRIMARY KEY,
  hash BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT;

-- One row a start of anything that runs tasks; see queue.
CREATE TABLE epochs (
  epoch INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('server', 'cli')),
  pid INTEGER NOT NULL,
  version TEXT NOT NULL,
  started_at INTEGER NOT NULL
) STRICT;

CREATE TABLE system_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  restarting INTEGER NOT NULL DEFAULT 0 CHECK (restarting IN (0, 1)),
  lockdown INTEGER NOT NULL DEFAULT 0 CHECK (lockdown IN (0, 1)),
  lockdown_reason TEXT,
  lockdown_by TEXT,
  lockdown_at INTEGER
) STRICT;
INSERT INTO system_state (id) VALUES (1);
