"""A record of the journal without its secrets: whatever stands under a name like `password`.

Loaded only where a record may hold one; which record is written where, the journal knows.
"""

from cni_bridge.edge import codec
from cni_bridge.journal import SIGNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.edge.codec import Json

HIDDEN = "(redacted)"
UNREADABLE = "(not JSON, and left out because it may hold a secret)"


def redact(record: str) -> str:
    """Return the record, a JSON object, with every secret's value replaced."""
    decoded = codec.decode(record.encode())
    found: set[str] = set()
    cleaned: Json = {name: _cleaned(value, found) for name, value in decoded.items()}
    if isinstance(cleaned.get("stdin"), str):
        cleaned["stdin"] = UNREADABLE
        cleaned.get("error", {}).pop("details", None)  # it shows what stands around the flaw
    if "error" in cleaned:  # errors quote what they found
        cleaned["error"] = _masked(cleaned["error"], sorted(found, key=len, reverse=True))
    return codec.encode(cleaned, indent=0)


def _cleaned(value: "Json", found: set[str]) -> "Json":
    """Return the value without secrets, which are noted."""
    if isinstance(value, list):
        return [_cleaned(item, found) for item in value]
    if not isinstance(value, dict):
        return value
    cleaned = {}
    for name, item in value.items():
        if _is_secret(name):
            found.update(_texts(item))
            cleaned[name] = HIDDEN
        elif name in ("CNI_ARGS", "args") and isinstance(item, str):
            cleaned[name] = _cleaned_pairs(item, found)
        else:
            cleaned[name] = _cleaned(item, found)
    return cleaned


def _cleaned_pairs(text: str, found: set[str]) -> str:
    """`KEY=VALUE;KEY=VALUE` without secrets."""
    pairs = []
    for pair in text.split(";"):
        name, equals, value = pair.partition("=")
        if _is_secret(name):
            found.update(_texts(value))
            pair = f"{name}{equals}{HIDDEN}"
        pairs.append(pair)
    return ";".join(pairs)


def _masked(value: "Json", secrets: list[str]) -> "Json":
    if isinstance(value, dict):
        return {name: _masked(item, secrets) for name, item in value.items()}
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
    return value


def _is_secret(name: str) -> bool:
    lowered = name.lower()
    return any(sign in lowered for sign in SIGNS)


def _texts(value: "Json") -> "set[str]":
    """Every text in a value, but for the empty one."""
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {value} if isinstance(value, str) and value else set()
