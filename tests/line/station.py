"""A real station for one test: token, ledger, daemon and units on ptys, in a temporary folder of its own.

It drives the station as its users do: the command line, and the HTTP API over the Unix socket."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MINTMARK_BIN", ROOT / "build" / "asan"))
EXAMPLES = ROOT / "deploy" / "examples"
SLOW = int(os.environ.get("MINTMARK_TIME_SCALE", "4"))


def uuid7():
    ms, random = int(time.time() * 1000), int.from_bytes(os.urandom(10), "big")
    digits = f"{ms:012x}7{random & 0xFFF:03x}8{random >> 20 & (1 << 60) - 1:015x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Problem(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body, self.code = status, body, body.get("code") if isinstance(body, dict) else None


class Unit:
    """One simulated unit in one slot; `pull` unplugs it, `insert` plugs the same one in again."""

    launcher = []

    def __init__(self, station, slot, hardware, *options, model="LAMP-3", firmware="1.4.0", flash=None):
        self.station, self.slot, self.hardware = station, slot, hardware
        self.command = [BUILD / "mintmark-unit", "--link", station.slot_path(slot),
                        "--flash", station.dir / "flash" / (flash or hardware), "--hw-source", "demo-otp",
                        "--hw-id", hardware, "--model", model, "--firmware", firmware, *options]
        self.process = None
        self.insert()

    def environment(self):
        return None   # as ours

    def insert(self, slot=None):
        if slot:
            self.slot = slot
            self.command[2] = self.station.slot_path(slot)
        self.process = subprocess.Popen([str(c) for c in [*self.launcher, *self.command]], stderr=self.station.unit_log,
                                        env=self.environment())
        self.station.processes.append(self.process)
        return self

    def pull(self):
        self.process.terminate()
        self.process.wait()
        link = self.station.slot_path(self.slot)
        link.unlink(missing_ok=True)   # a unit that ends by itself takes it along


class Station:
    def __init__(self, slots=4, demo=True, extra_config="", simulate=True, init=True, init_words=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mintmark-test-"))
        os.chmod(self.dir, 0o700)
        self.processes, self.daemon = [], None
        for name in ("owner", "token", "flash", "slots", "labels"):
            (self.dir / name).mkdir(mode=0o700)
        self.unit_log = open(self.dir / "units.log", "ab")
        self.env = {**os.environ, "SOFTHSM2_CONF": str(self.dir / "softhsm2.conf"),
                    "ASAN_OPTIONS": "detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", "")}
        (self.dir / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.dir}/token\nobjectstore.backend = file\nlog.level = ERROR\n")
        for name in ("pin", "so-pin"):
            path = self.dir / name
            path.write_text(os.urandom(12).hex() + "\n")
            path.chmod(0o600)
        self.port = free_port()
        self.slots = [str(n + 1) for n in range(slots)]
        config = f"""
