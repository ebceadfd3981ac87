"""Products with credentials of several kinds, made by the real line and judged by programs that share no code with it:
what the label shows, what the unit keeps, what the ledger remembers, and that no secret is anywhere else."""

import base64
import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import time
import unittest

from station import EXAMPLES, ROOT, Problem, Station, Unit, hardware

A31 = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


# --- Readers of other people's formats

def fields(zpl):
    """What stands in each ^FD, with its ^FH escapes read."""
    found = re.findall(rb"\^FD(.*?)\^FS", zpl, re.S)
    return [re.sub(rb"_([0-9A-F]{2})", lambda m: bytes([int(m.group(1), 16)]), f).decode() for f in found]


def of_qr(texts, start):
    (found,) = [t[3:] for t in texts if re.match("[HQML]A,", t) and t[3:].startswith(start)]
    return found


def wifi(payload):
    """WIFI:T:WPA;S:...;P:...;; with backslash escapes."""
    parts = re.findall(r"([A-Z]):((?:\\.|[^;\\])*);", payload.removeprefix("WIFI:"))
    assert payload == "WIFI:" + "".join(f"{k}:{v};" for k, v in parts) + ";", payload
    return {k: re.sub(r"\\(.)", r"\1", v) for k, v in parts}


def matter_qr(payload):
    """Base38 back to (version, vendor, product, flow, discovery, discriminator, passcode)."""
    symbols, text, raw = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-.", payload.removeprefix("MT:"), b""
    for at in range(0, len(text), 5):
        part = text[at:at + 5]
        value = sum(symbols.index(c) * 38**i for i, c in enumerate(part))
        raw += value.to_bytes({5: 3, 4: 2, 2: 1}[len(part)], "little")
    bits, out = int.from_bytes(raw, "little"), []
    for width in (3, 16, 16, 2, 8, 12, 27):
        out.append(bits & (1 << width) - 1)
        bits >>= width
    assert bits == 0
    return out


def manual_code(discriminator, passcode):
    digits = f"{discriminator >> 10}{(discriminator >> 8 & 3) << 14 | passcode & 0x3FFF:05}{passcode >> 14:04}"
    d = [[(a + b) % 5 + 5 * (b > 4) if a < 5 else (a - b) % 5 + 5 * (b < 5) for b in range(10)] for a in range(10)]
    p, row = [list(range(10))], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    for _ in range(7):
        p.append([row[x] for x in p[-1]])
    c = 0
    for i, digit in enumerate(reversed(digits)):
        c = d[c][p[(i + 1) % 8][int(digit)]]
    return digits + str([0, 4, 3, 2, 1, 5, 6, 7, 8, 9][c])


