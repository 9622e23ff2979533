"""Who holds which address: ranges (pure) and the ledger (SQLite)."""
