"""The network configs of a directory, found as runtimes find them.

Configs of cni-bridge are parsed; reporting what is wrong with them is `validate`'s job.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cni_bridge.cli import stdin
from cni_bridge.cli.options import CONF_DIR
from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError, InvalidConfig
from cni_bridge.ipam import sources
from cni_bridge.lean.record import record
from cni_bridge.model import NetworkConfig, RangeSet

if TYPE_CHECKING:
    from cni_bridge.cluster.model import Settings

DIRECTORY = CONF_DIR
SUFFIXES = (".conf", ".conflist", ".json")


@record
class Network:
    """A config file; `executables` are the plugins it names, `config` is cni-bridge's part.

    `is_chained`: the list has other plugins too.
    """

    file: str
    text: str
    executables: tuple[str, ...]
    config: NetworkConfig | None
    is_chained: bool


def read(directory: str) -> tuple[Network, ...]:
    """Return all configs ordered by file name; unreadable files are left out."""
    found = []
    for file in sorted(Path(directory).glob("*")):
        if file.suffix not in SUFFIXES:
            continue
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found.append(_network(str(file), text))
    return tuple(found)


def directory() -> str:
    """Return where this shell's runtimes look for networks."""
    return os.environ.get("NETCONFPATH", DIRECTORY)


def find(name: str, directory: str) -> tuple[dict[str, Any], str]:
    """Return the config list of a network, and its text. Raises InvalidConfig."""
    names, broken = [], []
    for file in sorted(Path(directory).glob("*")):
        if file.suffix not in SUFFIXES:
            continue
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
            document = codec.decode(text.encode())
        except OSError as error:
            broken.append(f"{file}: {error.strerror}")
        except CniError as error:
            broken.append(f"{file}: {error.msg}")
        else:
            names.append(str(document.get("name", "")))
            if names[-1] == name:
                return _as_list(document), text
    listed = ", ".join(sorted(filter(None, names)))
    new = f"`cni-bridge init {name} -o {directory}/10-{name}.conflist` makes one"
    raise InvalidConfig(
        f"no network is named {name} in {directory}",
        "\n".join((f"networks: {listed}" if listed else new, *broken)),
    )


def _as_list(document: dict[str, Any]) -> dict[str, Any]:
    if isinstance(document.get("plugins"), list):
        return document
    shared: dict[str, Any] = {
        key: document[key] for key in ("name", "cniVersion") if key in document
    }
    return {**shared, "plugins": [document]}


def faulty(networks: tuple[Network, ...]) -> list[str]:
    """Return the files that name cni-bridge and that it would refuse."""
    return [
        each.file
        for each in networks
        if each.config is None and sources.OWN_TYPE in each.executables
    ]


def ledgers(state_dir: str, conf_dir: str = DIRECTORY) -> tuple[str, ...]:
    """Return the state directories to inspect.

    That is the one given; or, if it is the default, also those that this host's networks name, and
    those of a directory.
    """
    if state_dir != config.STATE_DIR:
        return (state_dir,)
    named = (each for place in {DIRECTORY: 0, conf_dir: 0} for each in state_dirs(read(place)))
    return tuple(dict.fromkeys((state_dir, *named)))


def state_dirs(networks: tuple[Network, ...]) -> tuple[str, ...]:
    """Return the state directories of these networks, each once."""
    return tuple(dict.fromkeys(each.config.state_dir for each in networks if each.config))


def cluster(directory: str, name: str) -> "Settings":
    """Return the agent's settings for a cluster network; for the only one if no name is given.

    Raises InvalidConfig.
    """
    from cni_bridge.cluster import settings

    found = {
        each.config.name: each
        for each in read(directory)
        if each.config and each.config.cluster is not None and name in ("", each.config.name)
    }
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise InvalidConfig(
            f"expected one cluster network {name or ''} in {directory}, found {names}",
            f"run `cni-bridge validate {directory}/*.conflist` to find mistakes"
            if not found
            else "name the network that this agent serves",
        )
    (network,) = found.values()
    assert network.config
    return settings.parse(_prepared(codec.decode(network.text.encode())), network.config.state_dir)


def host_local_ranges(network: Network) -> tuple[RangeSet, ...]:
    """Return the range sets that a delegated host-local reads from the config; none of other plugins."""
    assert network.config
    try:
        prepared = _prepared(codec.decode(network.text.encode()))
        return config.with_host_local(prepared, network.config).ipam.range_sets
    except CniError:  # host-local may see it differently
        return ()


def _network(file: str, text: str) -> Network:
    try:
        document = codec.decode(text.encode())
    except CniError:
        return Network(file=file, text=text, executables=(), config=None, is_chained=False)
    plugins = document.get("plugins")
    listed = [each for each in plugins if isinstance(each, dict)] if plugins else [document]
    return Network(
        file=file,
        text=text,
        executables=tuple(_executables(listed)),
        config=_ours(document),
        is_chained=len(listed) > 1,
    )


def _executables(plugins: list[dict[str, Any]]) -> dict[str, None]:
    """Return the file names of the plugins and of their IPAM plugins, each once."""
    sections = (each.get("ipam") for each in plugins)
    kinds = [each.get("type") for each in plugins]
    kinds += [each.get("type") for each in sections if isinstance(each, dict)]
    return dict.fromkeys(kind for kind in kinds if isinstance(kind, str) and kind)


def _ours(document: dict[str, Any]) -> NetworkConfig | None:
    """Parse cni-bridge's part; None if there is none, or if the plugin would refuse it."""
    try:
        prepared = _prepared(document)
        if prepared.get("type") not in stdin.OWN_NAMES:
            return None
        is_delegated = config.ipam_type(prepared) not in ("", sources.OWN_TYPE)
        return config.parse(prepared, "", is_delegated=is_delegated)
    except CniError:
        return None


def _prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Return cni-bridge's part with all defaults. Raises CniError."""
    return config.prepare(codec.fold(stdin.own_plugin(document), validators.FOLD), "ADD")
