"""The store on the Kubernetes API: one coordination.k8s.io Lease a host, one a block, one for all.

    cni-bridge-HASH           what blocks are cut from, the same on all hosts
    cni-bridge-HASH-host-…    a host's description, its renewals, and what its containers are called
    cni-bridge-HASH-block-…   the host that has a block; free without a holder

HASH stands for the network. There are no transactions, only objects that are written if they are as last
read. A block is therefore taken from a host in two steps: its membership is ended, then the block is
written. A host that returns writes its membership first and then its blocks, so that an agent that ended
its membership finds the block changed. Whether a host renews is decided by how long its object has been
unchanged, on the observer's own clock.
"""

import time
from hashlib import blake2b

from cni_bridge.address import Prefix, prefix_text
from cni_bridge.cluster import kube_objects as objects
from cni_bridge.cluster import notation
from cni_bridge.cluster.kube_api import Api, Changes
from cni_bridge.cluster.kube_kinds import Lease
from cni_bridge.cluster.kube_objects import NAMESPACE, RECORD
from cni_bridge.cluster.model import Block, Host, Membership, Named, Settings, View
from cni_bridge.cluster.notation import Document, Malformed
from cni_bridge.cluster.store import MembershipLost, OtherNetwork, Unreachable
from cni_bridge.lean.record import replace
from cni_bridge.ledger.blocks import now_ms

TERM = "cni-bridge/term"  # number of times the host has joined again
NETWORK = "cni-bridge/network"
ATTEMPTS = 3
MAX_DIGITS = 10  # of a term


