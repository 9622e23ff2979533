"""`make docs`: docs/commands.md, every command with what it printed, recorded in private namespaces.

What the commands do is not explained here but in a sentence each; their help says the rest.
"""

import json
import shlex
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import recording
from recording import Recorder

from tests.lab import PLUGIN, Host, Json, Plugin
from tests.lab.agents import CONF_DIR, NETWORK, nodes
from tests.lab.namespaces import become_root, mount
from tests.lab.network import addresses_in, bare

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/commands.md"
HEAD = """\
# Commands

The commands of `cni-bridge`, with what they print. `cni-bridge COMMAND --help` lists every option; the man
page is [cni-bridge.8](cni-bridge.8). `make docs` generates this page by running the commands in private
namespaces.

Commands for running containers are on other pages: `publish`, `unpublish`, `connect`, `disconnect`, `isolate`
and `join` in [firewall.md](firewall.md#ports-of-a-running-container), `limit` in
[tuning.md](tuning.md#limits-of-a-running-container).

Errors are one red line and indented details. Exit status: 0 success, 1 something is wrong, 2 wrong usage.
"""
PLUGIN_DIR = "/opt/cni/bin"  # where people have it
RUNTIMES_DIR = Path("/etc/cni/net.d")
PORTS: Json = {"portMappings": [{"hostPort": 8080, "containerPort": 6379, "protocol": "tcp"}]}
BAD: Json = {
    "cniVersion": "1.0.0",
    "name": "web",
    "plugins": [
        {
            "type": "cni-bridge",
            "bridge": "docker0",
            "isGatway": True,
            "mtu": "1500",
            "ipam": {"type": "cni-bridge", "subnet": "10.88.0.7/24"},
        }
    ],
}


def written(file: Path) -> Json:
    """Return what a runtime makes of a list of one plugin."""
    conflist = json.loads(file.read_text())
    (plugin,) = conflist["plugins"]
    return {**plugin, "name": conflist["name"], "cniVersion": conflist["cniVersion"]}


def config(name: str, subnet: str, **more: object) -> Json:
    """Return the config of one of the page's networks."""
    ipam = {"type": "cni-bridge", "subnet": subnet}
    shared = {"cniVersion": "1.1.0", "type": "cni-bridge", "isGateway": True}
    return {**shared, "name": name, "bridge": f"{name}0", "ipam": ipam, **more}


def main() -> int:
    """Record the page."""
    become_root()
    with tempfile.TemporaryDirectory() as directory:
        recorder = Recorder(HEAD, Path(directory))
        record_one_host(recorder)
        record_cluster(recorder)
    recorder.section(
        "completion",
        "Completes commands, options, networks and containers in bash, zsh and fish, the last two with "
        "descriptions. Packages and `make install` install it. By hand, in bash:",
    )
    recorder.page.append("\n```console\n$ source <(cni-bridge completion)\n```\n")
    page = "".join(recorder.page).replace(str(PLUGIN.parent), PLUGIN_DIR)
    TARGET.write_text(recording.settled(TARGET.read_text(), page))
    return 0


def record_one_host(recorder: Recorder) -> None:
    """All that needs no other host."""
    plugin = Plugin.at(PLUGIN)
    with Host() as host:
        if RUNTIMES_DIR.exists():  # what this machine has is none of the page's business
            mount("tmpfs", RUNTIMES_DIR, "tmpfs")
        record_configs(recorder)
        front, cache, store = (host.container(name) for name in ("front", "cache", "store"))
        web = host.network(plugin, written(recorder.directory / "web.conflist"))
        database = host.network(plugin, config("db", "10.99.0.0/24", ipMasq=True))
        web.environment["CNI_PATH"] = PLUGIN_DIR
        web.add(front).result()
        reply = web.add(cache, config={"runtimeConfig": PORTS}).result()
        for container, ifname in ((front, "eth1"), (store, "eth0")):
            database.add(container, ifname).result()
        web.add(cache).error()  # a runtime that asks twice
        front.can_ping(bare(addresses_in(reply)[0]))
        record_host(recorder)
        record_doctor(recorder)
        host.container("red")
        record_add(recorder)
        record_rm(recorder)
        record_journal(recorder)
        store.delete()
        time.sleep(0.5)  # the kernel removes what was in a namespace some time later
        record_gc(recorder)
        record_adoption(recorder)
        record_restore(recorder)
        record_lab(recorder)


