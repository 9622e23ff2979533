"""What should be there, in the plainest terms: who was added, who is lost, who was interrupted.

It never looks at a host; what one shows is compared with it by `differences`.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.oracles import Key
from tests.simulation.world import Kind, Sight

OK, UNKNOWN_CONTAINER, EXHAUSTED, EXISTS, PORT_IN_USE = 0, 3, 100, 102, 103


@dataclass(frozen=True)
class Entry:
    """One attachment that was begun and is not deleted yet."""

    addresses: frozenset[str] = frozenset()
    port: int = 0  # that its ADD was asked for
    published: frozenset[int] = frozenset()  # now
    was_published: bool = False  # by a command
    limit: int = 0  # bytes a second, received and sent
    is_isolated: bool = False
    is_lost: bool = False  # its namespace is gone, or the kernel that it was in
    is_certain: bool = True  # no run that was about it has been killed since


@dataclass
class Model:
    """The month so far."""

    kinds: dict[str, Kind]
    entries: dict[Key, Entry] = field(default_factory=dict)
    is_whole: bool = True  # nobody has flushed the ruleset since it was last filled
    remembered: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def of_network(self, network: str) -> dict[Key, Entry]:
        """Its entries."""
        return {key: entry for key, entry in self.entries.items() if key.network == network}

    def living(self) -> list[Key]:
        """Those that were added and must work."""
        return [key for key, it in self.entries.items() if it.is_certain and not it.is_lost]

    # ------------------------------------------------------------ what an ADD must answer

    def answer(self, key: Key, port: int, seen: Sight, *, is_alive: bool) -> int:
        """Return the code of an ADD; the dead of its network are removed where something is wanting."""
        if not is_alive:
            return UNKNOWN_CONTAINER
        if key in seen.host_ends:  # refused before it asks for anything
            return EXISTS
        others = set(seen.leases)
        if self.kinds[key.network].is_sticky:
            others -= self._make_way(key)
        is_wanting = key in others or self._is_full(key.network, others)
        if is_wanting:
            others -= self.reclaim(key.network)
            # Those of a DEL that did not come to its end are as dead.
            others -= self.without_interface(key.network, seen) - {key}
        if key in others and key in seen.without_interface:  # of a DEL that did not come to its end
            others.remove(key)
            self.entries.pop(key, None)
        if key in others:
            return EXISTS
        if self._is_full(key.network, others):
            return EXHAUSTED
        return OK if not port or self.is_free(port, key, seen, others) else PORT_IN_USE

    def is_free(self, port: int, key: Key, seen: Sight, others: Container[Key]) -> bool:
        """Whether a host port can be published; a dead one that has it is removed.

        Another attachment of the same container may have it: the second one waits for it.
        """
        holder = seen.ports.get(port)
        if holder is None or holder.container == key.container or self._reclaim_one(holder):
            return True
        return holder not in self.entries and holder not in others

    def is_exhausted(self, network: str, seen: Sight) -> bool:
        """Whether an ADD would find no address, not even one of the dead."""
        lost = {key for key, entry in self.of_network(network).items() if entry.is_lost}
        return self._is_full(
            network, seen.leases.keys() - lost - self.without_interface(network, seen)
        )

    @staticmethod
    def without_interface(network: str, seen: Sight) -> set[Key]:
        """Return those of a network that only the ledger knows."""
        return {key for key in seen.without_interface if key.network == network}

    def reclaim(self, network: str) -> set[Key]:
        """Forget the lost of a network; they are returned."""
        lost = {key for key, entry in self.of_network(network).items() if entry.is_lost}
        for key in lost:
            del self.entries[key]
        return lost

    def _make_way(self, key: Key) -> set[Key]:
        """Forget the lost containers that were called as this one is; they are returned."""
        lost = {
            each
            for each, entry in self.of_network(key.network).items()
            if entry.is_lost and each != key and each.name == key.name
        }
        for each in lost:
            del self.entries[each]
        return lost

    def expected(self, key: Key, seen: Sight) -> frozenset[str] | None:
        """Return the addresses that the container's name had last, if it must get them again."""
        last = self.remembered.get((key.network, key.name))
        taken = {
            ip for holder, found in seen.leases.items() if holder in self.entries for ip in found
        }
        return last if last and not last & taken else None

    def add(self, key: Key, addresses: frozenset[str], port: int) -> None:
        """Note a successful ADD, and what the container's name has now."""
        published = frozenset({port} - {0})
        self.entries[key] = Entry(addresses, port, published)
        if self.kinds[key.network].is_guarded:
            self.is_whole = True
        if self.kinds[key.network].is_sticky:
            self.remembered[key.network, key.name] = addresses

    def _reclaim_one(self, key: Key) -> bool:
        """Forget it if it is lost."""
        is_lost = key in self.entries and self.entries[key].is_lost
        if is_lost:
            del self.entries[key]
        return is_lost

    def _is_full(self, network: str, holders: set[Key]) -> bool:
        taken = sum(key.network == network for key in holders)
        return taken >= self.kinds[network].capacity

    # ------------------------------------------------------------ what happened

    def change(self, key: Key, **changes: Any) -> None:
        """Note what a command has changed of it; one that changes ports loads all rules."""
        self.entries[key] = replace(self.entries[key], **changes)
        if "published" in changes:
            self.entries[key] = replace(self.entries[key], was_published=True)
            self.is_whole = True

    def doubt(self, keys: set[Key]) -> None:
        """Note that a run concerning these attachments was killed."""
        for key in keys:
            self.entries[key] = replace(self.entries.get(key, Entry()), is_certain=False)

    def renew(self, key: Key) -> None:
        """Note that the killed run had recorded it again: nothing of it is of an older boot."""
        self.entries[key] = replace(self.entries[key], is_lost=False)

    def lose(self, container: str) -> None:
        """Its namespace is gone."""
        for key, entry in self.entries.items():
            if key.container == container:
                self.entries[key] = replace(entry, is_lost=True)

    def restart(self, *, keeps_run: bool) -> None:
        """All are lost; ledgers that are not kept forget theirs."""
        self.entries = {
            key: replace(entry, is_lost=True)
            for key, entry in self.entries.items()
            if keeps_run or self.kinds[key.network].keeps_on_disk
        }
        self.is_whole = False

    # ------------------------------------------------------------ what must be seen

    def differences(self, seen: Sight) -> Iterator[str]:
        """Everything that a host shows and should not, or should and does not."""
        yield from self._of_ledgers(seen)
        yield from self._of_kernel(seen)
        yield from self._of_ports(seen)
        yield from self._of_firewall(seen)
        yield from map("nobody's interface: {}".format, seen.strangers)

    def _of_ledgers(self, seen: Sight) -> Iterator[str]:
        certain = {key: it for key, it in self.entries.items() if it.is_certain}
        for key in sorted(seen.leases.keys() - self.entries.keys()):
            yield f"ledger: record of {key}, which is deleted"
        for key, entry in certain.items():
            if seen.leases.get(key) != entry.addresses:
                yield f"ledger: {key} has {seen.leases.get(key)}, not {set(entry.addresses)}"
        wanted = {(key, key.container) for key in seen.leases}
        for key, name in sorted(wanted ^ seen.names):
            yield f"ledger: name {name} of {key} is missing or too much"
        given = [address for addresses in seen.leases.values() for address in addresses]
        for address in {each for each in given if given.count(each) > 1}:
            yield f"ledger: {address} is given twice"

    def _of_kernel(self, seen: Sight) -> Iterator[str]:
        living = set(self.living())
        for key in sorted(living - seen.host_ends):
            yield f"kernel: no host end of {key}"
        for key in sorted(seen.host_ends - seen.leases.keys()):
            yield f"kernel: host end of {key}, which no ledger knows"
        for key in living:
            if seen.inside.get(key) != self.entries[key].addresses:
                yield f"kernel: {key} has {seen.inside.get(key)}"
            limit = self.entries[key].limit
            if seen.limits.get(key, (0, 0)) != (limit, limit):
                yield f"kernel: {key} is limited to {seen.limits.get(key)}, not {limit}"
        isolated = set().union(*seen.recorded.get("alone", {}).values())
        for key in sorted(living):
            if (key in isolated) != self.entries[key].is_isolated:
                yield f"ledger: {key} is isolated or not, unlike what was asked for"
        for key in sorted(seen.inside.keys() - self.entries.keys()):
            yield f"kernel: container end of {key}, which is deleted"

    def _of_ports(self, seen: Sight) -> Iterator[str]:
        for key in self.living():
            published = self.entries[key].published
            for port in published:
                holder = seen.ports.get(port)
                if holder is None or holder.container != key.container:
                    yield f"ledger: {port} of {key} is {holder}'s"
            for port, holder in seen.ports.items():
                if holder == key and port not in published:
                    yield f"ledger: {key} publishes {port}"

    def _of_firewall(self, seen: Sight) -> Iterator[str]:
        for name in seen.loaded.keys() | seen.recorded.keys():
            recorded, loaded = seen.recorded.get(name, {}), seen.loaded.get(name, set())
            for element in sorted(loaded - recorded.keys()):
                yield f"firewall: {name} has {element}, which nobody has"
            for element in sorted(recorded.keys() - loaded):
                if self.is_whole and not any(map(self._may_lack, recorded[element])):
                    yield f"firewall: {name} lacks {element} of {recorded[element]}"
            for owner in {owner for owners in recorded.values() for owner in owners}:
                if owner.container and owner not in self.entries:
                    yield f"ledger: {name} of {owner}, which is deleted"

    def _may_lack(self, owner: Key) -> bool:
        """Whether a killed run may have left the kernel without what the ledger has."""
        if owner.container:
            return owner not in self.entries or not self.entries[owner].is_certain
        return not all(entry.is_certain for entry in self.of_network(owner.network).values())
