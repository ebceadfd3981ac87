"""Bad orders, products and people: refused in the field's words, with nothing changed."""

import json
import subprocess
import unittest

from station import Problem, Station, Unit, hardware, uuid7


class Orders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.station = Station().start()

    @classmethod
    def tearDownClass(cls):
        cls.station.close()

    def refused(self, code, *args, **fields):
        lots = self.station.sql("SELECT count(*) FROM lot")
        with self.assertRaises(Problem) as caught:
            self.station.open_lot(*args, **fields)
        self.assertEqual(caught.exception.code, code, caught.exception.body)
        self.assertEqual(self.station.sql("SELECT count(*) FROM lot"), lots)
        self.assertTrue(caught.exception.body["title"])
        return caught.exception.body

    def test_orders_that_are_not_the_owners(self):
        s = self.station
        product = s.product()
        order = s.order(product[0])
        other = s.dir / "owner" / "other.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
        self.refused("order.signature", product, order, s.sign(order, other))
        self.refused("order.signature", product, order.replace(b'"quantity": 50', b'"quantity": 51'), s.sign(order))
        self.refused("order.signature", product, order, "AAAA")
        self.refused("order.station", product, station=uuid7())
        self.refused("order.expired", product, not_after="2020-01-01")
        self.refused("order.malformed", product, colour="red")
        self.refused("order.malformed", product, quantity=0)
        self.refused("order.malformed", product, serials=[{"first": "SN 1", "last": "SN 2"}])
        self.refused("order.malformed", product, serials="mes")
        self.refused("order.checkpoint_unknown", product,
                     owner_checkpoint=f"mintmark/{s.id}\n999999\n{'A' * 43}=\n")

    def test_what_the_order_names_by_digest(self):
        s = self.station
        product, templates = s.product()
        order = s.order(product)
        self.refused("product.digest", (product + b"# more\n", templates), order)
        self.refused("template.digest", (product, {"device": templates["device"] + b"\n"}), order)
        weak = s.product(edits=[("length = 16 ", "length = 8 ")])
        body = self.refused("config.invalid", weak)
        self.assertIn("length", body["args"]["key"])
        self.assertGreater(int(body["args"]["line"]), 1)
        typo = s.product(edits=[("minimum_firmware", "minimun_firmware")])
        self.refused("config.invalid", typo)

    def test_one_order_one_lot_once(self):
        s = self.station
        product = s.product(edits=[("number = 1 ", "number = 77 ")])
        order = s.order(product[0], serials=[{"first": "ONE-01", "last": "ONE-50"}])
        signature = s.sign(order)
        lot = s.open_lot(product, order, signature)["lot"]
        self.refused("order.used", product, order, signature)
        self.refused("lot.product_open", product, serials=[{"first": "TWO-01", "last": "TWO-50"}])
        s.post(f"/lots/{lot}/close")
        self.refused("order.used", product, order, signature)
        with self.assertRaises(Problem) as caught:
            s.post(f"/lots/{lot}/close")
        self.assertEqual(caught.exception.code, "lot.closed")

    def test_hostile_words_go_through_unharmed(self):
        s = self.station
        name = "=cmd|' /C calc'!A0,^XA^FS~JA<script>'); DROP TABLE run;--"
        product = s.product(edits=[('name = "Aurora Lamp"', f"name = {json.dumps(name)}"), ("number = 1 ", "number = 5 "),
                                   ('model = "LAMP-3"', f"model = {json.dumps(name)}")])
        order = json.loads(s.order(product[0], serials=[{"first": "HOST-1", "last": "HOST-9"}], quantity=2))
        order["product"]["name"] = name
        lot = s.open_lot(product, json.dumps(order).encode())["lot"]
        unit = Unit(s, "4", hardware("hostile"), model=name)
        view = s.ended("4", unit.hardware)
        self.assertEqual(view["ending"], "passed")
        label = (s.dir / "labels" / f"{view['serial']}.zpl").read_text()
        self.assertNotIn("^XA^FS", label)
        self.assertNotIn("~JA", label)
        csv = s.http("GET", "/export/units.csv").decode()
        self.assertNotIn(",=cmd", csv)
        self.assertIn("'=cmd", csv)
        unit.pull()
        s.emptied("4")
        s.post(f"/lots/{lot}/close")

    def test_full_lot_and_used_up_pool(self):
        s = self.station
        product = s.product(edits=[("number = 1 ", "number = 9 "), ('source = "demo-otp"', 'source = "demo-nine"')])
        lot = s.open_lot(product, quantity=1, serials=["FULL-1"])["lot"]
        first = Unit(s, "1", hardware("full1"), "--hw-source", "demo-nine")
        self.assertEqual(s.ended("1", first.hardware)["ending"], "passed")
        second = Unit(s, "2", hardware("full2"), "--hw-source", "demo-nine")
        view = s.ended("2", second.hardware)
        self.assertEqual((view["ending"], view["code"]), ("rework", "lot.full"))
        for unit in (first, second):
            unit.pull()
            s.emptied(unit.slot)
        s.post(f"/lots/{lot}/close")
        lot = s.open_lot(product, quantity=2, serials=["FULL-1"])["lot"]   # two units, and one serial that is taken
        third = Unit(s, "1", hardware("full3"), "--hw-source", "demo-nine")
        view = s.ended("1", third.hardware)
        self.assertEqual((view["ending"], view["code"]), ("rework", "serials.exhausted"))
        third.pull()
        s.emptied("1")
        s.post(f"/lots/{lot}/close")
        late = Unit(s, "3", hardware("late"), "--hw-source", "demo-nine")
        s.wait(lambda: s.slot("3")["code"] == "lot.none", "a unit without a lot to wait")
        late.pull()

    def test_people(self):
        s = self.station
        added = s.post("/persons", {"name": "olga", "roles": ["operator"]})
        stored = s.sql("SELECT hex(token) FROM person WHERE name='olga'")
        self.assertNotIn(added["token"].encode().hex().upper(), stored)
        with self.assertRaises(Problem) as caught:
            s.post("/persons", {"name": "olga", "roles": ["operator"]})
        self.assertEqual(caught.exception.code, "person.exists")
        with self.assertRaises(Problem) as caught:
            s.post("/persons", {"name": "otto", "roles": ["officer"]})   # only the owner's roster makes officers
        self.assertEqual(caught.exception.code, "person.role")


if __name__ == "__main__":
    unittest.main(verbosity=2)
