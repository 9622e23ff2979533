"""What the kernel has against a tunnel is told with what helps."""

from errno import EAFNOSUPPORT, EIO, EOPNOTSUPP

import pytest

from cni_bridge.cluster import tunnels
from cni_bridge.kernel.netlink import KernelError, Request

ASKED = Request(what="create tunnel vxlan-7", kind=0, body=b"")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (EOPNOTSUPP, "load the kernel module vxlan, or set cluster.backend to host-gw"),
        (EAFNOSUPPORT, "let the hosts have IPv4 on the network below"),
    ],
)
def test_a_kernel_that_lacks_something_is_told_with_a_remedy(number: int, told: str) -> None:
    sentence = tunnels.refused(KernelError(number, ASKED))
    assert sentence.startswith("create tunnel vxlan-7: E")
    assert told in sentence


def test_any_other_refusal_is_told_as_it_is() -> None:
    error = KernelError(EIO, ASKED, "why")
    assert tunnels.refused(error) == "create tunnel vxlan-7: EIO (Input/output error): why"
