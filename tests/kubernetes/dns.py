"""The DNS of a cluster: CoreDNS in pods, behind a Service, as clusters have it."""

from tests.kubernetes.control import Document
from tests.kubernetes.e2e_images import DNS

ADDRESS, DOMAIN = "10.96.0.10", "cluster.local"
COREFILE = f""".:53 {{
    errors
    ready
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    reload 2s
}}
"""
NAME, WHERE = "coredns", "kube-system"
RULES = (
    ("", ["endpoints", "services", "pods", "namespaces"]),
    ("discovery.k8s.io", ["endpointslices"]),
)


def documents(replicas: int = 2) -> tuple[Document, ...]:
    """Return all that is applied."""
    labels = {"k8s-app": "kube-dns"}
    ports = [{"name": kind.lower(), "port": 53, "protocol": kind} for kind in ("UDP", "TCP")]
    template = {"metadata": {"labels": labels}, "spec": _pod()}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    service = {"clusterIP": ADDRESS, "selector": labels, "ports": ports}
    return (
        *_account(),
        _object("v1", "ConfigMap", data={"Corefile": COREFILE}),
        _object("apps/v1", "Deployment", spec=spec),
        _object("v1", "Service", name="kube-dns", spec=service),
    )


def _account() -> tuple[Document, ...]:
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [each], "resources": kinds, "verbs": ["list", "watch"]}
        for each, kinds in RULES
    ]
    who = [{"kind": "ServiceAccount", "name": NAME, "namespace": WHERE}]
    role = {"apiGroup": group, "kind": "ClusterRole", "name": NAME}
    return (
        _object("v1", "ServiceAccount"),
        _object(f"{group}/v1", "ClusterRole", rules=rules),
        _object(f"{group}/v1", "ClusterRoleBinding", roleRef=role, subjects=who),
    )


def _pod() -> Document:
    container = {
        "name": NAME,
        "image": DNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
    }
    return {
        "serviceAccountName": NAME,
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }


def _object(version: str, kind: str, *, name: str = NAME, **rest: object) -> Document:
    metadata = {"name": name, "namespace": WHERE, "labels": {"k8s-app": "kube-dns"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
