"""Where addresses come from: this host's ledger or a delegated IPAM plugin."""
