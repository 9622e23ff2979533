"""Check cluster networks, as far as this host can tell.

Judged from facts alone: the agent's snapshot, the kernel, the ledger, and which hosts answer.
"""

from collections.abc import Iterator

from cni_bridge.address import text
from cni_bridge.cli import units
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.doctor.peers import PeerAddress
from cni_bridge.ledger.blocks import now_ms

DEAF_MS = 5 * 60_000  # agents ask the store at least once a minute
SHORT_MS = 60_000
SKEWED_S = 30


def clusters(facts: Facts) -> Iterator[Diagnosis]:
    """Check every cluster network."""
    served = {each.name for each in facts.found.clusters}
    for config in facts.configs:
        if config.cluster is not None and config.name not in served:
            yield _no_agent(config.name, "has not run since this host started")
    for each in facts.found.clusters:
        yield from _of_agent(each)
        yield from _of_store(each)
        yield from _of_hosts(each)
        yield from _of_silence(each, facts.unheard[each.name])
        yield from _of_sizes(facts, each)
        yield from _of_firewall(facts, each)


def _of_agent(each: Cluster) -> Iterator[Diagnosis]:
    if not each.is_served:
        yield _no_agent(each.name, "does not run")
    left = each.lease_ms
    if left < SHORT_MS and not each.is_served:
        when = f"ends in {units.age(left)}" if left > 0 else "has ended"
        yield Diagnosis(
            cause=f"this host's membership lease of {each.name} {when}",
            effect="new containers are refused from then on, with error 11",
            command=f"systemctl restart cni-bridge-agent@{each.name}",
        )
    for problem in each.shot.problems:
        yield Diagnosis(
            cause=problem,
            effect=f"some containers of {each.name} cannot reach each other, or cannot be created",
            command=f"cni-bridge show cluster {each.name}",
        )
    for block in each.shot.lost:
        yield Diagnosis(
            cause=f"{block} of {each.name} belongs to another host now, but containers here use it",
            effect="two containers may have one address",
            command=f"cni-bridge show {each.name}   # then recreate these containers",
        )


def _of_store(each: Cluster) -> Iterator[Diagnosis]:
    shot = each.shot
    silent = now_ms() - shot.heard
    endpoints = ",".join(shot.endpoints)
    if each.is_served and (shot.error or silent > DEAF_MS):
        ago = f"since {units.age(silent)}" if shot.heard else "yet"
        yield Diagnosis(
            cause=f"the agent of {each.name} has not reached the store {ago}: {shot.error}",
            effect=f"no new blocks; new containers are refused {_when(each.lease_ms)}",
            command=f"etcdctl --endpoints {endpoints} endpoint status"
            if shot.store == "etcd"
            else "kubectl get --raw /readyz",
        )
    if shot.skew is not None and abs(shot.skew) > SKEWED_S:
        ahead = "behind" if shot.skew > 0 else "ahead of"
        yield Diagnosis(
            cause=f"this host's clock is {abs(shot.skew):.0f} s {ahead} the store's",
            effect="certificates may seem invalid and logs do not match; leases are not affected",
            command="timedatectl set-ntp true",
        )


def _when(left: int) -> str:
    return f"in {units.age(left)}" if left > 0 else "already, with error 11"


def _of_hosts(each: Cluster) -> Iterator[Diagnosis]:
    away = [host for host in each.hosts if not each.is_member(host)]
    if away:
        names = _first_few([each.title(host.id) for host in away])
        yield Diagnosis(
            cause=f"{len(away)} of {len(each.hosts)} hosts of {each.name} do not renew their membership: {names}",
            effect="they keep their blocks, and routes lead there although they may not answer",
            command=f"systemctl start cni-bridge-agent@{each.name}   # on that host; for one "
            f"that is gone for good: cni-bridge agent {each.name} --evict HOST",
        )


def _of_silence(each: Cluster, unheard: tuple[PeerAddress, ...]) -> Iterator[Diagnosis]:
    """Find hosts that renew at the store but do not answer here, or not large packets."""
    narrow = [end for end in unheard if end.size]
    if narrow:
        yield Diagnosis(
            cause=f"packets of {narrow[0].size} bytes do not reach hosts of {each.name} that answer "
            f"short ones: {_places(each, narrow)}",
            effect="connections to containers there stall on large packets, unless only large "
            "echo requests are dropped",
            command=f"tracepath -n {text(narrow[0].ip)}   # shows what fits; set that MTU on the "
            "interfaces of all hosts, and their agents pass it on",
        )
    silent = [end for end in unheard if not end.is_tunnel and not end.size]
    if silent:
        yield Diagnosis(
            cause=f"hosts of {each.name} renew their membership but do not answer here: {_places(each, silent)}",
            effect="containers there cannot be reached, unless only echo requests are dropped",
            command=f"ip neighbour show {text(silent[0].ip)}   # then check links, "
            "routers and firewalls between",
        )
    known = {end.host.id for end in silent}
    lost = [end for end in unheard if end.is_tunnel and end.host.id not in known]
    if lost:
        yield Diagnosis(
            cause=f"hosts of {each.name} answer, but not through the tunnel: {_places(each, lost)}",
            effect="containers there cannot be reached",
            command=f"nft list ruleset   # on both hosts: look for what drops {each.shot.backend}",
        )


def _places(each: Cluster, ends: list[PeerAddress]) -> str:
    return _first_few([f"{each.title(end.host.id)} at {text(end.ip)}" for end in ends])


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" …" if names[5:] else "")


def _of_sizes(facts: Facts, each: Cluster) -> Iterator[Diagnosis]:
    for container in facts.found.attachments:
        end = container.container_end
        is_ours = container.attachment.network == each.name
        if is_ours and end and 0 < each.shot.mtu < end.mtu:
            who = f"{container.attachment.ifname} of {container.title}"
            yield Diagnosis(
                cause=f"{who} has MTU {end.mtu}, but packets to other hosts must fit {each.shot.mtu}",
                effect="large packets to containers of other hosts are lost",
                command=f"ip link set {container.host_name} mtu {each.shot.mtu}   # and the "
                "other end, or recreate the container",
            )


def _of_firewall(facts: Facts, each: Cluster) -> Iterator[Diagnosis]:
    own = [item for item in facts.found.attachments if item.attachment.network == each.name]
    if own and facts.obstacles and not any(item.protection.masquerades for item in own):
        where = next(iter(facts.obstacles)).where
        yield Diagnosis(
            cause=f"{where} drops what is forwarded, and {each.name} has no rules of its own",
            effect="containers of other hosts get no answer",
            command='add "ipMasq": true to the config of all hosts, or accept the network there',
        )


def _no_agent(network: str, why: str) -> Diagnosis:
    return Diagnosis(
        cause=f"the agent of {network} {why}",
        effect="no new blocks, no routes to new hosts; without a lease, no new containers",
        command=f"systemctl enable --now cni-bridge-agent@{network}",
    )
