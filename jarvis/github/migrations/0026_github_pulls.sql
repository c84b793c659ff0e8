-- oldest-release: 0.1.0
-- Pull requests that were summarised or are to be. `asked` counts the deliveries that asked for it: a task that knows
-- a smaller number has been overtaken and does nothing.
CREATE TABLE github_pulls (
  repo TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),
  asked INTEGER NOT NULL DEFAULT 0,
  head_sha TEXT NOT NULL DEFAULT '',
  comment_id INTEGER,
  outcome TEXT NOT NULL DEFAULT '' CHECK (outcome IN ('', 'created', 'edited', 'untouched', 'skipped', 'failed')),
  reason TEXT NOT NULL DEFAULT '',
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (repo, number)
) STRICT, WITHOUT ROWID;

-- What people asked in comments on pull requests, each comment once.
CREATE TABLE github_answers (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  repo TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),
  kind TEXT NOT NULL CHECK (kind IN ('issue', 'review')),
  comment_id INTEGER NOT NULL,
  login TEXT NOT NULL,
  command TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('asked', 'answered', 'refused', 'failed')),
  reason TEXT NOT NULL DEFAULT '',
  answer_id INTEGER,
  asked_at INTEGER NOT NULL,
  UNIQUE (repo, kind, comment_id)
) STRICT;
CREATE INDEX github_answers_by_login ON github_answers (login, asked_at);
CREATE INDEX github_answers_by_answer ON github_answers (answer_id) WHERE answer_id IS NOT NULL;
