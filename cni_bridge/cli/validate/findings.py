"""What can be said about a place in a config file.

Only the noun; who finds something, and how it is shown, is decided elsewhere.
"""

from cni_bridge.cli.validate.json_positions import Node, Span
from cni_bridge.lean.record import record

ERROR, WARNING = "error", "warning"


@record
class Finding:
    """An error or a warning; `path` is empty for the file as a whole."""

    severity: str
    path: str
    span: Span
    message: str
    found: str = ""
    expected: str = ""
    hint: str = ""


def warning(node: Node, message: str, hint: str = "", *, at_key: bool = False) -> Finding:
    """A warning about a value, or about its key."""
    span = node.key if at_key and node.key else node.span
    return Finding(severity=WARNING, path=node.name, span=span, message=message, hint=hint)
