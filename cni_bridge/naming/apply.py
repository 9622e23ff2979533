"""Serve an attachment's names, and take them out again: the order of steps in files and process.

Loaded only for networks that have a nameserver. The ledger is the truth: what the files lack is
written from it.
"""

from cni_bridge import address, names
from cni_bridge.errors import NameserverFailed
from cni_bridge.kernel import machine
from cni_bridge.ledger import container_names
from cni_bridge.model_optional import Names, ServedNames
from cni_bridge.naming import hosts, server
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cni_bridge.ledger.store import Ledger
    from cni_bridge.model import Attachment

_HOLDINGS = """
select container, ifname, host_name, address from holding
left join lease using (network, container, ifname)
where network = ? and boot_id = ? order by created, container, ifname, range_set
"""


def publish(ledger: "Ledger", attachment: "Attachment", served: ServedNames) -> None:
    """Serve an attachment's names. Raises NameserverFailed, TryAgainLater."""
    network = served.network
    with server.Lock():
        is_changed = server.configure(network, server.configuration(served))
        content = server.read(server.hosts(network))
        if content is None:
            content = hosts.render(_recorded(ledger, network), served.domain)
        server.write(
            server.hosts(network), hosts.put(content, _entry(attachment, served), served.domain)
        )
        server.ensure(network, is_changed=is_changed)


def withdraw(attachments: "Sequence[Attachment]") -> None:
    """Take the names of attachments out, and end a server that has none left.

    That never depends on dnsmasq: a server that does not start again serves no name.
    """
    for network in dict.fromkeys(each.network for each in attachments):
        if not server.has(network):
            continue
        gone = [names.host_name(each) for each in attachments if each.network == network]
        with server.Lock():
            try:
                _take(network, gone)
            except NameserverFailed as failure:
                remark(f"network {network} has no nameserver now: {failure}")
            except OSError as failure:  # the file can't be written: a full disk, for one
                server.stop(network)
                remark(
                    f"ended the nameserver of network {network}; the next ADD starts it: {failure}"
                )


def _take(network: str, gone: "list[str]") -> None:
    content = server.read(server.hosts(network))
    left = hosts.take(content or "", gone)
    if not hosts.has_entries(left):
        server.stop(network)
        return
    if left != content:
        server.write(server.hosts(network), left)
    server.ensure(network, is_changed=False)


def serve(ledger: "Ledger", served: ServedNames) -> None:
    """Serve all names of a network from the ledger: its files were lost. Raises NameserverFailed."""
    network = served.network
    with server.Lock():
        is_changed = server.configure(network, server.configuration(served))
        content = hosts.render(_recorded(ledger, network), served.domain)
        server.write(server.hosts(network), content)
        server.ensure(network, is_changed=is_changed)


def restore(ledger: "Ledger", network: str) -> bool:
    """Write a network's names from the ledger, and start its server if it does not run.

    Return whether anything was amiss. Raises NameserverFailed.
    """
    with server.Lock():
        content = server.read(server.hosts(network)) or ""
        if not server.configured(network):
            return False
        wanted = _wanted(ledger, network, content)
        if not hosts.has_entries(wanted):
            server.stop(network)
            return True
        is_dead = bool(silence(network))
        if wanted != content:
            server.write(server.hosts(network), wanted)
        server.ensure(network, is_changed=is_dead)
        return is_dead or wanted != content


def problems(attachment: "Attachment", served: ServedNames) -> "Iterator[str]":
    """Yield every difference between the plan and what is served, for CHECK."""
    network = served.network
    if fault := silence(network):
        yield f"nameserver of {network}: {fault}"
    if server.configured(network) != server.configuration(served):
        yield f"nameserver of {network}: expected its configuration as ADD wrote it, found another"
    wanted = _entry(attachment, served)
    found = hosts.find(server.read(server.hosts(network)) or "", wanted.host_name)
    if found is None:
        yield f"nameserver of {network}: expected an entry of {attachment.container}, found none"
    elif found.addresses != wanted.addresses:
        yield (
            f"nameserver of {network}: expected {' '.join(wanted.addresses) or 'no address'} of "
            f"{attachment.container}, found {' '.join(found.addresses) or 'none'}"
        )


def is_outdated(ledger: "Ledger", network: str) -> bool:
    """Return whether a network's server has other names than the ledger; `restore` puts it right."""
    content = server.read(server.hosts(network)) or ""
    return _wanted(ledger, network, content) != content


def silence(network: str) -> str:
    """Return why the network's server resolves nothing; empty if it answers."""
    number = server.running(network)
    if not number:
        return "dnsmasq is not running"
    from cni_bridge.naming import question  # not for ADD and DEL

    return "" if question.is_answered(network) else f"dnsmasq (process {number}) does not answer"


def _wanted(ledger: "Ledger", network: str, content: str) -> str:
    """Return what the hosts file should be; addresses that the ledger lacks are taken from the file.

    A delegated IPAM plugin has given them. The order stays, as it decides which container has a name.
    """
    known = {each.host_name: each for each in hosts.entries(content)}
    recorded = {each.host_name: each for each in _recorded(ledger, network)}
    listed = [recorded.pop(name) for name in known if name in recorded]
    merged = [
        hosts.Entry(**{**vars(each), "addresses": known[each.host_name].addresses})
        if not each.addresses and each.host_name in known
        else each
        for each in (*listed, *recorded.values())
    ]
    return hosts.render(merged, hosts.domain_of(content) or _domain(server.configured(network)))


def _domain(configuration: str) -> str:
    return configuration.partition("\nlocal=/")[2].partition("/")[0]


def _recorded(ledger: "Ledger", network: str) -> "list[hosts.Entry]":
    """Return what the ledger knows of the network, oldest first."""
    called = {
        (each.container, each.ifname): known
        for each, known in container_names.named(ledger.database, network).items()
    }
    found: dict[str, tuple[str, Names, list[str]]] = {}
    for container, ifname, host_name, ip in ledger.database.select(
        _HOLDINGS, network, machine.boot_id()
    ):
        known = called.get((container, ifname), Names())
        _, _, addresses = found.setdefault(host_name, (container, known, []))
        if ip is not None:
            addresses.append(address.text(ip))
    return [_made(name, *facts) for name, facts in found.items()]


def _entry(attachment: "Attachment", served: ServedNames) -> hosts.Entry:
    texts = [address.text(ip) for ip in served.addresses]
    return _made(names.host_name(attachment), attachment.container, served.names or Names(), texts)


def _made(host_name: str, container: str, known: Names, addresses: "list[str]") -> hosts.Entry:
    own = known.own.lower() if hosts.is_servable(known.own) else ""
    aliases = dict.fromkeys(each.lower() for each in known.aliases if hosts.is_servable(each))
    aliases.pop(own, None)
    return hosts.Entry(
        host_name=host_name,
        container=container,
        addresses=tuple(addresses),
        own=own,
        aliases=tuple(sorted(aliases)),
    )
