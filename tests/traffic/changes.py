"""Trials of what changes between two questions: containers come and go, rules are flushed, a port is taken.

Each says in a few words what came of it; whether that is right stands in `trials`.
"""

import subprocess
from dataclasses import replace

from tests.lab.echo import Conversation, Question, ask
from tests.lab.plugin import Json
from tests.lab.town import HOST_PORT, Town
from tests.traffic.rows import published

PORT = 8080
CLIENT_PORT = 4444


def taken_port(second: str, at: tuple[str, str], town: Town) -> str:
    """Two containers ask for one port, perhaps at addresses; the first must not notice."""
    town.attach("a1", *published(PORT, at=at[0]))
    run = town.try_to_attach(second, *published(PORT, at=at[1]))
    said = "accepted" if run.status == 0 else "refused"
    return f"{said}, {town.ask('world', 'host', PORT)}"


def port_of_a_process(town: Town) -> str:
    """Return a port on which a process of the host listens."""
    run = town.try_to_attach("a1", *published(HOST_PORT))
    return "accepted" if run.status == 0 else "refused"


def many_ports(town: Town) -> str:
    """206 ports, of which the first and the last are asked."""
    town.attach("a1", *(port for number in range(103) for port in published(20000 + number)))
    answers = town.ask_all(
        ("world", "host", 20000 + number, protocol, family)
        for number in (0, 102)
        for protocol in ("tcp", "udp")
        for family in (4, 6)
    )
    return ", ".join(sorted(set(answers)))


def udp_before_add(family: int, town: Town) -> str:
    """Return a client asked in vain before the port was published, and asks again."""
    town.attach("a1")
    _ask_from_one_port(town, family)
    town.detach("a1")
    town.attach("a2", *published(PORT))
    return _ask_from_one_port(town, family)


def udp_after_del(family: int, town: Town) -> str:
    """Return a client goes on asking after the container went."""
    town.attach("a1", *published(PORT))
    _ask_from_one_port(town, family)
    town.detach("a1")
    return _ask_from_one_port(town, family)


def udp_after_another(family: int, town: Town) -> str:
    """Return a client goes on asking after another container took the port over."""
    town.attach("a1", *published(PORT))
    _ask_from_one_port(town, family)
    town.detach("a1")
    town.attach("a2", *published(PORT))
    return _ask_from_one_port(town, family)


def connection_beside_others(town: Town) -> str:
    """Return a connection while other containers come and go."""
    town.attach("a1", *published(PORT))
    talk = Conversation(town.question("world", "host", PORT))
    talk.say()
    town.attach("a2", *published(8081))
    town.detach("a2")
    return _closing(town, talk)


def flushed(town: Town) -> str:
    """Somebody empties the ruleset; the next container comes."""
    town.attach("a1", *published(PORT))
    nft("flush ruleset")
    town.attach("a2")
    return f"{town.ask('world', 'host', PORT)}, {town.ask('a1', 'world', 80)}"


def connection_through_a_flush(town: Town) -> str:
    """Return the same, and a connection was open."""
    town.attach("a1", *published(PORT))
    talk = Conversation(town.question("world", "host", PORT))
    talk.say()
    nft("flush ruleset")
    town.attach("a2")
    return _closing(town, talk)


def closed_off_later(config: Json, ways: tuple[tuple[str, str], ...], town: Town) -> str:
    """List connections that were open when their network was given a key that does not allow them."""
    talks = {}
    for number, (asker, target) in enumerate(ways):
        for name in (asker, target):
            if name not in (*town.containers, "host"):
                town.attach(name)
        talks[f"{asker} to {target}"] = Conversation(
            town.question(asker, target, 80, family=4 if number % 2 else 6)
        )
    opened = [talk.say(patience=4.0) for talk in talks.values()]
    assert all("saw" in answer for answer in opened), dict(zip(talks, opened, strict=True))
    for letter, network in town.networks.items():
        if letter in "ab":
            network.config.update(config)
            town.attach(f"{letter}9")
    answers = {way: town.named(talk.say()) for way, talk in talks.items()}
    for talk in talks.values():
        talk.close()
    return ", ".join(way for way, answer in answers.items() if "saw" in answer) or "none survives"


def service(own: bool, family: int, town: Town) -> str:
    """Tell what a2 sees when a1 asks it at an address that another program translates, as kube-proxy does.

    With `own`, a2 publishes a port of the same number, which is not what was asked.
    """
    town.attach("a1")
    town.attach("a2", *published(80 if own else PORT))
    town.filter_bridged(True)  # as Kubernetes requires
    address, ip = ("10.96.0.10", "ip") if family == 4 else ("fd96::10", "ip6")
    target = town.address("a2", family)
    nft(
        f"add table {ip} services; add chain {ip} services pre "
        "{ type nat hook prerouting priority -100; }; add rule "
        f"{ip} services pre {ip} daddr {address} tcp dport 80 dnat to {target}"
    )
    said = town.named(ask(Question(town.netns("a1"), address, 80)))
    nft(f"delete table {ip} services")
    return said


def left_by_del(town: Town) -> str:
    """DEL as `ctr run --rm --cni` sends it: without a namespace."""
    town.attach("a1")
    before = town.host.state()
    town.attach("a2", *published(PORT))
    town.detach("a2", environment={"CNI_NETNS": ""})
    left = [line for line in town.host.state() - before if line.kind.startswith("nft")]
    return f"{len(left)} rules or elements left" if left else "nothing left"


def nft(command: str) -> None:
    """Run nft as another program of the host would."""
    subprocess.run(("nft", command), timeout=30, check=True)


def _ask_from_one_port(town: Town, family: int) -> str:
    """Return a UDP client that always uses the same port; its own conntrack entry is asked about."""
    question = town.question("world", "host", PORT, "udp", family)
    return town.named(ask(replace(question, source_port=CLIENT_PORT)))


def _closing(town: Town, talk: Conversation) -> str:
    answer = town.named(talk.say())
    talk.close()
    return answer
