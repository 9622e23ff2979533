"""Compose the ledger's errors: who holds what, what is wrong with the file, and what to do about it.

Texts only, loaded only where something fails; `store` and `database` decide what is an error.
"""

import posix
import time
from _stat import S_ISREG

from cni_bridge import address, errors
from cni_bridge.lean import files
from cni_bridge.lean.csqlite import csqlite
from cni_bridge.ledger import ranges
from cni_bridge.model import Attachment, Holding, RangeSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.ledger.database import Database

FROM_KERNEL = (
    "`cni-bridge restore --from-kernel` sets the file aside and rebuilds the ledger from the "
    "containers that are running."
)


def name(attachment: Attachment) -> str:
    """Name an attachment."""
    return (
        f"interface {attachment.ifname} of container {attachment.container} "
        f"on network {attachment.network}"
    )


def holder_name(database: "Database", holder: Holding) -> str:
    """Name another attachment, by its container's name if that is known."""
    from cni_bridge.ledger import container_names  # wires load this module for its names alone

    attachment = holder.attachment
    return (
        f"interface {attachment.ifname} of container "
        f"{container_names.title(database, attachment)} on network {attachment.network}"
    )


def facts(holding: Holding) -> str:
    """Describe a record: its age, host end and addresses."""
    held = ", ".join(address.prefix_text(lease.address) for lease in holding.leases)
    return (
        f"Since {_time_text(holding.created)}, host end {holding.host_name}, "
        f"addresses: {held or 'none'}."
    )


# ---------------------------------------------------------------- who holds what


def held(
    database: "Database", ip: bytes, range_set: RangeSet, holder: Holding
) -> errors.AddressInUse:
    """Return the error for a requested address that another attachment has."""
    return unavailable(ip, range_set, f"{holder_name(database, holder)}. {facts(holder)}")


def mac_held(database: "Database", holding: Holding, holder: Holding) -> errors.AddressInUse:
    """Return the error for a MAC that another attachment on the same bridge has."""
    mac = (holding.mac or b"").hex(":")
    return errors.AddressInUse(
        f"MAC address {mac} is in use on bridge {holding.bridge}",
        f"It is held by {holder_name(database, holder)}. {facts(holder)} Request another one, or none.",
    )


def leased_here(database: "Database", ip: bytes, holder: Holding) -> errors.AddressInUse:
    """Return the error for an address of a delegated plugin's that the ledger has leased."""
    return errors.AddressInUse(
        f"the IPAM plugin returned {address.text(ip)}, which the ledger has leased to "
        f"{holder_name(database, holder)}",
        f"{facts(holder)} Two plugins manage addresses of this network: let only one of them.",
    )


def unavailable(ip: bytes, range_set: RangeSet, holder: str) -> errors.AddressInUse:
    """Return the error for a requested address that `holder` has."""
    return errors.AddressInUse(
        f"requested IP address {address.text(ip)} is not available in range set "
        f"{ranges.set_text(range_set)}",
        f"It is held by {holder}",
    )


def overtaken(attachment: Attachment, details: str = "") -> errors.TryAgainLater:
    """Return the error for an ADD whose record a DEL has removed."""
    return errors.TryAgainLater(f"{name(attachment)} was deleted while it was being added", details)


def exists(earlier: Holding) -> errors.AttachmentExists:
    """Return the error for a second ADD without a DEL."""
    return errors.AttachmentExists(
        f"{name(earlier.attachment)} exists already, duplicate allocation is not allowed",
        f"{facts(earlier)} Send DEL for it first.",
    )


def attached(attachment: Attachment, host_name: str) -> errors.AttachmentExists:
    """Return the error for a second ADD of an attachment that this ledger does not record."""
    return errors.AttachmentExists(
        f"{name(attachment)} exists already, duplicate allocation is not allowed",
        f"Its host end is {host_name}, and another ledger may record it. Send DEL for it first.",
    )


def name_taken(owner: Holding) -> errors.NameTaken:
    """Return the error for an attachment whose host end would have another one's name."""
    return errors.NameTaken(
        f"the host end's name {owner.host_name} is that of {name(owner.attachment)}",
        f"{facts(owner)} Names are derived from network, container id and ifname: change one.",
    )


def foreign(host_name: str, found: str) -> errors.NameTaken:
    """Return the error for a host end whose name a foreign interface has, maybe as an altname."""
    what = f"{found}, which has it as an altname" if found != host_name else "an interface"
    return errors.NameTaken(
        f"the host end's name {host_name} is that of {what}, not made by cni-bridge",
        f"`ip -d link show {host_name}` on the host shows it: remove or rename it, then try again.",
    )


