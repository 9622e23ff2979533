"""The names that a runtime gives a container -> Names. Loaded only where there are any."""

from cni_bridge.edge import ipam_config
from cni_bridge.errors import InvalidConfig
from cni_bridge.model_optional import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cni_bridge.edge.arguments import Arguments

LENGTH_LIMIT = 253  # of a domain name, RFC 1035
ALIAS_LIMIT = 64  # of one attachment: each is a row in the ledger, and a record of the nameserver


def parse(document: "dict[str, Any]", wanted: "Arguments") -> Names:
    """Return the container's own name and its aliases, each once. Raises InvalidConfig for an alias.

    Runtimes always send the own name: one that can't be printed is left out, so that ADD works.
    """
    own = wanted.pod if _is_name(wanted.pod) else ""
    namespace = wanted.pod_namespace if own and _is_name(wanted.pod_namespace) else ""
    aliases = dict.fromkeys(_aliases(document))
    aliases.pop(own, None)
    if len(aliases) > ALIAS_LIMIT:
        raise InvalidConfig(
            f"aliases: expected at most {ALIAS_LIMIT} of one container, got {len(aliases)}"
        )
    return Names(own=own, namespace=namespace, aliases=tuple(aliases))


def _aliases(document: "dict[str, Any]") -> "Iterator[str]":
    path, listed = "runtimeConfig.aliases", ipam_config.runtime(document).get("aliases", ())
    if isinstance(listed, dict):  # as podman sends them: a list for each network
        path, listed = f"{path}.{document['name']}", listed.get(document["name"]) or ()
    for where, some in (
        (path, listed),
        ("args.cni.aliases", ipam_config.cni_args(document).get("aliases", ())),
    ):
        if not isinstance(some, list | tuple):
            raise InvalidConfig(f"{where}: expected a list, found {some!r:.100}")
        for index, alias in enumerate(some):
            if not isinstance(alias, str) or not _is_name(alias):
                raise InvalidConfig(
                    f"{where}[{index}]: expected a name of at most {LENGTH_LIMIT} printable "
                    f"characters, found {alias!r:.100}"
                )
            yield alias


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LENGTH_LIMIT and text.isprintable() and " " not in text
