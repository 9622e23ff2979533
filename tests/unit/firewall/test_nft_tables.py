"""What happens to nft, which loads the rules."""

from pathlib import Path

import pytest

from cni_bridge.errors import FirewallRefused
from cni_bridge.firewall import nft_tables


def test_an_nft_that_takes_too_long_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "nft"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(nft_tables, "find_nft", lambda: str(slow))
    monkeypatch.setattr(nft_tables, "PATIENCE_MS", 50)
    with pytest.raises(FirewallRefused, match="nft did not finish within") as raised:
        nft_tables._run_nft("firewall/ruleset.nft")
    assert "try again" in str(raised.value.details)
