-- oldest-release: 0.1.0
-- One proposed patch and how far it has come. What a person approves is bound to the four digests in it.
CREATE TABLE updates (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  trace_id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('proposed', 'validated', 'tested', 'approved', 'applied', 'verified',
    'rejected', 'test_failed', 'apply_failed', 'rolled_back')),
  rationale TEXT NOT NULL,
  evidence TEXT NOT NULL CHECK (json_valid(evidence)),
  proposed_by TEXT NOT NULL,
  user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
  patch_sha256 TEXT NOT NULL,
  patch_bytes INTEGER NOT NULL,
  base TEXT,
  base_version TEXT,
  tree TEXT,
  files TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(files)),
  checks TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(checks)),
  protected_why TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(protected_why)),
  report_sha256 TEXT,
  candidate_version TEXT,
  candidate_sha256 TEXT,
  candidate_bytes INTEGER,
  approved_by TEXT,
  approved_at INTEGER,
  approved_digest TEXT,
  expires_at INTEGER,
  marker TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(marker)),
  error TEXT,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  patch BLOB NOT NULL,
  report TEXT CHECK (report IS NULL OR json_valid(report))
) STRICT;
CREATE INDEX updates_by_state ON updates (state, seq);

-- Every state it was in, when, by whom and why: state.json's history.
CREATE TABLE update_moves (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  update_id TEXT NOT NULL REFERENCES updates (id) ON DELETE CASCADE,
  state TEXT NOT NULL,
  at INTEGER NOT NULL,
  by TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX update_moves_of ON update_moves (update_id, seq);
