-- oldest-release: 0.1.0
-- What GitHub told us, each delivery once. `payload` is redacted and cut, for people; `held` is the whole of it,
-- compressed, while a lockdown keeps it from being handled.
CREATE TABLE github_deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  delivery_id TEXT NOT NULL UNIQUE,
  event TEXT NOT NULL,
  action TEXT NOT NULL,
  repo TEXT NOT NULL,
  sender TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'accepted', 'ignored', 'failed')),
  reason TEXT NOT NULL,
  task_id TEXT REFERENCES tasks (id) ON DELETE SET NULL,
  payload TEXT NOT NULL,
  payload_bytes INTEGER NOT NULL,
  held BLOB,
  attempts INTEGER NOT NULL DEFAULT 1,
  trace_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  CHECK ((state = 'waiting') = (held IS NOT NULL))
) STRICT;
CREATE INDEX github_deliveries_by_state ON github_deliveries (state, seq);
CREATE INDEX github_deliveries_by_task ON github_deliveries (task_id) WHERE task_id IS NOT NULL;

-- What GitHub last said about how much may still be asked, by its own names: core, search, graphql.
CREATE TABLE github_rates (
  resource TEXT PRIMARY KEY,
  most INTEGER NOT NULL,
  remaining INTEGER NOT NULL,
  resets_at INTEGER NOT NULL,
  blocked_until INTEGER NOT NULL DEFAULT 0,
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
