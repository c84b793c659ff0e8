-- oldest-release: 0.1.0
CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  is_due INTEGER NOT NULL CHECK (is_due IN (0, 1)),
  priority INTEGER NOT NULL DEFAULT 0,
  run_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  epoch INTEGER,
  unique_key TEXT,
  group_key TEXT,
  is_cancel_asked INTEGER NOT NULL DEFAULT 0 CHECK (is_cancel_asked IN (0, 1)),
  actor TEXT NOT NULL,
  user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
  trace_id TEXT NOT NULL,
  parent_id TEXT NOT NULL,
  progress TEXT,
  result TEXT,
  error TEXT,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  CHECK ((state = 'running') = (epoch IS NOT NULL))
) STRICT;
CREATE INDEX tasks_ready ON tasks (priority DESC, seq) WHERE state = 'queued' AND is_due = 1;
CREATE INDEX tasks_waiting ON tasks (run_at) WHERE state = 'queued' AND is_due = 0;
CREATE INDEX tasks_running ON tasks (name, epoch) WHERE state = 'running';
CREATE UNIQUE INDEX tasks_unique ON tasks (unique_key) WHERE unique_key IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX tasks_group ON tasks (group_key, seq) WHERE group_key IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX tasks_by_state ON tasks (state, seq);
CREATE INDEX tasks_by_name ON tasks (name, seq);
CREATE INDEX tasks_by_user ON tasks (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;
