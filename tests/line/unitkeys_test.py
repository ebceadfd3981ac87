"""Units without a random generator get their identity key from the token, wrapped; and attestation, which any unit may
have, is checked before anything is made for it."""

import base64
import hashlib
import json
import os
import subprocess
import time
import unittest

from station import Problem, Station, Unit, hardware, uuid7

CAPABILITIES = 'capabilities = ["enrol"'
WRAPPED = [(CAPABILITIES, 'capabilities = ["static-session"')]
IDENTITY = "[identity]\n"
# What a PKCS#10 request must not be, and what it is called then.
BAD_REQUESTS = {"csr-signature": "identity.bad_signature", "csr-weak-rsa": "identity.weak_key",
                "csr-weak-ec": "identity.weak_key", "csr-other-algorithm": "identity.algorithm",
                "csr-subject": "identity.subject", "csr-extension": "identity.extension",
                "csr-unbound": "identity.request_unbound", "csr-cut": "identity.request"}


def maker(folder):
    """The maker's attestation key: a file for the units, and its public half for the product."""
    pem, der = folder / "maker.pem", folder / "maker.der"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", pem], check=True)
    subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER", "-out", der], check=True)
    text = subprocess.run(["openssl", "pkey", "-in", pem, "-noout", "-text"], check=True, capture_output=True, text=True)
    private = "".join(text.stdout.split("priv:")[1].split("pub:")[0].split()).replace(":", "")
    (folder / "maker.hex").write_text(private[-64:].rjust(64, "0"))
    return folder / "maker.hex", der.read_bytes().hex()


