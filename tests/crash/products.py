"""What the sweep's units get: each product is of a model of its own, so that their lots are open side by side."""

import dataclasses

from station import EXAMPLES


@dataclasses.dataclass(frozen=True)
class Product:
    text: bytes
    template: bytes
    model: str
    options: tuple = ()   # of its units

    @property
    def files(self):
        return self.text, {"device": self.template}


def of_examples(name, template, model, edits=(), options=()):
    text = (EXAMPLES / name).read_text()
    for before, after in edits:
        assert before in text, before
        text = text.replace(before, after)
    return Product(text.encode(), (EXAMPLES / template).read_bytes(), model, options)


MAY_COME_BACK = ('"factory-reset", "lock"]', '"factory-reset", "lock", "reopen"]')
WRAPPED = [('name = "Aurora Lamp"', 'name = "Aurora Spot"'), ("number = 1 ", "number = 3 "),
           ('model = "LAMP-3"', 'model = "SPOT-1"'), ('capabilities = ["enrol"', 'capabilities = ["static-session"'),
           ("[identity]\n", '[identity]\nkey = "wrapped"\naccept_unattested = true\n')]

PRODUCTS = {
    "lamp": of_examples("lamp.toml", "label-device.zpl", "LAMP-3", [MAY_COME_BACK]),
    "router": of_examples("router.toml", "label-router.zpl", "MESH-1"),   # several secrets, and values kept as they are
    "spot": of_examples("lamp.toml", "label-device.zpl", "SPOT-1", WRAPPED, ("--no-rng",)),   # its key is the token's, wrapped
}
