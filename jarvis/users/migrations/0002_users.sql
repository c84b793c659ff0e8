-- oldest-release: 0.1.0
CREATE TABLE users (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
  password TEXT,
  is_disabled INTEGER NOT NULL DEFAULT 0 CHECK (is_disabled IN (0, 1)),
  is_builtin INTEGER NOT NULL DEFAULT 0 CHECK (is_builtin IN (0, 1)),
  theme TEXT NOT NULL DEFAULT 'system' CHECK (theme IN ('system', 'light', 'dark')),
  has_keys INTEGER NOT NULL DEFAULT 1 CHECK (has_keys IN (0, 1)),
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER
) STRICT;

-- Whoever has the files acts as this user on the command line; it cannot sign in.
INSERT INTO users (id, username, role, is_builtin, created_at)
  VALUES ('usr_00000000000000000000000000', 'cli', 'admin', 1, 0);

CREATE TABLE sessions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  digest BLOB NOT NULL UNIQUE,
  client TEXT NOT NULL,
  agent TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, seq);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE tokens (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  digest BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
) STRICT;
CREATE INDEX tokens_by_user ON tokens (user_id, seq);

-- When a session or token was last used, to the minute; apart, so that it never contends with them.
CREATE TABLE last_uses (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The one-time link that makes the first admin.
CREATE TABLE setup_links (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  digest BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
