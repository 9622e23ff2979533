"""What a service tells systemd about itself (sd_notify(3))."""

import os
import socket


def tell(*lines: str) -> None:
    """Send one datagram to the service manager's socket, if there is one."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as there:
        try:
            there.sendto("\n".join(lines).encode(), "\0" + path[1:] if path[0] == "@" else path)
        except OSError:
            return  # a service goes on without
