"""What runtimes can have of their network, each feature proved by the tests that are marked with it.

The words and their order; the outcomes are collected by `conftest` and shown by `table`.
"""

import pytest

REACH = "containers reach each other and the gateway, IPv4 and IPv6"
PORTS = "published TCP and UDP ports answer host, localhost, outside, siblings, itself"
USERS_PORT = "without root: a published TCP port answers localhost"
ADDRESS = "a requested address or MAC"
TAKEN_ADDRESS = "an address in use is refused"
TAKEN_PORT = "a host port in use is refused"
NETWORKS = "network create, connect, disconnect, rm"
RELOAD = "network reload"
RESTART = "restart of a container"
REPEATED = "stopped repeatedly"
MANY = "20 at once, each with a port"
CRASH = "kill -9 of the runtime, then its own cleanup"
KILLED_INSIDE = "kill -9 of the runtime during ADD: nothing of cni-bridge is left"
GC = "kill -9 of the runtime, then `cni-bridge gc`"
READY = "the runtime's network is ready"
STATUS = "STATUS: the runtime's status reports what is wrong"
STEPS = "the steps of a build"
FEATURES = (
    REACH, PORTS, USERS_PORT, ADDRESS, TAKEN_ADDRESS, TAKEN_PORT, NETWORKS, RELOAD, RESTART, REPEATED, MANY,
    CRASH, KILLED_INSIDE, GC, READY, STATUS, STEPS,
)  # fmt: skip


def proves(feature: str) -> pytest.MarkDecorator:
    """Mark a test that fails where the feature is missing."""
    assert feature in FEATURES
    return pytest.mark.feature(feature)
