"""What a run costs: a start that got slower, or an import that crept in, is seen here.

No clock is read: instructions and page faults are nearly the same in every run.
"""

import pytest

from tests.budget import cost
from tests.lab import Attachment, Host, Network, Plugin

# Instructions of two runs differ by half a per cent at most. Page faults are a few more or less with what
# the page cache holds.
TOLERANCE = {"instructions": 1.03, "page_faults": 1.06}


@pytest.fixture
def network(host: Host, plugin: Plugin) -> Network:
    """Return a network with a bridge that exists, as it is for all containers but the first."""
    config = {
        "cniVersion": "1.0.0",
        "name": "testnet",
        "type": plugin.type,
        "bridge": "cni0",
        "isDefaultGateway": True,
        "ipam": {"type": plugin.ipam_type, "ranges": [[{"subnet": "10.88.0.0/16"}]]},
    }
    made = host.network(plugin, config)
    made.add(host.container()).result()
    return made


@pytest.mark.parametrize("figure", ["instructions", "page_faults"])
@pytest.mark.parametrize("command", ["VERSION", "ADD", "CHECK", "DEL"])
def test_a_run_costs_no_more_than_it_did(
    host: Host, network: Network, command: str, figure: str
) -> None:
    container = host.container()
    if command == "DEL":
        network.add(container).result()
    if command == "CHECK":
        network.config["prevResult"] = network.add(container).result()
    environment, stdin = network.call(command, Attachment(container))
    call = cost.Call((str(network.plugin.path),), environment, stdin)
    measured = getattr(cost, figure)(call)
    expected = cost.baseline()[command][figure]
    if command in ("ADD", "CHECK"):
        network.delete(container).assert_silent_success()
    assert measured <= expected * TOLERANCE[figure], (
        f"{command}: {measured:.3f} times the bare interpreter's {figure}, it was {expected}; "
        f"if that is worth it, put it into {cost.BASELINE}, and say why in the commit message"
    )
