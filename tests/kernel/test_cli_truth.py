"""What `validate` passes without a word works: ADD succeeds, and the container reaches its gateway."""

import json
import os
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cni_bridge.cli.validate import command as validate
from tests.lab import Host, Json, Plugin, any_config
from tests.lab.cnitool import CNITOOL, cnitool
from tests.lab.people import command

OURS: Json = {
    "type": "cni-bridge",
    "bridge": "truth0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "ipam": {"type": "cni-bridge", "subnet": "10.99.0.0/24"},
}
PORTS = {"capabilities": {"portMappings": True}}
PORTMAP = {"type": "portmap", **PORTS}


def ours(**changes: Any) -> Json:
    """Return a plugin config with changes; None removes a key, `ipam` keys are merged."""
    ipam = changes.pop("ipam", {})
    merged = {**OURS, **changes, "ipam": (ipam and {**OURS["ipam"], **ipam}) or OURS["ipam"]}
    if ipam is None:
        del merged["ipam"]
    return {
        key: ({k: v for k, v in value.items() if v is not None} if key == "ipam" else value)
        for key, value in merged.items()
        if value is not None
    }


LISTS: dict[str, list[Json]] = {
    "as usual": [ours()],
    "portmap before": [PORTMAP, ours()],
    "firewall before": [{"type": "firewall"}, ours()],
    "bandwidth before": [{"type": "bandwidth"}, ours()],
    "tuning before": [{"type": "tuning"}, ours()],
    "loopback, then portmap": [{"type": "loopback"}, PORTMAP, ours()],
    "portmap behind": [ours(), PORTMAP],
    "firewall behind": [ours(), {"type": "firewall", "backend": "iptables"}],
    "loopback before": [{"type": "loopback"}, ours()],
    "two bridges": [ours(), {"type": "bridge", "ipam": {"type": "host-local"}}],
    "twice": [ours(), ours(bridge="other0")],
    "macvlan behind": [ours(), {"type": "macvlan", "master": "lo"}],
    "gateway without ipam": [ours(ipam=None)],
    "gateway without addresses": [ours(ipam=None, isDefaultGateway=None, isGateway=True)],
    "ipam without type": [ours(ipam={"type": None})],
    "ipam misspelt": [ours(ipam={"type": "cni-brigde"})],
    "host-local misspelt": [ours(ipam={"type": "hostlocal"})],
    "ipam unknown": [ours(ipam={"type": "mine"})],
    "host-local without subnet": [ours(ipam={"type": "host-local", "subnet": None})],
    "plugin misspelt": [ours(), {"type": "portmapp", **PORTS}],
    "internal with a way out": [ours(internal=True, **PORTS)],
    "internal": [ours(internal=True, ipMasq=None, isDefaultGateway=None, isGateway=True)],
    "ports twice": [ours(**PORTS), PORTMAP],
    "mtu 1": [ours(mtu=1)],
    "mtu 67": [ours(mtu=67)],
    "mtu 68": [ours(mtu=68)],
    "mtu 1279, IPv6": [ours(mtu=1279, ipam={"subnet": "fd00:99::/64"})],
    "mtu 65535": [ours(mtu=65535)],
    "bridge lo": [ours(bridge="lo")],
    "bridge all": [ours(bridge="all")],
    "bridge default": [ours(bridge="default")],
    "IPv6": [ours(ipam={"subnet": "fd00:99::/64"})],
    "loopback's": [ours(ipam={"subnet": "127.9.0.0/24"})],
    "multicast": [ours(ipam={"subnet": "224.9.0.0/24"})],
    "reserved": [ours(ipam={"subnet": "240.9.0.0/24"})],
    "link-local": [ours(ipam={"subnet": "169.254.9.0/24"})],
    "this network": [ours(ipam={"subnet": "0.0.0.0/24"})],
    "IPv6 multicast": [ours(ipam={"subnet": "ff05::/64"})],
    "IPv6 link-local": [ours(ipam={"subnet": "fe80::/64"})],
    "IPv6 loopback's": [ours(ipam={"subnet": "::/64"})],
    "gateway elsewhere": [ours(ipam={"routes": [{"dst": "192.0.2.0/24", "gw": "10.1.1.1"}]})],
    "gateway inside": [ours(ipam={"routes": [{"dst": "192.0.2.0/24", "gw": "10.99.0.9"}]})],
    "gateway by an earlier route": [
        ours(
            ipam={
                "routes": [
                    {"dst": "10.98.0.1/32", "gw": "0.0.0.0", "scope": 253},
                    {"dst": "192.0.2.0/24", "gw": "10.98.0.1"},
                ]
            }
        )
    ],
    "IPv6 gateway by an earlier route": [
        ours(
            ipam={
                "subnet": "fd00:99::/64",
                "routes": [
                    {"dst": "fd00:98::1/128", "gw": "::"},
                    {"dst": "2001:db8::/32", "gw": "fd00:98::1"},
                ],
            }
        )
    ],
    "gateway by a later route": [
        ours(
            ipam={
                "routes": [
                    {"dst": "192.0.2.0/24", "gw": "10.98.0.1"},
                    {"dst": "10.98.0.1/32", "gw": "0.0.0.0", "scope": 253},
                ]
            }
        )
    ],
    "scope link, a gateway": [ours(ipam={"routes": [{"dst": "192.0.2.0/24", "scope": 253}]})],
    "scope link": [ours(ipam={"routes": [{"dst": "192.0.2.0/24", "scope": 253, "gw": "0.0.0.0"}]})],
    "gateway is the broadcast address": [ours(ipam={"gateway": "10.99.0.255"})],
    "route by the broadcast address": [
        ours(ipam={"routes": [{"dst": "192.0.2.0/24", "gw": "10.99.0.255"}]})
    ],
    "in capitals": [{**ours(), "type": "CNI-Bridge"}],
    "a route twice": [ours(ipam={"routes": [{"dst": "192.0.2.0/24"}, {"dst": "192.0.2.0/24"}]})],
    "own subnet as a route": [ours(ipam={"routes": [{"dst": "10.99.0.0/24"}]})],
    "/30": [ours(ipam={"subnet": "10.99.0.0/30"})],
    "/31": [ours(ipam={"subnet": "10.99.0.0/31"})],
    "only the gateway": [ours(ipam={"rangeStart": "10.99.0.1", "rangeEnd": "10.99.0.1"})],
    "closed, isolated": [ours(closed=True, isolation="strict")],
    "spoof checks": [ours(macspoofchk=True, ipspoofchk=True)],
    "port isolation": [ours(portIsolation=True)],
}
VERSIONS = ("0.4.0", "1.1.0")


