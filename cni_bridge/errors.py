"""Every way a request can fail: one class a situation, and the class owns its CNI error code.

Source of codes 1-99: CNI SPEC 1.1 "Error" (8 and 999 are the Go library's); 100-199 are ours.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.model import Attachment


class CniError(Exception):
    """A failure with a code for the runtime, one sentence for people, and details that help them.

    `msg` names the key or object and the value; `details` carry the cause and what to do.
    """

    code = 999

    def __init__(self, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.msg = msg
        self.details = details


class IncompatibleVersion(CniError):
    """The config's cniVersion is not supported, or does not have this command."""

    code = 1


class UnsupportedField(CniError):
    """A field that is known but can't be honoured; the message has key and value."""

    code = 2


class UnknownContainer(CniError):
    """The network namespace vanished before ADD began: there is nothing to clean up."""

    code = 3


class InvalidEnvironment(CniError):
    """Missing or malformed CNI_* variables; the message lists every one."""

    code = 4


class IOFailure(CniError):
    """stdin, stdout or a file of ours can't be read or written."""

    code = 5


class LedgerUnusable(IOFailure):
    """The ledger or its directory is damaged, foreign, full, read-only or not ours alone.

    Nothing that lives depends on it, so DEL reports it and goes on.
    """


class UndecodableContent(CniError):
    """Not JSON, not an object, or an object with a key twice."""

    code = 6


class InvalidConfig(CniError):
    """Well-formed but wrong; the message holds a path like `ipam.ranges[0][1].subnet`."""

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
    """STATUS: other firewalls of this host drop what containers send."""

    code = 51


class NotLeased(TryAgainLater):
    """This host has no block of a cluster network, or its lease has ended."""


class RangeExhausted(CniError):
    """No free address is left in a range set."""

    code = 100


class AddressInUse(CniError):
    """A requested address is held by another attachment, named in the details, or by another host."""

    code = 101


class AttachmentExists(CniError):
    """ADD for an attachment that was added already and not deleted."""

    code = 102


class PortInUse(CniError):
    """A host port is held by another container or by a process, named in message and details."""

    code = 103


class PortPublished(PortInUse):
    """It is another container that holds it, of which nothing may be alive any more."""

    def __init__(self, msg: str, details: str, holder: "Attachment") -> None:
        super().__init__(msg, details)
        self.holder = holder


class WireTaken(CniError):
    """A wire has two ends, and both are other attachments', named in message and details."""

    code = 104


class KernelRefused(CniError):
    """The kernel refused a change: what was asked, the errno's name, the kernel's own words."""

    code = 110


class FirewallRefused(CniError):
    """nftables is missing, or rejected the rules or a transaction as a whole."""

    code = 111


class NameTaken(CniError):
    """An interface of that name exists and is not ours."""

    code = 112


class NotAsPlanned(CniError):
    """CHECK: every difference, one a line."""

    code = 120


class RemovalIncomplete(CniError):
    """DEL or GC: everything that could not be removed, one a line."""

    code = 130


class Bug(CniError):
    """Anything else. The details hold the end of the traceback."""

    code = 999


class Delegated(CniError):
    """An error of a delegated plugin, passed on with its own code."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg, details)
        self.code = code
