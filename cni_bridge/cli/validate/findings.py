"""What validate reports about a place in a config file."""

from cni_bridge.cli.validate.json_positions import Node, Span
from cni_bridge.lean.record import record, replace

ERROR, WARNING = "error", "warning"


@record
class ConfigFinding:
    """An error or a warning; `path` is empty for the file as a whole.

    `effect`: what happens to containers, where it keeps them from working.
    """

    severity: str
    path: str
    span: Span
    message: str
    found: str = ""
    expected: str = ""
    hint: str = ""
    effect: str = ""


def warning(
    node: Node, message: str, hint: str = "", *, at_key: bool = False, effect: str = ""
) -> ConfigFinding:
    """Return a warning about a value, or about its key."""
    span = node.key if at_key and node.key else node.span
    return ConfigFinding(
        severity=WARNING, path=node.name, span=span, message=message, hint=hint, effect=effect
    )


def error(node: Node, message: str, hint: str = "", *, effect: str) -> ConfigFinding:
    """Return an error about a value that the plugin accepts, but the kernel or another refuses."""
    return replace(warning(node, message, hint, effect=effect), severity=ERROR)