def exhausted(
    network: str, index: int, range_set: RangeSet, taken: "ranges.Count"
) -> errors.RangeExhausted:
    """Return the error for a range set without a free address."""
    counts = "; ".join(
        f"{ranges.range_text(each)}: {count} leased"
        for each in range_set
        for count in [taken(address.number(each.start), address.number(each.end))]
    )
    return errors.RangeExhausted(
        f"failed to allocate for range {index}: "
        f"no IP addresses available in range set: {ranges.set_text(range_set)}",
        f"{counts}. Delete containers of network {network}, or give it a larger range.",
    )


# ---------------------------------------------------------------- what is wrong with the file


def failure(error: Exception, path: str, patience_s: float) -> errors.CniError:
    """Return the error for an exception of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind of error
    if code in (csqlite.SQLITE_BUSY, csqlite.SQLITE_LOCKED):
        return locked(path, patience_s)
    if isinstance(error, ImportError | UnicodeError):
        return damaged(path, "a text is not UTF-8")
    if code in (csqlite.SQLITE_CORRUPT, csqlite.SQLITE_NOTADB) or code == 0:
        return damaged(path, error)
    if code == csqlite.SQLITE_FULL:
        return errors.LedgerUnusable(
            f"no space is left for the ledger {path}: {error}",
            "Free space on its file system. Nothing that was recorded is lost.",
        )
    if code == csqlite.SQLITE_READONLY:
        return errors.LedgerUnusable(
            f"the ledger {path} is read-only: {error}",
            "Remount its file system writable. Nothing that was recorded is lost.",
        )
    return errors.LedgerUnusable(
        f"cannot use the ledger {path}: {error}",
        "Check the permissions of the file and of its directory, and the space left there.",
    )


def damaged(path: str, why: object) -> errors.LedgerUnusable:
    """Return the error for contents that can't be read."""
    return errors.LedgerUnusable(f"the ledger {path} is damaged: {why}", FROM_KERNEL)


def locked(path: str, patience_s: float) -> errors.TryAgainLater:
    """Return the error for a lock that was not given back in time."""
    return errors.TryAgainLater(
        f"the ledger {path} stayed locked for {patience_s:g} s", _lock_details(path)
    )


def unknown_schema(path: str, found: int, known: int) -> errors.LedgerUnusable:
    """Return the error for a ledger of a newer schema version."""
    return errors.LedgerUnusable(
        f"the ledger {path} has schema version {found}, "
        f"this cni-bridge knows versions up to {known}",
        f"Use the cni-bridge that wrote it, or a newer one. Otherwise: {FROM_KERNEL}",
    )


def untrusted_file(path: str, mode: int) -> errors.LedgerUnusable:
    """Return the error for a ledger that is no regular file, or that other users can write to."""
    complaint = f"is writable by other users, its mode is {mode & 0o7777:04o}"
    if not S_ISREG(mode):
        complaint = "is not a regular file"
    return errors.LedgerUnusable(f"the ledger {path} {complaint}", FROM_KERNEL)


def lock_holders(locks: str, device: int, inode: int) -> tuple[str, ...]:
    """Return the process ids that hold a lock on the file, from the text of /proc/locks.

    A line is `1: POSIX  ADVISORY  WRITE 4711 00:19:81 1073741825 1073741825`; lines of waiting
    processes have `->` after the number; proc_locks(5). Overlayfs and btrfs show another device
    than stat does: if no lock matches the device, those on any file of that inode number do.
    """
    lines = [line.split() for line in locks.splitlines()]
    held = [(line[5], line[4]) for line in lines if line[1] != "->"]
    file = f"{posix.major(device):02x}:{posix.minor(device):02x}:{inode}"
    pids = [pid for where, pid in held if where == file]
    pids = pids or [pid for where, pid in held if where.endswith(f":{inode}")]
    return tuple(dict.fromkeys(pids))


# ---------------------------------------------------------------- helpers


def _lock_details(path: str) -> str:
    """Name the processes that hold a lock on the file or its directory, as far as /proc shows them."""
    pids: tuple[str, ...] = ()
    try:
        locks = files.text_of("/proc/locks")
        for each in (path, path.rpartition("/")[0]):
            found = posix.stat(each)
            pids = pids or lock_holders(locks, found.st_dev, found.st_ino)
    except OSError:
        pass
    who = ", ".join(f"{pid} ({_command(pid)})" for pid in pids)
    return f"It is held by process {who}." if who else "No process that is visible here holds it."


def _command(pid: str) -> str:
    try:
        return files.text_of(f"/proc/{pid}/comm").strip()
    except OSError:  # it has ended, or is in another pid namespace
        return "unknown"


def _time_text(unix_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_ms / 1000))