state_dir = "{self.dir}"
[token]
uri = "pkcs11:token=mintmark-test?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:{self.dir}/pin"
[http]
listen = "127.0.0.1:{self.port}"
[label]
sink = "spool"
directory = "{self.dir}/labels"
allow_plaintext_spool = true
"""
        if demo and simulate:
            config += "[scanner]\nsimulate = true\n"
        config += extra_config
        for slot in self.slots:
            config += f'\n[[slot]]\nname = "{slot}"\nprotocol = "smp"\nport = "{self.slot_path(slot)}"\n'
        self.config = self.dir / "station.toml"
        self.config.write_text(config)
        self.owner_key = self.dir / "owner" / "owner.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.owner_key], check=True)
        subprocess.run(["openssl", "pkey", "-in", self.owner_key, "-pubout", "-out",
                        self.dir / "owner" / "owner.pub.pem"], check=True)
        self.demo = demo
        if init:
            self.init(*(str(word).format(dir=self.dir) for word in init_words))

    def init(self, *words, so_pin=True, check=True):
        said = self.mintmark("init", *(["--demo"] if self.demo else []), "--owner-key",
                             self.dir / "owner/owner.pub.pem", "--name", "tester",
                             *(["--so-pin-file", self.dir / "so-pin"] if so_pin else []), *words, check=check)
        if not check:
            return said
        lines = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
        self.id, self.token = lines["station"], lines["token"]
        return said

    # --- life and death
    def __enter__(self):
        return self.start()

    def __exit__(self, failed, *_):
        self.close(keep=bool(failed) and "MINTMARK_KEEP" in os.environ)

    def start(self):
        with open(self.dir / "mintmarkd.err", "ab") as last_words:
            self.daemon = subprocess.Popen([str(BUILD / "mintmarkd"), "--config", str(self.config), "--log",
                                            str(self.dir / "mintmarkd.log")], env=self.env, stderr=last_words)
        self.processes.append(self.daemon)
        self.wait(lambda: self.try_get("/health"), "the daemon to answer")
        return self

    def stop(self):
        self.daemon.terminate()
        assert self.daemon.wait(30) == 0, "mintmarkd did not stop cleanly"

    def last_words(self, most=1500):
        """What the daemon said, to whoever reads its log and to whoever started it."""
        files = [self.dir / "mintmarkd.log", self.dir / "mintmarkd.err"]
        return "; ".join(file.read_text(errors="replace")[-most:] for file in files if file.exists())

    def close(self, keep=False):
        alive = self.daemon is not None and self.daemon.poll() is None
        if alive:
            self.daemon.terminate()
            status = self.daemon.wait(60)
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.unit_log.close()
        said = self.last_words()
        if keep:
            print("kept:", self.dir)
        else:
            shutil.rmtree(self.dir)
        if alive:   # a sanitizer's last word counts, too
            assert status == 0, f"mintmarkd ended with status {status}: {said}"

    # --- talking to it
    def slot_path(self, slot):
        return self.dir / "slots" / f"slot-{slot}"

    def mintmark(self, *words, check=True):
        done = subprocess.run([str(BUILD / "mintmark"), "--config", str(self.config), *map(str, words)], env=self.env,
                              text=True, capture_output=True)
        if check and done.returncode != 0:
            raise AssertionError(f"mintmark {words}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if check else done

    def http(self, method, path, body=None, headers=None):
        connection = UnixConnection(self.dir / "mintmark.sock")
        try:
            data = json.dumps(body) if body is not None else None
            send = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, "/api/v1" + path, data, {**send, **(headers or {})})
            reply = connection.getresponse()
            raw = reply.read()
        finally:
            connection.close()
        kind = reply.getheader("Content-Type") or ""
        out = json.loads(raw) if "json" in kind and raw and "jsonl" not in kind else raw
        if reply.status >= 400:
            raise Problem(reply.status, out)
        return out

    def get(self, path):
        return self.http("GET", path)

    def post(self, path, body=None, token=None):
        return self.http("POST", path, body if body is not None else {},
                         {"Authorization": "Bearer " + token} if token else None)

    def try_get(self, path):
        try:
            return self.get(path)
        except OSError:
            if self.daemon.poll() is not None:
                raise AssertionError("mintmarkd ended: " + self.last_words())
            return None

    def wait(self, condition, what, seconds=40):
        until = time.monotonic() + seconds * SLOW
        while time.monotonic() < until:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {what}; log: {self.last_words()}")

    # --- the owner's desk
    def product(self, edits=(), template=None):
        template = template or (EXAMPLES / "label-device.zpl").read_bytes()
        text = (EXAMPLES / "lamp.toml").read_text()
        old = hashlib.sha256((EXAMPLES / "label-device.zpl").read_bytes()).hexdigest()
        text = text.replace(old, hashlib.sha256(template).hexdigest())
        for before, after in edits:
            assert before in text, before
            text = text.replace(before, after)
        return text.encode(), {"device": template}

    def order(self, product, **fields):
        parsed = tomllib.loads(product.decode())
        order = {"order": uuid7(), "station": self.id,
                 "product": {"name": parsed["name"], "number": parsed["number"],
                             "sha256": hashlib.sha256(product).hexdigest()},
                 "quantity": 50, "spares": 0, "serials": [{"first": "SN-0001", "last": "SN-0500"}], "macs": [],
                 "not_after": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * 30)), "kind": "trial"}
        order.update(fields)
        return json.dumps(order).encode()

    def sign(self, data, key=None):
        path = self.dir / "owner" / f"{uuid7()}.json"
        path.write_bytes(data)
        self.mintmark("order", "sign", path, "--key", key or self.owner_key)
        return pathlib.Path(str(path) + ".sig").read_text()

    def open_lot(self, product=None, order=None, signature=None, token=None, **fields):
        product, templates = product or self.product()
        order = order or self.order(product, **fields)
        b64 = lambda b: base64.b64encode(b).decode()
        return self.post("/lots", {"order": b64(order), "signature": signature or self.sign(order),
                                   "product": b64(product), "templates": {p: b64(t) for p, t in templates.items()}},
                         token)

    # --- what the line shows
    def slot(self, name):
        return next(s for s in self.get("/slots")["slots"] if s["slot"] == name)

    def ended(self, slot, hardware=None, seconds=60):
        """The slot's view once the unit that sits there has ended one way or another."""
        def over():
            view = self.slot(slot)
            mine = hardware is None or (view["hardware"] or "").endswith(hardware)
            return view if view["state"] == "ended" and mine else None
        return self.wait(over, f"slot {slot} to end", seconds)

    def emptied(self, slot):
        return self.wait(lambda: self.slot(slot)["state"] == "empty", f"slot {slot} to be empty")

    def passes(self, name, *options, slot="1", model="LAMP-3"):
        """The unit of this name comes, passes and goes. The slot's view of it."""
        unit = Unit(self, slot, hardware(name), *options, model=model)
        view = self.ended(slot, unit.hardware)
        assert view["ending"] == "passed", view
        unit.pull()
        self.emptied(slot)
        return view

    def sql(self, query):
        return subprocess.run(["sqlite3", "-readonly", str(self.dir / "ledger.db"), query], text=True, check=True,
                              capture_output=True).stdout.strip()


def hardware(name):
    return hashlib.sha256(name.encode()).hexdigest()[:16]
