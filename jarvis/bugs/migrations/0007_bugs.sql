-- oldest-release: 0.1.0
CREATE TABLE bugs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('bug', 'feature')),
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'in_progress', 'resolved', 'closed')),
  priority TEXT NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  reporter_id TEXT REFERENCES users (id) ON DELETE SET NULL,
  assignee TEXT,
  thread_id TEXT REFERENCES threads (id) ON DELETE SET NULL,
  trace_id TEXT NOT NULL,
  fingerprint TEXT UNIQUE,
  occurrences INTEGER NOT NULL DEFAULT 1,
  runs INTEGER NOT NULL DEFAULT 0,
  green_runs INTEGER NOT NULL DEFAULT 0,
  has_recurred INTEGER NOT NULL DEFAULT 0 CHECK (has_recurred IN (0, 1)),
  evidence TEXT NOT NULL DEFAULT '',
  last_seen_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  is_sync_wanted INTEGER NOT NULL DEFAULT 0 CHECK (is_sync_wanted IN (0, 1)),
  github_issue_number INTEGER,
  github_issue_url TEXT,
  github_synced_at INTEGER,
  github_sync_error TEXT
) STRICT;
-- One index per cut that people page through, each ending in seq so that a page is a walk.
CREATE INDEX bugs_by_kind ON bugs (kind, seq);
CREATE INDEX bugs_by_status ON bugs (status, seq);
CREATE INDEX bugs_by_priority ON bugs (priority, seq);
CREATE INDEX bugs_by_kind_status ON bugs (kind, status, seq);
CREATE INDEX bugs_by_kind_priority ON bugs (kind, priority, seq);
CREATE INDEX bugs_by_status_priority ON bugs (status, priority, seq);
CREATE INDEX bugs_by_kind_status_priority ON bugs (kind, status, priority, seq);
CREATE INDEX bugs_by_reporter ON bugs (reporter_id, seq);
CREATE INDEX bugs_by_thread ON bugs (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX bugs_by_issue ON bugs (github_issue_number) WHERE github_issue_number IS NOT NULL;

CREATE VIRTUAL TABLE bugs_fts USING fts5 (body, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2 tokenchars '_'");

-- How many there are of each, kept by triggers: counting 100,000 rows for a heading is not.
CREATE TABLE bug_counts (
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (kind, status)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER bugs_counted_in AFTER INSERT ON bugs BEGIN
  INSERT INTO bug_counts VALUES (new.kind, new.status, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER bugs_counted_out AFTER DELETE ON bugs BEGIN
  UPDATE bug_counts SET count = count - 1 WHERE kind = old.kind AND status = old.status;
END;
CREATE TRIGGER bugs_counted_over AFTER UPDATE OF kind, status ON bugs BEGIN
  UPDATE bug_counts SET count = count - 1 WHERE kind = old.kind AND status = old.status;
  INSERT INTO bug_counts VALUES (new.kind, new.status, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
