"""Errors of a request: one class per situation, each with its CNI error code.

Codes below 100 are from CNI SPEC 1.1, "Error" (8 and 999 are the Go library's); 100-199 are
cni-bridge's.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.model import Attachment


class CniError(Exception):
    """A failure: a code for the runtime, one sentence for people, and details.

    `msg` names the key or object and the value; `details` give the cause and the remedy.
    """

    code = 999

    def __init__(self, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.msg = msg
        self.details = details


class IncompatibleVersion(CniError):
    """The config's cniVersion is not supported or lacks this command."""

    code = 1


class UnsupportedField(CniError):
    """A known field that cannot be honoured here; the message has key and value."""

    code = 2


class UnknownContainer(CniError):
    """The network namespace vanished before ADD began, so there is nothing to clean up."""

    code = 3


class InvalidEnvironment(CniError):
    """CNI_* variables are missing or malformed; the message lists all of them."""

    code = 4


class IOFailure(CniError):
    """stdin, stdout or a file of cni-bridge cannot be read or written."""

    code = 5


class LedgerUnusable(IOFailure):
    """The ledger or its directory is damaged, foreign, full, read-only or writable by others.

    No running container depends on it, so DEL reports it and continues.
    """


class UndecodableContent(CniError):
    """Input is not JSON, not an object, or an object with a duplicate key."""

    code = 6


class InvalidConfig(CniError):
    """The config is well-formed but wrong; the message has a path like `ipam.ranges[0][1].subnet`."""

    code = 7


class InvalidNetns(CniError):
    """CNI_NETNS is not a network namespace, or is the plugin's own."""

    code = 8


class TryAgainLater(CniError):
    """The ledger is locked past its deadline, a link is not up yet, or a DEL overtook the ADD."""

    code = 11


class NotAvailable(CniError):
    """STATUS: an ADD would fail now."""

    code = 50


class LimitedConnectivity(CniError):
    """STATUS: another firewall on this host drops what containers send."""

    code = 51


class NotLeased(TryAgainLater):
    """This host has no block of the cluster network, or its block assignment has expired."""


class RangeExhausted(CniError):
    """No free address is left in a range set."""

    code = 100


class AddressInUse(CniError):
    """A requested address or MAC is held by another attachment (named in the details) or host."""

    code = 101


class AttachmentExists(CniError):
    """ADD for an attachment that exists already."""

    code = 102


class PortInUse(CniError):
    """A host port is held by another container or a host process, named in message and details."""

    code = 103


class PortPublished(PortInUse):
    """A host port is held by another container, whose record may be stale."""

    def __init__(self, msg: str, details: str, holder: "Attachment") -> None:
        super().__init__(msg, details)
        self.holder = holder


class WireTaken(CniError):
    """Both ends of a wire belong to other attachments, named in message and details."""

    code = 104


class KernelRefused(CniError):
    """The kernel refused a change; the message has the request, the errno and the kernel's text."""

    code = 110


class FirewallRefused(CniError):
    """nftables is missing, or rejected the rules or a whole transaction."""

    code = 111


class NameTaken(CniError):
    """A foreign interface has that name."""

    code = 112


class NameserverFailed(CniError):
    """dnsmasq is missing or does not start; the details have its complaint."""

    code = 113


class NotAsPlanned(CniError):
    """CHECK: every difference, one per line."""

    code = 120


class RemovalIncomplete(CniError):
    """DEL or GC: everything that could not be removed, one per line."""

    code = 130


class Bug(CniError):
    """An unexpected failure; the details hold the end of the traceback."""

    code = 999


class Delegated(CniError):
    """An error from a delegated plugin, passed on with its own code."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg, details)
        self.code = code
