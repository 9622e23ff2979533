"""What becomes of limits on kernels that offer less than the one that the tests run on."""

from errno import EINVAL, ENOENT, EOPNOTSUPP
from typing import cast

import pytest

from cni_bridge.errors import UnsupportedField
from cni_bridge.kernel.netlink import KernelError, Request, Socket
from cni_bridge.model_optional import Bandwidth, Limit, Shaping
from cni_bridge.parts import bandwidth
from tests.unit.kernel.oracle import link

LIMIT = Limit(bytes_per_second=1000, burst_bytes=2000)
INGRESS = Bandwidth(ingress=LIMIT, egress=None)
EGRESS = Bandwidth(ingress=None, egress=LIMIT)
WANTED = Shaping(host_name="veth01", ifb_name="ifb-01", ingress=LIMIT, egress=LIMIT)


class Kernel:
    """A kernel that has these kinds, and that remembers what it was told to do."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.done: list[str] = []

    def attempt(self, *probes: Request) -> list[KernelError]:
        return [KernelError(self._refusal(probe), probe) for probe in probes]

    def ask(self, question: Request) -> bytes:
        assert question.what.startswith("look up interface")
        return link(("IFLA_IFNAME", question.what.split()[-1]), index=4)

    def run(self, *requests: Request) -> None:
        self.done += [request.what for request in requests]

    def _refusal(self, probe: Request) -> int:
        if any(kind.encode() in probe.body for kind in self.kinds):
            return EINVAL
        return EOPNOTSUPP if b"ifb" in probe.body else ENOENT


def kernel(*kinds: str) -> tuple[Kernel, Socket]:
    made = Kernel(*kinds)
    return made, cast("Socket", made)


@pytest.mark.parametrize(
    ("kinds", "gets", "sends"),
    [
        ((), False, False),
        (("tbf",), True, False),
        (("tbf", "ifb"), True, False),
        (("tbf", "mirred"), True, False),
        (("tbf", "ifb", "mirred"), True, True),
        (("ifb", "mirred"), False, False),
        (("police",), False, True),
    ],
)
def test_a_limit_that_the_kernel_has_no_means_for_is_refused_before_anything_is_done(
    kinds: tuple[str, ...], gets: bool, sends: bool
) -> None:
    for wanted, is_possible in ((INGRESS, gets), (EGRESS, sends)):
        offering, socket = kernel(*kinds)
        if is_possible:
            bandwidth.require(socket, wanted)
        else:
            with pytest.raises(UnsupportedField, match="gressRate 8000: this kernel can't limit"):
                bandwidth.require(socket, wanted)
        assert offering.done == []


def test_what_a_container_sends_is_policed_where_it_can_not_be_shaped() -> None:
    offering, socket = kernel("tbf", "police")
    assert bandwidth.apply(socket, WANTED) == ()
    assert offering.done == [
        "limit what interface 4 sends to 1000 bytes per second",
        "filter what interface 4 receives",
        "limit what interface 4 receives to 1000 bytes per second",
    ]


def test_the_redirection_comes_last() -> None:
    offering, socket = kernel("tbf", "ifb", "mirred", "police")
    (ifb,) = bandwidth.apply(socket, WANTED)
    assert ifb.name == "ifb-01"
    assert offering.done == [
        "limit what interface 4 sends to 1000 bytes per second",
        "filter what interface 4 receives",
        "create ifb ifb-01",
        "limit what interface 4 sends to 1000 bytes per second",
        "redirect what interface 4 receives through interface 4",
    ]