def record_configs(recorder: Recorder) -> None:
    """Record the commands that need no network."""
    recorder.section(
        "init",
        "Writes a config, with a subnet that this host does not use. "
        "Without a name it asks, on a terminal.",
    )
    recorder.run("cni-bridge init web -o web.conflist", "cat web.conflist")
    recorder.section(
        "validate",
        "Reports every mistake with its place and the nearest known key, and what is valid but rarely intended. "
        "`--format json` for programs, `--strict` to fail on warnings.",
    )
    (recorder.directory / "bad.conflist").write_text(json.dumps(BAD, indent=2))
    recorder.run("cni-bridge validate web.conflist", "cni-bridge validate bad.conflist")


def record_host(recorder: Recorder) -> None:
    """Record the commands that show the host's state."""
    recorder.section(
        "plan",
        "Prints what an ADD would do: `+` would be done, `=` exists already, `!` makes it fail. "
        "`--diff` compares the existing state with the plan, as CHECK does.",
    )
    recorder.run("CNI_CONTAINERID=batch cni-bridge plan web.conflist")
    recorder.section(
        "show", "Joins ledger, kernel state and the configs in net.d. `--watch` for a live view."
    )
    recorder.run("cni-bridge show", "cni-bridge show cache")
    filter_words = shlex.quote(".attachments[0] | {network, container, health, addresses}")
    recorder.page.append(
        f"\nFor programs: `cni-bridge show --json | jq {filter_words}`; "
        "[its schema](../schemas/show.schema.json).\n"
    )
    recorder.section("graph", "Draws the same as text, Mermaid, DOT, SVG or HTML.")
    recorder.run("cni-bridge graph")
    drawing = recorder.quiet("cni-bridge graph --format mermaid")
    recorder.page.append(f"\n`cni-bridge graph --format mermaid`:\n\n```mermaid\n{drawing}\n```\n")


def record_doctor(recorder: Recorder) -> None:
    """Record how doctor finds, explains and repairs faults."""
    recorder.section(
        "doctor",
        "Reports what is wrong with the networks of this host: cause, effect, and the command that "
        "fixes it. `--fix` applies the safe fixes, with the code of ADD, `gc` and `restore`, and checks "
        "again. Exit status: 0 nothing found, 1 findings, 2 it could not check.",
    )
    conf = recorder.directory / "net.d"
    conf.mkdir()
    (conf / "web.conflist").write_text((recorder.directory / "web.conflist").read_text())
    options = f"--conf-dir net.d --cni-path {PLUGIN.parent}"
    recorder.quiet("sysctl -w net.ipv4.ip_forward=0; nft flush ruleset")
    recorder.quiet("ip netns exec cache ip route del default")
    for line in ("cni-bridge doctor", "cni-bridge doctor --fix", "cni-bridge doctor"):
        printed = recorder.quiet(f"{line} {options}")
        recorder.page.append(f"\n```console\n$ {line}\n{printed}\n```\n")
    recorder.section(
        "explain",
        "Follows a connection from hop to hop, up to the one that drops it. Each hop says how it is "
        "known: asked from the kernel, inferred from rules and records, or with `--probe` measured, "
        "by a connection that nftables traces.",
    )
    recorder.run(
        "cni-bridge explain front cache:80",
        "cni-bridge explain cache 203.0.113.9:443",
        "cni-bridge explain 8080",
    )


def record_add(recorder: Recorder) -> None:
    """Record how a namespace is attached without a runtime."""
    recorder.section(
        "add, check, del, exec",
        "Attaches a network namespace or a container to a network, as a runtime does; `exec` runs a "
        "command in it.",
    )
    for line, options in (
        ("cni-bridge add web red --publish 8099:80", " --conf-dir net.d"),
        ("cni-bridge check web red", " --conf-dir net.d"),
        ("cni-bridge exec red -- ip -brief address", ""),
        ("cni-bridge del web red", " --conf-dir net.d"),
    ):
        printed = recorder.quiet(f"CNI_PATH={PLUGIN.parent} {line}{options}")
        recorder.page.append(f"\n```console\n$ {line}\n{printed}".rstrip() + "\n```\n")


