-- oldest-release: 0.1.0
CREATE TABLE threads (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
  workspace TEXT NOT NULL,
  last_seq INTEGER NOT NULL DEFAULT 0,
  active_seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
-- active_seq rises with every message of anybody's, so "latest first" pages without a clock.
CREATE UNIQUE INDEX threads_by_user ON threads (user_id, active_seq DESC);
CREATE TABLE thread_activity (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO thread_activity VALUES (1, 0);

CREATE TABLE messages (
  pk INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
  content TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'streaming', 'done', 'failed', 'stopped')),
  error TEXT,
  client_id TEXT,
  reply_id TEXT,
  task_id TEXT,
  trace_id TEXT NOT NULL,
  workspace TEXT NOT NULL DEFAULT '',
  provider TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  finished_at INTEGER
) STRICT;
CREATE UNIQUE INDEX messages_by_thread ON messages (thread_id, seq);
CREATE UNIQUE INDEX messages_by_client ON messages (thread_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX messages_by_reply ON messages (reply_id) WHERE reply_id IS NOT NULL;
CREATE INDEX messages_unfinished ON messages (status) WHERE status IN ('pending', 'streaming');

CREATE VIRTUAL TABLE messages_fts USING fts5 (body, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2 tokenchars '_'");
