"""The units as systemd runs them: how they are ordered, stopped and started again, with few rights."""

from tests.machine.calls import AGENT, Calls
from tests.machine.machines import Machine
from tests.machine.stages import FILES

ETCD = f"""
[Service]
Type=notify
ExecStart={FILES}/etcd --data-dir /var/lib/etcd --listen-client-urls http://192.0.2.1:2379 \\
    --advertise-client-urls http://192.0.2.1:2379
[Install]
WantedBy=multi-user.target
"""
# Is started once this host has a block: its ADD gets an address at once.
AFTER = f"""
[Unit]
Requires={AGENT}.service
After={AGENT}.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=bash /srv/after
[Install]
WantedBy=multi-user.target
"""
PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}


def test_the_service_restores_firewall_and_names_with_few_rights(
    guest: Machine, calls: Calls
) -> None:
    calls.network("web", nameserver=True)
    calls.configure("web", {**calls.plugin, "runtimeConfig": {"portMappings": [PORT]}})
    calls.run("attach c1 'IgnoreUnknown=1;K8S_POD_NAME=shop'")
    name = "busybox nslookup shop.cni.internal 10.77.0.1 | grep 10.77.0.2"
    guest.run(f"{name}; systemctl stop cni-bridge-restore")
    guest.run(
        "kill -9 $(cat /run/cni-bridge-dns/web/dnsmasq.pid); nft flush ruleset; "
        "sysctl --quiet net.ipv4.conf.web0.route_localnet=0"
    )
    guest.run("systemctl start cni-bridge-restore")
    guest.run(f"{name}; cni-bridge doctor")
    rights = guest.run("grep NoNewPrivs /proc/$(cat /run/cni-bridge-dns/web/dnsmasq.pid)/status")
    assert rights.split() == ["NoNewPrivs:", "1"]  # it was the service that started it
    guest.run(f"systemctl restart cni-bridge-restore; {name}")
    calls.run("detach c1")


def test_the_agent_comes_before_what_needs_it_and_is_started_again(
    guest: Machine, calls: Calls
) -> None:
    calls.join("http://192.0.2.1:2379")
    guest.write("/etc/systemd/system/etcd.service", ETCD)
    guest.write("/etc/systemd/system/after.service", AFTER)
    guest.write("/srv/after", calls.script("set -e; attach c1"))
    guest.run(f"systemctl daemon-reload; systemctl enable --quiet --now etcd {AGENT} after")
    assert "1 of 1 hosts" in guest.run(f"systemctl show -P StatusText {AGENT}")
    ready = "timeout 10 busybox wget -q -O - http://127.0.0.1:9468/readyz"
    guest.run(ready)
    address = "ip -4 -brief -n c1 address show eth0"
    before = guest.run(address)

    killed = guest.run(
        f"old=$(systemctl show -P MainPID {AGENT}); kill -9 $old; "
        f"timeout 100 sh -c 'until systemctl --quiet is-active {AGENT} && "
        f"test $(systemctl show -P MainPID {AGENT}) != $0; do sleep 0.2; done' $old; "
        f"systemctl show -P NRestarts {AGENT}"
    )
    assert killed == "1\n"
    guest.run(f"systemctl stop {AGENT}")
    assert guest.run(f"systemctl show -P Result {AGENT}") == "success\n"
    calls.run("attach c2; detach c2")  # the lease has not expired
    guest.run(f"systemctl start {AGENT}; {ready}; cni-bridge doctor")
    assert guest.run(address) == before

    guest.reboot()
    assert guest.run("systemctl is-active after") == "active\n"
    assert guest.run(address)
    assert guest.run("systemctl --failed --plain --no-legend") == ""
