-- Certificates beside the first for the same key, so that they can be denied with it.

-- Each is whole in the journal, at seq.
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

-- Those that the journal has from before.
INSERT INTO second_certificate (seq, key, profile)
SELECT j.seq, f.id, json_extract(CAST(j.bytes AS TEXT), '$.profile')
FROM journal j JOIN fingerprint f ON f.class = 'identity-key'
  AND lower(hex(f.value)) = json_extract(CAST(j.bytes AS TEXT), '$.spki_sha256')
WHERE j.type = 'certificate.second';

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