class UnitKeys(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=4).start()
        self.addCleanup(self.station.close)

    def product(self, *lines, wrapped=True):
        keys = (["key = \"wrapped\""] if wrapped else []) + list(lines)
        return self.station.product(edits=(WRAPPED if wrapped else []) +
                                    [(IDENTITY, IDENTITY + "".join(line + "\n" for line in keys))])

    def journal(self, kind):
        entries = [json.loads(line) for line in self.station.http("GET", "/export/journal").splitlines()]
        return [e for e in entries if e["type"] == kind]

    def check(self, slot, name, ending, code, *options):
        unit = Unit(self.station, slot, hardware(name), *options)
        view = self.station.ended(slot, unit.hardware)
        self.assertEqual((view["ending"], view["code"]), (ending, code), name)
        return unit

    def keys_of(self, unit):
        return int(self.station.sql("SELECT count(*) FROM identity_key k JOIN unit u ON u.id = k.unit "
                                    f"WHERE u.hw = '{unit.hardware}'"))

    def test_a_unit_without_a_random_generator_passes(self):
        self.station.open_lot(self.product("accept_unattested = true"))
        units = [self.check(slot, f"static {slot}", "passed", None, "--no-rng") for slot in self.station.slots[:3]]
        self.assertEqual([self.keys_of(unit) for unit in units], [1, 1, 1])
        self.assertEqual({e["peer"] for e in self.journal("key.commit")}, {"first-use"})
        self.assertEqual(len(self.journal("key.deliver")), 3)
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0")
        enrolled = [e["facts"] for e in self.journal("step.end") if e["step"] == "enrol"]
        self.assertEqual({e["key"] for e in enrolled}, {"made in the token, wrapped"})
        # It comes back and is recognised by the key that it was given.
        units[0].pull()
        self.station.emptied("1")
        units[0].insert()
        back = self.station.ended("1", units[0].hardware)
        self.assertEqual(back["code"], "unit.already_passed")
        # One with an --rng has no place here; one without has none in an ordinary product.
        self.check("4", "ordinary", "rework", "unit.lacks_capability")

    def test_a_wrapped_key_of_another_algorithm(self):
        self.station.open_lot(self.product("accept_unattested = true", 'algorithm = "P-384"'))
        unit = self.check("1", "static P-384", "passed", None, "--no-rng")
        self.assertEqual(self.keys_of(unit), 1)
        der = self.station.sql("SELECT hex(der) FROM certificate")
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], check=True,
                              input=bytes.fromhex(der), capture_output=True).stdout
        self.assertIn(b"NIST CURVE: P-384", text)
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0")

    def test_what_the_token_cannot_wrap_is_said_when_the_lot_is_opened(self):
        # SoftHSM2 2.6.1 makes Ed25519 keys and cannot wrap them.
        with self.assertRaises(Problem) as refused:
            self.station.open_lot(self.product("accept_unattested = true", 'algorithm = "Ed25519"'))
        self.assertEqual(refused.exception.code, "product.token_lacks")
        self.assertEqual(self.station.sql("SELECT count(*) FROM lot"), "0")

    def test_a_key_that_did_not_arrive_is_sent_again(self):
        self.station.open_lot(self.product("accept_unattested = true"))
        unit = Unit(self.station, "1", hardware("cut"), "--no-rng", "--baud", "9600")
        self.station.wait(lambda: self.keys_of(unit) == 1, "the key's commit")
        unit.pull()     # its store-key takes a second and more on this line
        self.station.emptied("1")
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal s JOIN identity_key k "
                                          "ON k.fingerprint = s.fingerprint"), "1")
        self.station.stop()     # and a restart of the station in between
        self.station.start()
        unit.command[-1] = "115200"
        unit.insert()
        view = self.station.ended("1", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), ("passed", None))
        self.assertEqual(self.keys_of(unit), 1)
        self.assertEqual(len(self.journal("key.deliver")), 1)
        self.assertEqual(self.station.sql("SELECT count(*) FROM certificate"), "1")
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0")

    def test_attestation_of_static_keys(self):
        key, spki = maker(self.station.dir)
        self.station.open_lot(self.product(f'attestation_key = "{spki}"'))
        vouched = ("--no-rng", "--attest-by", key)
        good = self.check("1", "vouched", "passed", None, *vouched)
        self.assertEqual(self.journal("key.commit")[0]["peer"], "attested")
        self.assertEqual(self.keys_of(good), 1)
        for slot, name, options in (("2", "nobody's", ("--no-rng",)),
                                    ("3", "another's", (*vouched, "--misbehave", "bad-attestation"))):
            bad = self.check(slot, name, "quarantine", "identity.attestation", *options)
            self.assertEqual(self.keys_of(bad), 0, name)    # nothing was made for it
        self.check("4", "stuck", "quarantine", "unit.counter_back", *vouched, "--misbehave", "stuck-counter")

    def test_attestation_of_keys_that_units_make(self):
        key, spki = maker(self.station.dir)
        self.station.open_lot(self.product(f'attestation_key = "{spki}"', wrapped=False))
        self.check("1", "vouched", "passed", None, "--attest-by", key)
        self.assertEqual(self.journal("key.commit")[0]["peer"], "attested")
        bad = self.check("2", "unvouched", "quarantine", "identity.attestation")
        self.assertEqual(self.keys_of(bad), 0)
        bad = self.check("3", "another's", "quarantine", "identity.attestation", "--attest-by", key,
                         "--misbehave", "bad-attestation")
        self.assertEqual(self.keys_of(bad), 0)
        self.check("4", "static", "rework", "unit.lacks_capability", "--no-rng")

    def test_a_unit_may_ask_with_a_pkcs10_request(self):
        self.station.open_lot(self.product(wrapped=False))
        for slot, options in (("1", ()), ("2", ("--csr-serial", "SN-0002"))):
            unit = self.check(slot, f"asks {slot}", "passed", None, "--csr", *options)
            self.assertEqual(self.keys_of(unit), 1)
        enrolled = [e["facts"] for e in self.journal("step.end") if e["step"] == "enrol"]
        self.assertEqual({e["request"] for e in enrolled}, {"PKCS#10"})
        subjects = set()
        for der in self.station.sql("SELECT hex(der) FROM certificate").split():
            shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], check=True,
                                   input=bytes.fromhex(der), capture_output=True)
            subjects.add(shown.stdout)
        self.assertEqual(len(subjects), 2)
        self.assertTrue(all(b"O = " in s and b"serialNumber = SN-000" in s for s in subjects), subjects)

    def test_requests_that_must_not_be_certified(self):
        self.station.open_lot(self.product(wrapped=False))
        for i, (word, code) in enumerate(BAD_REQUESTS.items()):
            with self.subTest(word):
                slot = self.station.slots[i % 4]
                unit = self.check(slot, word, "quarantine", code, "--csr", "--misbehave", word)
                self.assertEqual(self.keys_of(unit), 0)     # nothing was begun for it
                unit.pull()
                self.station.emptied(slot)
        self.assertEqual(self.station.sql("SELECT count(*) FROM certificate"), "0")
        # A key that was seen before is certified for one unit, and for no other.
        self.check("1", "known", "passed", None, "--csr", "--misbehave", "csr-known-key")
        again = self.check("2", "known again", "quarantine", "hwid.clone", "--csr", "--misbehave", "csr-known-key")
        self.assertEqual(self.keys_of(again), 0)
        self.assertEqual(self.station.sql("SELECT count(*) FROM certificate"), "1")

    def test_identity_keys_of_every_algorithm(self):
        shows = {"P-384": b"NIST CURVE: P-384", "RSA-2048": b"(2048 bit)", "RSA-3072": b"(3072 bit)",
                 "Ed25519": b"ED25519"}
        for i, (algorithm, shown) in enumerate(shows.items()):
            with self.subTest(algorithm):
                product, templates = self.product(f'algorithm = "{algorithm}"', wrapped=False)
                product = product.replace(b'"lock"]', b'"lock", "csr"]', 1)
                serials = [{"first": f"SN-{i}001", "last": f"SN-{i}100"}]
                lot = self.station.open_lot((product, templates), serials=serials)["lot"]
                unit = self.check("1", algorithm, "passed", None, "--csr")
                der = self.station.sql(f"SELECT hex(der) FROM certificate WHERE serial = 'SN-{i}001'")
                text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], check=True,
                                      input=bytes.fromhex(der), capture_output=True).stdout
                self.assertIn(shown, text)
                self.assertIn(b"Signature Algorithm: ecdsa-with-SHA256", text)
                unit.pull()
                self.station.emptied("1")
                unit.insert()   # and it is recognised by that key
                self.assertEqual(self.station.ended("1", unit.hardware)["code"], "unit.already_passed")
                unit.pull()
                self.station.emptied("1")
                # Its bare key would be another: such firmware is rework, before anything is made for it.
                bare = self.station.slots[1 + i % 3]
                self.check(bare, f"bare {algorithm}", "rework", "unit.lacks_capability").pull()
                self.station.emptied(bare)
                self.station.post(f"/lots/{lot}/close")

    def test_a_second_certificate_for_the_same_key(self):
        second = ('[[certificate]]\nname = "cloud"\norganization = "Aurora Cloud"\n'
                  'common_name = "lamp-{serial}"\ndays = 400\n\n[label]\n')
        product, templates = self.product(wrapped=False)
        self.station.open_lot((product.replace(b"[label]\n", second.encode(), 1), templates))
        unit = self.check("1", "twice", "passed", None)
        entry = self.journal("certificate.second")[0]
        self.assertEqual(entry["profile"], "cloud")
        der = base64.b64decode(entry["der"])
        shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=der, check=True,
                               capture_output=True)
        self.assertIn(b"CN = lamp-SN-0001", shown.stdout)
        # The unit keeps both: they are in its flash, the IDevID before the other.
        kept = (self.station.dir / "flash" / unit.hardware).read_bytes()
        first = self.station.sql("SELECT hex(der) FROM certificate")
        self.assertIn(bytes.fromhex(first) + der, kept)
        # It is denied together with the first.
        self.station.post("/labels/lost", {"serial": "SN-0001", "reason": "fell behind the line"})
        self.assertEqual(len(self.journal("certificate.deny")), 2)
        out = self.station.dir / "evidence"
        self.station.mintmark("export", out)
        self.station.mintmark("verify", out, "--key", out / "checkpoint.vkey")
        number = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=der, check=True,
                                capture_output=True, text=False).stdout.split(b"=")[1].strip()
        listed = subprocess.run(["openssl", "crl", "-in", out / "denied.crl", "-noout", "-text"], check=True,
                                capture_output=True).stdout
        self.assertIn(b"Serial Number: " + number, listed)

    def officer(self):
        """Appoints one officer, who does alone what two do elsewhere; answers what runs a command as hers."""
        token = os.urandom(32).hex()
        roster = {"roster": uuid7(), "station": self.station.id, "solo": True,
                  "not_after": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400)),
                  "officers": [{"name": "olga", "credential": hashlib.sha256(token.encode()).hexdigest()}]}
        path, file = self.station.dir / "owner" / "roster.json", self.station.dir / "token-olga"
        path.write_text(json.dumps(roster))
        self.station.mintmark("roster", "sign", path, "--key", self.station.owner_key)
        self.station.mintmark("roster", "apply", path)
        file.write_text(token + "\n")
        file.chmod(0o600)
        return lambda *words: self.station.mintmark("--token-file", file, *words)

    def test_a_reopened_unit_is_sent_a_successor_of_its_key(self):
        self.station.open_lot(self.product("accept_unattested = true"))
        unit = self.check("1", "comes back", "passed", None, "--no-rng")
        serial = self.station.slot("1")["serial"]
        unit.pull()
        self.station.emptied("1")
        officer = self.officer()
        act = officer("unit", "reopen", serial, "--reason", "its key was seen", "--new-key").split()[0]
        officer("act", "confirm", act)
        unit.insert()
        again = self.station.ended("1", unit.hardware)
        self.assertEqual((again["ending"], again["code"], again["serial"]), ("passed", None, serial))
        self.assertEqual(self.keys_of(unit), 2)
        self.assertEqual(len(self.journal("key.deliver")), 2)
        self.assertEqual(self.journal("unit.reopened")[0]["acts"], ["wipe", "new-key"])
        self.assertEqual([e["reason"] for e in self.journal("certificate.deny")], ["superseded"])
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0")
        # It signs with the successor now, and the old certificate is no longer what it has.
        unit.pull()
        self.station.emptied("1")
        unit.insert()
        self.assertEqual(self.station.ended("1", unit.hardware)["code"], "unit.already_passed")
        newest = self.station.sql("SELECT hex(der) FROM certificate ORDER BY rowid DESC LIMIT 1")
        kept = (self.station.dir / "flash" / unit.hardware).read_bytes()
        self.assertIn(bytes.fromhex(newest), kept)

    def test_products_that_contradict_themselves_are_refused(self):
        for lines in ((), ('attestation_key = "00"',), ('attestation_key = "00"', "accept_unattested = true")):
            with self.assertRaises(Problem) as refused:
                self.station.open_lot(self.product(*lines))
            self.assertEqual(refused.exception.code, "config.invalid")
        product = self.station.product(edits=[(IDENTITY, IDENTITY + 'key = "wrapped"\naccept_unattested = true\n')])
        with self.assertRaises(Problem) as refused:
            self.station.open_lot(product)
        self.assertEqual(refused.exception.code, "config.invalid")


if __name__ == "__main__":
    unittest.main()