def said(conflist: Json) -> list[str]:
    """Return what `validate` says."""
    (report,) = validate.examine([("truth.conflist", json.dumps(conflist))])
    return [each.message for each in report.findings]


def gateway(conflist: Json) -> str:
    """Return the address that the container should reach; empty if it has no gateway."""
    return next(
        (
            each["ipam"]["subnet"].partition("/")[0].removesuffix("0") + "1"
            for each in conflist["plugins"]
            if each["type"] == "cni-bridge" and each.get("ipam", {}).get("subnet")
        ),
        "",
    )


@pytest.mark.skipif(not CNITOOL.exists(), reason="no cnitool here")
def test_what_validate_passes_works(plugin: Plugin, tmp_path: Path) -> None:
    untrue = []
    for number, (name, plugins) in enumerate(LISTS.items()):
        version = VERSIONS[number % len(VERSIONS)]
        conflist = {"cniVersion": version, "name": "truth", "plugins": plugins}
        if said(conflist):
            continue
        (tmp_path / "truth.conflist").write_text(json.dumps(conflist))
        with Host() as host:
            container = host.container()
            run = cnitool("add", "truth", container, plugin, tmp_path)
            if run.status:
                untrue.append(f"{name}: {run.stdout or run.stderr}")
            elif not container.can_ping(gateway(conflist)):
                untrue.append(f"{name}: its gateway {gateway(conflist)} is out of reach")
    assert untrue == []


COUNT = int(os.environ.get("TRUTH_CONFIGS", "6"))  # more by hand, to look for what is untrue
NO_VLANS = "can't filter VLANs"  # this kernel, which validate does not look at


def test_what_validate_passes_of_random_configs_works(host: Host, tmp_path: Path) -> None:
    """Every key of the schema, in any company."""
    container, untrue, tried, seed = host.container(), [], 0, 0
    where = ("truth", str(container.netns), "--conf-dir", str(tmp_path))
    cache = {"CNI_CACHE_DIR": str(tmp_path)}
    while tried < COUNT:
        seed += 1
        made = any_config.plugin(Random(seed))
        conflist = {"cniVersion": "1.1.0", "name": "truth", "plugins": [made]}
        if said(conflist):
            continue
        (tmp_path / "truth.conflist").write_text(json.dumps(conflist))
        run = command("add", *where, environment=cache)
        if NO_VLANS in run.stderr:
            continue
        tried += 1
        if run.status:
            untrue.append(f"{seed}: {made}: {run.stderr}")
            continue
        untrue += [
            f"{seed}: {made}: {each} is out of reach"
            for each in any_config.gateways(made)
            if not container.can_ping(each)
        ]
        assert command("del", *where, environment=cache).status == 0
        subprocess.run(("ip", "link", "del", "truth0"), check=True)
    assert untrue == []


HARMLESS = (
    "as usual",
    "portmap behind",
    "firewall behind",
    "loopback before",
    "IPv6",
    "mtu 68",
    "gateway inside",
    "gateway by an earlier route",
    "IPv6 gateway by an earlier route",
    "scope link",
    "internal",
    "/30",
    "closed, isolated",
    "mtu 65535",
)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_works_is_passed(name: str) -> None:
    assert said({"cniVersion": "1.1.0", "name": "truth", "plugins": LISTS[name]}) == []


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in LISTS if "before" in name and "loopback" not in name),
        "mtu 1",
        "twice",
        "gateway without ipam",
        "ipam misspelt",
        "loopback's",
        "gateway elsewhere",
        "gateway by a later route",
        "gateway is the broadcast address",
        "scope link, a gateway",
    ],
)
def test_the_doctor_says_so_too(name: str, host: Host, tmp_path: Path) -> None:
    conflist = {"cniVersion": "1.1.0", "name": "truth", "plugins": LISTS[name]}
    (tmp_path / "truth.conflist").write_text(json.dumps(conflist))
    run = command("doctor", "--json", "--conf-dir", str(tmp_path), "--cni-path", "/nowhere")
    found = [each for each in json.loads(run.stdout)["findings"] if each["check"] == "configs"]
    assert found, run
    assert all(each["effect"] for each in found)