P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = (3 * a[0]**2 - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(k, point):
    out = None
    while k:
        out = add(out, point) if k & 1 else out
        point, k = add(point, point), k >> 1
    return out


def verifier(passcode, salt, iterations):
    ws = hashlib.pbkdf2_hmac("sha256", struct.pack("<I", passcode), salt, iterations, 80)
    w0, w1 = int.from_bytes(ws[:40], "big") % N, int.from_bytes(ws[40:], "big") % N
    x, y = times(w1, G)
    return w0.to_bytes(32, "big") + b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def forms(secret):
    """A secret as it might lie in a file."""
    for plain in {secret, secret.lower()}:
        yield from (plain, plain.hex().encode(), plain.hex().upper().encode(), plain.decode("latin-1").encode("utf-16-le"))
        for shift in range(3):
            # The letters that this secret alone determines, whatever stands around it.
            yield base64.b64encode(b"\0" * shift + plain)[-(-shift * 8 // 6):(shift + len(plain)) * 8 // 6]


class Credentials(unittest.TestCase):
    def setUp(self):
        self.station = Station(slots=2).start()
        self.addCleanup(self.station.close)

    def product(self, name, template, edits=()):
        text = (EXAMPLES / name).read_text()
        for before, after in edits:
            assert before in text, before
            text = text.replace(before, after)
        return text.encode(), {"device": (EXAMPLES / template).read_bytes()}

    def router(self, edits=()):
        return self.product("router.toml", "label-router.zpl", edits)

    def lamp(self, edits=()):
        return self.product("matter-lamp.toml", "label-matter.zpl", edits)

    def ends(self, name, model, ending, code, *options):
        unit = Unit(self.station, "1", hardware(name), *options, model=model)
        view = self.station.ended("1", unit.hardware)
        self.assertEqual((view["ending"], view["code"]), (ending, code), name)
        unit.pull()
        self.station.emptied("1")

    def label(self, serial):
        return fields((self.station.dir / "labels" / f"{serial}.zpl").read_bytes())

    def flash(self, name):
        return (self.station.dir / "flash" / hardware(name)).read_bytes()

    def classes(self, scope):
        return self.station.sql("SELECT class, count(*), count(DISTINCT value) FROM fingerprint f WHERE scope="
                                f"{scope} AND NOT EXISTS (SELECT 1 FROM burn b WHERE b.fingerprint=f.id) "
                                "GROUP BY class ORDER BY class").split("\n")

    def nowhere_else(self, secrets):
        """Raw, hex, base64, UTF-16 in every file but the labels and the units' own flash."""
        searched = 0
        self.station.mintmark("export", self.station.dir / "export")
        for path in self.station.dir.rglob("*"):
            inside = path.relative_to(self.station.dir).parts[0]
            if not path.is_file() or inside in ("labels", "flash"):
                continue
            searched += 1
            data = path.read_bytes()
            for secret in secrets:
                for form in forms(secret):
                    # Eight digits in a row lie in any long number: a code is one by itself.
                    found = re.search(rb"(?<!\d)" + form + rb"(?!\d)", data) if form.isdigit() else form in data
                    self.assertFalse(found, f"{path} holds a secret")
        print(f"sweep secrets: tried {searched * len(secrets)}, violations 0")
        self.assertGreater(searched, 8)

    def read_by_scanners(self, codes):
        """Labels rendered and read by other people's programs: every QR code, and the control symbol."""
        labels = self.station.dir / "labels"
        (labels / "codes.json").write_text(json.dumps(codes))
        done = subprocess.run([ROOT / ".cache/node22/node_modules/.bin/node", ROOT / "tests/page/labels.mjs", labels, "--qr",
                               labels / "codes.json"], env={**os.environ, "MINTMARK_NODE": str(ROOT / ".cache/node")},
                              capture_output=True, text=True)
        self.assertIn(f"sweep labels: tried {len(codes)}, violations 0", done.stdout, done.stderr)

    # --- Routers

    def test_a_router(self):
        self.station.open_lot(self.router())
        secrets, keys, codes = [], [], {}
        for name in ("one", "two", "three"):
            serial = self.station.passes(name, model="MESH-1")["serial"]
            shown = self.label(serial)
            network = wifi(of_qr(shown, "WIFI:"))
            last4 = serial.replace("-", "")[-4:]
            self.assertEqual((network["T"], network["S"]), ("WPA", f"Aurora-{last4}"))
            self.assertRegex(network["P"], f"^[{A31}]{{16}}$")
            self.assertIn(network["P"], shown)   # as text, exactly as it is typed
            self.assertIn(network["S"], shown)
            (grouped,) = [t for t in shown if re.fullmatch(f"[{A31}]{{4}}(-[{A31}]{{4}}){{3}}", t)]
            secrets += [network["P"], grouped.replace("-", "")]
            codes[serial] = [of_qr(shown, "WIFI:"), self.easy_connect(serial)]
            self.assertEqual(of_qr(shown, "DPP:"), codes[serial][1])
            kept = self.flash(name)   # the radio needs its key; nobody needs the password
            self.assertIn(network["P"].encode(), kept)
            self.assertIn(network["S"].encode(), kept)
            self.assertNotIn(secrets[-1].encode(), kept)
            at = kept.index(b"\5cloud".ljust(33, b"\0") + bytes([32])) + 34
            keys.append(kept[at:at + 32])
        self.assertEqual((len(set(secrets)), len(set(keys))), (6, 3))
        self.assertEqual(self.classes(0), ["identity-key|3|3", "password|3|3", "symmetric-key|3|3", "wifi-key|3|3"])
        self.assertEqual(self.station.sql("SELECT count(*) FROM run_seal"), "0")
        self.read_by_scanners(codes)
        self.nowhere_else([s.encode() for s in secrets] + keys)
        for path in (self.station.dir / "labels").iterdir():   # nor is a device key on a label
            self.assertFalse([k for k in keys for f in forms(k) if f in path.read_bytes()], path)

    def easy_connect(self, serial):
        self.station.mintmark("export", self.station.dir / "export")
        pem = self.station.dir / "export" / "certs" / f"{serial}.pem"
        public = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-pubkey"], check=True, capture_output=True).stdout
        short = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER", "-ec_conv_form", "compressed"], check=True,
                               capture_output=True, input=public).stdout
        return f"DPP:C:81/1,115/36;I:SN={serial};K:{base64.b64encode(short).decode()};;"

    def test_routers_that_are_bad(self):
        lot = self.station.open_lot(self.router())["lot"]
        self.ends("a", "MESH-1", "quarantine", "inject.not_stored", "--misbehave", "ok-without-storing")
        self.ends("b", "MESH-1", "quarantine", "prove.failed", "--misbehave", "prove-wrong")
        self.assertEqual(self.station.get(f"/lots/{lot}")["state"], "open")
        self.ends("c", "MESH-1", "quarantine", "reset.credential_lost", "--misbehave", "reset-changes-raw")
        self.assertEqual(self.station.get(f"/lots/{lot}")["state"], "paused")
        self.assertEqual(self.classes(0), ["identity-key|3|3"])   # what they held is burnt

    def test_killed_and_dying_between_the_credentials_of_a_router(self):
        self.station.open_lot(self.router())
        self.dies("dying")
        for delay in (0.15, 0.4, 0.8):
            name = f"kill{delay}"
            unit = Unit(self.station, "1", hardware(name), "--boot-ms", "300", model="MESH-1")
            self.station.wait(lambda: self.station.slot("1")["state"] != "empty", "it to be met")
            time.sleep(delay)
            self.station.daemon.send_signal(signal.SIGKILL)
            self.station.daemon.wait()
            self.station.start()
            for _ in range(2):   # a unit that lost contact is seated again
                view = self.station.ended("1", unit.hardware)
                if view["ending"] != "retry":
                    break
                unit.pull()
                self.station.emptied("1")
                unit.insert()
            self.assertEqual(view["ending"], "passed", view)
            self.assertIn(wifi(of_qr(self.label(view["serial"]), "WIFI:"))["P"].encode(), self.flash(name))
            unit.pull()
            self.station.emptied("1")
        self.assertEqual(self.classes(0), ["identity-key|4|4", "password|4|4", "symmetric-key|4|4", "wifi-key|4|4"])

    def dies(self, name):
        """Dies once when the first credential arrives; plugged in again it passes with the same run."""
        unit = Unit(self.station, "1", hardware(name), "--misbehave", "die-in-inject", model="MESH-1")
        self.assertEqual(self.station.ended("1", unit.hardware)["ending"], "retry")
        unit.pull()
        self.station.emptied("1")
        unit.insert()
        self.assertEqual(self.station.ended("1", unit.hardware)["ending"], "passed")
        unit.pull()
        self.station.emptied("1")

    # --- Matter

    def test_a_matter_lamp(self):
        self.station.open_lot(self.lamp())
        codes, shown_codes = [], {}
        for name in ("one", "two", "three"):
            serial = self.station.passes(name, model="LAMP-M")["serial"]
            shown = self.label(serial)
            shown_codes[serial] = [of_qr(shown, "MT:"), f"https://aurora.example/u/{serial}"]
            version, vendor, product, flow, discovery, discriminator, passcode = matter_qr(of_qr(shown, "MT:"))
            self.assertEqual((version, vendor, product, flow, discovery), (0, 0xFFF1, 0x8000, 0, 2))
            manual = manual_code(discriminator, passcode)
            self.assertIn(f"{manual[:4]}-{manual[4:7]}-{manual[7:]}", shown)
            codes.append(passcode)
            kept = self.flash(name)
            at = kept.index(struct.pack(">HI", discriminator, 10000))
            salt, made = kept[at + 6:at + 38], kept[at + 38:at + 135]
            self.assertEqual(made, verifier(passcode, salt, 10000))
            for plain in (b"%08d" % passcode, struct.pack("<I", passcode), struct.pack(">I", passcode), manual.encode()):
                self.assertNotIn(plain, kept)
        self.assertEqual(len(set(codes)), 3)
        self.assertEqual(self.classes(3), ["matter-passcode|3|3"])
        self.assertEqual(self.classes(0), ["identity-key|3|3", "matter-verifier|3|3"])
        self.read_by_scanners(shown_codes)
        self.nowhere_else([b"%08d" % code for code in codes])

    def test_passcodes_are_used_up(self):
        self.station.open_lot(self.lamp([("iterations = 10000", "iterations = 10000\nmost = 1")]))
        self.station.passes("first", model="LAMP-M")
        self.ends("second", "LAMP-M", "rework", "mint.codes_spent")
        self.assertEqual(self.classes(3), ["matter-passcode|1|1"])

    # --- What the owner may not order

    def test_labels_and_products_that_do_not_fit(self):
        matter = (EXAMPLES / "label-matter.zpl").read_bytes()
        plain = (EXAMPLES / "label-device.zpl").read_bytes().replace(b"{{password}}", b"{{serial}}")
        digest = lambda data: hashlib.sha256(data).hexdigest()
        router, lamp = self.router()[0].decode(), self.lamp()[0].decode()
        old_router, old_lamp = digest((EXAMPLES / "label-router.zpl").read_bytes()), digest(matter)
        for product, template in ((router.replace(old_router, digest(matter)), matter),
                                  (router.replace(old_router, digest(plain)), plain),
                                  (lamp.replace(old_lamp, digest(plain)), plain)):
            with self.assertRaises(Problem) as caught:
                self.station.open_lot((product.encode(), {"device": template}))
            self.assertEqual(caught.exception.code, "template.invalid")
        with self.assertRaises(Problem) as caught:
            self.station.open_lot(self.router([("Aurora-{serial4}", "Aurora-{mac4}")]))
        self.assertEqual(caught.exception.code, "policy.ssid")


if __name__ == "__main__":
    unittest.main(verbosity=2)
