"""What takes more than one question: each trial does something in a town, and should come to `want`.

Only what is tried and what should come of it; how it is done stands in `packets` and `changes`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.lab.plugin import Json
from tests.lab.town import OUTSIDE, Town
from tests.traffic import changes, packets
from tests.traffic.packets import NOT_HEARD
from tests.traffic.rows import KEPT_OUT

MASQUERADED = {"ipMasq": True}


@dataclass(frozen=True, eq=False)
class Trial:
    """`run` in a town with these networks should come to `want`."""

    about: str
    run: Callable[[Town], str]
    want: str
    networks: Mapping[str, Json]

    def __str__(self) -> str:
        return self.about

    def outcome(self, town: Town) -> str:
        """Return what came of it."""
        for letter, config in self.networks.items():
            town.network(letter, **config)
        return self.run(town)


def _trial(about: str, run: Callable[[Town], str], want: str, **network: object) -> Trial:
    return Trial(about, run, want, {"a": MASQUERADED | network, "b": MASQUERADED})


UNTOUCHED = tuple(
    _trial(f"{kind} inside a network keeps its source", partial(packets.group_message, group), "a1")
    for kind, group in (
        ("multicast", "239.9.9.9"),
        ("broadcast", "255.255.255.255"),
        ("IPv6 multicast", "ff15::99"),
    )
)
LOOPBACK = (
    _trial(
        "the host's 127.0.0.1 is out of reach", partial(packets.guarded_loopback, ""), NOT_HEARD
    ),
    _trial(
        "and with 127.0.0.5 as source", partial(packets.guarded_loopback, "127.0.0.5"), NOT_HEARD
    ),
)
LOOPBACK_FROM_OUTSIDE = tuple(
    _trial(
        f"127.0.0.1 of the host, from {name}, at published ports",
        partial(packets.loopback_from_outside, asker),
        NOT_HEARD,
    )
    for asker, name in (("world", "the link"), ("c1", "a network without the firewall"))
)
_FIRST_ANSWERS = "refused, a1:80 saw world"
_HOST4 = OUTSIDE["host"][0]
CONFLICTS = (
    _trial("a port twice", partial(changes.taken_port, "a2", ("", "")), _FIRST_ANSWERS),
    _trial(
        "a port twice, two networks", partial(changes.taken_port, "b1", ("", "")), _FIRST_ANSWERS
    ),
    _trial("held at one address", partial(changes.taken_port, "a2", (_HOST4, "")), _FIRST_ANSWERS),
    _trial(
        "asked for at one address", partial(changes.taken_port, "a2", ("", _HOST4)), _FIRST_ANSWERS
    ),
    _trial("the port of a process on the host", changes.port_of_a_process, "refused"),
)
MANY = (
    _trial("sctp", packets.sctp, "a1:80 saw world"),
    _trial("206 ports", changes.many_ports, "a1:80 saw world"),
)
CONNTRACK = tuple(
    _trial(f"{about}, IPv{family}", partial(run, family), want)
    for about, run, want in (
        (
            "a UDP client that asked before ADD gets through",
            changes.udp_before_add,
            "a2:80 saw world",
        ),
        ("a UDP client is refused after DEL", changes.udp_after_del, "refused"),
        (
            "a UDP client reaches the port's next holder",
            changes.udp_after_another,
            "a2:80 saw world",
        ),
    )
    for family in (4, 6)
)
RULESET = (
    _trial(
        "connections survive ADD and DEL of others",
        changes.connection_beside_others,
        "a1:80 saw world",
    ),
    _trial(
        "after `nft flush ruleset` the next ADD restores all",
        changes.flushed,
        "a1:80 saw world, world:80 saw host",
    ),
    _trial("and open connections go on", changes.connection_through_a_flush, "a1:80 saw world"),
    _trial("DEL without a namespace leaves nothing", changes.left_by_del, "nothing left"),
)
SERVICES = tuple(
    _trial(
        f"a Service of kube-proxy{about}, IPv{family}",
        partial(changes.service, own, family),
        "a2:80 saw a1",
    )
    for own, about in ((False, ""), (True, ", its port published by the same container"))
    for family in (4, 6)
)
LATE = (_trial("a late RST and FIN", packets.leaving_late, NOT_HEARD),)
BECOMING = tuple(
    Trial(
        f"{next(iter(config))} is turned on while connections are open",
        partial(changes.closed_off_later, config, ways),
        "none survives",
        {"a": MASQUERADED, "b": MASQUERADED},
    )
    for config, ways in (
        ({"internal": True}, (("a1", "world"), ("a2", "world"), ("world", "a1"), ("a1", "b1"))),
        ({"isolation": "on"}, (("a1", "b1"), ("b1", "a1"))),
        ({"closed": True}, (("world", "a1"), ("b1", "a1"), ("world", "a2"))),
    )
)
DETOURS = tuple(
    _trial(
        f"icc: false, by way of the bridge's MAC, IPv{family}",
        partial(packets.detour, family),
        KEPT_OUT,
        icc=False,
    )
    for family in (4, 6)
)
TRIALS = (
    *(
        *UNTOUCHED,
        *LOOPBACK,
        *LOOPBACK_FROM_OUTSIDE,
        *CONFLICTS,
        *MANY,
        *SERVICES,
        *LATE,
        *BECOMING,
    ),
    *(*DETOURS, *CONNTRACK, *RULESET),
)
