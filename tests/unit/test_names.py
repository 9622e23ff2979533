"""Names that follow from an attachment alone."""

from cni_bridge import names
from cni_bridge.model import Attachment


def attachment(network: str = "net", container: str = "c", ifname: str = "eth0") -> Attachment:
    return Attachment(network=network, container=container, ifname=ifname)


def test_the_host_name_never_changes_between_releases() -> None:
    assert names.host_name(attachment()) == "veth6436f1bad76"


def test_the_host_name_fills_an_interface_name_and_is_longer_than_the_references() -> None:
    assert len(names.host_name(attachment())) == 15


def test_every_part_of_the_identity_makes_another_name() -> None:
    others = [attachment("n"), attachment(container="d"), attachment(ifname="eth1")]
    assert len({names.host_name(other) for other in [attachment(), *others]}) == 4


def test_parts_of_the_identity_do_not_run_into_each_other() -> None:
    assert names.host_name(attachment("a", "bc")) != names.host_name(attachment("ab", "c"))


def test_the_alias_names_network_container_and_interface() -> None:
    assert names.alias(attachment()) == "cni-bridge net/c/eth0"


def test_a_long_alias_is_cut_to_what_the_kernel_takes() -> None:
    assert len(names.alias(attachment(container="c" * 300))) == 255


def test_a_bridge_mac_is_local_unicast_and_the_same_every_time() -> None:
    mac = names.bridge_mac("cni0", "machine")
    assert len(mac) == 6
    assert mac[0] & 0b11 == 0b10
    assert mac == names.bridge_mac("cni0", "machine")
    assert mac != names.bridge_mac("cni0", "other machine")
    assert mac != names.bridge_mac("cni1", "machine")


def test_the_gateway_of_a_vlan_has_the_references_name_and_its_port_one_of_ours() -> None:
    assert names.gateway("cni0", 100) == "cni0.100"
    port = names.gateway_port("cni0", 100)
    assert len(port) == 15
    assert port != names.gateway_port("cni0", 10)
