-- oldest-release: 0.1.0
ALTER TABLE backups ADD COLUMN uploaded_at INTEGER;
ALTER TABLE backups ADD COLUMN upload_key TEXT;
ALTER TABLE backups ADD COLUMN upload_problem TEXT;
-- Rows of each table when it was made, as JSON: what a drill compares with. Empty for backups of older releases.
ALTER TABLE backups ADD COLUMN counts TEXT NOT NULL DEFAULT '';

-- One row a drill. What it was about may be gone: retention removes backups and not what was learnt from them.
CREATE TABLE backup_drills (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  backup_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  version TEXT NOT NULL,
  problem TEXT,
  events INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  restore_ms INTEGER NOT NULL,
  ready_ms INTEGER NOT NULL,
  total_ms INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
