"""The keys of the reference tuning and bandwidth plugins on our own entry."""

import pytest

from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError
from cni_bridge.model import NetworkConfig
from cni_bridge.model_optional import Bandwidth, Limit, Sysctl, Tuning

Json = dict[str, object]
PLAIN: Json = {"cniVersion": "1.1.0", "name": "net", "type": "cni-bridge"}
SOMAXCONN = "net/core/somaxconn"


def parse(document: Json) -> NetworkConfig:
    folded = codec.fold(PLAIN | document, validators.FOLD)
    return config.parse(config.prepare(folded, "ADD"), "", is_delegated=False)


def refusal(document: Json) -> CniError:
    with pytest.raises(CniError) as caught:
        parse(document)
    return caught.value


def sysctls(document: Json) -> list[tuple[str, str]]:
    made = parse(document).tuning
    assert made
    return [(item.path, item.value) for item in made.sysctls]


def with_args(document: Json, **arguments: object) -> Json:
    return {**document, "args": {"cni": arguments}}


def test_without_the_keys_there_is_neither_tuning_nor_limit() -> None:
    made = parse(with_args({"mtu": 0}, sysctl={SOMAXCONN: "1"}, promisc=True, mtu=1400))
    assert (made.tuning, made.bandwidth, made.attachment_mtu) == (None, None, 0)


def test_every_tuning_key_is_read() -> None:
    made = parse({"sysctl": {"net.core.somaxconn": "5"}, "promisc": True, "TXQLEN": 0})
    assert made.tuning == Tuning(
        sysctls=(Sysctl(key="net.core.somaxconn", path=SOMAXCONN, value="5"),),
        promisc=True,
        allmulti=None,
        tx_queue_length=0,
    )


def test_false_leaves_promiscuity_alone_but_switches_all_multicast_off() -> None:
    assert parse({"promisc": False, "allmulti": False}).tuning == Tuning(allmulti=False)


def test_dots_and_slashes_separate_alike_and_null_is_absent() -> None:
    keys = {"net.ipv4.conf.IFNAME.forwarding": "1", "net//core/somaxconn": "2", "net.x": None}
    assert sysctls({"sysctl": keys}) == [
        ("net/ipv4/conf/IFNAME/forwarding", "1"),
        (SOMAXCONN, "2"),
    ]


@pytest.mark.parametrize(
    "key", ["kernel.shmmax", "net", "", "/", "network.x", "x/../net.x", "net.x\0"]
)
def test_a_sysctl_outside_of_net_is_refused(key: str) -> None:
    error = refusal({"sysctl": {key: "1"}})
    assert (error.code, "invalid net sysctl key" in error.msg) == (7, True)


def test_one_parameter_in_two_spellings_is_refused() -> None:
    error = refusal({"sysctl": {"net.core.somaxconn": "1", SOMAXCONN: "1"}})
    assert error.msg == "duplicated sysctl keys are not allowed"
    assert "net.core.somaxconn and net/core/somaxconn" in error.details


def test_args_change_and_add_sysctls_where_the_config_has_the_key() -> None:
    document: Json = {"sysctl": {"net.core.somaxconn": "1"}}
    asked = with_args(document, sysctl={SOMAXCONN: "2", "net.x": "3"})
    assert sysctls(asked) == [(SOMAXCONN, "2"), ("net/x", "3")]
    assert sysctls(with_args({"sysctl": {}}, sysctl={"net.x": "3"})) == [("net/x", "3")]


def test_args_change_what_the_config_has_and_add_nothing() -> None:
    document: Json = {"allmulti": True, "txQLen": 5, "mtu": 1500}
    made = parse(with_args(document, allmulti=False, txQLen=6, mtu=1400, promisc=True))
    assert made.tuning == Tuning(allmulti=False, tx_queue_length=6)
    assert (made.mtu, made.attachment_mtu) == (1500, 1400)


def test_the_configs_mac_is_the_last_choice() -> None:
    document: Json = {"mac": "02:00:00:00:00:01"}
    assert parse(document).mac == bytes.fromhex("020000000001")
    assert parse(with_args(document, mac="02:00:00:00:00:02")).mac == bytes.fromhex("020000000002")


INGRESS = {"ingressRate": 8001, "ingressBurst": 88}
EGRESS = {"egressRate": 16000, "egressBurst": 1600}


def test_limits_are_bits_in_the_config_and_bytes_here() -> None:
    assert parse({**INGRESS, **EGRESS}).bandwidth == Bandwidth(
        ingress=Limit(bytes_per_second=1000, burst_bytes=11),
        egress=Limit(bytes_per_second=2000, burst_bytes=200),
    )


def test_the_runtimes_limits_count_where_the_config_has_none() -> None:
    asked: Json = {"runtimeConfig": {"bandwidth": INGRESS}}
    assert parse(asked).bandwidth == Bandwidth(
        ingress=Limit(bytes_per_second=1000, burst_bytes=11), egress=None
    )
    assert parse(asked | EGRESS).bandwidth == Bandwidth(
        ingress=None, egress=Limit(bytes_per_second=2000, burst_bytes=200)
    )
    assert parse({**asked, "egressRate": 0}).bandwidth is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"ingressRate": 8}, "if rate is set, burst must also be set"),
        ({"egressBurst": 8}, "if burst is set, rate must also be set"),
        ({"egressRate": 8, "egressBurst": 0xFFFFFFFF * 8}, "burst cannot be more than 4GB"),
        ({"egressRate": 7, "egressBurst": 80}, "rate cannot be less than a byte a second"),
    ],
)
@pytest.mark.parametrize("asked", [False, True])
def test_half_a_limit_and_impossible_ones_are_refused(keys: Json, words: str, asked: bool) -> None:
    error = refusal({"runtimeConfig": {"bandwidth": keys}} if asked else keys)
    assert (error.code, error.msg) == (7, words)
    assert error.details.startswith("runtimeConfig.bandwidth.") is asked
