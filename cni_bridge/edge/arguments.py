"""CNI_ARGS: `KEY=VALUE;KEY=VALUE`, the oldest way to request an address or a MAC, or to name a container."""

from cni_bridge import errors
from cni_bridge.lean.record import record

BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
# GATEWAY belongs to the reference's `static` IPAM, which may read the same string after us.
KNOWN = ("IP", "MAC", "GATEWAY", "IgnoreUnknown")


@record
class Arguments:
    """The requests of CNI_ARGS; empty where there is none."""

    ip: str = ""
    mac: str = ""
    pod: str = ""
    pod_namespace: str = ""


def parse(text: str) -> Arguments:
    """Parse the variable's value. Raises InvalidEnvironment in the reference's words.

    Keys are case-sensitive; unknown ones need IgnoreUnknown, which Kubernetes runtimes always send.
    """
    if not text:
        return Arguments()
    values = {}
    for pair in text.split(";"):
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise errors.InvalidEnvironment(f'ARGS: invalid pair "{pair}"', f"CNI_ARGS={text}")
        values[key] = value
    ignores = values.get("IgnoreUnknown", "0").lower()
    if ignores not in BOOLEANS:
        raise errors.InvalidEnvironment(f'ARGS: IgnoreUnknown="{ignores}" is not true or false')
    unknown = [key for key in values if key not in KNOWN]
    if unknown and not BOOLEANS[ignores]:
        raise errors.InvalidEnvironment(
            f"ARGS: unknown args {unknown}", "add IgnoreUnknown=1 to CNI_ARGS to ignore them"
        )
    return Arguments(
        ip=values.get("IP", ""),
        mac=values.get("MAC", ""),
        pod=values.get("K8S_POD_NAME", ""),
        pod_namespace=values.get("K8S_POD_NAMESPACE", ""),
    )
