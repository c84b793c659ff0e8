-- oldest-release: 0.1.0
CREATE TABLE schedules (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  cron_expr TEXT NOT NULL,
  timezone TEXT NOT NULL DEFAULT 'UTC',
  payload TEXT NOT NULL,
  thread_id TEXT REFERENCES threads (id) ON DELETE SET NULL,
  is_enabled INTEGER NOT NULL DEFAULT 1 CHECK (is_enabled IN (0, 1)),
  catchup TEXT NOT NULL DEFAULT 'all' CHECK (catchup IN ('all', 'latest', 'skip')),
  max_catchup INTEGER NOT NULL DEFAULT 10 CHECK (max_catchup >= 0),
  grace_seconds INTEGER NOT NULL DEFAULT 3600 CHECK (grace_seconds >= 0),
  overlap TEXT NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'queue', 'allow')),
  anchor_at INTEGER NOT NULL,
  era INTEGER NOT NULL DEFAULT 1,
  era_from INTEGER NOT NULL,
  accounted_to INTEGER NOT NULL,
  next_due_at INTEGER,
  last_due_at INTEGER,
  last_task_id TEXT,
  paused_reason TEXT,
  paused_by TEXT,
  paused_at INTEGER,
  fault TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
-- An era is one rule in force: every instant in (era_from, accounted_to] has its outcome in dispatches, and
-- next_due_at is the first one that has not.
CREATE INDEX schedules_due ON schedules (next_due_at) WHERE is_enabled = 1 AND fault IS NULL;
CREATE INDEX schedules_ahead ON schedules (accounted_to) WHERE is_enabled = 1 AND fault IS NULL;
CREATE INDEX schedules_by_user ON schedules (user_id, seq);
CREATE INDEX schedules_by_thread ON schedules (thread_id) WHERE thread_id IS NOT NULL;

CREATE TABLE dispatches (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  schedule_id TEXT NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
  era INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  last_due_at INTEGER NOT NULL,
  count INTEGER NOT NULL DEFAULT 1 CHECK (count >= 1),
  outcome TEXT NOT NULL
    CHECK (outcome IN ('dispatched', 'caught_up', 'deferred', 'overlap', 'missed', 'refused', 'paused')),
  reason TEXT NOT NULL DEFAULT '',
  is_by_hand INTEGER NOT NULL DEFAULT 0 CHECK (is_by_hand IN (0, 1)),
  task_id TEXT,
  trace_id TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  dispatched_at INTEGER,
  CHECK (last_due_at >= due_at)
) STRICT;
-- One row an instant, whoever races; the era changes only with the rule or a clock set back by hours.
CREATE UNIQUE INDEX dispatches_instant ON dispatches (schedule_id, era, due_at) WHERE is_by_hand = 0;
CREATE INDEX dispatches_by_schedule ON dispatches (schedule_id, seq);
CREATE INDEX dispatches_deferred ON dispatches (schedule_id, due_at) WHERE outcome = 'deferred';

-- Totals outlive old rows, so the books balance since the era began however long ago that was.
CREATE TABLE dispatch_totals (
  schedule_id TEXT NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
  era INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (schedule_id, era, outcome)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER dispatches_totalled_in AFTER INSERT ON dispatches WHEN new.is_by_hand = 0 BEGIN
  INSERT INTO dispatch_totals VALUES (new.schedule_id, new.era, new.outcome, new.count)
    ON CONFLICT DO UPDATE SET count = count + new.count;
END;
CREATE TRIGGER dispatches_totalled_over AFTER UPDATE OF count, outcome ON dispatches WHEN new.is_by_hand = 0 BEGIN
  UPDATE dispatch_totals SET count = count - old.count
    WHERE schedule_id = old.schedule_id AND era = old.era AND outcome = old.outcome;
  INSERT INTO dispatch_totals VALUES (new.schedule_id, new.era, new.outcome, new.count)
    ON CONFLICT DO UPDATE SET count = count + new.count;
END;
