"""What of a network over many hosts is wrong, as far as this host can tell.

Judged from facts alone: what its agent has seen, what the kernel and the ledger have, who
answers.
"""

from collections.abc import Iterator

from cni_bridge.address import text
from cni_bridge.cli import units
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Finding
from cni_bridge.cli.doctor.peers import End
from cni_bridge.ledger.blocks import now_ms

DEAF_MS = 5 * 60_000  # agents ask the store each minute at least
SHORT_MS = 60_000
SKEWED_S = 30


def clusters(facts: Facts) -> Iterator[Finding]:
    """Everything of every cluster network."""
    served = {each.name for each in facts.found.clusters}
    for config in facts.configs:
        if config.cluster is not None and config.name not in served:
            yield _no_agent(config.name, "has not run since the start of this host")
    for each in facts.found.clusters:
        yield from _of_agent(each)
        yield from _of_store(each)
        yield from _of_hosts(each)
        yield from _of_silence(each, facts.unheard[each.name])
        yield from _of_sizes(facts, each)
        yield from _of_firewall(facts, each)


def _of_agent(each: Cluster) -> Iterator[Finding]:
    if not each.is_served:
        yield _no_agent(each.name, "does not run")
    left = each.lease_ms
    if left < SHORT_MS and not each.is_served:
        when = f"ends in {units.age(left)}" if left > 0 else "has ended"
        yield Finding(
            cause=f"this host's lease of its blocks of {each.name} {when}",
            effect="new containers are refused from then on, with error 11",
            command=f"systemctl restart cni-bridge-agent@{each.name}",
        )
    for problem in each.shot.problems:
        yield Finding(
            cause=problem,
            effect=f"some containers of {each.name} do not reach each other, or can't be made",
            command=f"cni-bridge show cluster {each.name}",
        )
    for block in each.shot.lost:
        yield Finding(
            cause=f"{block} of {each.name} is another host's now, but containers here use it",
            effect="two containers may have one address",
            command=f"cni-bridge show {each.name}   # and make these containers anew",
        )


def _of_store(each: Cluster) -> Iterator[Finding]:
    shot = each.shot
    silent = now_ms() - shot.heard
    endpoints = ",".join(shot.endpoints)
    if each.is_served and (shot.error or silent > DEAF_MS):
        ago = f"since {units.age(silent)}" if shot.heard else "yet"
        yield Finding(
            cause=f"the agent of {each.name} has not heard the store {ago}: {shot.error}",
            effect=f"no new blocks; new containers are refused {_when(each.lease_ms)}",
            command=f"etcdctl --endpoints {endpoints} endpoint status"
            if shot.store == "etcd"
            else "kubectl get --raw /readyz",
        )
    if shot.skew is not None and abs(shot.skew) > SKEWED_S:
        ahead = "behind" if shot.skew > 0 else "ahead of"
        yield Finding(
            cause=f"this host's clock is {abs(shot.skew):.0f} s {ahead} the store's",
            effect="certificates seem to be out of date, logs don't match; leases are not affected",
            command="timedatectl set-ntp true",
        )


def _when(left: int) -> str:
    return f"in {units.age(left)}" if left > 0 else "already, with error 11"


def _of_hosts(each: Cluster) -> Iterator[Finding]:
    away = [host for host in each.hosts if not each.is_member(host)]
    if away:
        names = _first_few([each.title(host.id) for host in away])
        yield Finding(
            cause=f"{len(away)} of {len(each.hosts)} hosts of {each.name} do not renew: {names}",
            effect="their blocks stay theirs, and routes lead there though nobody may answer",
            command=f"systemctl start cni-bridge-agent@{each.name}   # there; or, for one that is "
            f"gone for ever: cni-bridge agent {each.name} --evict HOST",
        )


def _of_silence(each: Cluster, unheard: tuple[End, ...]) -> Iterator[Finding]:
    """Hosts that the store hears, but this one does not, or not all that it is to hear."""
    narrow = [end for end in unheard if end.size]
    if narrow:
        yield Finding(
            cause=f"packets of {narrow[0].size} bytes don't get to hosts of {each.name} that answer "
            f"short ones: {_places(each, narrow)}",
            effect="connections to containers there stall when much is sent, unless large echo "
            "requests alone are dropped",
            command=f"tracepath -n {text(narrow[0].ip)}   # tells what fits; give the interfaces of "
            "all hosts that MTU, and their agents tell containers",
        )
    silent = [end for end in unheard if not end.is_tunnel and not end.size]
    if silent:
        yield Finding(
            cause=f"hosts of {each.name} renew, but don't answer here: {_places(each, silent)}",
            effect="containers there are not reached, unless echo requests alone are dropped",
            command=f"ip neighbour show {text(silent[0].ip)}   # and who is between: links, "
            "routers, firewalls",
        )
    known = {end.host.id for end in silent}
    lost = [end for end in unheard if end.is_tunnel and end.host.id not in known]
    if lost:
        yield Finding(
            cause=f"hosts of {each.name} answer, but not through the tunnel: {_places(each, lost)}",
            effect="containers there are not reached",
            command=f"nft list ruleset   # here and there: what drops {each.shot.backend}",
        )


def _places(each: Cluster, ends: list[End]) -> str:
    return _first_few([f"{each.title(end.host.id)} at {text(end.ip)}" for end in ends])


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" …" if names[5:] else "")


def _of_sizes(facts: Facts, each: Cluster) -> Iterator[Finding]:
    for container in facts.found.attachments:
        end = container.container_end
        is_ours = container.attachment.network == each.name
        if is_ours and end and 0 < each.shot.mtu < end.mtu:
            who = f"{container.attachment.ifname} of {container.title}"
            yield Finding(
                cause=f"{who} has MTU {end.mtu}; what fits to other hosts is {each.shot.mtu}",
                effect="large packets to containers of other hosts are lost",
                command=f"ip link set {container.host_name} mtu {each.shot.mtu}   # and the "
                "other end, or make the container anew",
            )


def _of_firewall(facts: Facts, each: Cluster) -> Iterator[Finding]:
    own = [item for item in facts.found.attachments if item.attachment.network == each.name]
    if own and facts.obstacles and not any(item.guarded.masquerades for item in own):
        where = next(iter(facts.obstacles)).where
        yield Finding(
            cause=f"{where} drops what is forwarded, and {each.name} has no rules of its own",
            effect="containers of other hosts are not answered",
            command='add "ipMasq": true to the config of all hosts, or accept the network there',
        )


def _no_agent(network: str, why: str) -> Finding:
    return Finding(
        cause=f"the agent of {network} {why}",
        effect="no new blocks, no routes to new hosts; without a lease no new containers",
        command=f"systemctl enable --now cni-bridge-agent@{network}",
    )
