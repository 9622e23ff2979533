"""`python -m tests.runtimes.kubelet run|stop|remove`: one pod from the command line, as `crictl` would make it.

Arguments and output only; the calls are in `cri`.
"""

import sys

from tests.runtimes.cri import Cri, Pod


def main() -> None:
    """`run NAME [HOST:CONTAINER[/PROTOCOL]...]`, `stop ID`, `remove ID`."""
    command, what, *ports = sys.argv[1:]
    with Cri() as cri:
        if command == "run":
            print(cri.run(Pod(what, ports=tuple(map(_port, ports)))))
        else:
            {"stop": cri.stop, "remove": cri.remove}[command](what)


def _port(text: str) -> tuple[int, int, str]:
    numbers, _, protocol = text.partition("/")
    host, _, container = numbers.partition(":")
    return int(host), int(container), protocol or "tcp"


if __name__ == "__main__":
    main()
