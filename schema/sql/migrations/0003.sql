-- The journal key may be a P-256 point (65 bytes): tokens without Ed25519.
CREATE TABLE birth_before AS SELECT * FROM birth;
DROP TABLE birth;
CREATE TABLE birth (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  station TEXT NOT NULL,
  ledger TEXT NOT NULL,
  demo INTEGER NOT NULL CHECK (demo IN (0, 1)),
  owner_key BLOB NOT NULL CHECK (length(owner_key) = 32),
  kcv BLOB NOT NULL CHECK (length(kcv) = 8),
  journal_key BLOB NOT NULL CHECK (length(journal_key) IN (32, 65)),
  ca BLOB NOT NULL,
  token TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
INSERT INTO birth SELECT * FROM birth_before;
DROP TABLE birth_before;
CREATE TRIGGER birth_no_update BEFORE UPDATE ON birth
BEGIN SELECT RAISE(ABORT, 'birth: for ever'); END;
CREATE TRIGGER birth_no_delete BEFORE DELETE ON birth
BEGIN SELECT RAISE(ABORT, 'birth: for ever'); END;
CREATE TRIGGER birth_no_replace BEFORE INSERT ON birth
WHEN EXISTS (SELECT 1 FROM birth WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'birth: exists'); END;
