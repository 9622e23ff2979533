"""The differences that are meant, each with its name; docs/internals/compatibility.md gives the reasons.

A difference shows in certain fields with certain values, either in every row or in those that name it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Judge = Callable[[str, Any, Any], bool]  # (field, the reference's value, ours)


def only_ours(_field: str, reference: Any, _ours: Any) -> bool:
    """We have something where the reference has nothing."""
    return reference is None


def only_the_references(_field: str, _reference: Any, ours: Any) -> bool:
    """Tell whether only the reference has something."""
    return ours is None


def we_succeed(field: str, reference: Any, _ours: Any) -> bool:
    """Tell whether only the reference fails."""
    return reference is None or _is_outcome(field)


def we_refuse(field: str, _reference: Any, ours: Any) -> bool:
    """We fail, the reference does not: so we have nothing that it has."""
    return ours is None or _is_outcome(field)


def we_remove(field: str, _reference: Any, ours: Any) -> bool:
    """We remove what the reference leaves."""
    return ours is None or _is_outcome(field)


def the_bridges_own_mac(_field: str, _reference: Any, ours: Any) -> bool:
    """Ours is that of no port, and not zero."""
    return str(ours).startswith("(MAC of host cni")


def ipv6_is_off(_field: str, reference: Any, ours: Any) -> bool:
    """Tell whether ours has nothing, or a switch that the reference leaves off."""
    return ours is None or (reference, ours) == ("0", "1")


def anything(_field: str, _reference: Any, _ours: Any) -> bool:
    """Match any pair of values."""
    return True


def values(wanted_reference: Any, wanted_ours: Any) -> Judge:
    """Exactly these."""
    return lambda _, reference, ours: (reference, ours) == (wanted_reference, wanted_ours)


def _is_outcome(field: str) -> bool:
    """Tell whether a field follows from success or failure: the answer, the host's forwarding."""
    return field.endswith((" status", " stdout")) or " error." in field or " sysctl " in field


@dataclass(frozen=True)
class Difference:
    """Patterns of the fields that it shows in, and how both values are there."""

    fields: tuple[str, ...]
    judge: Judge = anything
    is_everywhere: bool = False

    def explains(self, field: str, reference: Any, ours: Any) -> bool:
        """Whether this is why the two differ."""
        return any(fnmatchcase(field, pattern) for pattern in self.fields) and self.judge(
            field, reference, ours
        )


def everywhere(*fields: str, judge: Judge = anything) -> Difference:
    """Tell whether any row may show the difference."""
    return Difference(fields, judge, is_everywhere=True)


NEW_ROUTE_KEYS = ("mtu", "advmss", "priority", "table", "scope")

INTENDED: dict[str, Difference] = {
    # in every row
    "interface-mtu": everywhere("* ADD result.interfaces[[]?[]].mtu", judge=only_ours),
    "new-route-keys": everywhere(
        *(f"* ADD result.routes[[]?[]].{key}" for key in NEW_ROUTE_KEYS), judge=only_the_references
    ),
    "host-end-alias": everywhere("host port?.ifalias", judge=only_ours),
    "host-end-group": everywhere("host port?.group", judge=values("default", "1660944384")),
    "host-end-address": everywhere(
        "host port? address (link-local)/64.*",
        "host route -6 * dev port? *",
        "host sysctl net/ipv6/conf/port?/addr_gen_mode",
        judge=ipv6_is_off,
    ),
    "no-forged-routers": everywhere("c? sysctl net/ipv6/conf/*/accept_ra", judge=values("1", "0")),
    "host-end-queue": everywhere("host port?.txqlen", judge=values(None, 1000)),
    "instant-ipv6": everywhere("host * address *:*.nodad", judge=values(None, True)),
    "neighbour-announcement": everywhere(
        "c? sysctl net/ipv6/conf/*/ndisc_notify", judge=values("0", "1")
    ),
    "ipv6-off": everywhere(
        "c? * address (link-local)/64.*",
        "c? route -6 table main type unicast dst fe80::/64 *",
        "c? route -6 table local type multicast dst ff00::/8 *",
        "c? sysctl net/ipv6/conf/*/disable_ipv6",
        "c? sysctl net/ipv6/conf/*/accept_dad",
        judge=ipv6_is_off,
    ),
    "bridge-mac": everywhere(
        "* ADD result.interfaces[[]0[]].mac", "host cni?.address", judge=the_bridges_own_mac
    ),
    # in the rows that name them
    "no-rollback": Difference(("c? *", "host *", "lease *", "last *"), only_the_references),
    "bridge-first": Difference(("host cni? *", "host route *", "host sysctl *"), we_succeed),
    "claim-first": Difference(("last of *",), only_ours),
    "claim-is-whole": Difference(("last of *",)),
    "several-gateways": Difference(("*",), we_succeed),
    "link-local-gateway": Difference(("*",), we_succeed),
    "route-once": Difference(("*",), we_succeed),
    "route-host-bits": Difference(("*",), we_succeed),
    "route-on-link": Difference(("*",), we_succeed),
    "route-metrics": Difference(("c? route *",)),
    "mtu-checked": Difference(("*",), we_refuse),
    "resolv-conf-search": Difference(("* ADD result.dns.search",)),
    "arguments-of-the-pair": Difference(("* ADD *", "c1 *", "host *", "lease *", "last *")),
    "args-first": Difference(("*",)),
    "added-again": Difference(("3 ADD *", "c1 *", "host *", "lease *", "last *")),
    "path-when-needed": Difference(("*",), we_succeed),
    "duplicate-keys": Difference(("*",), we_refuse),
    "null-config": Difference(("* ADD error.code",)),
    "own-netns": Difference(("* ADD error.code",)),
    "previous-result": Difference(("* ADD result.*",)),
    "del-always-works": Difference(("*",), we_remove),
    "del-by-identity": Difference(("c1 *",), only_ours),
    "detached-without-netns": Difference(("*",), we_remove),
    "gc": Difference(("*",), we_remove),
    "status": Difference(("* STATUS *",), we_refuse),
    "check-finds-routes": Difference(("* CHECK *",), we_succeed),
    "check-tolerates": Difference(("* CHECK *",), we_succeed),
    "check-sees-more": Difference(("* CHECK *",), we_refuse),
    "check-knows-netns": Difference(("* CHECK *",), we_succeed),
}
