"""Ports as they are written on the command line."""

import argparse
from typing import Any


def add_host_ip(parser: argparse.ArgumentParser) -> None:
    """Add --host-ip."""
    parser.add_argument(
        "--host-ip", metavar="IP", default="", help="at this address of the host only"
    )


def mapping(text: str) -> dict[str, Any]:
    """Return the port mapping of `[IP:]PORT[-LAST]:PORT[-LAST][/PROTO]`. Raises ArgumentTypeError.

    A host port of 0 stands for a free one, for each port of the container.
    """
    words, _, protocol = text.partition("/")
    host, _, container = words.rpartition(":")
    ip, _, host_port = host.rpartition(":")
    its = _numbers(container)
    ours = [0] * len(its) if host_port == "0" else _numbers(host_port)
    if not ours or len(ours) != len(its):
        raise argparse.ArgumentTypeError(
            f"{text}: expected [IP:]HOST_PORT:CONTAINER_PORT[/PROTO], or as many ports on both sides; "
            "HOST_PORT 0 picks a free one"
        )
    place = {"hostIP": ip.strip("[]")} if ip else {}
    return {
        "hostPort": ours[0],
        "containerPort": its[0],
        "protocol": protocol or "tcp",
        "range": len(ours),
        **place,
    }


def host_port(text: str) -> dict[str, Any]:
    """Return a mapping of `PORT[-LAST][/PROTO]` whose target is open. Raises ArgumentTypeError."""
    words, _, protocol = text.partition("/")
    numbers = _numbers(words)
    if not numbers:
        raise argparse.ArgumentTypeError(f"{text}: expected HOST_PORT[/PROTO], or HOST_PORT-LAST")
    first = numbers[0]
    return {
        "hostPort": first,
        "containerPort": first,
        "protocol": protocol or "tcp",
        "range": len(numbers),
    }


def _numbers(text: str) -> range:
    """Return the ports of `80` or `80-89`; none if it is neither."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        return range(0)
    start, end = int(first), int(last or first)
    if end >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{end} is not a port: the highest is 65535")
    return range(start, end + 1) if 0 < start <= end else range(0)
