"""Take secrets out of a record of the journal. Pure; loaded only where a record may hold one.

A value is secret because of its name (`password`), its place (`user:password@host`) or its shape (PEM,
a token), in JSON, in JSON inside of strings, in `NAME=VALUE` or in prose. What was secret anywhere is
removed wherever the record repeats it. If in doubt, too much is removed.
"""

from cni_bridge.edge import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.edge.codec import Json

HIDDEN = "(redacted)"
UNREADABLE = "(not JSON, and left out because it may hold a secret)"
# A name that contains one of these is a secret's. `journal.TRIGGERS` has to know all texts here.
SIGNS = (
    *("pass", "pwd", "secret", "token", "key", "auth", "cred", "bearer", "psk", "cookie"),
    *("signature", "session"),
)
# Of these, words that are followed by a secret even without a separator.
STRONG_SIGNS = (
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "bearer",
    "psk",
    "cookie",
)
PEM_BEGIN, PEM_END = "-----BEGIN", "-----END"
TOKENS = ("eyJ",)  # how tokens begin: base64 of `{"`, which is JSON, or a JSON web token
# What CNI_ARGS may hold behind a secret that has a `;` inside.
PLAIN_ARGUMENTS = ("IP", "MAC", "GATEWAY", "IgnoreUnknown", "K8S_POD_")
NAMES, VALUE = ("name", "key"), "value"  # {"name": "PASSWORD", "value": ...}, as labels are written
QUOTES = " \t\n\\\"'"
WORD_ENDS = " \t\n\"',;&"
SEPARATORS = ("=", ":", ">")
SHORTEST = 6  # characters of a secret that is removed wherever it occurs; shorter ones are words
SHARED = 12  # characters that a text and a secret have in common only if one quotes the other


def redact(record: str) -> str:
    """Return the record, a JSON object, without secrets."""
    decoded = codec.decode(record.encode())
    secrets: set[str] = set()
    cleaned: Json = {name: _clean(value, secrets) for name, value in decoded.items()}
    stdin = cleaned.get("stdin")
    if isinstance(stdin, str) and not stdin.removesuffix(" bytes").isdecimal():
        cleaned["stdin"] = UNREADABLE
        if isinstance(cleaned.get("error"), dict):
            cleaned["error"].pop("details", None)  # it shows what stands around the flaw
    known = sorted((each for each in secrets if len(each) >= SHORTEST), key=len, reverse=True)
    return codec.encode({name: _mask(value, known) for name, value in cleaned.items()}, indent=0)


# ---------------------------------------------------------------- by name, place and shape


def _clean(value: "Json", secrets: set[str]) -> "Json":
    """Return the value without secrets, which are added to `secrets`."""
    if isinstance(value, list):
        return _clean_list(value, secrets)
    if isinstance(value, dict):
        return _clean_object(value, secrets)
    return _clean_text(value, secrets) if isinstance(value, str) else value


def _clean_object(value: "dict[str, Json]", secrets: set[str]) -> "Json":
    is_pair = any(name.lower() == VALUE for name in value)
    is_named = is_pair and any(_is_secret(value[key]) for key in value if key.lower() in NAMES)
    cleaned = {}
    for name, item in value.items():
        if is_pair and name.lower() in NAMES and isinstance(item, str):
            cleaned[name] = _clean_text(item, secrets)
        elif _is_secret(name) or (is_named and name.lower() == VALUE):
            secrets.update(_texts(item))
            cleaned[name] = HIDDEN
        elif name in ("CNI_ARGS", "args") and isinstance(item, str):
            cleaned[name] = _clean_arguments(item, secrets)
        else:
            cleaned[_clean_text(name, secrets)] = _clean(item, secrets)
    return cleaned


def _clean_list(items: "list[Json]", secrets: set[str]) -> "Json":
    """Hide what follows an option like `--password`, and lines of PEM."""
    cleaned = []
    is_pem = is_option = False
    for item in items:
        text = item if isinstance(item, str) else ""
        is_pem = is_pem or PEM_BEGIN in text
        if is_pem or is_option:
            secrets.update(_texts(item))
            cleaned.append(HIDDEN)
        else:
            cleaned.append(_clean(item, secrets))
        is_pem = is_pem and PEM_END not in text
        is_option = text.startswith("-") and "=" not in text and _is_secret(text)
    return cleaned


