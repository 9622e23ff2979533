"""What hosts tell each other, written by hand: settings, hosts, blocks.

Records only; who makes something of them is what is tested.
"""

from collections.abc import Iterable, Mapping

from cni_bridge.address import parse, parse_prefix
from cni_bridge.cluster.model import Backend, Block, Credentials, Host, Pool, Settings, View

POOLS = {"10.64.0.0/12": 26, "fd64::/48": 122}


def settings(
    kind: str = "vxlan",
    *,
    network: str = "testnet",
    pools: Mapping[str, int] = POOLS,
    vni: int = 4096,
    port: int = 4789,
) -> Settings:
    """Return a network's, as the agent reads them."""
    return Settings(
        network=network,
        bridge="cni0",
        state_dir="/run/cni-bridge",
        store="etcd",
        endpoints=(),
        prefix="/cni-bridge",
        credentials=Credentials(),
        pools=tuple(
            Pool(subnet=parse_prefix(each), length=length) for each, length in pools.items()
        ),
        backend=Backend(kind=kind, vni=vni, port=port),
        ttl=86400,
        grace=86400,
        low_water=16,
        kubeconfig="",
        node="",
    )


def host(number: int, *addresses: str, mtu: int = 1500) -> Host:
    """One host."""
    return Host(
        id=f"id-{number}",
        name=f"host-{number}",
        boot_id="boot",
        addresses=tuple(map(parse, addresses)),
        mtu=mtu,
    )


def view(
    hosts: Iterable[Host], blocks: Mapping[str, int], members: Iterable[int] | None = None
) -> View:
    """All hosts, who are members unless some are named, and whose the blocks are, by number."""
    known = {each.id: each for each in hosts}
    return View(
        revision=1,
        hosts=known,
        members=frozenset(known if members is None else (f"id-{each}" for each in members)),
        blocks={
            parse_prefix(subnet): Block(
                subnet=parse_prefix(subnet), host=f"id-{number}", boot_id="boot", revision=1
            )
            for subnet, number in blocks.items()
        },
    )
