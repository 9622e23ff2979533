"""`cni-bridge limit`: change the bandwidth of a running container."""

import argparse
import re

from cni_bridge import names
from cni_bridge.cli import conflists, running, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_json
from cni_bridge.cli.running import Running
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import InvalidConfig, TryAgainLater
from cni_bridge.kernel import netlink
from cni_bridge.ledger import changes, store
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Attachment
from cni_bridge.model_optional import NO_LIMIT, Bandwidth, Limit
from cni_bridge.parts import bandwidth, bandwidth_changes

UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
BURSTS_PER_SECOND = 10  # without --burst: what the rate lets through in a tenth of a second
WRITTEN = re.compile(r"(?P<sign>[+-]?)(?P<number>[0-9]+(?:\.[0-9]*)?)(?P<unit>[A-Za-z/]*)")
LEAST = 8  # bits: the kernel counts bytes
MOST = 1 << 32  # bytes of a burst, and ADD's bound too


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "limit",
        run,
        description="Changes what a container may receive (ingress) and send (egress) a second, on all "
        "of its\nnetworks. A direction that is not named keeps its limit. Open connections stay. CHECK expects the "
        "limits\nfrom then on. Without a limit to set, prints those that the kernel has.",
        examples="  cni-bridge limit web --ingress 10M --egress 500k\n"
        "  cni-bridge limit web --egress none --network shop\n"
        "  cni-bridge limit web",
    )
    running.add_names(parser)
    for option, what in (("--ingress", "receive"), ("--egress", "send")):
        parser.add_argument(
            option,
            metavar="RATE",
            type=rate,
            help=f"bits a second that it may {what}, with k, M or G: 10M; or none",
        )
    parser.add_argument(
        "--burst",
        metavar="SIZE",
        type=rate,
        help="bits at once, in the same units; a tenth of a second's worth if omitted",
    )
    add_json(parser)


def run(options: Options) -> int:
    """Change the limits, and print those that the kernel has now."""
    host = netlink.Socket()
    found = running.attachments(options.container, options.network, options.conf_dir)
    every = [each for each in found if each.holding.bridge]
    if not every:
        raise InvalidConfig(
            f"{found[0].title} has no interface on a bridge", "a wire has no limits"
        )
    running.refuse_gone(host, every)
    asked = {"ingress": options.ingress, "egress": options.egress}
    wanted = {
        direction: _limit(number, options.burst)
        for direction, number in asked.items()
        if number is not None
    }
    if options.burst and not any(asked.values()):
        raise InvalidConfig("--burst needs a rate", "name --ingress or --egress too")
    if wanted:
        limits = {key: each if each != NO_LIMIT else None for key, each in wanted.items()}
        bandwidth.require(host, Bandwidth(**{"ingress": None, "egress": None, **limits}))
        for each in every:
            _change(host, each, wanted)
    _report(host, every, options)
    return 0


def restore() -> int:
    """Give running containers the limits that commands gave them, if they lack them; return how many."""
    host, count = netlink.Socket(), 0
    for directory in conflists.ledgers(STATE_DIR):
        if ledger := store.find_ledger(directory):
            for attachment, wanted in changes.limited(ledger.database).items():
                count += _restore(host, ledger, attachment, wanted)
    return count


def rate(text: str) -> int:
    """Return the bits of `10M`, `500k` or `1000`; 0 for `none`. Raises ArgumentTypeError."""
    if text.lower() == "none":
        return 0
    kind = WRITTEN.fullmatch(text)
    if kind is None:
        fault = "expected a number of bits like 10M or 500k, or none"
    elif kind["sign"] or "." in kind["number"]:
        fault = "expected a whole number of bits like 1500k, or none"
    elif kind["unit"].lower() not in UNITS:
        fault = f"no unit is named {kind['unit']}: expected k, M, G or nothing, like 10M"
    elif (bits := int(kind["number"]) * UNITS[kind["unit"].lower()]) < LEAST:
        fault = f"expected {LEAST} bits or more, like 10M, or none for no limit"
    else:
        return bits
    raise argparse.ArgumentTypeError(f"{text}: {fault}")


def _limit(bits: int, burst: int | None) -> Limit:
    if not bits:
        return NO_LIMIT
    wanted = burst or bits // BURSTS_PER_SECOND
    if wanted // 8 >= MOST:
        raise InvalidConfig("a burst cannot be more than 4 GB", "name a smaller one with --burst")
    return Limit(bytes_per_second=bits // 8, burst_bytes=max(wanted // 8, 1))


def _change(host: netlink.Socket, own: Running, wanted: dict[str, Limit]) -> None:
    """Record the limits, then set them: `restore` completes what is recorded."""
    attachment, database = own.holding.attachment, own.ledger.database
    # A ledger that was lost has forgotten those that earlier runs set: CHECK would expect the config's.
    there = bandwidth_changes.limits(host, *names.of_host(attachment)) or {}
    recorded = changes.of(database, attachment)
    unrecorded = {key: limit for key, limit in there.items() if key not in recorded}
    for direction, limit in {**unrecorded, **wanted}.items():
        changes.note_limit(database, attachment, direction, limit)
    _set(host, attachment, wanted)
    if own.ledger.find(attachment) != own.holding:
        raise TryAgainLater(f"{own.title} was deleted meanwhile")


def _set(host: netlink.Socket, attachment: Attachment, wanted: dict[str, Limit]) -> None:
    outer, ifb = names.of_host(attachment)
    if ingress := wanted.get("ingress"):
        bandwidth_changes.set_ingress(host, outer, ingress)
    if egress := wanted.get("egress"):
        bandwidth_changes.set_egress(host, outer, ifb, egress)


def _restore(
    host: netlink.Socket, ledger: Ledger, attachment: Attachment, wanted: dict[str, Limit]
) -> bool:
    outer, ifb = names.of_host(attachment)
    if ledger.find(attachment) is None:
        return False
    found = bandwidth_changes.limits(host, outer, ifb)
    lacking = {
        direction: limit
        for direction, limit in wanted.items()
        if found is not None and found[direction].bytes_per_second != limit.bytes_per_second
    }
    _set(host, attachment, lacking)
    return bool(lacking)


def _report(host: netlink.Socket, every: list[Running], options: Options) -> None:
    """Print the limits that the kernel has, in bits a second."""
    found = [
        (
            each.holding.attachment,
            bandwidth_changes.limits(host, *names.of_host(each.holding.attachment)) or {},
        )
        for each in every
    ]
    if options.json:
        listed = [
            {**vars(who), **{key: each.bytes_per_second * 8 for key, each in limits.items()}}
            for who, limits in found
        ]
        terminal.print_json({"attachments": listed})
        return
    for own, (_, limits) in zip(every, found, strict=True):
        shown = ", ".join(f"{key} {_text(each.bytes_per_second)}" for key, each in limits.items())
        terminal.tell(f"{own.text}: {shown}")


def _text(bytes_per_second: int) -> str:
    """Return a rate as `--ingress` takes it: 10M, 1500k or 8."""
    bits = bytes_per_second * 8
    unit = next((unit for unit in "GMk" if bits and bits % UNITS[unit.lower()] == 0), "")
    return f"{bits // UNITS[unit.lower()]}{unit}" if bits else "none"
