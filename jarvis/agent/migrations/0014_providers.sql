-- oldest-release: 0.1.0
-- How each model provider has done lately: after failures it is left alone until open_until.
CREATE TABLE provider_health (
  provider TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  open_until INTEGER NOT NULL,
  last_error TEXT,
  last_error_at INTEGER,
  last_ok_at INTEGER
) STRICT, WITHOUT ROWID;

-- Tokens by day (UTC), for the daily budget and the bill.
CREATE TABLE provider_usage (
  day TEXT NOT NULL,
  provider TEXT NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  PRIMARY KEY (day, provider)
) STRICT, WITHOUT ROWID;
