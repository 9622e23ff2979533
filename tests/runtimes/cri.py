"""A kubelet's side of the Container Runtime Interface: pods made, stopped and removed, many at once.

Asynchronous inside one thread, which may then leave its namespaces; what is awaited stands in the tests.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import json_format
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.exceptions import GRPCError

from tests.lab import Json
from tests.lab.waiting import wait_until
from tests.runtimes.box import Box
from tests.runtimes.cri_messages import CLASSES, PACKAGE

SOCKET = "/run/containerd/containerd.sock"
DEADLINE = 60.0  # seconds, of one call
STEP = 0.02  # seconds
PROTOCOLS = {"tcp": 0, "udp": 1, "sctp": 2}
HOSTS_NETWORK = 2  # NamespaceMode.NODE
CGROUP = "/cni-bridge-tests"

Outcome = TypeVar("Outcome")


class RefusedError(Exception):
    """The runtime's error message."""


@dataclass(frozen=True)
class Pod:
    """What a kubelet asks for; ports are (host port, container port, protocol)."""

    name: str
    ports: tuple[tuple[int, int, str], ...] = ()
    is_on_host: bool = False  # without a network of its own

    @property
    def config(self) -> Json:
        """The same as a message."""
        return {
            "metadata": {"name": self.name, "uid": f"uid-{self.name}", "namespace": "default"},
            "hostname": "" if self.is_on_host else self.name,
            "port_mappings": [
                {"host_port": host, "container_port": port, "protocol": PROTOCOLS[protocol]}
                for host, port, protocol in self.ports
            ],
            "linux": {
                "cgroup_parent": CGROUP,
                "security_context": {
                    "namespace_options": {"network": HOSTS_NETWORK * self.is_on_host}
                },
            },
        }


class Cri:
    """A connection to the runtime, inside the `with` block."""

    def __enter__(self) -> "Cri":
        self._runner = asyncio.Runner()
        self._channel: Channel | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()
        self._runner.close()

    def disconnect(self) -> None:
        """Forgets the connection, to a runtime that has ended; the next call makes another."""
        if self._channel:
            self._channel.close()
        self._channel = None

    def wait(self) -> None:
        """Return when a runtime that has just been started knows its pods."""
        wait_until(self._is_ready)

    def each(self, do: Callable[[Any], Awaitable[Outcome]], what: Iterable[Any]) -> list[Outcome]:
        """Do it with each of them, all at once."""

        async def all_of_them() -> list[Outcome]:
            return await asyncio.gather(*map(do, what))

        return self._runner.run(all_of_them())

    def run(self, pod: Pod) -> str:
        """Create one pod; its id."""
        return self.each(self.create, [pod])[0]

    def begin(self, pod: Pod, has_come: Callable[[], bool]) -> None:
        """Asks for a pod, and waits for something else than the answer."""

        async def ask() -> None:
            async with asyncio.timeout(DEADLINE):
                asking = asyncio.create_task(self.create(pod))
                while not has_come() and not asking.done():
                    await asyncio.sleep(STEP)
                asking.cancel()

        self._runner.run(ask())

    def pods(self) -> list[str]:
        """Return the ids of all pods that the runtime knows of."""
        return [each["id"] for each in self.call("ListPodSandbox", {}).get("items", ())]

    def stop(self, pod_id: str) -> None:
        """StopPodSandbox, which may be repeated."""
        self.each(self.end, [pod_id])

    def remove(self, pod_id: str) -> None:
        """RemovePodSandbox."""
        self.each(self.forget, [pod_id])

    def remove_wholly(self, pod_id: str) -> None:
        """As a kubelet does it: it stops a pod more than once."""
        self.stop(pod_id)
        self.stop(pod_id)
        self.remove(pod_id)

    def box(self, pod_id: str) -> Box:
        """Return a running pod as the network sees it."""
        request = {"pod_sandbox_id": pod_id, "verbose": True}
        answer = self.call("PodSandboxStatus", request)
        network = answer["status"].get("network", {})
        addresses = (network["ip"], *(each["ip"] for each in network.get("additional_ips", ())))
        info = next(each["value"] for each in answer["info"] if each["key"] == "info")
        namespaces = json.loads(info)["runtimeSpec"]["linux"]["namespaces"]
        (netns,) = (each["path"] for each in namespaces if each["type"] == "network")
        return Box(pod_id[:12], Path(netns), addresses)

    def conditions(self) -> dict[str, str]:
        """Return what the runtime says of itself: `ok`, or the complaint."""
        status = self.call("Status", {})["status"]
        return {
            each["type"]: "ok" if each.get("status") else each.get("message", "")
            for each in status["conditions"]
        }

    async def create(self, pod: Pod) -> str:
        """RunPodSandbox."""
        answer = await self._call("RunPodSandbox", {"config": pod.config})
        return str(answer["pod_sandbox_id"])

    async def end(self, pod_id: str) -> None:
        """StopPodSandbox."""
        await self._call("StopPodSandbox", {"pod_sandbox_id": pod_id})

    async def forget(self, pod_id: str) -> None:
        """RemovePodSandbox."""
        await self._call("RemovePodSandbox", {"pod_sandbox_id": pod_id})

    def call(self, method: str, request: Json) -> Json:
        """One call."""
        return self._runner.run(self._call(method, request))

    def _is_ready(self) -> bool:
        try:
            self.pods()
        except (RefusedError, OSError):
            return False
        return True

    async def _call(self, method: str, request: Json) -> Json:
        if self._channel is None:
            self._channel = Channel(path=SOCKET)
        message, answer = CLASSES[f"{method}Request"], CLASSES[f"{method}Response"]
        name = f"/{PACKAGE}.RuntimeService/{method}"
        call = UnaryUnaryMethod(self._channel, name, message, answer)
        try:
            got = await call(json_format.ParseDict(request, message()), timeout=DEADLINE)
        except GRPCError as error:
            raise RefusedError(error.message) from error
        return dict(json_format.MessageToDict(got, preserving_proto_field_name=True))
