"""Names in the ledger: recorded with their attachment, gone with it, found by what people type."""

from pathlib import Path

import pytest

from cni_bridge.errors import RangeExhausted
from cni_bridge.ledger import container_names
from cni_bridge.model_optional import Names
from tests.unit.ledger.wishes import attachment, claim, one_set, quick

WEB = Names(own="web", namespace="shop", aliases=("api", "www"))


def test_names_live_as_long_as_their_attachment(tmp_path: Path) -> None:
    ledger = quick(tmp_path)
    pool = one_set("10.1.0.0/24")
    claim(ledger, "c1", pool, names=WEB)
    claim(ledger, "c2", pool)
    claim(ledger, attachment("c1", "other"), pool, names=Names(own="web"))
    assert container_names.of(ledger.database, attachment("c1")) == WEB
    assert container_names.of(ledger.database, attachment("c2")) == Names()
    assert container_names.named(ledger.database, "net") == {attachment("c1"): WEB}
    assert len(container_names.named(ledger.database)) == 2
    ledger.release(attachment("c1"))
    assert container_names.named(ledger.database, "net") == {}
    ledger.close()


def test_an_attachment_is_found_by_each_of_its_names(tmp_path: Path) -> None:
    ledger = quick(tmp_path)
    claim(ledger, "c1", names=WEB)
    claim(ledger, "c2", names=Names(own="web"))
    found = {
        text: [each.container for each in container_names.holders(ledger.database, text)]
        for text in ("web", "shop/web", "www", "shop/www", "/web", "we")
    }
    assert found == {
        "web": ["c1", "c2"],
        "shop/web": ["c1"],
        "www": ["c1"],
        "shop/www": [],
        "/web": [],
        "we": [],
    }
    assert container_names.text(WEB) == "shop/web"
    assert container_names.text(Names(own="web")) == "web"
    assert container_names.text(Names(aliases=("db",))) == ""
    ledger.close()


def test_a_failed_claim_leaves_no_names(tmp_path: Path) -> None:
    ledger = quick(tmp_path)
    full = one_set("10.1.0.0/30")
    claim(ledger, "c1", full)
    with pytest.raises(RangeExhausted):
        claim(ledger, "c2", full, names=WEB)
    assert container_names.named(ledger.database) == {}
    ledger.close()
