-- The ledger of one station, as a new one is made (application_id and user_version are set by the
-- station). A ledger that is older comes to the same schema through migrations/: a test compares.
-- Times are RFC 3339 UTC text. Tables are STRICT.

-- Who this ledger belongs to, written once. kcv: check value of the fingerprint key. journal_key: Ed25519, or a P-256 point
-- where the token has no Ed25519.
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

-- The stored bytes are the truth; type and run only find them.
CREATE TABLE journal (
  seq INTEGER PRIMARY KEY CHECK (seq >= 0),
  type TEXT NOT NULL,
  run TEXT,
  bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 2 AND 65535)
) STRICT;
CREATE INDEX journal_run ON journal (run) WHERE run IS NOT NULL;

-- Signed heads. frontier: the hashes of the perfect subtrees of the first `size` entries, left to right.
CREATE TABLE checkpoint (
  size INTEGER PRIMARY KEY CHECK (size > 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note BLOB NOT NULL,
  frontier BLOB NOT NULL CHECK (length(frontier) % 32 = 0),
  at TEXT NOT NULL
) STRICT;

CREATE TABLE orders (
  id TEXT PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('production', 'trial', 'golden')),
  bytes BLOB NOT NULL,
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  accepted_by TEXT NOT NULL,
  accepted_at TEXT NOT NULL
) STRICT;

-- iv: the last counter of the lot's run seal that was given out. Positions: next in the pools.
CREATE TABLE lot (
  id TEXT PRIMARY KEY NOT NULL,
  order_id TEXT NOT NULL UNIQUE REFERENCES orders (id),
  product_name TEXT NOT NULL,
  product_number INTEGER NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  spares INTEGER NOT NULL CHECK (spares >= 0),
  product_toml TEXT NOT NULL,
  seal_key TEXT NOT NULL,
  serials_from_mes INTEGER NOT NULL CHECK (serials_from_mes IN (0, 1)),
  opened_by TEXT NOT NULL,
  opened_at TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'paused', 'closed')),
  pause_code TEXT NOT NULL DEFAULT '',
  closed_at TEXT NOT NULL DEFAULT '',
  admitted INTEGER NOT NULL DEFAULT 0 CHECK (admitted BETWEEN 0 AND quantity + spares),
  serial_position INTEGER NOT NULL DEFAULT 0,
  mac_position INTEGER NOT NULL DEFAULT 0,
  iv INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX lot_one_per_product ON lot (product_number) WHERE state <> 'closed';

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

CREATE TABLE lot_template (
  lot TEXT NOT NULL REFERENCES lot (id),
  place TEXT NOT NULL,
  zpl TEXT NOT NULL,
  PRIMARY KEY (lot, place)
) STRICT;

-- What the order gives out: `count` values from `first` on, numbered from `start` within lot and kind.
CREATE TABLE pool (
  lot TEXT NOT NULL REFERENCES lot (id),
  kind TEXT NOT NULL CHECK (kind IN ('serial', 'mac')),
  start INTEGER NOT NULL CHECK (start >= 0),
  first TEXT NOT NULL,
  count INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (lot, kind, start)
) STRICT;

-- tries: wrong passwords in a row without a success. mints: how often secrets were made for it.
CREATE TABLE unit (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  hw TEXT NOT NULL,
  first_seen TEXT NOT NULL,
  quarantined INTEGER NOT NULL DEFAULT 0 CHECK (quarantined IN (0, 1)),
  quarantine_code TEXT NOT NULL DEFAULT '',
  tries INTEGER NOT NULL DEFAULT 0,
  mints INTEGER NOT NULL DEFAULT 0,
  UNIQUE (source, hw)
) STRICT;
CREATE INDEX unit_quarantined ON unit (id) WHERE quarantined = 1;

