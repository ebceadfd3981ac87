-- What a ledger that was lost had given out, and a restored older one does not know.

-- kind: order, serial, mac, or fingerprint ("<scope>:<hex>"). seq: of the journal entry.
CREATE TABLE spent (
  kind TEXT NOT NULL CHECK (kind IN ('order', 'serial', 'mac', 'fingerprint')),
  value TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES journal (seq),
  PRIMARY KEY (kind, value)
) STRICT;

CREATE TRIGGER spent_no_update BEFORE UPDATE ON spent
BEGIN SELECT RAISE(ABORT, 'spent: for ever'); END;
CREATE TRIGGER spent_no_delete BEFORE DELETE ON spent
BEGIN SELECT RAISE(ABORT, 'spent: for ever'); END;
CREATE TRIGGER spent_no_replace BEFORE INSERT ON spent
WHEN EXISTS (SELECT 1 FROM spent WHERE kind = NEW.kind AND value = NEW.value)
BEGIN SELECT RAISE(ABORT, 'spent: exists'); END;
CREATE TRIGGER order_not_spent BEFORE INSERT ON orders
WHEN EXISTS (SELECT 1 FROM spent WHERE kind = 'order' AND value = NEW.id)
BEGIN SELECT RAISE(ABORT, 'orders: exists'); END;
CREATE TRIGGER admission_not_spent BEFORE INSERT ON admission
WHEN EXISTS (SELECT 1 FROM spent WHERE (kind = 'serial' AND value = NEW.serial) OR (kind = 'mac' AND value = NEW.mac))
BEGIN SELECT RAISE(ABORT, 'admission: exists'); END;
CREATE TRIGGER fingerprint_not_spent BEFORE INSERT ON fingerprint
WHEN EXISTS (SELECT 1 FROM spent WHERE kind = 'fingerprint' AND value = NEW.scope || ':' || lower(hex(NEW.value)))
BEGIN SELECT RAISE(ABORT, 'fingerprint: exists'); END;
