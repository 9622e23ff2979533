"""The store on etcd: what its keys are, and the transactions that change them.

`etcd_client` sends the requests; the agent decides when.

    PREFIX/NETWORK/pools             what blocks are cut from, the same on all hosts
    PREFIX/NETWORK/hosts/ID          a host's description; stays
    PREFIX/NETWORK/members/ID        its boot id; vanishes with its lease in etcd
    PREFIX/NETWORK/blocks/SUBNET     the host that has a block; stays
    PREFIX/NETWORK/names/ID          what a host's containers are called; vanishes as its membership does
"""

import hashlib
import json

from cni_bridge.address import Prefix
from cni_bridge.cluster import etcd_json, etcd_view, notation
from cni_bridge.cluster.etcd_client import FAILED_PRECONDITION, NOT_FOUND, EtcdClient, Refused
from cni_bridge.cluster.etcd_json import Document, Entry, delete, is_at, put
from cni_bridge.cluster.etcd_watch import Changes, Forgotten
from cni_bridge.cluster.model import Block, Host, Membership, Named, Settings, View
from cni_bridge.cluster.store import MembershipLost, OtherNetwork, Unreachable
from cni_bridge.lean.record import replace
from cni_bridge.ledger.blocks import now_ms

ATTEMPTS = 3
EVICTED_AT_ONCE = 50  # etcd takes 128 operations in a transaction
NOT_ONE = (
    "{} does not have what another endpoint has just stored: they are different etcd clusters, so hosts "
    "would lease the same blocks; `etcdctl member list` on each shows its members"
)


