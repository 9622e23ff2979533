"""`show` as metrics, and how much a second: the text that node_exporter's textfile collector reads."""

import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host
from tests.lab.people import ATTENTIVE, command, printed
from tests.lab.waiting import wait_until

NAMED = {"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web"}


def metrics(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return each sample by name and label values, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_addresses_traffic_ports_and_calls_are_metrics(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(capabilities={"portMappings": True})
    port = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
    one = host.container()
    ports = {"runtimeConfig": {"portMappings": [port]}}
    network.add(one, environment=NAMED, config=ports).result()
    network.add(one).error()
    assert one.can_ping("10.88.0.1")
    file = tmp_path / "cni-bridge.prom"
    printed("show", "--format", "prometheus", "-o", str(file))
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    found = metrics(file.read_text())
    assert found["cni_bridge_addresses_used", ("testnet", "10.88.0.0/16")] == 1
    assert found["cni_bridge_attachments", ("ok", "testnet")] == 1
    assert found["cni_bridge_published_ports", ("testnet",)] == 1
    who = ("c1", "eth0", "web", "testnet")
    assert found["cni_bridge_sent_packets_total", who] > 0
    assert found["cni_bridge_received_bytes_total", who] > 0
    assert found["cni_bridge_calls_last_hour", ("ADD", "ok")] == 1
    assert found["cni_bridge_failures_last_hour", ("102", "ADD")] == 1
    assert 0 < found["cni_bridge_call_seconds_last_hour", ("ADD", "1")] < 60


def test_without_networks_there_are_metrics_too(host: Host) -> None:
    text = printed("show", "--format", "prometheus")
    assert ("cni_bridge_info" in text, "cni_bridge_sent_bytes_total{" in text) == (True, False)
    run = command("show", "--format", "prometheus", "-o", "/nosuch/x.prom")
    assert (run.status, "cannot write /nosuch/x.prom" in run.stderr) == (1, True)
    run = command("show", "--json", "--watch")
    assert (run.status, "--watch is for people" in run.stderr) == (1, True)


def test_watch_shows_how_much_a_second(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    one = host.container()
    make_network().add(one).result()
    shown = tmp_path / "shown"
    with shown.open("w") as screen:
        process = subprocess.Popen((*ATTENTIVE, "show", "--watch", "0.2"), stdout=screen)
    wait_until(lambda: shown.read_text().count("in/s / out/s") > 1)
    process.terminate()
    process.wait(timeout=10)
    assert "in/s" not in printed("show")
