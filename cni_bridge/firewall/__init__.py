"""The firewall: what nftables holds for each attachment, and how it gets there."""