-- A hardware id in a lot, and the serial and MAC that are its own for ever.
CREATE TABLE admission (
  id INTEGER PRIMARY KEY,
  lot TEXT NOT NULL REFERENCES lot (id),
  unit INTEGER NOT NULL REFERENCES unit (id),
  serial TEXT NOT NULL UNIQUE,
  mac TEXT UNIQUE,
  at TEXT NOT NULL,
  UNIQUE (lot, unit)
) STRICT;
CREATE INDEX admission_unit ON admission (unit);

-- begun: `next` was begun and has not ended. reset_seq: the journal entry of the reset check's end.
CREATE TABLE run (
  id TEXT PRIMARY KEY NOT NULL,
  lot TEXT NOT NULL REFERENCES lot (id),
  unit INTEGER NOT NULL REFERENCES unit (id),
  slot TEXT NOT NULL,
  model TEXT NOT NULL,
  firmware TEXT NOT NULL,
  serial TEXT REFERENCES admission (serial),
  next TEXT NOT NULL,
  begun INTEGER NOT NULL DEFAULT 0 CHECK (begun IN (0, 1)),
  interrupted INTEGER NOT NULL DEFAULT 0 CHECK (interrupted IN (0, 1)),
  attempts INTEGER NOT NULL DEFAULT 0,
  spki BLOB,
  nonce BLOB CHECK (length(nonce) = 16),
  offered INTEGER NOT NULL DEFAULT 0 CHECK (offered IN (0, 1)),
  reset_check TEXT NOT NULL DEFAULT '',
  reset_seq INTEGER,
  unproven TEXT NOT NULL DEFAULT '',
  ending TEXT CHECK (ending IN ('passed', 'retry', 'rework', 'quarantine', 'abandoned')),
  code TEXT NOT NULL DEFAULT '',
  args TEXT NOT NULL DEFAULT '{}',
  begun_at TEXT NOT NULL,
  ended_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX run_one_open ON run (unit) WHERE ending IS NULL;
CREATE INDEX run_unit ON run (unit, id);
CREATE INDEX run_lot ON run (lot, ending);
CREATE INDEX run_serial ON run (serial) WHERE serial IS NOT NULL;
CREATE INDEX run_reset ON run (lot, reset_check, reset_seq) WHERE reset_seq IS NOT NULL;
CREATE INDEX run_firmware ON run (firmware, reset_check) WHERE reset_seq IS NOT NULL;

-- FORMATS "Fingerprint": stands for a secret, in its scope, for ever. Decoys are here too, burnt.
CREATE TABLE fingerprint (
  id INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL CHECK (scope >= 0),
  value BLOB NOT NULL CHECK (length(value) = 32),
  class TEXT NOT NULL,
  name TEXT NOT NULL,
  unit INTEGER NOT NULL REFERENCES unit (id),
  run TEXT NOT NULL REFERENCES run (id),
  at TEXT NOT NULL,
  UNIQUE (scope, value)
) STRICT;
CREATE INDEX fingerprint_run ON fingerprint (run);
CREATE INDEX fingerprint_unit ON fingerprint (unit);

CREATE TABLE burn (
  fingerprint INTEGER PRIMARY KEY REFERENCES fingerprint (id),
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT;

-- Copies under the lot's token key, for as long as the run is open.
CREATE TABLE run_seal (
  fingerprint INTEGER PRIMARY KEY REFERENCES fingerprint (id),
  run TEXT NOT NULL REFERENCES run (id),
  iv BLOB NOT NULL CHECK (length(iv) = 12),
  sealed BLOB NOT NULL
) STRICT;
CREATE INDEX run_seal_run ON run_seal (run);

CREATE TABLE identity_key (
  fingerprint INTEGER PRIMARY KEY REFERENCES fingerprint (id),
  unit INTEGER NOT NULL REFERENCES unit (id),
  run TEXT NOT NULL REFERENCES run (id),
  spki BLOB NOT NULL UNIQUE,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX identity_key_unit ON identity_key (unit);

CREATE TABLE certificate (
  sha256 BLOB PRIMARY KEY NOT NULL CHECK (length(sha256) = 32),
  key INTEGER NOT NULL REFERENCES identity_key (fingerprint),
  serial TEXT NOT NULL REFERENCES admission (serial),
  run TEXT NOT NULL REFERENCES run (id),
  der BLOB NOT NULL,
  at TEXT NOT NULL,
  UNIQUE (key, serial)
) STRICT;

CREATE TABLE label_attempt (
  serial TEXT NOT NULL REFERENCES admission (serial),
  place TEXT NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  run TEXT NOT NULL REFERENCES run (id),
  template BLOB NOT NULL CHECK (length(template) = 32),
  actor TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (serial, place, attempt)
) STRICT;
CREATE INDEX label_attempt_run ON label_attempt (run);

-- detail: how it was bound to the unit, or why it is void.
CREATE TABLE label_event (
  serial TEXT NOT NULL,
  place TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('applied', 'void')),
  detail TEXT NOT NULL,
  actor TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (serial, place, attempt, event),
  FOREIGN KEY (serial, place, attempt) REFERENCES label_attempt (serial, place, attempt)
) STRICT;

-- roles: a JSON array of words. token: SHA-256 of the bearer token; the token itself is nowhere.
CREATE TABLE person (
  name TEXT PRIMARY KEY NOT NULL,
  roles TEXT NOT NULL,
  uid INTEGER,
  token BLOB CHECK (length(token) = 32),
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  removed INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX person_token ON person (token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX person_uid ON person (uid) WHERE uid IS NOT NULL AND removed = 0;

CREATE TABLE roster (
  id TEXT PRIMARY KEY NOT NULL,
  solo INTEGER NOT NULL CHECK (solo IN (0, 1)),
  bytes BLOB NOT NULL,
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  applied_by TEXT NOT NULL,
  applied_at TEXT NOT NULL
) STRICT;

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

-- Certificates beside the first for the same key. Each is whole in the journal, at seq.
CREATE TABLE second_certificate (
  seq INTEGER PRIMARY KEY REFERENCES journal (seq),
  key INTEGER NOT NULL REFERENCES identity_key (fingerprint),
  profile TEXT NOT NULL
) STRICT;
CREATE INDEX second_certificate_key ON second_certificate (key);

-- As denied, for a certificate of second_certificate.
CREATE TABLE denied_second (
  certificate INTEGER PRIMARY KEY REFERENCES second_certificate (seq),
  reason TEXT NOT NULL CHECK (reason IN ('keyCompromise', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn')),
  code TEXT NOT NULL,
  actor TEXT NOT NULL,
  at TEXT NOT NULL,
  seq INTEGER NOT NULL
) STRICT;

-- Signed denial lists (X.509 CRLs). number: crlNumber, the size of the journal that it covers. der: one
-- for each CA certificate, one behind the other.
CREATE TABLE denial_list (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  der BLOB NOT NULL,
  at TEXT NOT NULL
) STRICT;

-- streak: endings in a row with one and the same ending and code.
CREATE TABLE slot (
  name TEXT PRIMARY KEY NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  code TEXT NOT NULL DEFAULT '',
  ending TEXT NOT NULL DEFAULT '',
  streak INTEGER NOT NULL DEFAULT 0
) STRICT;

-- stop_code is empty while the station may issue.
CREATE TABLE station_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  stop_code TEXT NOT NULL DEFAULT '',
  stop_detail TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO station_state (id) VALUES (1);

-- The station's signers, each in force from journal entry `since` on, until the next of its role. The
-- first ones are not here, but the CA key is where it waits for a certificate of the owner.
CREATE TABLE signer (
  role TEXT NOT NULL CHECK (role IN ('ca', 'journal', 'reopen', 'label')),
  generation INTEGER NOT NULL CHECK (generation > 0),
  public BLOB NOT NULL,
  since INTEGER NOT NULL REFERENCES journal (seq),
  PRIMARY KEY (role, generation)
) STRICT;

-- Certificates of the CA key beside the one in birth; the newest of a generation counts. issuers: DER
-- after DER, up to the root.
CREATE TABLE ca_certificate (
  sha256 BLOB PRIMARY KEY NOT NULL CHECK (length(sha256) = 32),
  generation INTEGER NOT NULL CHECK (generation > 0),
  der BLOB NOT NULL,
  issuers BLOB NOT NULL,
  since INTEGER NOT NULL UNIQUE REFERENCES journal (seq)
) STRICT;

-- Public keys whose private half is in the escrow token; the newest is sealed to.
CREATE TABLE escrow_key (
  id INTEGER PRIMARY KEY,
  spki BLOB NOT NULL UNIQUE CHECK (length(spki) = 91),
  since INTEGER NOT NULL UNIQUE REFERENCES journal (seq)
) STRICT;

-- Secrets under the escrow seal, which the station cannot open. What is burnt says the burn table.
CREATE TABLE escrow (
  fingerprint INTEGER PRIMARY KEY REFERENCES fingerprint (id),
  key INTEGER NOT NULL REFERENCES escrow_key (id),
  sealed BLOB NOT NULL,
  at TEXT NOT NULL
) STRICT;

-- What a ledger that was lost had given out, and the older copy in its place did not know of.
-- kind: order, serial, mac, or fingerprint ("<scope>:<hex>"). seq: of the journal entry.
CREATE TABLE spent (
  kind TEXT NOT NULL CHECK (kind IN ('order', 'serial', 'mac', 'fingerprint')),
  value TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES journal (seq),
  PRIMARY KEY (kind, value)
) STRICT;

-- For ever: no row is changed, removed or replaced. The insert guards stop INSERT OR REPLACE, which
-- delete triggers alone do not see on a connection without recursive_triggers.
CREATE TRIGGER birth_no_update BEFORE UPDATE ON birth
BEGIN SELECT RAISE(ABORT, 'birth: for ever'); END;
CREATE TRIGGER birth_no_delete BEFORE DELETE ON birth
BEGIN SELECT RAISE(ABORT, 'birth: for ever'); END;
CREATE TRIGGER birth_no_replace BEFORE INSERT ON birth
WHEN EXISTS (SELECT 1 FROM birth WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'birth: exists'); END;
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'journal: for ever'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'journal: for ever'); END;
CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoint: for ever'); END;
CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoint: for ever'); END;
CREATE TRIGGER checkpoint_no_replace BEFORE INSERT ON checkpoint
WHEN EXISTS (SELECT 1 FROM checkpoint WHERE size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'checkpoint: exists'); END;
CREATE TRIGGER orders_no_update BEFORE UPDATE ON orders
BEGIN SELECT RAISE(ABORT, 'orders: for ever'); END;
CREATE TRIGGER orders_no_delete BEFORE DELETE ON orders
BEGIN SELECT RAISE(ABORT, 'orders: for ever'); END;
CREATE TRIGGER orders_no_replace BEFORE INSERT ON orders
WHEN EXISTS (SELECT 1 FROM orders WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'orders: exists'); END;
CREATE TRIGGER lot_template_no_update BEFORE UPDATE ON lot_template
BEGIN SELECT RAISE(ABORT, 'lot_template: for ever'); END;
CREATE TRIGGER lot_template_no_delete BEFORE DELETE ON lot_template
BEGIN SELECT RAISE(ABORT, 'lot_template: for ever'); END;
CREATE TRIGGER lot_template_no_replace BEFORE INSERT ON lot_template
WHEN EXISTS (SELECT 1 FROM lot_template WHERE lot = NEW.lot AND place = NEW.place)
BEGIN SELECT RAISE(ABORT, 'lot_template: exists'); END;
CREATE TRIGGER pool_no_update BEFORE UPDATE ON pool
BEGIN SELECT RAISE(ABORT, 'pool: for ever'); END;
CREATE TRIGGER pool_no_delete BEFORE DELETE ON pool
BEGIN SELECT RAISE(ABORT, 'pool: for ever'); END;
CREATE TRIGGER pool_no_replace BEFORE INSERT ON pool
WHEN EXISTS (SELECT 1 FROM pool WHERE lot = NEW.lot AND kind = NEW.kind AND start = NEW.start)
BEGIN SELECT RAISE(ABORT, 'pool: exists'); END;
CREATE TRIGGER admission_no_update BEFORE UPDATE ON admission
BEGIN SELECT RAISE(ABORT, 'admission: for ever'); END;
CREATE TRIGGER admission_no_delete BEFORE DELETE ON admission
BEGIN SELECT RAISE(ABORT, 'admission: for ever'); END;
CREATE TRIGGER admission_no_replace BEFORE INSERT ON admission
WHEN EXISTS (SELECT 1 FROM admission WHERE id = NEW.id OR serial = NEW.serial OR mac = NEW.mac OR (lot = NEW.lot AND unit = NEW.unit))
BEGIN SELECT RAISE(ABORT, 'admission: exists'); END;
CREATE TRIGGER fingerprint_no_update BEFORE UPDATE ON fingerprint
BEGIN SELECT RAISE(ABORT, 'fingerprint: for ever'); END;
CREATE TRIGGER fingerprint_no_delete BEFORE DELETE ON fingerprint
BEGIN SELECT RAISE(ABORT, 'fingerprint: for ever'); END;
CREATE TRIGGER fingerprint_no_replace BEFORE INSERT ON fingerprint
WHEN EXISTS (SELECT 1 FROM fingerprint WHERE id = NEW.id OR (scope = NEW.scope AND value = NEW.value))
BEGIN SELECT RAISE(ABORT, 'fingerprint: exists'); END;
CREATE TRIGGER burn_no_update BEFORE UPDATE ON burn
BEGIN SELECT RAISE(ABORT, 'burn: for ever'); END;
CREATE TRIGGER burn_no_delete BEFORE DELETE ON burn
BEGIN SELECT RAISE(ABORT, 'burn: for ever'); END;
CREATE TRIGGER burn_no_replace BEFORE INSERT ON burn
WHEN EXISTS (SELECT 1 FROM burn WHERE fingerprint = NEW.fingerprint)
BEGIN SELECT RAISE(ABORT, 'burn: exists'); END;
CREATE TRIGGER identity_key_no_update BEFORE UPDATE ON identity_key
BEGIN SELECT RAISE(ABORT, 'identity_key: for ever'); END;
CREATE TRIGGER identity_key_no_delete BEFORE DELETE ON identity_key
BEGIN SELECT RAISE(ABORT, 'identity_key: for ever'); END;
CREATE TRIGGER identity_key_no_replace BEFORE INSERT ON identity_key
WHEN EXISTS (SELECT 1 FROM identity_key WHERE fingerprint = NEW.fingerprint OR spki = NEW.spki)
BEGIN SELECT RAISE(ABORT, 'identity_key: exists'); END;
CREATE TRIGGER certificate_no_update BEFORE UPDATE ON certificate
BEGIN SELECT RAISE(ABORT, 'certificate: for ever'); END;
CREATE TRIGGER certificate_no_delete BEFORE DELETE ON certificate
BEGIN SELECT RAISE(ABORT, 'certificate: for ever'); END;
CREATE TRIGGER certificate_no_replace BEFORE INSERT ON certificate
WHEN EXISTS (SELECT 1 FROM certificate WHERE sha256 = NEW.sha256 OR (key = NEW.key AND serial = NEW.serial))
BEGIN SELECT RAISE(ABORT, 'certificate: exists'); END;
CREATE TRIGGER label_attempt_no_update BEFORE UPDATE ON label_attempt
BEGIN SELECT RAISE(ABORT, 'label_attempt: for ever'); END;
CREATE TRIGGER label_attempt_no_delete BEFORE DELETE ON label_attempt
BEGIN SELECT RAISE(ABORT, 'label_attempt: for ever'); END;
CREATE TRIGGER label_attempt_no_replace BEFORE INSERT ON label_attempt
WHEN EXISTS (SELECT 1 FROM label_attempt WHERE serial = NEW.serial AND place = NEW.place AND attempt = NEW.attempt)
BEGIN SELECT RAISE(ABORT, 'label_attempt: exists'); END;
CREATE TRIGGER label_event_no_update BEFORE UPDATE ON label_event
BEGIN SELECT RAISE(ABORT, 'label_event: for ever'); END;
CREATE TRIGGER label_event_no_delete BEFORE DELETE ON label_event
BEGIN SELECT RAISE(ABORT, 'label_event: for ever'); END;
CREATE TRIGGER label_event_no_replace BEFORE INSERT ON label_event
WHEN EXISTS (SELECT 1 FROM label_event WHERE serial = NEW.serial AND place = NEW.place AND attempt = NEW.attempt AND event = NEW.event)
BEGIN SELECT RAISE(ABORT, 'label_event: exists'); END;
CREATE TRIGGER roster_no_update BEFORE UPDATE ON roster
BEGIN SELECT RAISE(ABORT, 'roster: for ever'); END;
CREATE TRIGGER roster_no_delete BEFORE DELETE ON roster
BEGIN SELECT RAISE(ABORT, 'roster: for ever'); END;
CREATE TRIGGER roster_no_replace BEFORE INSERT ON roster
WHEN EXISTS (SELECT 1 FROM roster WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'roster: exists'); END;
CREATE TRIGGER journal_gapless BEFORE INSERT ON journal
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM journal)
BEGIN SELECT RAISE(ABORT, 'journal: not the next entry'); END;
CREATE TRIGGER checkpoint_covers BEFORE INSERT ON checkpoint
WHEN NEW.size > (SELECT coalesce(max(seq) + 1, 0) FROM journal)
BEGIN SELECT RAISE(ABORT, 'checkpoint: beyond the journal'); END;

CREATE TRIGGER signer_no_update BEFORE UPDATE ON signer
BEGIN SELECT RAISE(ABORT, 'signer: for ever'); END;
CREATE TRIGGER signer_no_delete BEFORE DELETE ON signer
BEGIN SELECT RAISE(ABORT, 'signer: for ever'); END;
CREATE TRIGGER signer_no_replace BEFORE INSERT ON signer
WHEN EXISTS (SELECT 1 FROM signer WHERE role = NEW.role AND generation = NEW.generation)
BEGIN SELECT RAISE(ABORT, 'signer: exists'); END;
CREATE TRIGGER ca_certificate_no_update BEFORE UPDATE ON ca_certificate
BEGIN SELECT RAISE(ABORT, 'ca_certificate: for ever'); END;
CREATE TRIGGER ca_certificate_no_delete BEFORE DELETE ON ca_certificate
BEGIN SELECT RAISE(ABORT, 'ca_certificate: for ever'); END;
CREATE TRIGGER ca_certificate_no_replace BEFORE INSERT ON ca_certificate
WHEN EXISTS (SELECT 1 FROM ca_certificate WHERE sha256 = NEW.sha256 OR since = NEW.since)
BEGIN SELECT RAISE(ABORT, 'ca_certificate: exists'); END;
CREATE TRIGGER escrow_key_no_update BEFORE UPDATE ON escrow_key
BEGIN SELECT RAISE(ABORT, 'escrow_key: for ever'); END;
CREATE TRIGGER escrow_key_no_delete BEFORE DELETE ON escrow_key
BEGIN SELECT RAISE(ABORT, 'escrow_key: for ever'); END;
CREATE TRIGGER escrow_key_no_replace BEFORE INSERT ON escrow_key
WHEN EXISTS (SELECT 1 FROM escrow_key WHERE id = NEW.id OR spki = NEW.spki OR since = NEW.since)
BEGIN SELECT RAISE(ABORT, 'escrow_key: exists'); END;
CREATE TRIGGER escrow_no_update BEFORE UPDATE ON escrow
BEGIN SELECT RAISE(ABORT, 'escrow: for ever'); END;
CREATE TRIGGER escrow_no_delete BEFORE DELETE ON escrow
BEGIN SELECT RAISE(ABORT, 'escrow: for ever'); END;
CREATE TRIGGER escrow_no_replace BEFORE INSERT ON escrow
WHEN EXISTS (SELECT 1 FROM escrow WHERE fingerprint = NEW.fingerprint)
BEGIN SELECT RAISE(ABORT, 'escrow: exists'); END;
CREATE TRIGGER signer_next BEFORE INSERT ON signer
WHEN NEW.generation > 1 AND NEW.generation <> (SELECT coalesce(max(generation), 1) + 1 FROM signer WHERE role = NEW.role)
BEGIN SELECT RAISE(ABORT, 'signer: not the next generation'); END;
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

-- Kept: rows are never removed or replaced, and what a row is about never changes.
CREATE TRIGGER lot_no_delete BEFORE DELETE ON lot
BEGIN SELECT RAISE(ABORT, 'lot: kept'); END;
CREATE TRIGGER lot_no_replace BEFORE INSERT ON lot
WHEN EXISTS (SELECT 1 FROM lot WHERE id = NEW.id OR order_id = NEW.order_id)
BEGIN SELECT RAISE(ABORT, 'lot: exists'); END;
CREATE TRIGGER lot_fixed BEFORE UPDATE OF id, order_id, product_toml, seal_key, opened_by, opened_at ON lot
BEGIN SELECT RAISE(ABORT, 'lot: for ever'); END;
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
CREATE TRIGGER unit_no_delete BEFORE DELETE ON unit
BEGIN SELECT RAISE(ABORT, 'unit: kept'); END;
CREATE TRIGGER unit_no_replace BEFORE INSERT ON unit
WHEN EXISTS (SELECT 1 FROM unit WHERE id = NEW.id OR (source = NEW.source AND hw = NEW.hw))
BEGIN SELECT RAISE(ABORT, 'unit: exists'); END;
CREATE TRIGGER unit_fixed BEFORE UPDATE OF id, source, hw, first_seen ON unit
BEGIN SELECT RAISE(ABORT, 'unit: for ever'); END;
CREATE TRIGGER run_no_delete BEFORE DELETE ON run
BEGIN SELECT RAISE(ABORT, 'run: kept'); END;
CREATE TRIGGER run_no_replace BEFORE INSERT ON run
WHEN EXISTS (SELECT 1 FROM run WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'run: exists'); END;
CREATE TRIGGER run_fixed BEFORE UPDATE OF id, lot, unit, begun_at ON run
BEGIN SELECT RAISE(ABORT, 'run: for ever'); END;
CREATE TRIGGER person_no_delete BEFORE DELETE ON person
BEGIN SELECT RAISE(ABORT, 'person: kept'); END;
CREATE TRIGGER person_no_replace BEFORE INSERT ON person
WHEN EXISTS (SELECT 1 FROM person WHERE name = NEW.name OR token = NEW.token)
BEGIN SELECT RAISE(ABORT, 'person: exists'); END;
CREATE TRIGGER person_fixed BEFORE UPDATE OF name, created_by, created_at ON person
BEGIN SELECT RAISE(ABORT, 'person: for ever'); END;
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
CREATE TRIGGER second_certificate_no_update BEFORE UPDATE ON second_certificate
BEGIN SELECT RAISE(ABORT, 'second_certificate: for ever'); END;
CREATE TRIGGER second_certificate_no_delete BEFORE DELETE ON second_certificate
BEGIN SELECT RAISE(ABORT, 'second_certificate: for ever'); END;
CREATE TRIGGER second_certificate_no_replace BEFORE INSERT ON second_certificate
WHEN EXISTS (SELECT 1 FROM second_certificate WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'second_certificate: exists'); END;
CREATE TRIGGER denied_second_no_update BEFORE UPDATE ON denied_second
BEGIN SELECT RAISE(ABORT, 'denied_second: for ever'); END;
CREATE TRIGGER denied_second_no_delete BEFORE DELETE ON denied_second
BEGIN SELECT RAISE(ABORT, 'denied_second: for ever'); END;
CREATE TRIGGER denied_second_no_replace BEFORE INSERT ON denied_second
WHEN EXISTS (SELECT 1 FROM denied_second WHERE certificate = NEW.certificate)
BEGIN SELECT RAISE(ABORT, 'denied_second: exists'); END;
CREATE TRIGGER denial_list_no_update BEFORE UPDATE ON denial_list
BEGIN SELECT RAISE(ABORT, 'denial_list: for ever'); END;
CREATE TRIGGER denial_list_no_delete BEFORE DELETE ON denial_list
BEGIN SELECT RAISE(ABORT, 'denial_list: for ever'); END;
CREATE TRIGGER denial_list_no_replace BEFORE INSERT ON denial_list
WHEN EXISTS (SELECT 1 FROM denial_list WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'denial_list: exists'); END;
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
CREATE TRIGGER slot_no_delete BEFORE DELETE ON slot
BEGIN SELECT RAISE(ABORT, 'slot: kept'); END;
CREATE TRIGGER slot_no_replace BEFORE INSERT ON slot
WHEN EXISTS (SELECT 1 FROM slot WHERE name = NEW.name)
BEGIN SELECT RAISE(ABORT, 'slot: exists'); END;
CREATE TRIGGER slot_fixed BEFORE UPDATE OF name ON slot
BEGIN SELECT RAISE(ABORT, 'slot: for ever'); END;
CREATE TRIGGER station_state_no_delete BEFORE DELETE ON station_state
BEGIN SELECT RAISE(ABORT, 'station_state: kept'); END;
CREATE TRIGGER station_state_no_replace BEFORE INSERT ON station_state
WHEN EXISTS (SELECT 1 FROM station_state WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'station_state: exists'); END;
CREATE TRIGGER station_state_fixed BEFORE UPDATE OF id ON station_state
BEGIN SELECT RAISE(ABORT, 'station_state: for ever'); END;
CREATE TRIGGER lot_forward BEFORE UPDATE ON lot
WHEN OLD.state = 'closed' OR NEW.iv < OLD.iv OR NEW.admitted < OLD.admitted
  OR NEW.serial_position < OLD.serial_position OR NEW.mac_position < OLD.mac_position
BEGIN SELECT RAISE(ABORT, 'lot: never back'); END;
CREATE TRIGGER unit_forward BEFORE UPDATE ON unit
WHEN NEW.mints < OLD.mints OR (NEW.quarantined < OLD.quarantined
  AND NOT EXISTS (SELECT 1 FROM release WHERE unit = NEW.id AND ended_at = ''))
BEGIN SELECT RAISE(ABORT, 'unit: never back'); END;
CREATE TRIGGER unit_quarantine_ends_release AFTER UPDATE OF quarantined ON unit
WHEN NEW.quarantined = 1 AND OLD.quarantined = 0
BEGIN UPDATE release SET ended_at = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE unit = NEW.id AND ended_at = ''; END;
CREATE TRIGGER run_ended BEFORE UPDATE ON run
WHEN OLD.ending IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'run: ended'); END;
CREATE TRIGGER run_serial BEFORE UPDATE OF serial ON run
WHEN OLD.serial IS NOT NULL AND NEW.serial IS NOT OLD.serial
BEGIN SELECT RAISE(ABORT, 'run: for ever'); END;

-- The one table whose rows go: a sealed copy lives as long as its run. It is never changed.
CREATE TRIGGER run_seal_no_update BEFORE UPDATE ON run_seal
BEGIN SELECT RAISE(ABORT, 'run_seal: never changed'); END;
CREATE TRIGGER run_seal_no_replace BEFORE INSERT ON run_seal
WHEN EXISTS (SELECT 1 FROM run_seal WHERE fingerprint = NEW.fingerprint)
BEGIN SELECT RAISE(ABORT, 'run_seal: exists'); END;
CREATE TRIGGER run_seal_burnt BEFORE INSERT ON run_seal
WHEN EXISTS (SELECT 1 FROM burn WHERE fingerprint = NEW.fingerprint)
BEGIN SELECT RAISE(ABORT, 'run_seal: burnt'); END;
