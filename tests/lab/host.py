"""A private host: its containers, its networks, and the proof that nothing was left on it.

The namespaces themselves are made in `namespaces`; what counts as state is decided in `state`.
"""

from collections.abc import Collection, Iterable
from contextlib import ExitStack

from tests.lab import namespaces, state
from tests.lab.containers import Container
from tests.lab.iproute import ip
from tests.lab.network import Network
from tests.lab.plugin import Json, Plugin


class Host:
    """The host in whose network the calling thread is inside the `with` block."""

    def __init__(
        self, directories: Iterable[str] = namespaces.PRIVATE_DIRS, *, own_sysfs: bool = True
    ) -> None:
        self._private = namespaces.private_host(directories, own_sysfs=own_sysfs)
        self.containers: list[Container] = []
        self.networks: list[Network] = []
        self.before: state.State = frozenset()
        self._leave = ExitStack()

    def __enter__(self) -> "Host":
        self._leave.enter_context(self._private)
        ip("link", "set", "lo", "up")
        self.before = state.of_host()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.close()

    def container(self, name: str = "") -> Container:
        """Return a new container."""
        made = Container(name or f"c{len(self.containers) + 1}").create()
        self.containers.append(made)
        self.before |= state.of_container(made.name)
        return made

    def network(self, plugin: Plugin, config: Json) -> Network:
        """Return a network whose bridge is shared, and whose attachments `tidy` deletes."""
        made = Network(plugin, config)
        self.networks.append(made)
        return made

    def remember(self) -> None:
        """Take what is there now for the start."""
        self.before = self.state()

    def tidy(self) -> None:
        """Delete every attachment that is left: so each test of ADD is a test of DEL too."""
        for network in self.networks:
            network.delete_all()

    def state(self) -> state.State:
        """Return what is there now, on the host and in each container that lives."""
        living = [each.name for each in self.containers if each.exists]
        return state.of_host().union(*(state.of_container(name) for name in living))

    def changes(self) -> list[str]:
        """Return what differs from the start, dead containers aside."""
        return self._differences(shared=())

    def left_behind(self) -> list[str]:
        """Return what differs from the start, dead containers and the shared bridges aside."""
        return self._differences(shared=set().union(*(each.shared for each in self.networks)))

    def assert_as_before(self) -> None:
        """Nothing was left and nothing was taken."""
        left = self.left_behind()
        assert not left, "left behind:\n" + "\n".join(left)

    def _differences(self, shared: Collection[str]) -> list[str]:
        living = {"host", *(each.name for each in self.containers if each.exists)}
        before = frozenset(line for line in self.before if line.place in living)
        return state.differences(before, self.state(), shared)
