"""Tuning of the container end: sysctls of its namespace, and rarely used interface settings.

All of it disappears with the namespace or the interface, so there is no remove().
"""

import posix

from cni_bridge.errors import InvalidConfig, IOFailure, KernelRefused, UnsupportedField
from cni_bridge.kernel import links, netns, sysctl
from cni_bridge.kernel import tuning as settings
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean import bundle
from cni_bridge.model_optional import Sysctl, TunedInterface, Tuning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.netns import OpenNetns

ALLOWLIST = "/etc/cni/tuning/allowlist.conf"  # the reference's
READ_SIZE = 1 << 16


def require(desired: Tuning) -> None:
    """Raise InvalidConfig for a sysctl that this host's allow-list, if there is one, does not match."""
    allowed = _allowlist() if desired.sysctls else None
    if allowed is None:
        return
    bundle.open_library()
    import re  # only on hosts with an allow-list

    for item in desired.sysctls:
        try:
            is_allowed = any(re.search(pattern, item.key) for pattern in allowed)
        except re.error as error:
            raise InvalidConfig(f"{ALLOWLIST}: {error.pattern!r}: {error}") from None
        if not is_allowed:
            raise InvalidConfig(
                f"Sysctl {item.key} is not allowed. "
                f"Only the following sysctls are allowed: [{' '.join(allowed)}]",
                f"add it to {ALLOWLIST} on this host, or remove it from the config",
            )


def rehearse(desired: Tuning) -> None:
    """Raise UnsupportedField for a sysctl that no new namespace will have; change nothing.

    The host's namespace has every key that a new one has, but not the interfaces.
    """
    for item in desired.sysctls:
        path = item.path.replace("IFNAME", "default", 1)
        if path.split("/")[2] in ("conf", "neigh") and "/default/" not in path:
            continue
        if not posix.access(sysctl.ROOT + path, posix.F_OK):
            raise _unknown(item)


def apply(container: "OpenNetns", desired: TunedInterface) -> None:
    """Apply the settings of the interface. Raise KernelRefused."""
    tuning = desired.tuning
    if (tuning.promisc, tuning.allmulti, tuning.tx_queue_length) == (None, None, None):
        return
    inside = netns.inside(container, Socket)
    try:
        inside.run(
            settings.change(
                desired.name,
                promisc=tuning.promisc,
                allmulti=tuning.allmulti,
                tx_queue_length=tuning.tx_queue_length,
            )
        )
    finally:
        inside.close()


def set_sysctls(sysctls: tuple[Sysctl, ...]) -> None:
    """Set the sysctls, inside the container's namespace. Raise UnsupportedField, KernelRefused.

    Before the interface comes up, so that `accept_ra`, for one, holds for the first packet.
    """
    for item in sysctls:
        _write(item)


def problems(container: "OpenNetns", desired: TunedInterface) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found."""
    tuning = desired.tuning
    inside, values = netns.inside(
        container, lambda: (Socket(), [sysctl.read(item.path) for item in tuning.sysctls])
    )
    for item, value in zip(tuning.sysctls, values, strict=True):
        # None: the key is write-only. The kernel separates several numbers by tabs.
        if value is not None and value.split() != item.value.split():
            yield f"sysctl {item.path}: expected {item.value}, found {value}"
    answer = inside.find(links.get(desired.name))
    if answer is None:
        return  # reported by the veth part
    found = settings.parse(answer)
    for key in ("promisc", "allmulti", "tx_queue_length"):
        expected, is_now = getattr(tuning, key), getattr(found, key)
        if expected is not None and expected != is_now:
            yield f"{key} of {desired.name}: expected {expected}, found {is_now}"


def _write(item: Sysctl) -> None:
    try:
        sysctl.write(item.path, item.value)
    except FileNotFoundError:
        raise _unknown(item) from None
    except OSError as error:
        raise KernelRefused(
            f"sysctl {item.key} can't be set to {item.value!r}: {error.strerror}",
            f"writing {sysctl.ROOT}{item.path}",
        ) from error


def _unknown(item: Sysctl) -> UnsupportedField:
    return UnsupportedField(
        f"sysctl {item.key}: the container's kernel has no such parameter",
        f"{sysctl.ROOT}{item.path} does not exist, so it can't be set to {item.value!r}; "
        "remove it from `sysctl`",
    )


def _allowlist() -> list[str] | None:
    """Return the patterns; None without such a file, which allows every sysctl."""
    try:
        descriptor = posix.open(ALLOWLIST, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IOFailure(f"{ALLOWLIST} can't be read", str(error)) from error
    try:
        text = posix.read(descriptor, READ_SIZE).decode(errors="replace")
    finally:
        posix.close(descriptor)
    return [line.strip() for line in text.splitlines() if line.strip()]
