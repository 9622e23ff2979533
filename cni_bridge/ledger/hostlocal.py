"""The reservations of the reference's `host-local`: files named after addresses, one directory a network.

They are read and, with their container, removed; none is ever made here.
"""

import posix

from cni_bridge import address, errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.ledger.ranges import Count
    from cni_bridge.model import Attachment

CONTENT_LIMIT = 1024


class Reservations:
    """The reservations of one network, as they are now."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._files = dict(_files(directory))

    def __contains__(self, ip: bytes) -> bool:
        """Whether somebody has that address."""
        return ip in self._files

    def __iter__(self) -> "Iterator[bytes]":
        """The reserved addresses, in their order."""
        return iter(sorted(self._files))

    def counted_with(self, taken: "Count", leased: set[bytes], width: int) -> "Count":
        """A count of what the ledger counts and of what is reserved here; nothing twice."""
        from _bisect import bisect_left, bisect_right

        others = sorted(
            address.number(ip) for ip in self._files.keys() - leased if len(ip) == width
        )

        def both(low: int, high: int) -> int:
            return taken(low, high) + bisect_right(others, high) - bisect_left(others, low)

        return both

    def text(self, ip: bytes) -> str:
        """Who has the address, and where that is written."""
        who = " ".join(self.holder(ip)).strip() or "somebody"
        return f"{who}, says {self._path(ip)}, a reservation of the host-local plugin."

    def of(self, attachment: "Attachment") -> list[bytes]:
        """The addresses of one attachment.

        A file of the oldest format names no interface, and counts where no other file does.
        """
        container = attachment.container
        holders = {ip: self.holder(ip) for ip in self._files}
        exact = [ip for ip, holder in holders.items() if holder == (container, attachment.ifname)]
        return exact or [ip for ip, holder in holders.items() if holder == (container, "")]

    def holder(self, ip: bytes) -> tuple[str, str]:
        """Container id and interface that an address is reserved for; empty where it is not told."""
        try:
            descriptor = posix.open(self._path(ip), posix.O_RDONLY | posix.O_CLOEXEC)
        except FileNotFoundError:  # released meanwhile
            return "", ""
        except OSError as error:
            raise self._failure(ip, error) from error
        try:
            content = posix.read(descriptor, CONTENT_LIMIT).decode(errors="replace")
        finally:
            posix.close(descriptor)
        container, _, ifname = content.strip().partition("\r\n")
        return container, ifname

    def release(self, attachment: "Attachment") -> None:
        """Free what one attachment has."""
        for ip in self.of(attachment):
            try:
                posix.unlink(self._path(ip))
            except FileNotFoundError:
                pass
            except OSError as error:
                raise self._failure(ip, error) from error

    def _path(self, ip: bytes) -> str:
        return f"{self.directory}/{self._files[ip]}"

    def _failure(self, ip: bytes, error: OSError) -> errors.IOFailure:
        return errors.IOFailure(f"host-local's reservation {self._path(ip)}: {error.strerror}")


def _files(directory: str) -> "Iterator[tuple[bytes, str]]":
    """Address and file name; `lock` and `last_reserved_ip.0` are there too."""
    try:
        names = posix.listdir(directory)
    except OSError as error:
        raise errors.IOFailure(
            f"host-local's reservations in {directory}: {error.strerror}"
        ) from error
    for name in names:
        try:
            yield address.parse(name), name
        except ValueError:
            continue
