-- Acts that take two officers.

-- An act that takes two officers: one proposes it, another confirms it before it expires. One person
-- may do both only where the owner's roster says that there is but one (solo). result: JSON of what
-- it came to; code: why it came to nothing.
CREATE TABLE act (
  id TEXT PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  arguments TEXT NOT NULL,
  reason TEXT NOT NULL CHECK (reason <> ''),
  proposed_by TEXT NOT NULL REFERENCES person (name),
  proposed_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  confirmed_by TEXT REFERENCES person (name),
  confirmed_at TEXT NOT NULL DEFAULT '',
  solo INTEGER NOT NULL DEFAULT 0 CHECK (solo IN (0, 1)),
  state TEXT NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'confirmed', 'done', 'failed', 'withdrawn')),
  result TEXT NOT NULL DEFAULT '{}',
  code TEXT NOT NULL DEFAULT '',
  CHECK (solo = 1 OR confirmed_by IS NULL OR confirmed_by <> proposed_by),
  CHECK (state IN ('proposed', 'withdrawn') OR confirmed_by IS NOT NULL)
) STRICT;

CREATE TRIGGER act_no_delete BEFORE DELETE ON act
BEGIN SELECT RAISE(ABORT, 'act: kept'); END;
CREATE TRIGGER act_no_replace BEFORE INSERT ON act
WHEN EXISTS (SELECT 1 FROM act WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'act: exists'); END;
CREATE TRIGGER act_fixed BEFORE UPDATE OF id, kind, subject, arguments, reason, proposed_by, proposed_at, expires_at ON act
BEGIN SELECT RAISE(ABORT, 'act: for ever'); END;
CREATE TRIGGER act_begins BEFORE INSERT ON act
WHEN NEW.state <> 'proposed' OR NEW.confirmed_by IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'act: not proposed'); END;
CREATE TRIGGER act_forward BEFORE UPDATE ON act
WHEN OLD.state IN ('done', 'failed', 'withdrawn') OR NEW.state = 'proposed'
  OR (OLD.state = 'confirmed' AND (NEW.state NOT IN ('done', 'failed')
  OR NEW.confirmed_by IS NOT OLD.confirmed_by OR NEW.confirmed_at <> OLD.confirmed_at OR NEW.solo <> OLD.solo))
BEGIN SELECT RAISE(ABORT, 'act: never back'); END;
