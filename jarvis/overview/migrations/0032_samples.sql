-- oldest-release: 0.1.0
-- How host and server were, once a minute. `latencies` is JSON: how many requests took how long since the sample before.
CREATE TABLE samples (
  at INTEGER PRIMARY KEY,
  disk_used INTEGER NOT NULL,
  disk_total INTEGER NOT NULL,
  memory_used INTEGER NOT NULL,
  memory_total INTEGER NOT NULL,
  worker_bytes INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  latencies TEXT NOT NULL
) STRICT;

-- Outcomes by the hour are counted from the index alone.
DROP INDEX tasks_finished;
CREATE INDEX tasks_finished ON tasks (finished_at, state) WHERE finished_at IS NOT NULL;
