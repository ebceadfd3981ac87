-- Signers by generation, certificates by the owner's CA, and the escrow seal. From here on der of
-- denial_list may hold several lists, one for each CA certificate, one behind the other.

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
