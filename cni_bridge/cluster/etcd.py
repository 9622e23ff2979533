"""The store on etcd: what its keys are, and the transactions that change them.

How a request gets to one of its members is the business of `gateway`; when to ask is the agent's.

    PREFIX/NETWORK/pools             what blocks are cut from, the same on all hosts
    PREFIX/NETWORK/hosts/ID          a host's description; stays
    PREFIX/NETWORK/members/ID        its boot id; vanishes with its lease in etcd
    PREFIX/NETWORK/blocks/SUBNET     who has a block; stays
"""

import hashlib
import json
import time
from typing import Any

from cni_bridge.address import Prefix, parse_prefix, prefix_text
from cni_bridge.cluster import changes, notation
from cni_bridge.cluster.changes import Changes, decoded, encoded
from cni_bridge.cluster.gateway import Gateway, Refused
from cni_bridge.cluster.model import Block, Host, Membership, Settings, View
from cni_bridge.cluster.store import MembershipLost, OtherNetwork, Unreachable
from cni_bridge.ipam.blocks import now_ms
from cni_bridge.record import replace

ATTEMPTS = 3
EVICTED_AT_ONCE = 50  # etcd takes 128 operations in a transaction

Condition = dict[str, Any]
Operation = dict[str, Any]


class Etcd:
    """A cluster network in etcd; the `Store` of `cluster.store`."""

    def __init__(self, settings: Settings) -> None:
        self._gateway = Gateway(settings.endpoints, settings.credentials)
        self._root = f"{settings.prefix.rstrip('/')}/{settings.network}/"
        self._pools = notation.pools_text(settings.pools)
        self._changes: Changes | None = None

    # ------------------------------------------------------------ membership

    def join(self, host: Host, ttl: int, *, take_over: bool = False) -> Membership:
        for _attempt in range(ATTEMPTS):
            if joined := self._try_to_join(host, ttl, take_over=take_over):
                return joined
        raise Unreachable("other hosts joined at the same moment, again and again")

    def _try_to_join(self, host: Host, ttl: int, *, take_over: bool) -> Membership | None:
        """The membership, or None where somebody else changed what it depends on."""
        asked = now_ms()
        pools, known, member = self._read("pools", f"hosts/{host.id}", f"members/{host.id}")
        if known and not take_over:
            _must_be_the_same(host, notation.host(host.id, json.loads(known.value)))
        if pools and pools.value != self._pools and self._any_block():
            raise OtherNetwork(f"the store has it as {pools.value}, this host as {self._pools}")
        lease, granted = self._grant(host, ttl)
        description = json.dumps(notation.host_document(host))
        written = self._transact(
            [_unchanged(self._key("pools"), pools), _unchanged(self._key(f"hosts/{host.id}"), known)],
            [
                *self._put_unless(pools, "pools", self._pools),
                *self._put_unless(known, f"hosts/{host.id}", description),
                _put(self._key(f"members/{host.id}"), host.boot_id, lease),
            ],
        )
        if not written:
            return None
        if member and member.lease != lease:
            self._end(member.lease)
        return Membership(host=host, token=str(lease), until=asked + granted * 1000)

    def renew(self, membership: Membership) -> Membership:
        asked = now_ms()
        answer = self._gateway.ask("lease/keepalive", {"ID": membership.token})
        granted = int(answer["result"].get("TTL", 0))
        (member,) = self._read(f"members/{membership.host.id}")
        if not granted or member is None or str(member.lease) != membership.token:
            raise MembershipLost(f"the store has forgotten the host {membership.host.id}")
        return replace(membership, until=asked + granted * 1000)

    def leave(self, membership: Membership) -> None:
        host = membership.host.id
        has_blocks = any(block.host == host for block in self.view().blocks.values())
        forgotten = [] if has_blocks else [_delete(self._key(f"hosts/{host}"))]
        self._transact(
            [self._is_member(membership)], [_delete(self._key(f"members/{host}")), *forgotten]
        )
        self._end(int(membership.token))

    def evict(self, host: str) -> bool:
        blocks = [b for b in self.view().blocks.values() if b.host == host]
        for start in range(0, len(blocks), EVICTED_AT_ONCE):
            some = blocks[start : start + EVICTED_AT_ONCE]
            unchanged = [_at(self._block_key(block.subnet), block.revision) for block in some]
            freed = [_delete(self._block_key(block.subnet)) for block in some]
            if not self._transact([self._is_no_member(host), *unchanged], freed):
                return False
        return self._transact([self._is_no_member(host)], [_delete(self._key(f"hosts/{host}"))])

    # ------------------------------------------------------------ blocks

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        key, host = self._block_key(subnet), membership.host
        conditions = [
            self._is_member(membership),
            _equals(self._key("pools"), self._pools),
            _at(key, seen.revision if seen else 0),
        ]
        if seen and seen.host != host.id:
            conditions.append(self._is_no_member(seen.host))
        wanted = _put(key, json.dumps(notation.block_document(host)))
        if revision := self._transact(conditions, [wanted]):
            return Block(subnet=subnet, host=host.id, boot_id=host.boot_id, revision=revision)
        return self._found_instead(membership, subnet)

    def _found_instead(self, membership: Membership, subnet: Prefix) -> Block | None:
        """Why a lease was not written: an earlier try was, somebody was first, or we are out."""
        place = f"blocks/{_file_name(subnet)}"
        pools, member, found = self._read("pools", f"members/{membership.host.id}", place)
        if member is None or str(member.lease) != membership.token:
            raise MembershipLost(f"the store has forgotten the host {membership.host.id}")
        if pools is None or pools.value != self._pools:
            raise OtherNetwork(f"the store has it as {pools and pools.value}, not {self._pools}")
        if found is None:
            return None
        block = notation.block(subnet, json.loads(found.value), found.revision)
        is_ours = (block.host, block.boot_id) == (membership.host.id, membership.host.boot_id)
        return block if is_ours else None

    def release(self, membership: Membership, block: Block) -> None:
        if block.host == membership.host.id:
            key = self._block_key(block.subnet)
            self._transact([_at(key, block.revision)], [_delete(key)])

    # ------------------------------------------------------------ seeing

    def view(self) -> View:
        answer = self._gateway.ask("kv/range", _everything_below(self._root))
        empty = View(
            revision=int(answer["header"]["revision"]), hosts={}, members=frozenset(), blocks={}
        )
        return self._with(empty, [changes.Entry.of(each) for each in answer.get("kvs", ())])

    def watch(self, view: View, patience: float) -> View:
        if self._changes is None or not self._changes.covers(view.revision):
            self._changes = Changes(self._gateway, _everything_below(self._root), view.revision)
        entries = self._changes.after(view.revision, patience)
        return self._with(view, entries) if entries else view

    def _with(self, view: View, entries: list[changes.Entry]) -> View:
        """The view after these changes, in their order. What can't be read is passed over."""
        hosts, members, blocks = dict(view.hosts), set(view.members), dict(view.blocks)
        for entry in entries:
            kind, _, name = decoded(entry.key).removeprefix(self._root).partition("/")
            try:
                if kind == "members":
                    (members.discard if entry.is_deleted else members.add)(name)
                elif kind == "hosts":
                    _change(hosts, name, entry, lambda e, n=name: notation.host(n, json.loads(e.value)))
                elif kind == "blocks":
                    subnet = parse_prefix(name.replace("-", "/"))
                    _change(blocks, subnet, entry, lambda e, s=subnet: notation.block(s, json.loads(e.value), e.revision))
            except (KeyError, TypeError, ValueError):
                continue
        revision = max([view.revision, *(entry.revision for entry in entries)])
        return View(revision=revision, hosts=hosts, members=frozenset(members), blocks=blocks)

    def skew(self) -> float | None:
        return self._gateway.skew

    def close(self) -> None:
        if self._changes:
            self._changes.close()
        self._gateway.close()
