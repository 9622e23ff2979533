"""One network over many hosts: blocks of addresses leased from a shared store, and routes to them.

Only `cni-bridge agent` and commands for people load this; a plugin run reads the ledger alone.
"""
