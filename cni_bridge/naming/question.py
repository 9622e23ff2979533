"""Ask a network's nameserver a question: a process that is stopped or hangs is there, and serves nothing.

Loaded by CHECK, doctor, exec, explain and restore; not by ADD and DEL.
"""

from select import POLLIN, poll

from cni_bridge import address
from cni_bridge.kernel import layer3, links, netlink
from cni_bridge.lean.csocket import csocket
from cni_bridge.naming import server

PATIENCE_MS = 2000  # it may be reading many names at this moment
_RT_SCOPE_LINK = 253
_NUMBER, _QUERY, _ONE = b"\x12\x34", b"\x01\x00", b"\x00\x01"
_TYPE_A, _CLASS_IN = b"\x00\x01", b"\x00\x01"


def is_answered(network: str) -> bool:
    """Return whether the nameserver answers; also if it has no address, which is another fault."""
    return all(map(_answers, addresses(network)[:1]))


def addresses(network: str) -> list[bytes]:
    """Return the addresses of the nameserver's interface that are not link-local."""
    text = server.configured(network).partition("\ninterface=")[2].partition("\n")[0]
    host = netlink.Socket()
    try:
        found = host.find(links.get(text)) if text else None
        if found is None:
            return []
        listed = host.dump(layer3.addresses(0, links.parse(found).index))
        known = map(layer3.parse_address, listed)
        return [each.address.ip for each in known if each.scope != _RT_SCOPE_LINK]
    finally:
        host.close()


def _answers(ip: bytes) -> bool:
    family = csocket.AF_INET if len(ip) == 4 else csocket.AF_INET6
    asked = csocket.socket(family, csocket.SOCK_DGRAM | csocket.SOCK_CLOEXEC)
    try:
        asked.connect((address.text(ip), server.PORT))
        asked.send(_question())
        waiting = poll()
        waiting.register(asked, POLLIN)
        return bool(waiting.poll(PATIENCE_MS)) and asked.recv(512)[:2] == _NUMBER
    except OSError:  # nothing listens
        return False
    finally:
        asked.close()


def _question() -> bytes:
    """Return a query for a name of one label, which dnsmasq answers itself: it asks no other server."""
    counts = _ONE + bytes(6)
    name = b"\x0acni-bridge\x00"
    return _NUMBER + _QUERY + counts + name + _TYPE_A + _CLASS_IN
