"""`cni-bridge agent`: keep this host a member of a cluster network while the process runs.

Command line, signals and systemd's protocol; the work is done by `cluster.agent`.
"""

import argparse
import fcntl
import hashlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from cni_bridge import address
from cni_bridge.cli import conflists, systemd, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_conf_dir
from cni_bridge.cluster import snapshot
from cni_bridge.errors import CniError, InvalidConfig, IOFailure, TryAgainLater
from cni_bridge.kernel import machine
from cni_bridge.ledger import state_directory

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from cni_bridge.cluster.agent import Agent
    from cni_bridge.cluster.store import Store

# The client libraries are heavy, and not in every build: only the command itself imports them.

STOPPED_BY = (signal.SIGTERM, signal.SIGINT)
EXAMPLES = """\
  cni-bridge agent                    # the only cluster network of this host
  cni-bridge agent pods --metrics 127.0.0.1:9468
  cni-bridge agent pods --leave       # take this host out of service
  cni-bridge agent pods --evict h3 --force    # h3 is switched off for good"""
PATIENCE_S = 0.5  # with another process that has the agent's lock
SLICE_S = 0.25  # of a pause: a signal is not answered within one


def register(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "agent",
        run,
        description="Gets blocks of addresses for this host from the network's store, renews the host's\n"
        "membership, and makes routes to other hosts' blocks. Runs until it is stopped.\n"
        "Stopping it does not affect containers; new ones can be added until the lease expires.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "network",
        metavar="NETWORK",
        nargs="?",
        default="",
        help="which cluster network, if there are several",
    )
    add_conf_dir(parser)
    parser.add_argument(
        "--host",
        metavar="ID",
        default="",
        help="this host's id; derived from the machine id by default",
    )
    parser.add_argument(
        "--address",
        metavar="IP",
        action="append",
        default=[],
        help="this host's address on the underlying network, one per family; by default the one "
        "used to reach the store",
    )
    _add_actions(parser)


def run(options: Options) -> int:
    """Serve as the agent, or carry out the one action requested."""
    from cni_bridge.cluster import stores
    from cni_bridge.cluster.agent import Agent, Identity
    from cni_bridge.cluster.store import MembershipLost, OtherNetwork, Unreachable
    from cni_bridge.cluster.underlay import NoUnderlay

    settings = conflists.cluster(options.conf_dir, options.network)
    identity = Identity(
        id=options.host or settings.node or host_id(),
        name=settings.node or socket.gethostname(),
        addresses=tuple(map(_address, options.address)),
    )
    with closing(stores.open_store(settings)) as store:
        try:
            if options.evict:
                return _evict(store, options.evict, by_force=options.force)
            with alone(settings.state_dir, settings.network):
                agent = Agent(settings, store, identity, take_over=options.take_over)
                if options.leave:
                    return _leave(agent)
                return _serve(agent, options.metrics)
        except (Unreachable, MembershipLost, OtherNetwork, NoUnderlay) as error:
            raise TryAgainLater(str(error)) from error


def host_id() -> str:
    """Return an id derived from the machine id, which itself must stay private (machine-id(5))."""
    name = f"cni-bridge {machine.machine_id()}".encode()
    return hashlib.blake2b(name, digest_size=8).hexdigest()


def _add_actions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics", metavar="ADDRESS:PORT", default="", help="serve Prometheus metrics and /readyz"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="this machine replaces the one that the store knows by this id",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--leave", action="store_true", help="give back all blocks, remove the routes, and exit"
    )
    action.add_argument(
        "--evict", metavar="HOST", default="", help="free the blocks of a host that is gone"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --evict: even if its lease has not expired; make sure that it is switched off",
    )


# ---------------------------------------------------------------- the service


def _serve(agent: "Agent", metrics: str) -> int:
    from cni_bridge.cluster.agent import sleep

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request
    stopped: list[int] = []
    for number in STOPPED_BY:
        signal.signal(number, lambda number, _frame: stopped.append(number))
    server = _metrics(agent, metrics) if metrics else None
    is_ready = False
    while not stopped:
        try:
            agent.turn()
        except CniError as error:  # a ledger that is locked or full may be well again
            logging.warning("%s. %s", error.msg, error.details)
            sleep(SLICE_S)
        except Exception as error:  # noqa: BLE001 - nothing may end the agent: leases would expire
            agent.note_fault(error)
        is_ready = is_ready or agent.is_ready()
        systemd.tell(
            *["READY=1"] * is_ready, "WATCHDOG=1", f"STATUS={terminal.clean(agent.status())}"
        )
        end = time.monotonic() + agent.pause()
        while not stopped and time.monotonic() < end:
            sleep(SLICE_S)
    systemd.tell("STOPPING=1")
    if server:
        server.shutdown()
    return 0


def _metrics(agent: "Agent", where: str) -> "WSGIServer | None":
    """Start the metrics server; return None if the port is taken, since leases matter more."""
    from cni_bridge.cluster import metrics

    host, _, port = where.rpartition(":")
    try:
        return metrics.serve(agent, host.strip("[]") or "127.0.0.1", int(port))
    except (ValueError, OverflowError) as error:
        raise InvalidConfig(f"--metrics {where}: {error}", "like 127.0.0.1:9468") from error
    except OSError as error:
        logging.warning("no metrics at %s: %s", where, error.strerror)
        return None


@contextmanager
def alone(state_dir: str, network: str) -> Iterator[None]:
    """Hold the lock of this network's only agent on this host. Raises TryAgainLater."""
    state_directory.ensure(state_dir)
    path = snapshot.lock_path(state_dir, network)
    try:
        with path.open("w") as file:
            _lock(file.fileno())
            yield
    except BlockingIOError as error:
        raise TryAgainLater(
            f"another agent of {network} is running on this host",
            f"Stop it first: `systemctl stop cni-bridge-agent@{network}`; it holds {path}.",
        ) from error


def _lock(descriptor: int) -> None:
    """Lock a file; `snapshot.is_served` holds its lock for an instant. Raises BlockingIOError."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(PATIENCE_S / 10)


# ---------------------------------------------------------------- single actions


def _leave(agent: "Agent") -> int:
    if obstacles := agent.leave():
        raise IOFailure("this host could not leave completely: " + "; ".join(obstacles))
    terminal.tell("this host has left the network; its blocks are free")
    return 0


def _evict(store: "Store", which: str, *, by_force: bool) -> int:
    hosts = store.view().hosts
    found = [id for id, host in hosts.items() if which in (id, host.name)]
    if len(found) != 1:
        names = ", ".join(f"{host.name} ({id})" for id, host in sorted(hosts.items()))
        raise InvalidConfig(f"{len(found)} hosts are named {which}", f"hosts: {names or 'none'}")
    if not store.evict(found[0], by_force=by_force):
        raise TryAgainLater(
            f"{which} is still a member: its lease has not expired",
            "Run `cni-bridge agent --leave` on that host, or use --force if it is switched off for good.",
        )
    terminal.tell(f"{which} is evicted; its blocks are free")
    return 0


def _address(text: str) -> bytes:
    try:
        return address.parse(text)
    except ValueError as error:
        raise InvalidConfig(f"--address {text}: {error}") from error


class LogFormatter(logging.Formatter):
    """Log messages of one line each, cleaned."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return terminal.clean(super().format(record))
