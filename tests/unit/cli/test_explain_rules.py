"""Every rule of ours that drops has its sentence, and no sentence is about a rule that is not there."""

import re

from cni_bridge.cli.explain.our_rules import SENTENCES
from cni_bridge.firewall import nft_tables
from cni_bridge.lean import bundle

SIDES = re.compile(r"(iifname|oifname) (@\w+)")
OF_SENDERS = ("spoof_mac", "spoof_ip")  # chains that judge who a frame says it is from


def dropping() -> set[tuple[tuple[str, str], ...]]:
    """Return the sides that each rule asks for that drops, of the files as they are loaded."""
    found = set()
    for file, _ in nft_tables.RULES.values():
        chain = ""
        for line in bundle.data(file).decode().splitlines():
            if opened := re.match(r"\tchain (\w+)", line):
                chain = opened[1]
            if (
                line.endswith(" drop")
                and not line.strip().startswith("#")
                and chain not in OF_SENDERS
            ):
                found.add(tuple(SIDES.findall(line)))
    return found


def test_every_rule_that_drops_has_its_sentence_and_no_other() -> None:
    assert dropping() == set(SENTENCES)
