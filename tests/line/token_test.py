"""The token from the command line: what is in it, what it can do, and modules that are none."""

import json
import subprocess
import unittest

from station import BUILD, Station

BAD_MODULE = BUILD / "tests" / "libbad_module.so"


class Token(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.station = Station(slots=1)

    @classmethod
    def tearDownClass(cls):
        cls.station.close()

    def keys(self, station=None):
        done = (station or self.station).mintmark("hsm", "show", "--json", check=False)
        return done.returncode, {(k["label"], k["part"]): k for k in json.loads(done.stdout)["keys"]}

    def test_show_reads_every_key_back(self):
        status, keys = self.keys()
        self.assertEqual(status, 0, keys)
        ca = keys["mintmark-ca", "private key"]
        self.assertEqual((ca["type"], ca["mechanism"], ca["made_inside"]), ("EC P-256", "CKM_ECDSA", True))
        self.assertEqual(ca["attributes"]["CKA_EXTRACTABLE"], "false")
        said = self.station.mintmark("hsm", "show")
        self.assertNotIn("WRONG", said)
        pin = (self.station.dir / "pin").read_text().strip()
        self.assertNotIn(pin, said)

    def test_show_names_a_key_that_somebody_put_there(self):
        s = Station(slots=1)
        self.addCleanup(s.close)
        key = s.dir / "foreign.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
                       check=True, capture_output=True)
        subprocess.run(["softhsm2-util", "--import", key, "--token", "mintmark-test", "--label", "foreign", "--id", "01",
                        "--pin", (s.dir / "pin").read_text().strip()], env=s.env, check=True, capture_output=True)
        status, keys = self.keys(s)
        self.assertEqual(status, 1)
        self.assertEqual(keys["foreign", "private key"]["wrong"], "unknown")
        self.assertIn("WRONG foreign", s.mintmark("hsm", "show", check=False).stdout)

    def test_qualify_says_what_it_can_do_and_leaves_nothing(self):
        before = sorted(p.name for p in (self.station.dir / "token").glob("*/*.object"))
        found = json.loads(self.station.mintmark("hsm", "qualify", "--json"))
        self.assertTrue(found["suitable"])
        results = {c["contract"]: c["result"] for c in found["contracts"]}
        self.assertEqual(results["AES-256-GCM known answer"], "kept")
        self.assertNotIn("VIOLATED", results.values())
        self.assertEqual(sorted(p.name for p in (self.station.dir / "token").glob("*/*.object")), before)

    def test_a_module_that_is_none_crashes_or_ends_is_named(self):
        s = self.station
        wanted = {"crash": "token.module_crashed", "exit": "token.module_crashed", "no list": "token.module"}
        for what, code in wanted.items():
            done = subprocess.run(
                [BUILD / "mintmark", "hsm", "qualify", "--token",
                 f"pkcs11:token=x?module-path={BAD_MODULE}&pin-source=file:{s.dir}/pin"],
                env={**s.env, "MINTMARK_BAD_MODULE": what}, text=True, capture_output=True, timeout=120)
            self.assertEqual(done.returncode, 1, what)
            self.assertIn(code, done.stderr, what)
        config = s.dir / "bad.toml"
        config.write_text(s.config.read_text().replace("/usr/lib/softhsm/libsofthsm2.so", str(BAD_MODULE)))
        done = subprocess.run([BUILD / "mintmarkd", "--config", config], env={**s.env, "MINTMARK_BAD_MODULE": "crash"},
                              text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 1)
        self.assertIn("crashes in C_Initialize", done.stderr)
        done = subprocess.run([BUILD / "mintmark", "--config", config, "doctor"],
                              env={**s.env, "MINTMARK_BAD_MODULE": "crash"}, text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 1)
        self.assertIn("crashes in C_Initialize", done.stdout)

    def test_a_pin_in_the_uri_is_refused(self):
        done = subprocess.run([BUILD / "mintmark", "hsm", "qualify", "--token",
                               "pkcs11:token=x?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-value=123456"],
                              env=self.station.env, text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 1)
        self.assertIn("pin-value", done.stderr)
        self.assertNotIn("123456", done.stderr)


if __name__ == "__main__":
    unittest.main()
