"""The ledger: the file-backed record of attachments and their addresses."""
