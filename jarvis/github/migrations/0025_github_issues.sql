-- oldest-release: 0.1.0
-- Which issue a bug has, and what both sides last agreed on: whatever differs from it is a change to pass on, and
-- whatever does not is no news, so nothing is ever echoed. `sent_at`: a request that makes the issue may have gone out.
CREATE TABLE github_issues (
  bug_id TEXT PRIMARY KEY REFERENCES bugs (id) ON DELETE CASCADE,
  repo TEXT NOT NULL,
  number INTEGER,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'closed')),
  changed_at TEXT NOT NULL DEFAULT '',
  sent_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX github_issues_by_number ON github_issues (repo, number) WHERE number IS NOT NULL;

-- How far the events have been read.
CREATE TABLE github_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seen_seq INTEGER NOT NULL
) STRICT;
INSERT INTO github_state SELECT 1, coalesce(max(seq), 0) FROM events;

CREATE INDEX bugs_by_sync_error ON bugs (is_sync_wanted, seq) WHERE github_sync_error IS NOT NULL;
