-- Which symbols a lot's passwords were made of.

-- Counts over `mints` passwords of a lot, for the auditor: by position, and of adjacent pairs (JSON, a row
-- for each position or first symbol); how often a draw was not taken, by reason. Fewer than 100 passwords
-- are never counted here, and never is a difference of fewer.
CREATE TABLE symbol_count (
  lot TEXT NOT NULL REFERENCES lot (id),
  name TEXT NOT NULL,
  class TEXT NOT NULL,
  alphabet TEXT NOT NULL,
  length INTEGER NOT NULL,
  mints INTEGER NOT NULL CHECK (mints >= 100),
  hexadecimal INTEGER NOT NULL,
  run_of_four INTEGER NOT NULL,
  public_string INTEGER NOT NULL,
  positions TEXT NOT NULL,
  pairs TEXT NOT NULL,
  PRIMARY KEY (lot, name)
) STRICT;

CREATE TRIGGER symbol_count_no_delete BEFORE DELETE ON symbol_count
BEGIN SELECT RAISE(ABORT, 'symbol_count: kept'); END;
CREATE TRIGGER symbol_count_no_replace BEFORE INSERT ON symbol_count
WHEN EXISTS (SELECT 1 FROM symbol_count WHERE lot = NEW.lot AND name = NEW.name)
BEGIN SELECT RAISE(ABORT, 'symbol_count: exists'); END;
CREATE TRIGGER symbol_count_fixed BEFORE UPDATE OF lot, name, class, alphabet, length ON symbol_count
BEGIN SELECT RAISE(ABORT, 'symbol_count: for ever'); END;
CREATE TRIGGER symbol_count_forward BEFORE UPDATE ON symbol_count
WHEN NEW.mints < OLD.mints + 100 OR (SELECT state FROM lot WHERE id = NEW.lot) = 'closed'
BEGIN SELECT RAISE(ABORT, 'symbol_count: too few'); END;
