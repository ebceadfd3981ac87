"""What a demo left in its folder, seen from outside: complete, distinct, certified, and without a secret."""
import base64
import csv
import json
import pathlib
import re
import subprocess
import sys

folder, units = pathlib.Path(sys.argv[1]), int(sys.argv[2])
wrong = []


def check(ok, what):
    if not ok:
        wrong.append(what)


# --- Everything that the README promises is there.
for name in ("ledger.db", "export/journal.jsonl", "export/checkpoint", "export/checkpoint.vkey", "export/units.csv",
             "export/ca-chain.pem", "mintmarkd.log"):
    check((folder / name).stat().st_size > 0 if (folder / name).exists() else False, f"{name} is missing or empty")
labels = sorted((folder / "labels").glob("*.zpl"))
certs = sorted((folder / "export/certs").glob("*.pem"))
check(len(labels) == units, f"{len(labels)} labels for {units} units")
check(len(certs) == units, f"{len(certs)} certificates for {units} units")
check([p.stem for p in labels] == [p.stem for p in certs], "labels and certificates name different serials")


def sql(text):
    done = subprocess.run(["sqlite3", "-readonly", folder / "ledger.db", text], text=True, capture_output=True, check=True)
    return done.stdout.split()


check(sql("SELECT count(DISTINCT value) FROM fingerprint WHERE class='password' AND id NOT IN (SELECT fingerprint FROM burn)")
      == [str(units)], "distinct fingerprints")
check(sql("SELECT count(*) FROM run WHERE ending='passed'") == [str(units)], "passed runs")
check(sql("SELECT count(*) FROM run_seal") == ["0"], "sealed copies left behind")
check(sql("PRAGMA integrity_check") == ["ok"], "the ledger's integrity")

rows = list(csv.DictReader((folder / "export/units.csv").open(newline="")))
check(len(rows) == units and all(r["ending"] == "passed" for r in rows), "units.csv")
journal = [json.loads(line) for line in (folder / "export/journal.jsonl").read_bytes().splitlines()]
check([e["seq"] for e in journal] == list(range(len(journal))), "the journal has gaps")

# --- Chains, by OpenSSL.
bad = 0
for cert in certs:
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", folder / "export/ca-chain.pem", cert],
                          capture_output=True, text=True)
    bad += done.returncode != 0
    subject = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-subject", "-nameopt", "RFC2253"],
                             capture_output=True, text=True).stdout
    check(f"serialNumber={cert.stem}" in subject, f"{cert.stem}: {subject}")
print(f"sweep chains: tried {len(certs)}, violations {bad}")
check(bad == 0, "openssl verify")

# --- No secret in any file but the labels: raw, grouped, hex, base64 at every alignment, UTF-16.
secrets = []
for label in labels:
    text = re.sub(rb"_([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m.group(1).decode()), label.read_bytes())
    found = re.findall(rb"[2-9A-HJKMNP-Z]{4}(?:-[2-9A-HJKMNP-Z]{4}){3}", text)
    check(len(set(found)) == 1, f"{label.name} shows {len(set(found))} passwords")
    secrets += [f.replace(b"-", b"") for f in set(found)]
check(len(set(secrets)) == units, "two labels show one password")


def forms(secret):
    grouped = b"-".join(secret[i:i + 4] for i in range(0, 16, 4))
    for plain in (secret, grouped, secret.lower()):
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        yield plain.decode().encode("utf-16-le")
        for shift in range(3):
            yield base64.b64encode(b"\0" * shift + plain)[4 if shift else 0:-4]


searched = leaks = 0
needles = {form for secret in secrets for form in forms(secret)}
pins = [(folder / name).read_bytes().strip() for name in ("pin", "so-pin")]
for path in folder.rglob("*"):
    if not path.is_file() or path.is_symlink() or path.parent.name == "labels" or path.name in ("pin", "so-pin"):
        continue
    data = path.read_bytes()
    searched += 1
    if any(needle in data for needle in needles) or any(pin in data for pin in pins):
        leaks += 1
        print(f"{path}: a secret in plain text")
print(f"sweep secrets: tried {searched * len(needles)}, violations {leaks}")
check(leaks == 0, "plaintext secrets")

for what in wrong:
    print("wrong:", what)
sys.exit(bool(wrong))
