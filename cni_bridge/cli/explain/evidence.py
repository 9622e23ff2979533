"""A real connection, traced by nftables in a temporary table.

Legacy iptables chains are not traced.
"""

import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cni_bridge.cli import kernel_messages
from cni_bridge.cli.environment import own_environment
from cni_bridge.cli.explain.hops import MEASURED, UNSURE, Flow, Hop, dropped
from cni_bridge.firewall import nft_tables
from cni_bridge.kernel import netns

TABLE = "cni_bridge_probe"
RULES = """\
table inet {table} {{
  chain arrives {{ type filter hook prerouting priority -350; {match} meta nftrace set 1; }}
  chain begins {{ type filter hook output priority -350; {match} meta nftrace set 1; }}
}}
"""
PATIENCE_S = 1.5
START_S = 0.3  # until `nft monitor` listens: it does not tell
DROP = re.compile(r"trace id \w+ (\w+) (\w+) (\S+) (?:rule (.*) \(verdict drop\)|.*policy drop)")
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def probe(netns_path: str, flow: Flow) -> Iterator[Hop]:
    """Connect from a namespace; report what dropped it, or the outcome."""
    with _traced(flow) as lines:
        outcome = _connect(netns_path, flow)
        traced = lines()
    for match in filter(None, map(DROP.match, traced)):
        family, table, chain, rule = match.groups()
        how = f"rule `{rule}`" if rule else "its policy"
        yield dropped("probe", f"{family} {table} {chain} drops it: {how}", MEASURED)
        return
    if outcome:
        yield dropped("probe", f"{flow.text}: {outcome}, and no nftables table drops it", MEASURED)
    elif flow.protocol == "udp":
        text = "sent; UDP does not show whether it arrives"
        yield Hop(place="probe", text=text, verdict=UNSURE, source=MEASURED)
    else:
        yield Hop(place="probe", text=f"{flow.text}: connected", source=MEASURED)


@contextmanager
def _traced(flow: Flow) -> Iterator["_Lines"]:
    nft = nft_tables.find_nft()
    environment = own_environment()
    family = "ip6" if ":" in flow.address else "ip"
    match = f"{family} daddr {flow.address} {flow.protocol} dport {flow.port}"
    if flow.source:
        match = f"{family} saddr {flow.source} {match}"
    text = RULES.format(table=TABLE, match=match)
    subprocess.run([nft, "-f", "-"], input=text, text=True, env=environment, check=True)
    monitor = subprocess.Popen(
        [nft, "monitor", "trace"], stdout=subprocess.PIPE, env=environment, text=True
    )
    try:
        time.sleep(START_S)
        yield _Lines(monitor)
    finally:
        monitor.kill()
        monitor.wait()
        subprocess.run([nft, "delete", "table", "inet", TABLE], env=environment, check=True)


class _Lines:
    """The monitor's output, once it has ended."""

    def __init__(self, monitor: "subprocess.Popen[str]") -> None:
        self._monitor = monitor

    def __call__(self) -> list[str]:
        self._monitor.terminate()
        return self._monitor.communicate()[0].splitlines()


def _connect(netns_path: str, flow: Flow) -> str:
    """Return what went wrong; nothing if it connected or, for UDP, was sent."""
    opened = netns.open_netns(netns_path, may_be_own=True)
    family = kernel_messages.family(flow.address)
    try:
        client = netns.inside(opened, lambda: socket.socket(family, KINDS[flow.protocol]))
    finally:
        netns.close(opened)
    with client:
        client.setblocking(False)
        try:
            client.connect((flow.address, flow.port))
            if flow.protocol == "udp":
                client.send(b"\0")
        except BlockingIOError:
            pass
        except OSError as error:
            return error.strerror or str(error)
        if flow.protocol == "udp":
            time.sleep(START_S)
            return ""
        if not select.select([], [client], [], PATIENCE_S)[1]:
            return "no answer"
        code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return os.strerror(code) if code else ""
