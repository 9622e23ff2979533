"""The messages of the Kubernetes Container Runtime Interface that the tests send and read.

Names, numbers and kinds as in its api.proto, version runtime.v1; unknown fields are passed over.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

PACKAGE = "runtime.v1"
SCALARS = {
    "string": 9,
    "int32": 5,
    "bool": 8,
}  # google/protobuf/descriptor.proto; an enum is a number
MESSAGE = 11
ONE, MANY = 1, 3

# A kind in a list may be repeated.
MESSAGES: dict[str, dict[str, tuple[int, str | list[str]]]] = {
    "PodSandboxMetadata": {
        "name": (1, "string"),
        "uid": (2, "string"),
        "namespace": (3, "string"),
        "attempt": (4, "int32"),
    },
    "PortMapping": {
        "protocol": (1, "int32"),
        "container_port": (2, "int32"),
        "host_port": (3, "int32"),
        "host_ip": (4, "string"),
    },
    "NamespaceOption": {"network": (1, "int32")},
    "LinuxSandboxSecurityContext": {"namespace_options": (1, "NamespaceOption")},
    "LinuxPodSandboxConfig": {
        "cgroup_parent": (1, "string"),
        "security_context": (2, "LinuxSandboxSecurityContext"),
    },
    "PodSandboxConfig": {
        "metadata": (1, "PodSandboxMetadata"),
        "hostname": (2, "string"),
        "log_directory": (3, "string"),
        "port_mappings": (5, ["PortMapping"]),
        "linux": (8, "LinuxPodSandboxConfig"),
    },
    "RunPodSandboxRequest": {"config": (1, "PodSandboxConfig")},
    "RunPodSandboxResponse": {"pod_sandbox_id": (1, "string")},
    "StopPodSandboxRequest": {"pod_sandbox_id": (1, "string")},
    "StopPodSandboxResponse": {},
    "RemovePodSandboxRequest": {"pod_sandbox_id": (1, "string")},
    "RemovePodSandboxResponse": {},
    "PodSandboxStatusRequest": {"pod_sandbox_id": (1, "string"), "verbose": (2, "bool")},
    "ListPodSandboxRequest": {},
    "PodSandbox": {"id": (1, "string")},
    "ListPodSandboxResponse": {"items": (1, ["PodSandbox"])},
    "PodIP": {"ip": (1, "string")},
    "PodSandboxNetworkStatus": {"ip": (1, "string"), "additional_ips": (2, ["PodIP"])},
    "PodSandboxStatus": {"id": (1, "string"), "network": (5, "PodSandboxNetworkStatus")},
    "Info": {"key": (1, "string"), "value": (2, "string")},  # an entry of a map
    "PodSandboxStatusResponse": {"status": (1, "PodSandboxStatus"), "info": (2, ["Info"])},
    "RuntimeCondition": {
        "type": (1, "string"),
        "status": (2, "bool"),
        "reason": (3, "string"),
        "message": (4, "string"),
    },
    "RuntimeStatus": {"conditions": (1, ["RuntimeCondition"])},
    "StatusRequest": {"verbose": (1, "bool")},
    "StatusResponse": {"status": (1, "RuntimeStatus")},
}


def _compile() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="cri.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kinds) in fields.items():
            (kind,) = (kinds,) if isinstance(kinds, str) else kinds
            added = message.field.add(name=field, number=number)
            added.label = ONE if isinstance(kinds, str) else MANY  # type: ignore[assignment] # ints
            added.type = SCALARS.get(kind, MESSAGE)  # type: ignore[assignment] # likewise
            if kind not in SCALARS:
                added.type_name = f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    named = pool.FindFileByName("cri.proto").message_types_by_name
    return {name: message_factory.GetMessageClass(named[name]) for name in MESSAGES}


CLASSES = _compile()