class Etcd:
    """A cluster network in etcd; the `Store` of `cluster.store`."""

    def __init__(self, settings: Settings) -> None:
        self._client = EtcdClient(settings.endpoints, settings.credentials)
        self._root = f"{settings.prefix.rstrip('/')}/{settings.network}/"
        self._pools = notation.pools_text(settings.pools)
        self._changes: Changes | None = None
        self._is_one = False  # all endpoints have been seen to know of this membership

    # ------------------------------------------------------------ membership

    def join(self, host: Host, ttl: int, *, take_over: bool = False) -> Membership:
        for _attempt in range(ATTEMPTS):
            if joined := self._try_to_join(host, ttl, take_over=take_over):
                return joined
        raise Unreachable("other agents keep changing the record of this host or of the network")

    def _try_to_join(self, host: Host, ttl: int, *, take_over: bool) -> Membership | None:
        """Return the membership, or None if another agent changed what it depends on."""
        asked = now_ms()
        pools, known, member = self._read(
            self._at("pools"), self._host(host.id), self._member(host.id)
        )
        if known and not take_over and (described := _described(host.id, known)):
            _must_be_the_same(host, described)
        has_pools = pools is not None and pools.value == self._pools
        if pools and not has_pools and self._has_blocks():
            raise OtherNetwork(
                f"the store has the network as {pools.value}, this host as {self._pools}"
            )
        lease, granted = self._grant(host, ttl)
        conditions = [_unchanged(self._at("pools"), pools), _unchanged(self._host(host.id), known)]
        changes = []
        if member and (member.lease, member.value) == (lease, host.boot_id):
            conditions.append(etcd_json.is_leased(self._member(host.id), str(lease)))
        else:
            changes.append(put(self._member(host.id), host.boot_id, lease))
        if not has_pools:
            conditions.append(etcd_json.none_below(self._at("blocks/")))
            changes.append(put(self._at("pools"), self._pools))
        description = json.dumps(notation.host_document(host))
        if known is None or known.value != description:
            changes.append(put(self._host(host.id), description))
        if not self._transact(conditions, changes):
            return None
        if member and member.lease != lease:
            self._end(member.lease)
        self._is_one = False
        return Membership(host=host, token=str(lease), until=asked + granted * 1000)

    def renew(self, membership: Membership) -> Membership:
        asked = now_ms()
        granted = self._keep_alive(membership.token)
        (member,) = self._read(self._member(membership.host.id))
        if not granted or not _is_leased(member, membership):
            raise _lost(membership)
        return replace(membership, until=asked + granted * 1000)

    def name(self, membership: Membership, names: tuple[Named, ...]) -> None:
        key = self._at(f"names/{membership.host.id}")
        written = put(key, notation.names_text(names), int(membership.token))
        if not self._transact([self._is_member(membership)], [written]):
            raise _lost(membership)

    def leave(self, membership: Membership) -> None:
        host = membership.host.id
        has_blocks = any(block.host == host for block in self.view().blocks.values())
        forgotten = [] if has_blocks else [delete(self._host(host))]
        self._transact([self._is_member(membership)], [delete(self._member(host)), *forgotten])
        self._end(int(membership.token))

    def evict(self, host: str, *, by_force: bool = False) -> bool:
        if by_force:
            self._transact([], [delete(self._member(host))])
        blocks = [block for block in self.view().blocks.values() if block.host == host]
        for start in range(0, len(blocks), EVICTED_AT_ONCE):
            some = blocks[start : start + EVICTED_AT_ONCE]
            unchanged = [is_at(self._block(block.subnet), block.revision) for block in some]
            freed = [delete(self._block(block.subnet)) for block in some]
            if not self._transact([self._is_no_member(host), *unchanged], freed):
                return False
        return bool(self._transact([self._is_no_member(host)], [delete(self._host(host))]))

    # ------------------------------------------------------------ blocks

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        self._must_be_one(membership)
        key, host = self._block(subnet), membership.host
        conditions = [
            self._is_member(membership),
            etcd_json.is_value(self._at("pools"), self._pools),
            is_at(key, seen.revision if seen else 0),
        ]
        if seen and seen.host != host.id:
            conditions.append(self._is_no_member(seen.host))
        document = json.dumps(notation.block_document(host))
        if revision := self._transact(conditions, [put(key, document)]):
            return Block(subnet=subnet, host=host.id, boot_id=host.boot_id, revision=revision)
        return self._found_instead(membership, subnet)

    def _must_be_one(self, membership: Membership) -> None:
        """Raise OtherNetwork if an endpoint does not have what another one has stored."""
        if self._is_one:
            return
        key = etcd_json.one(self._member(membership.host.id))
        answers = dict(self._client.ask_each("kv/range", key))
        strangers = [endpoint for endpoint, answer in answers.items() if "kvs" not in answer]
        if strangers and len(strangers) < len(answers):  # else this host is not a member
            raise OtherNetwork(NOT_ONE.format(strangers[0]))
        self._is_one = not strangers

    def _found_instead(self, membership: Membership, subnet: Prefix) -> Block | None:
        """Find out why a lease was not written: an earlier try succeeded, or another host was first.

        Raises MembershipLost, OtherNetwork.
        """
        host = membership.host
        pools, member, found = self._read(
            self._at("pools"), self._member(host.id), self._block(subnet)
        )
        if not _is_leased(member, membership):
            raise _lost(membership)
        if pools is None or pools.value != self._pools:
            has = pools.value if pools else "nothing"
            raise OtherNetwork(f"the store has the network as {has}, this host as {self._pools}")
        if found is None:
            return None
        try:
            block = notation.block(subnet, notation.decoded(found.value), found.revision)
        except notation.Malformed:
            return None
        return block if (block.host, block.boot_id) == (host.id, host.boot_id) else None

    def release(self, membership: Membership, block: Block) -> None:
        if block.host == membership.host.id:
            key = self._block(block.subnet)
            self._transact([is_at(key, block.revision)], [delete(key)])

    # ------------------------------------------------------------ seeing

    def view(self) -> View:
        told = self._changes.seen if self._changes else 0
        answer = self._client.ask("kv/range", etcd_json.below(self._root))
        found = etcd_view.folded(self._root, map(etcd_json.entry, answer.get("kvs", ())))
        if told > _revision(answer):
            self._end_changes()  # etcd has lost its data and counts from 1 again
        return replace(found, revision=_revision(answer))

    def watch(self, view: View, patience: float) -> View:
        if self._changes is None:
            self._changes = Changes(self._client, etcd_json.below(self._root), view.revision)
        try:
            found = self._changes.next(patience)
        except Forgotten:
            self._end_changes()
            return self.view()
        except Unreachable:
            self._end_changes()
            raise
        # A view that was read again may be ahead of the changes.
        news = (each for each in found if each.revision > view.revision)
        return etcd_view.folded(self._root, news, view)

    def skew(self) -> float | None:
        return self._client.skew

    def close(self) -> None:
        self._end_changes()
        self._client.close()

    def _end_changes(self) -> None:
        if self._changes:
            self._changes.close()
            self._changes = None

    # ------------------------------------------------------------ keys

    def _at(self, name: str) -> str:
        return self._root + name

    def _host(self, host: str) -> str:
        return self._at(f"hosts/{host}")

    def _member(self, host: str) -> str:
        return self._at(f"members/{host}")

    def _block(self, subnet: Prefix) -> str:
        return self._at(f"blocks/{etcd_view.block_name(subnet)}")

    def _is_member(self, membership: Membership) -> Document:
        return etcd_json.is_leased(self._member(membership.host.id), membership.token)

    def _is_no_member(self, host: str) -> Document:
        return is_at(self._member(host), 0)

    def _has_blocks(self) -> bool:
        answer = self._client.ask("kv/range", etcd_json.below(self._at("blocks/")) | {"limit": "1"})
        return "kvs" in answer

    # ------------------------------------------------------------ requests

    def _read(self, *keys: str) -> list[Entry | None]:
        """Return the keys at one revision; None for those that do not exist."""
        answer = self._client.ask("kv/txn", {"success": [etcd_json.get(key) for key in keys]})
        found = [each["response_range"].get("kvs", ()) for each in answer["responses"]]
        return [etcd_json.entry(kvs[0]) if kvs else None for kvs in found]

    def _transact(self, conditions: list[Document], changes: list[Document]) -> int:
        """Return the revision of the changes; 0 if a condition was not met, and nothing has changed."""
        answer = self._client.ask("kv/txn", {"compare": conditions, "success": changes})
        return _revision(answer) if answer.get("succeeded") else 0

    def _grant(self, host: Host, ttl: int) -> tuple[int, int]:
        """Return this boot's lease in etcd and its seconds. Its number is derived from the host, so that
        asking twice creates only one."""
        name = f"{self._root}\n{host.id}\n{host.boot_id}\n{ttl}".encode()
        lease = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) >> 1 or 1
        if granted := self._keep_alive(str(lease)):
            return lease, granted
        try:
            answer = self._client.ask("lease/grant", {"ID": str(lease), "TTL": str(ttl)})
        except Refused as refusal:
            if refusal.code != FAILED_PRECONDITION:  # it exists: an answer has been lost
                raise
            return lease, self._keep_alive(str(lease))
        return lease, int(answer["TTL"])

    def _keep_alive(self, lease: str) -> int:
        """Return the seconds left; 0 if there is no such lease."""
        answer = self._client.ask("lease/keepalive", {"ID": lease})
        return int(answer["result"].get("TTL", 0))

    def _end(self, lease: int) -> None:
        try:
            self._client.ask("lease/revoke", {"ID": str(lease)})
        except Refused as refusal:
            if refusal.code != NOT_FOUND:
                raise


def _described(host_id: str, known: Entry) -> Host | None:
    """Return the host that a record describes; None if it is malformed, and so may be replaced."""
    try:
        return notation.host(host_id, notation.decoded(known.value))
    except notation.Malformed:
        return None


def _must_be_the_same(host: Host, known: Host) -> None:
    """Raise MembershipLost if the known host of this id is another machine."""
    if host.boot_id != known.boot_id and not set(host.addresses) & set(known.addresses):
        raise MembershipLost(notation.another_machine(host, known))


def _unchanged(key: str, seen: Entry | None) -> Document:
    return is_at(key, seen.revision if seen else 0)


def _is_leased(member: Entry | None, membership: Membership) -> bool:
    return member is not None and str(member.lease) == membership.token


def _lost(membership: Membership) -> MembershipLost:
    host = membership.host
    return MembershipLost(
        f"the membership of host {host.name} ({host.id}) has expired, or another host has its id"
    )


def _revision(answer: Document) -> int:
    return int(answer["header"]["revision"])