def _clean_arguments(text: str, secrets: set[str]) -> str:
    """Hide secrets in `KEY=VALUE;KEY=VALUE`, with all that may belong to a value with a `;`."""
    pairs = []
    is_secret = False
    for pair in text.split(";"):
        name, equals, value = pair.partition("=")
        if equals and name.startswith(PLAIN_ARGUMENTS) and not _is_secret(name):
            is_secret = False
        elif equals and _is_secret(name):
            is_secret = True
        if not is_secret:
            cleaned = _clean_text(value, secrets)
            is_secret = cleaned != value
            pairs.append(f"{_clean_text(name, secrets)}{equals}{cleaned}")
        elif equals and _is_secret(name):
            secrets.update(_texts(value))
            pairs.append(f"{name}={HIDDEN}")
        else:
            secrets.update(_texts(pair))
            pairs.append(HIDDEN)
    return ";".join(pairs)


def _clean_text(text: str, secrets: set[str]) -> str:
    stripped = text.strip(codec.BLANKS)
    if stripped[:1] in ("{", "[", '"'):
        try:
            inner = codec.any_value(stripped)
        except ValueError:
            pass
        else:
            cleaned = _clean(inner, secrets)
            return text if cleaned == inner else codec.encode(cleaned, indent=0)
    for hide in (_hide_pem, _hide_credentials, _hide_tokens, _hide_assigned):
        text = hide(text, secrets)
    return text


def _hide_pem(text: str, secrets: set[str]) -> str:
    begin = text.find(PEM_BEGIN)
    if begin < 0:
        return text
    secrets.update(line for line in text[begin:].splitlines() if "-----" not in line)
    return text[:begin] + HIDDEN


def _hide_credentials(text: str, secrets: set[str]) -> str:
    """Hide `user:password` before an `@`, in a URL or by itself."""
    before, at, rest = text.rpartition("@")
    scheme, slashes, login = before.partition("://")
    if not slashes:
        words = before.split(" ")
        first = next((i for i, word in enumerate(words) if ":" in word), len(words))
        scheme, login = " ".join(words[:first]), " ".join(words[first:])
        slashes = " " if scheme else ""
    if not at or not login or login == HIDDEN:
        return text
    secrets.update((login, login.partition(":")[2]))
    return f"{scheme}{slashes}{HIDDEN}@{rest}"


def _hide_tokens(text: str, secrets: set[str]) -> str:
    """Hide what begins as tokens do, up to the next blank or quote."""
    for begin in (place for token in TOKENS for place in _places(text, token)):
        end = begin
        while end < len(text) and text[end] not in WORD_ENDS:
            end += 1
        token = text[begin:end]
        if len(token) >= SHORTEST:
            secrets.add(token)
            return _hide_tokens(text[:begin] + HIDDEN + text[end:], secrets)
    return text


def _hide_assigned(text: str, secrets: set[str]) -> str:
    """Hide all that follows `password=`, `"password": ` or `password `: where it ends is unknown."""
    lowered = text.lower()
    for place in sorted(place for sign in SIGNS for place in _places(lowered, sign)):
        start = end = place
        while start > 0 and (lowered[start - 1].isalnum() or lowered[start - 1] in "_-."):
            start -= 1
        while end < len(text) and (lowered[end].isalnum() or lowered[end] in "_-."):
            end += 1
        value = len(text) - len(text[end:].lstrip(QUOTES))
        is_assigned = text[value : value + 1] in SEPARATORS
        is_told = value > end and any(sign in lowered[start:end] for sign in STRONG_SIGNS)
        if text[value:] and (is_assigned or is_told):
            value += is_assigned
            rest = text[value:].strip(QUOTES)
            if rest and rest != HIDDEN:
                secrets.add(rest.split()[0].strip(QUOTES + ",;&"))
                return f"{text[:value]}{HIDDEN}"
    return text


def _places(text: str, part: str) -> "Iterator[int]":
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _is_secret(name: "Json") -> bool:
    lowered = name.lower() if isinstance(name, str) else ""
    return any(sign in lowered for sign in SIGNS)


def _texts(value: "Json") -> "set[str]":
    """Return every text and number in a value, as text."""
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return set() if isinstance(value, bool) or value is None else {str(value)}


# ---------------------------------------------------------------- by what is secret elsewhere


def _mask(value: "Json", secrets: list[str]) -> "Json":
    if isinstance(value, dict):
        return {_mask(name, secrets): _mask(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            for spelling in {secret, codec.encode(secret)[1:-1], repr(secret)[1:-1]}:
                value = _mask_parts(value.replace(spelling, HIDDEN), spelling)
    return value


def _mask_parts(text: str, secret: str) -> str:
    """Hide the parts of a long secret: an error may have quoted it cut off at either end."""
    begin = 0
    while len(secret) > SHARED and begin <= len(text) - SHARED:
        if text[begin : begin + SHARED] not in secret:
            begin += 1
            continue
        end = begin + SHARED
        while end < len(text) and text[begin : end + 1] in secret:
            end += 1
        text = text[:begin] + HIDDEN + text[end:]
        begin += len(HIDDEN)
    return text
