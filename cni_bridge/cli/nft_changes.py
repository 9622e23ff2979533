"""Tells when another program has changed nftables, and loads again what it took from cni-bridge.

The kernel reports every change, so it is the same whether a firewall was started, restarted or
reloaded, or an administrator ran `nft flush ruleset`. Only the service uses this: no runtime waits.
"""

import errno
import socket
import struct
import time
from collections.abc import Iterator

from cni_bridge.firewall import apply, foreign, foreign_checks, nft_tables
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import nftables
from cni_bridge.kernel.nfmessages import (
    NETLINK_NETFILTER,
    NFT_MSG_DELSETELEM,
    NFT_MSG_NEWSETELEM,
)
from cni_bridge.kernel.nftables import NFPROTO_INET

NFNLGRP_NFTABLES = 7  # linux/netfilter/nfnetlink.h
NFT_MSG_NEWGEN = 15  # linux/netfilter/nf_tables.h: the end of each transaction
# Each container's ADD and DEL change elements, and nothing else.
ORDINARY = {NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_NEWGEN}
SETTLE_S = 0.2  # a firewall that starts changes many chains
RECEIVE_SIZE = 1 << 20
HEADER = struct.Struct("IHHII")  # nlmsghdr


class Changes:
    """The kernel's reports of changed tables, chains and rules, from now on."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        self._socket.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))

    def wait(self) -> None:
        """Return soon after a change; all changes until then count as one."""
        while not self._has_changed(0):
            pass
        time.sleep(SETTLE_S)
        try:
            while True:
                self._has_changed(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return

    def _has_changed(self, flags: int) -> bool:
        try:
            data = self._socket.recv(RECEIVE_SIZE, flags)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return True  # there were more reports than the kernel keeps
        return any(kind & 0xFF not in ORDINARY for kind in _kinds(data))


def mend(register: Register) -> bool:
    """Load again what is missing; return whether anything was. What is whole is left alone."""
    counts = register.counts()
    needed = [each for each in register.rulesets() if counts.keys() & nft_tables.SETS[each]]
    if not needed:
        return False
    netfilter = nftables.Netfilter()
    generation = nftables.generation(netfilter)
    is_whole = all(apply.is_loaded(netfilter, register, each, generation) for each in needed)
    if not is_whole:
        apply.ensure_loaded(netfilter, register)
    if NFPROTO_INET not in needed:
        return not is_whole
    others = foreign_checks.look(netfilter, register)
    marked = set(others.marked) - set(register.everything() if others.marked else ())
    if not marked and not others.places:
        return not is_whole
    with register.transaction():
        register.insert_accepting(others.places)
        register.insert_shared(marked)
    with register.transaction():
        nft_tables.change(netfilter, NFPROTO_INET, marked, ())
        foreign.accept(netfilter, others.places)
    return True


def _kinds(data: bytes) -> Iterator[int]:
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, *_ = HEADER.unpack_from(data, offset)
        yield kind
        offset += max(length + 3 & ~3, HEADER.size)
