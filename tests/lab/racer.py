"""A process in a container that sends as soon as its interface exists, and for as long as it does.

It sets the interface up by itself, as root with all capabilities may. Which frames it sends, and
whether any of them may arrive, is decided by the callers.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import namespaces

OWN_MAC = "02:00:5e:00:53:01"  # stands for the interface's in a frame
TIMEOUT = 30  # seconds
PROGRAM = """
import fcntl, signal, socket, struct, sys

IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFHWADDR = 1, 0x8913, 0x8914, 0x8927
own = bytes.fromhex(sys.argv[1])
frames = [bytes.fromhex(text) for text in sys.argv[2:]]
sent = 0
name = struct.pack("16s", b"eth0")

def stop(*_):
    print(sent, flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, stop)
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
while True:
    try:
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, SIOCGIFFLAGS, name + bytes(16)), 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, name + struct.pack("h14x", flags | IFF_UP))
        mac = fcntl.ioctl(control, SIOCGIFHWADDR, name + bytes(16))[18:24]
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind(("eth0", 0))
        with wire:
            ready = [frame.replace(own, mac) for frame in frames]
            while True:
                for frame in ready:
                    wire.send(frame)
                    sent += 1
    except OSError:
        pass
"""


class Racer:
    """A running one; `sent` is known when it was stopped."""

    def __init__(self) -> None:
        self.sent = 0


@contextmanager
def racing(netns: Path, frames: tuple[bytes, ...]) -> Iterator[Racer]:
    """Inside, the frames are sent from the namespace's eth0 whenever there is one."""
    words = (OWN_MAC.replace(":", ""), *(frame.hex() for frame in frames))
    with namespaces.visiting(netns):
        process = subprocess.Popen(
            (sys.executable, "-IS", "-c", PROGRAM, *words), stdout=subprocess.PIPE, text=True
        )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    racer = Racer()
    try:
        yield racer
    finally:
        process.terminate()
        racer.sent = int(process.communicate(timeout=TIMEOUT)[0])