def record_rm(recorder: Recorder) -> None:
    """Record how a network is removed: one in use, and one without containers."""
    recorder.section(
        "rm", "Removes a network: its config and its bridge. Refuses if a container is attached."
    )
    recorder.quiet("cni-bridge init shop -o net.d/shop.conflist")
    for line in ("cni-bridge rm web", "cni-bridge rm shop"):
        printed = recorder.quiet(f"{line} --conf-dir net.d")
        recorder.page.append(f"\n```console\n$ {line}\n{printed}\n```\n")


def record_journal(recorder: Recorder) -> None:
    """Record the journal of the calls so far."""
    recorder.section(
        "trace",
        "Lists the last calls of runtimes with their steps; `--follow` waits for more: "
        "[journal.md](internals/journal.md).",
    )
    recorder.run("cni-bridge trace", "cni-bridge trace last")


def record_gc(recorder: Recorder) -> None:
    """Record gc after a container ended without a DEL."""
    recorder.section(
        "gc", "Removes stale attachments, whose container is provably gone: here, that of `store`."
    )
    recorder.run("cni-bridge show db", "cni-bridge gc --dry-run", "cni-bridge gc")


def record_adoption(recorder: Recorder) -> None:
    """Record adopt, with a reservation of host-local for a container that is gone."""
    reserved = Path("/var/lib/cni/networks/web/10.88.0.77")
    reserved.parent.mkdir(parents=True)
    reserved.write_text("0d5c6e\r\neth0")
    recorder.section(
        "adopt",
        "Lists what the reference's `host-local` has reserved, and whether an ADD skips the address: "
        "[coming from](coming-from.md).",
    )
    recorder.run("cni-bridge adopt host-local")


def record_restore(recorder: Recorder) -> None:
    """Record restore after nftables was flushed."""
    recorder.section(
        "restore",
        "Reloads the firewall of all containers, after another firewall was reloaded or after "
        "`nft flush ruleset`. With `--watch` it waits for that and does it each time: "
        "[the unit](../conf/cni-bridge-restore.service).",
    )
    recorder.run("nft flush ruleset", "cni-bridge restore")


def record_lab(recorder: Recorder) -> None:
    """Record a lab from up to down."""
    recorder.section(
        "lab",
        "Throwaway networks to experiment with: `tutorial`, `direct`, `bridge`, `two-networks`. "
        "A namespace plays the host, so this machine's network is never touched.",
    )
    recorder.run(
        "cni-bridge lab up bridge --bridge mybridge0 --subnet 10.0.1.0/24 --containers 3",
        "cni-bridge lab down",
    )
    recorder.page.append(
        "\nThe commands can be typed: they build the same lab again. A namespace's own tools work "
        "in `cni-bridge lab exec c1`, which starts a shell there.\n"
    )
    recorder.run("cni-bridge lab up tutorial", "cni-bridge lab graph", "cni-bridge lab ping")
    recorder.quiet(f"cni-bridge lab graph --format svg -o {ROOT}/docs/lab.svg")
    recorder.page.append("\n`cni-bridge lab graph --format svg`:\n\n![the lab](lab.svg)\n")
    recorder.run(
        "cni-bridge lab show",
        "cni-bridge lab explain c1 c2:80",
        "cni-bridge lab exec c1 -- ip route",
        "cni-bridge lab exec host -- ip link set lab0 down",
        "cni-bridge lab ping",
        "cni-bridge lab doctor --fix",
        "cni-bridge lab down",
    )


def record_cluster(recorder: Recorder) -> None:
    """Two hosts with an agent each, and an etcd."""
    recorder.section(
        "agent, show cluster",
        "A network on [many hosts](cluster.md): its agent runs as a service, and shows what it sees.",
    )
    with nodes(2, ipv6=False, backend="vxlan", ttl=60) as hosts:
        hosts.start()
        ours, theirs = hosts[1].container(), hosts[2].container()
        there = hosts[2].addresses[theirs][0]
        time.sleep(2)  # until the agent has written what it knows
        with hosts[1].machine.entered():
            recorder.run(
                "cni-bridge show cluster",
                "cni-bridge graph",
                f"cni-bridge explain {ours.name} {there}:80",
                f"cni-bridge agent {NETWORK} --conf-dir {CONF_DIR} --host host-1 --evict h2",
            )
        for node in hosts.nodes.values():
            node.tidy()


if __name__ == "__main__":
    sys.exit(main())
