-- oldest-release: 0.1.0
CREATE TABLE permissions (
  principal TEXT NOT NULL,
  tool TEXT NOT NULL,
  effect TEXT NOT NULL CHECK (effect IN ('allow', 'ask', 'deny')),
  rules TEXT NOT NULL DEFAULT '[]',
  set_by TEXT NOT NULL,
  set_at INTEGER NOT NULL,
  PRIMARY KEY (principal, tool)
) STRICT, WITHOUT ROWID;

-- Raised by every change, so that an approval given under other rules does not count.
CREATE TABLE policy_version (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
) STRICT;
INSERT INTO policy_version (id, version) VALUES (1, 1);

CREATE TABLE approvals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'used')),
  tool TEXT NOT NULL,
  arguments TEXT NOT NULL,
  arguments_digest TEXT NOT NULL,
  digest TEXT NOT NULL,
  principal TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  username TEXT NOT NULL,
  workspace TEXT NOT NULL,
  reason TEXT NOT NULL,
  thread_id TEXT NOT NULL,
  reply_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  decided_at INTEGER,
  decided_by TEXT,
  note TEXT,
  UNIQUE (reply_id, call_id)
) STRICT;
CREATE INDEX approvals_by_state ON approvals (state, seq);
CREATE INDEX approvals_by_thread ON approvals (thread_id, tool, arguments_digest);
CREATE INDEX approvals_by_user ON approvals (user_id);
