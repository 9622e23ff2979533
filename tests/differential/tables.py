"""All rows, by the name of their table."""

from tests.differential import (
    bridge,
    checks,
    go_json,
    interface,
    leases,
    ranges,
    requests,
    routes,
    verbs,
)
from tests.differential.row import Row

TABLES: dict[str, tuple[Row, ...]] = {
    "bridge": bridge.ROWS,
    "checks": checks.ROWS,
    "go_json": go_json.ROWS,
    "interface": interface.ROWS,
    "leases": leases.ROWS,
    "ranges": ranges.ROWS,
    "requests": requests.ROWS,
    "routes": routes.ROWS,
    "verbs": verbs.ROWS,
}
