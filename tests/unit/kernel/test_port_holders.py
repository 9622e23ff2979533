"""Who holds a port: found among processes that come and go."""

import os
import socket
import subprocess
import threading

from cni_bridge.kernel import port_holders

LOOKS = 60


def test_processes_that_end_meanwhile_are_passed_over() -> None:
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            subprocess.run(("true",), check=True)

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for each in others:
        each.start()
    try:
        assert {port_holders.process({"no such socket"}) for _ in range(LOOKS)} == {""}
    finally:
        ended.set()
        for each in others:
            each.join()


def test_a_process_is_known_by_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = os.readlink(f"/proc/self/fd/{server.fileno()}")
        pid = port_holders.process({name.removeprefix("socket:[").removesuffix("]")})
    assert port_holders.command(pid) == port_holders.command("self")
