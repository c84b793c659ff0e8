-- oldest-release: 0.1.0
ALTER TABLE system_state ADD COLUMN lockdown_trigger TEXT;

-- The one code that lifts a lockdown; only its digest is kept.
CREATE TABLE lockdown_code (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  salt BLOB NOT NULL,
  digest BLOB NOT NULL,
  tries_left INTEGER NOT NULL CHECK (tries_left >= 0),
  made_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

-- Failures that lock Jarvis down when enough of them come within a window.
CREATE TABLE lockdown_strikes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  trigger TEXT NOT NULL CHECK (trigger IN ('rollback_burst', 'exec_host_failures')),
  at INTEGER NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX lockdown_strikes_by_time ON lockdown_strikes (trigger, at);
