"""Delete many host ends at once, as GC does.

Apart from `parts.veth`, because an ADD or DEL never needs it.
"""

from errno import ENODEV

from cni_bridge.kernel import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.netlink import Socket


def remove(host: "Socket", names: tuple[str, ...], group: int) -> None:
    """Delete many interfaces as one group: the kernel then waits once instead of once for each."""
    host.run(*(links.set_group(name, group) for name in names), tolerate=ENODEV)
    listed = map(links.parse, host.dump(links.listing()))
    foreign = {link.name for link in listed if link.group == group}.difference(names)
    if foreign:  # the group number is in use: delete them one by one
        for name in names:
            host.run(links.delete(name), tolerate=ENODEV)
    else:
        host.run(links.delete_group(group), tolerate=ENODEV)
