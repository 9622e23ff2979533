"""What is fuzzed in process: a request from its first byte on stdin to the plan and the result.

Nothing of the kernel or the ledger is touched; whatever comes, either all of it is right or it is
an error of the documented table.
"""

import json
import os

from cni_bridge import ipam_plugin, names, plan, plugin
from cni_bridge.edge import codec, config, ipam_config, request, result, result_versions
from cni_bridge.errors import CniError
from cni_bridge.ipam import sources
from cni_bridge.ledger import ranges, state_directory
from cni_bridge.model import Grant, Interface, NetworkConfig
from tests.fuzz.hostile import Asked
from tests.lab.paths import ROOT

CODES = frozenset(
    int(line.split("|")[1])
    for line in (ROOT / "docs/errors.md").read_text().splitlines()
    if line.startswith("| ") and line.split("|")[1].strip().isdecimal()
)
MESSAGE_LIMIT = 1 << 16


class Subject:
    """The plugin's own code, with a file for stdin until it is closed."""

    def __init__(self) -> None:
        self._before = os.dup(0)
        given = os.memfd_create("stdin")
        os.dup2(given, 0)
        os.close(given)

    def close(self) -> None:
        """Give the process its own stdin back."""
        os.dup2(self._before, 0)
        os.close(self._before)

    def judge(self, asked: Asked, *, as_ipam: bool = False) -> int:
        """Lets the request be read and planned; returns the error's code, 0 for none.

        Raises AssertionError, or whatever nobody foresaw, where the code is wrong.
        """
        os.ftruncate(0, 0)
        os.pwrite(0, asked.stdin, 0)
        os.lseek(0, 0, os.SEEK_SET)
        try:
            request.check(asked.variables)
            read = request.decode(
                asked.variables, request.read_stdin(asked.variables["CNI_COMMAND"])
            )
            if as_ipam and read.command != "DEL":
                ipam_plugin._prepared(read)
            _COMMANDS[read.command](read)
        except CniError as error:
            _check_error(error)
            return error.code
        return 0


def _status(read: request.Request) -> NetworkConfig:
    document = config.prepare(read.document, read.command)
    addresses = sources.find(read, config.ipam_type(document))
    settings = config.parse(document, read.args, is_delegated=addresses.is_delegated)
    _check_names(settings)
    assert config.state_dir(read.document) == settings.state_dir, "DEL would look elsewhere"
    return settings


def _add(read: request.Request) -> None:
    settings = _status(read)
    attachment = config.attachment(read.document, read)
    wanted = plan.build(attachment, settings, _grant(settings))
    assert not request.ifname_fault(attachment.ifname)
    assert all(len(name) <= request.IFNAME_LIMIT for name in names.of_host(attachment))
    previous = config.previous_result(read.document)
    end = Interface(name=attachment.ifname, mac="", mtu=1500, sandbox="/run/netns/it")
    made = result.build(wanted, (end,), previous)
    json.loads(codec.encode(result_versions.downgrade(made, settings.cni_version)))


def _check(read: request.Request) -> None:
    _add(read)
    previous = config.previous_result(read.document)
    if previous:
        ipam_config.reported_mac(previous, read.ifname)
        ipam_config.unreported((), previous, read.ifname)
        given = read.document["prevResult"]
        assert isinstance(given, dict)
        answer = config.answer(given, config.version(read.document))
        ipam_config.grant(answer)


def _delete(read: request.Request) -> None:
    config.check_identity(read.document, read.command)
    attachment = config.attachment(read.document, read)
    for directory in (config.state_dir(read.document), config.reservations_dir(read.document)):
        assert directory.startswith("/")
        assert "\0" not in directory
    names.alias(attachment).encode()
    sources.find(read, config.ipam_type(read.document))


def _collect(read: request.Request) -> None:
    config.check_identity(read.document, read.command)
    config.valid_attachments(read.document)
    config.state_dir(read.document)
    sources.find(read, config.ipam_type(read.document))


_COMMANDS = {"ADD": _add, "CHECK": _check, "DEL": _delete, "GC": _collect, "STATUS": _status}


def _grant(settings: NetworkConfig) -> Grant:
    """Return what an empty ledger would lease."""
    requested = ranges.assign(settings.ipam.range_sets, settings.ipam.requested)
    leases = []
    for range_set, ip in zip(settings.ipam.range_sets, requested, strict=True):
        if ip is None:
            free = ranges.first_free(ranges.sweep(range_set), lambda low, high: 0)
            if free is None:
                return Grant(routes=settings.ipam.routes)
            ip = free.to_bytes(len(range_set[0].start), "big")
        lease = ranges.lease(range_set, ip)
        assert lease.gateway != ip
        leases.append(lease)
    return Grant(leases=tuple(leases), routes=settings.ipam.routes)


def _check_names(settings: NetworkConfig) -> None:
    """Untrusted text that becomes a name or a path is what it has to be."""
    assert request.is_name(settings.name)
    assert not request.ifname_fault(settings.bridge)
    assert settings.state_dir == state_directory.HOST or settings.state_dir.endswith("/cni-bridge")
    assert settings.reservations_dir.rpartition("/")[2] == settings.name


def _check_error(error: CniError) -> None:
    """Assert that the error can be shown to a runtime and to people."""
    assert error.code in CODES - {999}, error
    assert error.msg
    told = {"code": error.code, "msg": error.msg, "details": plugin.as_cni_error(error).details}
    text = codec.encode(told)
    text.encode("ascii")
    assert json.loads(text) == told
    assert len(error.msg) < MESSAGE_LIMIT, f"a message of {len(error.msg)} characters"
    assert "Traceback" not in text
