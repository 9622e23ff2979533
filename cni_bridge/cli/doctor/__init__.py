"""Diagnose this host's networks: facts are gathered once, then judged."""
