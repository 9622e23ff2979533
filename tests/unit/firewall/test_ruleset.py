"""The files with the firewall's rules, and what the code knows of them."""

import re
from hashlib import blake2b

import pytest

from cni_bridge.firewall import nft_tables
from cni_bridge.lean import bundle


@pytest.mark.parametrize("family", nft_tables.RULES)
def test_rules_that_changed_are_loaded_anew(family: int) -> None:
    file, digest = nft_tables.RULES[family]
    text = bundle.data(file)
    assert blake2b(text, digest_size=8).hexdigest() == digest, f"new digest for {file} in RULES"


@pytest.mark.parametrize("family", nft_tables.RULES)
def test_every_set_of_the_rules_is_known_with_its_table(family: int) -> None:
    file, _ = nft_tables.RULES[family]
    declared = re.findall(r"^\t(?:set|map) (\w+)", bundle.data(file).decode(), re.M)
    assert sorted(declared) == sorted(nft_tables.SETS[family])


@pytest.mark.parametrize("family", nft_tables.RULES)
def test_every_chain_is_emptied_before_it_is_filled(family: int) -> None:
    file, _ = nft_tables.RULES[family]
    text = bundle.data(file).decode()
    chains = set(re.findall(r"^\tchain (\w+)", text, re.M))
    table = f"{nft_tables.FAMILY_NAMES[family]} {nft_tables.TABLE}"
    assert chains == set(re.findall(rf"^flush chain {table} (\w+)", text, re.M))
