"""Read the reservations of the reference's `host-local`: one directory a network, one file an address.

They are read and, at DEL, removed; none is ever created here.
"""

import posix

from cni_bridge import address, errors
from cni_bridge.lean import files

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
        """Return whether that address is reserved."""
        return ip in self._files

    def __iter__(self) -> "Iterator[bytes]":
        """Iterate over the reserved addresses in ascending order."""
        return iter(sorted(self._files))

    def counted_with(self, taken: "Count", leased: set[bytes], width: int) -> "Count":
        """Return a function that counts leased and reserved addresses, each once."""
        from _bisect import bisect_left, bisect_right

        others = sorted(
            address.number(ip) for ip in self._files.keys() - leased if len(ip) == width
        )

        def both(low: int, high: int) -> int:
            return taken(low, high) + bisect_right(others, high) - bisect_left(others, low)

        return both

    def text(self, ip: bytes) -> str:
        """Return the holder of the address, and the file that names it."""
        who = " ".join(self.holder(ip)).strip() or "an unnamed container"
        return f"{who}, according to host-local's reservation {self._path(ip)}."

    def of(self, attachment: "Attachment") -> list[bytes]:
        """Return the addresses of one attachment.

        Files of the oldest format name no interface: they count if no other file matches.
        """
        container = attachment.container
        holders = {ip: self.holder(ip) for ip in self._files}
        exact = [ip for ip, holder in holders.items() if holder == (container, attachment.ifname)]
        return exact or [ip for ip, holder in holders.items() if holder == (container, "")]

    def holder(self, ip: bytes) -> tuple[str, str]:
        """Return container id and interface that hold an address; empty where the file lacks them."""
        try:
            content = files.start_of(self._path(ip), CONTENT_LIMIT)
        except FileNotFoundError:  # released meanwhile
            return "", ""
        except OSError as error:
            raise self._failure(ip, error) from error
        container, _, ifname = content.strip().partition("\r\n")
        return container, ifname

    def release(self, attachment: "Attachment") -> None:
        """Remove the reservations of one attachment."""
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
    """Yield address and file name; skip other files, like `lock` and `last_reserved_ip.0`."""
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
