-- oldest-release: 0.1.0
-- How often a task began, ever. An attempt is known by it: `attempts` starts again with a retry.
ALTER TABLE tasks ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;
UPDATE tasks SET runs = attempts;

-- Whether something of its group comes first. At most one of a group is running or free to run.
ALTER TABLE tasks ADD COLUMN is_blocked INTEGER NOT NULL DEFAULT 0 CHECK (is_blocked IN (0, 1));
UPDATE tasks SET is_blocked = 1 WHERE state = 'queued' AND group_key IS NOT NULL AND EXISTS (
  SELECT 1 FROM tasks g WHERE g.group_key = tasks.group_key AND g.state IN ('queued', 'running') AND g.seq < tasks.seq
);
CREATE TRIGGER tasks_unblock AFTER UPDATE OF state ON tasks
WHEN new.group_key IS NOT NULL AND new.state NOT IN ('queued', 'running') BEGIN
  UPDATE tasks SET is_blocked = 0
  WHERE seq = (SELECT min(seq) FROM tasks WHERE group_key = new.group_key AND state = 'queued')
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE group_key = new.group_key AND state = 'running');
END;

-- By name first: a name at its limit is stepped over with everything that waits behind it.
DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (name, priority DESC, seq) WHERE state = 'queued' AND is_due = 1 AND is_blocked = 0;
CREATE INDEX tasks_by_name_state ON tasks (name, state, seq);

-- What became of each attempt, written when it ends; one that is running is the task itself.
CREATE TABLE task_attempts (
  task_seq INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
  run INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'failed', 'cancelled', 'given_back', 'lost')),
  error TEXT,
  log TEXT NOT NULL,
  PRIMARY KEY (task_seq, run)
) STRICT, WITHOUT ROWID;
