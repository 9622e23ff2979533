"""The names of containers, over all hosts of a cluster network.

Each host's agent writes to the store what the containers of its host are called, and writes what other
hosts say into a file that this host's nameserver reads beside its own. `naming` does the rest.
"""

import os
import time
from collections.abc import Iterable, Iterator

from cni_bridge import address
from cni_bridge.address import Prefix, contains
from cni_bridge.cluster import notation
from cni_bridge.cluster.model import Membership, Named, View
from cni_bridge.cluster.store import Store
from cni_bridge.lean.record import replace
from cni_bridge.naming import hosts, server
from cni_bridge.naming.hosts import Entry

PAUSE_S = 1.0  # between two changes that are told, and between two that are learnt


class Names:
    """The names of one network; nothing is done if it has no nameserver, whose `domain` is empty then."""

    def __init__(self, network: str, domain: str, backing: Store) -> None:
        self.problems: tuple[str, ...] = ()
        self._network = network
        self._domain = domain
        self._store = backing
        self._told = self._learnt = -PAUSE_S  # when
        self._agreed: tuple[str, object] | None = None  # what the store and the file here say
        self._known: tuple[View, str] | None = None  # for which the file `others` was last compared

    def keep(self, membership: Membership, view: View) -> None:
        """Tell the store what has changed here, and the nameserver what has changed elsewhere.

        Raises what the store raises, OSError, TryAgainLater.
        """
        if not self._domain:
            return
        content = server.read(server.hosts(self._network))
        self._tell(membership, view, content or "")
        if content is not None:
            self._learn(membership, view, content)

    def _tell(self, membership: Membership, view: View, content: str) -> None:
        now, in_store = time.monotonic(), view.names.get(membership.host.id, ())
        if self._agreed == (content, in_store) or now - self._told < PAUSE_S:
            return
        listed = tuple(called(hosts.entries(content)))
        kept = notation.fitting(listed)
        left = len(listed) - len(kept)
        self.problems = (
            (
                f"this host has too many names for the store: those of {left} of its containers are left out",
            )
            if left
            else ()
        )
        if in_store == kept:
            self._agreed = (content, in_store)
            return
        self._store.name(membership, kept)
        self._told = now

    def _learn(self, membership: Membership, view: View, content: str) -> None:
        now = time.monotonic()
        file = server.others(self._network)
        is_known = self._known is not None and self._known[0] is view and self._known[1] == content
        if (is_known and os.path.exists(file)) or now - self._learnt < PAUSE_S:
            return
        wanted = rendered(view, membership.host.id, content, self._domain)
        with server.Lock():
            if server.has(self._network) and server.read(file) != wanted:
                server.write(file, wanted)
                server.reload(self._network)
                self._learnt = now
        self._known = (view, content)


def called(listed: Iterable[Entry]) -> Iterator[Named]:
    """Yield each container that has a name and an address, once, whatever attachments it has."""
    found: dict[str, Named] = {}
    for entry in listed:
        before = found.get(entry.container, Named(own="", aliases=(), addresses=()))
        found[entry.container] = Named(
            own=before.own or entry.own,
            aliases=tuple(sorted({*before.aliases, *entry.aliases})),
            addresses=(*before.addresses, *map(address.parse, entry.addresses)),
        )
    return (each for each in found.values() if each.addresses and (each.own or each.aliases))


def rendered(view: View, here: str, content: str, domain: str) -> str:
    """Return the names of other hosts' containers, as a hosts file.

    A host that is no member has none, and an address counts only inside of its host's blocks. Names that
    containers here have come first: another's own name is not served if it is known here, nor is an
    alias that is an own name here.
    """
    blocks: dict[str, list[Prefix]] = {}
    for block in view.blocks.values():
        blocks.setdefault(block.host, []).append(block.subnet)
    local = hosts.entries(content)
    owned = {each.own for each in local}
    known = owned.union(*(each.aliases for each in local))
    told = (
        hosts.bare(_entry(f"{host}/{number}", named, blocks.get(host, ())), domain)
        for host in sorted(view.members - {here})
        for number, named in enumerate(view.names.get(host, ()))
    )
    return hosts.render(
        (
            replace(
                each,
                own=each.own if each.own not in known else "",
                aliases=tuple(alias for alias in each.aliases if alias not in owned),
            )
            for each in told
            if each.addresses
        ),
        domain,
    )


def _entry(where: str, named: Named, blocks: Iterable[Prefix]) -> Entry:
    return Entry(
        host_name=where,
        container=where,
        addresses=_inside(blocks, named),
        own=named.own,
        aliases=named.aliases,
    )


def _inside(blocks: Iterable[Prefix], named: Named) -> tuple[str, ...]:
    return tuple(
        address.text(ip) for ip in named.addresses if any(contains(subnet, ip) for subnet in blocks)
    )
