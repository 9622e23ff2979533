"""What validate reports about a place in a config file."""

from cni_bridge.cli.validate.json_positions import Node, Span
from cni_bridge.lean.record import record

ERROR, WARNING = "error", "warning"


@record
class ConfigFinding:
    """An error or a warning; `path` is empty for the file as a whole."""

    severity: str
    path: str
    span: Span
    message: str
    found: str = ""
    expected: str = ""
    hint: str = ""


def warning(node: Node, message: str, hint: str = "", *, at_key: bool = False) -> ConfigFinding:
    """Return a warning about a value, or about its key."""
    span = node.key if at_key and node.key else node.span
    return ConfigFinding(severity=WARNING, path=node.name, span=span, message=message, hint=hint)