class Kubernetes:
    """A cluster network in Leases; the `Store` of `cluster.store`."""

    def __init__(self, settings: Settings) -> None:
        self._api = Api(settings.kubeconfig, NAMESPACE)
        # Names of networks may have letters that names of objects may not.
        self._root = f"cni-bridge-{_hash(settings.network)}"
        self._labels = {NETWORK: _hash(settings.network)}
        self._pools = notation.pools_text(settings.pools)
        self._known: dict[str, Lease] = {}
        self._changed: dict[str, tuple[str, float]] = {}  # version, since when
        self._stale: frozenset[str] = frozenset()  # of what is known, when it was last looked at
        self._stream: Changes | None = None

    # ------------------------------------------------------------ membership

    def join(self, host: Host, ttl: int, *, take_over: bool = False) -> Membership:
        self._agree_on_pools()
        for _attempt in range(ATTEMPTS):
            asked = now_ms()
            found = self._api.lease(self._host(host.id))
            if found and not take_over and (described := _described(found)):
                _must_be_the_same(host, described)
            term = max(1, _term(found) + (not objects.holder(found))) if found else 1
            wanted = self._made(self._host(host.id), host.id, notation.host_document(host), ttl)
            objects.annotations(wanted)[TERM] = str(term)
            if self._written(wanted, found):
                self._rewrite_blocks(host)
                return Membership(host=host, token=str(term), until=asked + ttl * 1000)
        raise Unreachable("other agents keep changing the record of this host")

    def renew(self, membership: Membership) -> Membership:
        for _attempt in range(ATTEMPTS):
            asked = now_ms()
            found = self._own(membership)
            found.spec.renewTime = objects.now()
            if self._api.replace(found):
                ttl = found.spec.leaseDurationSeconds or 0
                return replace(membership, until=asked + ttl * 1000)
        raise Unreachable("other agents keep changing the record of this host")

    def name(self, membership: Membership, names: tuple[Named, ...]) -> None:
        for _attempt in range(ATTEMPTS):
            found = self._own(membership)
            objects.annotations(found)[objects.NAMES] = notation.names_text(names)
            if self._api.replace(found):
                return
        raise Unreachable("other agents keep changing the record of this host")

    def leave(self, membership: Membership) -> None:
        try:
            self._end_term(self._own(membership))
        except MembershipLost:
            return

    def evict(self, host: str, *, by_force: bool = False) -> bool:
        found = self._api.lease(self._host(host))
        if found is None:
            return True
        if objects.holder(found) and not (by_force and self._end_term(found)):
            return False
        for block in self.view().blocks.values():
            if block.host == host:
                self._free(block)
        return True

    # ------------------------------------------------------------ blocks

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        self._own(membership)
        if seen and seen.host != membership.host.id and not self._end_expired_term(seen.host):
            return None
        host = membership.host
        document = {"subnet": prefix_text(subnet), **notation.block_document(host)}
        found = self._api.lease(self._block(subnet))
        try:
            block = objects.block(found) if found and objects.holder(found) else None
        except Malformed:
            return None
        if block and block != seen:
            if (block.host, block.boot_id) != (host.id, host.boot_id):
                return None
            if found and objects.has(found, self._labels):  # else no view has it
                return block
        wanted = self._made(self._block(subnet), host.id, document)
        written = self._written(wanted, found)
        if written is None:
            return None
        block = objects.block(written)
        try:
            self._own(membership)
            self._must_have_our_pools()
        except (MembershipLost, OtherNetwork):
            self._free(block)
            raise
        return block

    def release(self, membership: Membership, block: Block) -> None:
        if block.host == membership.host.id:
            self._free(block)

    # ------------------------------------------------------------ seeing

    def view(self) -> View:
        items, version = self._api.listed(Lease, self._labels)
        self._known = {objects.name(item): item for item in items}
        self._note()
        self._end_stream()
        self._stream = self._api.stream(Lease, self._labels, version)
        return self._seen(int(version))

    def watch(self, view: View, patience: float) -> View:
        if self._stream is None:
            raise Unreachable("a watch needs a view first")
        try:
            found = self._stream.next(patience)
        except Unreachable:
            self._end_stream()
            raise
        if not found and self._stale_now() == self._stale:
            return view  # records of many hosts are not read four times a second
        revision = view.revision
        for kind, item in found:
            revision = max(revision, int(item.metadata.resourceVersion))
            if kind == "DELETED":
                self._known.pop(objects.name(item), None)
            else:
                self._known[objects.name(item)] = item
        self._note()
        new = self._seen(revision)
        return view if replace(new, revision=view.revision) == view else new

    def skew(self) -> float | None:
        return self._api.skew

    def close(self) -> None:
        self._end_stream()
        self._api.close()

    def _end_stream(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None

    def _seen(self, revision: int) -> View:
        hosts, members, blocks = {}, set(), {}
        self._stale = self._stale_now()
        malformed: dict[str, Prefix | None] = {}
        names = {}
        for name, item in self._known.items():
            try:
                if name.startswith(f"{self._root}-block-"):
                    malformed[name] = objects.subnet(item)
                    if objects.holder(item):
                        block = objects.block(item)
                        blocks[block.subnet] = block
                elif name.startswith(f"{self._root}-"):
                    host = objects.host(item)
                    if name != self._host(host.id):
                        raise Malformed("its name is not that of its host")
                    hosts[host.id] = host
                    if objects.holder(item) and name not in self._stale:
                        members.add(host.id)
                        names[host.id] = objects.names(item)
                malformed.pop(name, None)
            except Malformed:
                malformed.setdefault(name, None)
        owners = {block.host for block in blocks.values()} | members
        return View(
            revision=revision,
            hosts={id: host for id, host in hosts.items() if id in owners},
            members=frozenset(members),
            blocks=blocks,
            malformed=malformed,
            names=names,
        )

    # ------------------------------------------------------------ objects

    def _agree_on_pools(self) -> None:
        """Write what blocks are cut from; raise OtherNetwork while a host has blocks of other sizes."""
        found = self._api.lease(self._root)
        if found and objects.record(found) == self._pools:
            return
        if found and self.view().blocks:
            raise _other(found, self._pools)
        wanted = self._made(self._root, "", {})
        objects.annotations(wanted)[RECORD] = self._pools
        if self._written(wanted, found) and found and self.view().blocks:
            self._api.replace(self._with_version(found))  # another host has leased one meanwhile
            raise _other(found, self._pools)
        self._must_have_our_pools()

    def _must_have_our_pools(self) -> None:
        found = self._api.lease(self._root)
        if found is None or objects.record(found) != self._pools:
            raise _other(found, self._pools)

    def _with_version(self, old: Lease) -> Lease:
        """Return an object with its old content, to be written over the current one."""
        now = self._api.lease(objects.name(old))
        if now:
            old.metadata.resourceVersion = now.metadata.resourceVersion
        return old

    def _rewrite_blocks(self, host: Host) -> None:
        """Write this host's blocks again: an agent that is about to take one is too late then."""
        for item in self._api.listed(Lease, self._labels)[0]:
            if "-block-" in objects.name(item) and objects.holder(item) == host.id:
                item.spec.renewTime = objects.now()
                self._api.replace(item)

    def _own(self, membership: Membership) -> Lease:
        """Return the host's object. Raises MembershipLost."""
        found = self._api.lease(self._host(membership.host.id))
        is_ours = (
            found is not None
            and objects.holder(found) == membership.host.id
            and objects.annotations(found).get(TERM) == membership.token
            and (described := _described(found)) is not None
            and described.boot_id == membership.host.boot_id
        )
        if found is None or not is_ours:
            host = membership.host
            raise MembershipLost(f"the host {host.name} ({host.id}) is no longer a member")
        return found

    def _end_expired_term(self, host: str) -> bool:
        """Return whether the host is not a member: it has left, or it has not renewed and its term is ended."""
        found = self._api.lease(self._host(host))
        if found is None or not objects.holder(found):
            return True
        version, _since = self._changed.get(objects.name(found), ("", 0.0))
        is_as_seen = version == objects.version(found)
        return is_as_seen and self._is_stale(found) and self._end_term(found)

    def _end_term(self, found: Lease) -> bool:
        found.spec.holderIdentity = ""
        return self._api.replace(found) is not None

    def _free(self, block: Block) -> None:
        found = self._api.lease(self._block(block.subnet))
        if found and objects.version(found) == str(block.revision):
            found.spec.holderIdentity = ""
            self._api.replace(found)

    def _written(self, wanted: Lease, found: Lease | None) -> Lease | None:
        """Create or replace the object; None if another agent has written it meanwhile."""
        if found is None:
            return self._api.create(wanted)
        wanted.metadata.resourceVersion = objects.version(found)
        return self._api.replace(wanted)

    def _note(self) -> None:
        """Note since when each object has been unchanged."""
        now, before = time.monotonic(), self._changed
        self._changed = {
            name: before[name]
            if before.get(name, ("", 0.0))[0] == objects.version(item)
            else (objects.version(item), now)
            for name, item in self._known.items()
        }

    def _stale_now(self) -> frozenset[str]:
        return frozenset(name for name, item in self._known.items() if self._is_stale(item))

    def _is_stale(self, item: Lease) -> bool:
        _version_seen, since = self._changed.get(objects.name(item), ("", time.monotonic()))
        return time.monotonic() - since >= (item.spec.leaseDurationSeconds or 0)

    def _host(self, host: str) -> str:
        return f"{self._root}-host-{_hash(host)}"

    def _block(self, subnet: Prefix) -> str:
        return f"{self._root}-block-{objects.block_name(subnet)}"

    def _made(self, name: str, holder: str, record: Document, ttl: int = 0) -> Lease:
        return objects.made(name, self._labels, holder, record, ttl)


def _described(item: Lease) -> Host | None:
    """Return the host that an object describes; None if it is malformed, and so may be replaced."""
    try:
        return objects.host(item)
    except Malformed:
        return None


def _term(item: Lease) -> int:
    text = objects.annotations(item).get(TERM, "")
    return int(text) if text.isdecimal() and len(text) < MAX_DIGITS else 0


def _must_be_the_same(host: Host, known: Host) -> None:
    if host.boot_id != known.boot_id and not set(host.addresses) & set(known.addresses):
        raise MembershipLost(notation.another_machine(host, known))


def _other(found: Lease | None, ours: str) -> OtherNetwork:
    theirs = (objects.record(found) if found else "") or "nothing"
    return OtherNetwork(f"the store has the network as {theirs}, this host as {ours}")


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()
