-- Units that come back, certificates that are denied.

-- Two officers let a unit come back: it may be provisioned once more, until it has passed or is put
-- into quarantine again. new_key: with a new identity key. known_key,
-- last_run: its newest key and run (rowid) before.
CREATE TABLE release (
  act TEXT PRIMARY KEY NOT NULL REFERENCES act (id),
  unit INTEGER NOT NULL REFERENCES unit (id),
  new_key INTEGER NOT NULL CHECK (new_key IN (0, 1)),
  known_key INTEGER NOT NULL,
  last_run INTEGER NOT NULL,
  at TEXT NOT NULL,
  ended_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX release_one ON release (unit) WHERE ended_at = '';
CREATE INDEX release_unit ON release (unit);

-- Never again.
CREATE TABLE retired (
  unit INTEGER PRIMARY KEY REFERENCES unit (id),
  act TEXT NOT NULL REFERENCES act (id),
  at TEXT NOT NULL
) STRICT;

-- Certificates that nobody may trust any more, and RFC 5280's word for why. seq: of the journal entry.
CREATE TABLE denied (
  certificate BLOB PRIMARY KEY NOT NULL REFERENCES certificate (sha256),
  reason TEXT NOT NULL CHECK (reason IN ('keyCompromise', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn')),
  code TEXT NOT NULL,
  actor TEXT NOT NULL,
  at TEXT NOT NULL,
  seq INTEGER NOT NULL
) STRICT;

-- Signed denial lists (X.509 CRLs). number: crlNumber, the size of the journal that it covers.
CREATE TABLE denial_list (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  der BLOB NOT NULL,
  at TEXT NOT NULL
) STRICT;

CREATE TRIGGER release_no_delete BEFORE DELETE ON release
BEGIN SELECT RAISE(ABORT, 'release: kept'); END;
CREATE TRIGGER release_no_replace BEFORE INSERT ON release
WHEN EXISTS (SELECT 1 FROM release WHERE act = NEW.act OR (unit = NEW.unit AND ended_at = ''))
BEGIN SELECT RAISE(ABORT, 'release: exists'); END;
CREATE TRIGGER release_confirmed BEFORE INSERT ON release
WHEN NOT EXISTS (SELECT 1 FROM act WHERE id = NEW.act AND confirmed_by IS NOT NULL AND kind IN ('unit.release', 'unit.reopen'))
BEGIN SELECT RAISE(ABORT, 'release: not by two officers'); END;
CREATE TRIGGER release_fixed BEFORE UPDATE ON release
WHEN NEW.act <> OLD.act OR NEW.unit <> OLD.unit OR NEW.new_key <> OLD.new_key OR NEW.known_key <> OLD.known_key
  OR NEW.last_run <> OLD.last_run OR NEW.at <> OLD.at OR OLD.ended_at <> ''
BEGIN SELECT RAISE(ABORT, 'release: for ever'); END;
CREATE TRIGGER retired_no_update BEFORE UPDATE ON retired
BEGIN SELECT RAISE(ABORT, 'retired: for ever'); END;
CREATE TRIGGER retired_no_delete BEFORE DELETE ON retired
BEGIN SELECT RAISE(ABORT, 'retired: for ever'); END;
CREATE TRIGGER retired_no_replace BEFORE INSERT ON retired
WHEN EXISTS (SELECT 1 FROM retired WHERE unit = NEW.unit)
BEGIN SELECT RAISE(ABORT, 'retired: exists'); END;
CREATE TRIGGER run_not_retired BEFORE INSERT ON run
WHEN EXISTS (SELECT 1 FROM retired WHERE unit = NEW.unit)
BEGIN SELECT RAISE(ABORT, 'run: the unit is retired'); END;
CREATE TRIGGER denied_no_update BEFORE UPDATE ON denied
BEGIN SELECT RAISE(ABORT, 'denied: for ever'); END;
CREATE TRIGGER denied_no_delete BEFORE DELETE ON denied
BEGIN SELECT RAISE(ABORT, 'denied: for ever'); END;
CREATE TRIGGER denied_no_replace BEFORE INSERT ON denied
WHEN EXISTS (SELECT 1 FROM denied WHERE certificate = NEW.certificate)
BEGIN SELECT RAISE(ABORT, 'denied: exists'); END;
CREATE TRIGGER denial_list_no_update BEFORE UPDATE ON denial_list
BEGIN SELECT RAISE(ABORT, 'denial_list: for ever'); END;
CREATE TRIGGER denial_list_no_delete BEFORE DELETE ON denial_list
BEGIN SELECT RAISE(ABORT, 'denial_list: for ever'); END;
CREATE TRIGGER denial_list_no_replace BEFORE INSERT ON denial_list
WHEN EXISTS (SELECT 1 FROM denial_list WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'denial_list: exists'); END;

DROP TRIGGER unit_forward;
CREATE TRIGGER unit_forward BEFORE UPDATE ON unit
WHEN NEW.mints < OLD.mints OR (NEW.quarantined < OLD.quarantined
  AND NOT EXISTS (SELECT 1 FROM release WHERE unit = NEW.id AND ended_at = ''))
BEGIN SELECT RAISE(ABORT, 'unit: never back'); END;
CREATE TRIGGER unit_quarantine_ends_release AFTER UPDATE OF quarantined ON unit
WHEN NEW.quarantined = 1 AND OLD.quarantined = 0
BEGIN UPDATE release SET ended_at = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE unit = NEW.id AND ended_at = ''; END;
