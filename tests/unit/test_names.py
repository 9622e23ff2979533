"""Names that follow from an attachment alone."""

import pytest

from cni_bridge import names
from cni_bridge.model import Attachment
from cni_bridge.model_optional import Names


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


def test_the_alias_names_the_ledger_where_it_is_not_the_hosts() -> None:
    alias = names.alias(attachment(), "/var/lib/x/cni-bridge")
    assert alias == "cni-bridge net/c/eth0 in /var/lib/x/cni-bridge"
    assert names.owner(names.host_name(attachment()), alias) == attachment()
    assert names.directory_in(alias) == "/var/lib/x/cni-bridge"
    assert names.directory_in(names.alias(attachment())) == ""


def test_the_longest_alias_fits_the_kernel_whole() -> None:
    longest = attachment(container="c" * (254 - len("cni-bridge net//eth0")))
    alias = names.alias(longest)
    assert len(alias) == 254
    assert names.owner(names.host_name(longest), alias) == longest


@pytest.mark.parametrize("directory", ["", "/var/lib/x", "/" + "d" * 230, "/" + "d" * 4000, "/\n"])
@pytest.mark.parametrize("length", [1, 180, 225, 231, 300])
def test_what_is_too_long_for_an_alias_is_a_digest_in_it(length: int, directory: str) -> None:
    one, other = attachment(container="c" * length), attachment(container="c" * length + "d")
    alias = names.alias(one, directory)
    assert len(alias) <= 254
    assert alias.isprintable()
    assert names.is_alias_of(alias, one)
    assert not names.is_alias_of(alias, other)
    assert names.directory_in(alias) in (directory, names.directory_digest(directory))


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


def test_the_alias_has_the_names_of_the_container() -> None:
    web = Names(own="web", namespace="shop", aliases=("api", "www"))
    for directory in ("", "/var/lib/as x/cni-bridge"):
        alias = names.alias(attachment(), directory, web)
        assert alias.startswith("cni-bridge net/c/eth0 as shop/web,api,www")
        assert names.owner(names.host_name(attachment()), alias) == attachment()
        assert names.is_alias_of(alias, attachment())
        assert names.is_same_owner(alias, names.alias(attachment()))
        assert names.directory_in(alias) == directory
        assert names.called_in(alias) == ("web", "shop", ("api", "www"))
    assert names.called_in(names.alias(attachment(), "/x as y")) == ("", "", ())


def test_names_that_do_not_fit_into_the_alias_are_left_out_and_cost_nothing_else() -> None:
    many = Names(own="web", aliases=tuple(f"alias-{number:02}" for number in range(64)))
    alias = names.alias(attachment(), "/var/lib/x/cni-bridge", many)
    assert len(alias) <= 254
    own, _, aliases = names.called_in(alias)
    assert (own, aliases) == ("web", many.aliases[: len(aliases)])
    assert len(aliases) > 10
    assert names.directory_in(alias) == "/var/lib/x/cni-bridge"
    long = attachment(container="c" * 225)
    assert names.alias(long, "", many).startswith("cni-bridge net/")
    odd = Names(own="a,b", aliases=("c,d", "ä", "ok"))
    assert names.called_in(names.alias(attachment(), "", odd)) == ("", "", ("ok",))
