"""Rows about JSON as Go's encoding/json reads it: case, null, types, numbers, duplicates."""

import json

from tests.differential.row import BASE, BASE_IPAM, Row, add


def text(name: str, change: str, refused: tuple[int, str] | None = None, *differs: str) -> Row:
    """Return the base config with `change` (JSON text of some keys) at its end."""
    whole = json.dumps(BASE | {"ipam": BASE_IPAM})[:-1] + f", {change}}}"
    return Row(name, steps=(add(stdin=whole, refused=refused),), differs=differs)


def stdin(name: str, whole: str, code: int, *differs: str) -> Row:
    """Stdin as it is, which both refuse."""
    return Row(name, steps=(add(stdin=whole, refused=(code, "")),), differs=differs)


WRONG = ("no-rollback",)

ROWS = (
    text("keys in capitals", '"MTU": 1400, "HAIRPINMODE": true'),
    text("keys in small letters", '"hairpinmode": true, "portisolation": true'),
    text("keys in another case further in", '"Args": {"CNI": {"MAC": "02:11:22:33:44:55"}}'),
    text("keys of ipam in another case", '"dns": {"NameServers": ["192.0.2.1"]}'),
    text(
        "null for everything",
        '"mtu": null, "hairpinMode": null, "vlan": null, "vlanTrunk": null, '
        '"dns": null, "args": null, "runtimeConfig": null, "ipMasq": null, "prevResult": null, '
        '"enabledad": null, "capabilities": null, "disableContainerInterface": null',
    ),
    text("number for a string", '"dns": {"domain": 7}', (7, "domain")),
    text("string for a number", '"mtu": "1500"', (7, "mtu")),
    text("float for a whole number", '"mtu": 1500.0', (7, "mtu")),
    text("float with a fraction", '"mtu": 1500.5', (7, "mtu")),
    text("exponent for a whole number", '"mtu": 15e2', (7, "mtu")),
    text("1 for true", '"hairpinMode": 1', (7, "hairpinMode")),
    text("string for true", '"hairpinMode": "true"', (7, "hairpinMode")),
    text("object for a list", '"dns": {"search": {}}', (7, "search")),
    text("string for a list", '"dns": {"search": "a"}', (7, "search")),
    text("list for an object", '"dns": []', (7, "dns")),
    Row(
        "string for ipam",
        config={"ipam": "host-local"},
        ipam=None,
        steps=(add(refused=(7, "ipam")),),
    ),
    text("number beyond 64 bits", '"mtu": 99999999999999999999', (7, "mtu")),
    text("the same key twice", '"mtu": 1400, "mtu": 1300', (6, "duplicate"), "duplicate-keys"),
    text("the same key in two cases", '"mtu": 1400, "MTU": 1300', (7, "mtu"), "duplicate-keys"),
    text("strings with escapes", '"dns": {"domain": "ex\\u0061mple\\t\\/\\u00e9\\ud83d\\ude00"}'),
    text("a lone surrogate", '"dns": {"domain": "\\ud800"}'),
    text("letters beyond ASCII", '"dns": {"domain": "bücher.example"}'),
    text("HTML in strings", '"dns": {"domain": "<a>&b"}'),
    stdin("stdin is empty", "", 6),
    stdin("stdin is no JSON", "not json", 6),
    stdin("stdin is cut off", '{"name": "testnet"', 6),
    stdin("stdin is a list", "[]", 6),
    stdin("stdin is a string", '"x"', 6),
    stdin("stdin is null", "null", 6, "null-config"),
    stdin("stdin is two objects", json.dumps(BASE) + "{}", 6),
    stdin("stdin has a comma too many", json.dumps(BASE)[:-1] + ",}", 6),
    stdin("stdin has NaN", json.dumps(BASE)[:-1] + ', "mtu": NaN}', 6),
)
