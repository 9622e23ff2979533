"""Take secrets out of a record of the journal. Pure; loaded only where a record may hold one.

A value is secret because of its name (`password`), its place (`user:password@host`, `sshpass -p
password`) or its shape (PEM, a token), in JSON, in JSON inside of strings, in `NAME=VALUE` or in prose,
percent-encoded or not. What was secret anywhere is removed wherever the record repeats it. If in doubt,
too much is removed.
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
OPTIONS = "upwaUP"  # such as in `curl -u bob:password` or `sshpass -p password`
PEM_BEGIN, PEM_END = "-----BEGIN", "-----END"
TOKENS = ("eyJ",)  # how tokens begin: base64 of `{"`, which is JSON, or a JSON web token
# What CNI_ARGS may hold behind a secret that has a `;` inside.
PLAIN_ARGUMENTS = ("IP", "MAC", "GATEWAY", "IgnoreUnknown", "K8S_POD_")
NAMES, VALUE = ("name", "key"), "value"  # {"name": "PASSWORD", "value": ...}, as labels are written
ROUNDS = 4  # how often a text may be percent-encoded
ATTEMPTS = 100  # to find JSON in one text
HEX = frozenset("0123456789abcdefABCDEF")
FULL_WIDTH = {letter + 0xFEE0: letter for letter in range(0x21, 0x7F)}
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
    named = _named_by_others(value)
    cleaned = {}
    for name, item in value.items():
        if is_pair and name.lower() in NAMES and isinstance(item, str):
            cleaned[name] = _clean_text(item, secrets)
        elif (
            name in named or _is_secret(name) or not name.isascii()
        ):  # letters may look like others
            secrets.update(_texts(item))
            cleaned[_clean_text(name, secrets)] = HIDDEN
        elif name in ("CNI_ARGS", "args") and isinstance(item, str):
            cleaned[name] = _clean_arguments(item, secrets)
        else:
            cleaned[_clean_text(name, secrets)] = _clean(item, secrets)
    return cleaned


def _named_by_others(value: "dict[str, Json]") -> set[str]:
    """Return the keys whose value another value names: of labels, and of objects that are a pair."""
    is_pair = len(value) == 2
    naming = {
        key
        for key, item in value.items()
        if (is_pair or key.lower() in NAMES) and _is_word(item) and _is_secret(item)
    }
    named = {key for key in value.keys() - naming if is_pair or key.lower() == VALUE}
    return named if naming else set()


def _clean_list(items: "list[Json]", secrets: set[str]) -> "Json":
    """Hide what follows an option like `--password`, a name like `Authorization`, and lines of PEM."""
    cleaned = []
    is_pem = is_option = is_named = False
    for item in items:
        text = item if isinstance(item, str) else ""
        is_pem = is_pem or PEM_BEGIN in text
        if is_pem or is_option or is_named:
            secrets.update(_texts(item))
            cleaned.append(HIDDEN)
        else:
            cleaned.append(_clean(item, secrets))
        is_pem = is_pem and PEM_END not in text
        is_option = text.startswith("-") and "=" not in text and _is_secret_option(text)
        is_named = is_named or (not text.startswith("-") and _is_word(text) and _is_secret(text))
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


def _clean_text(text: str, secrets: set[str], rounds: int = ROUNDS) -> str:
    stripped = text.strip(codec.BLANKS)
    if stripped[:1] in ("{", "[", '"'):
        try:
            inner = codec.any_value(stripped)
        except ValueError:
            pass
        else:
            cleaned = _clean(inner, secrets)
            return text if cleaned == inner else codec.encode(cleaned, indent=0)
    text = _clean_embedded(text, secrets)
    for hide in (_hide_pem, _hide_credentials, _hide_tokens, _hide_options, _hide_assigned):
        text = hide(text, secrets)
    plain = _decoded(text)
    if plain == text:
        return text
    cleaned = _clean_text(plain, secrets, rounds - 1) if rounds else HIDDEN
    return text if cleaned == plain else cleaned


def _clean_embedded(text: str, secrets: set[str]) -> str:
    """Clean objects and lists of JSON that are quoted in a text."""
    begin = 0
    for _ in range(ATTEMPTS):
        found = [place for place in (text.find("{", begin), text.find("[", begin)) if place >= 0]
        if not found:
            break
        begin = min(found)
        try:
            inner, end = codec.value_at(text, begin)
        except ValueError:
            begin += 1
            continue
        cleaned = _clean(inner, secrets)
        shown = text[begin:end] if cleaned == inner else codec.encode(cleaned, indent=0)
        text = text[:begin] + shown + text[end:]
        begin += len(shown)
    return text


def _decoded(text: str) -> str:
    """Return the text with each `%7B` and `\\u007b` replaced by the letter that it stands for."""
    first, *parts = text.split("%")
    packed = first.encode()
    for part in parts:
        is_code = len(part) >= 2 and HEX.issuperset(part[:2])
        packed += bytes.fromhex(part[:2]) + part[2:].encode() if is_code else f"%{part}".encode()
    first, *parts = packed.decode(errors="replace").split("\\u")
    for part in parts:
        is_code = len(part) >= 4 and HEX.issuperset(part[:4])
        first += codec.any_value(f'"\\u{part[:4]}"') + part[4:] if is_code else f"\\u{part}"
    return first


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
    for token in TOKENS:
        begin = text.find(token)
        while begin >= 0:
            end = begin
            while end < len(text) and text[end] not in WORD_ENDS:
                end += 1
            if end - begin >= SHORTEST:
                secrets.add(text[begin:end])
                text = f"{text[:begin]}{HIDDEN}{text[end:]}"
                end = begin + len(HIDDEN)
            begin = text.find(token, end)
    return text


def _hide_options(text: str, secrets: set[str]) -> str:
    """Hide the values of options, as in `-u bob:password`, `-ppassword` or `--pass password`."""
    place = text.find("-")
    while place >= 0:
        end = place
        while end < len(text) and text[end] not in f"{QUOTES}=":
            end += 1
        option = text[place:end]
        if (not place or text[place - 1] in f"{QUOTES}([") and _is_secret_option(option):
            end = end if option.startswith("--") else place + 2
            # What follows is another option, or a secret that looks like one: both go, and one more word.
            for _ in range(1 + text[end:].lstrip(f"{QUOTES}=,").startswith("-")):
                text, end = _hide_word(text, end, secrets)
        place = text.find("-", max(end, place + 1))
    return text


def _hide_word(text: str, begin: int, secrets: set[str]) -> tuple[str, int]:
    """Hide the word that begins there, behind blanks and quotes; return where it ends."""
    while text[begin : begin + 1] in (*" \t\n\"'=,",) or text[begin : begin + 2] in ('\\"', "\\'"):
        begin += 1
    quote = text[begin - 1]
    ends = quote if quote in "\"'" else " \t\n\"'"
    end = begin
    while end < len(text) and text[end] not in ends:
        end += 1
    word = text[begin:end]
    if not word or word == HIDDEN:
        return text, end
    secrets.update((word, word.partition(":")[2]))
    return f"{text[:begin]}{HIDDEN}{text[end:]}", begin + len(HIDDEN)


def _hide_assigned(text: str, secrets: set[str]) -> str:
    """Hide all that follows `password=`, `"password": ` or `password `: where it ends is unknown."""
    lowered = _folded(text)
    for place in sorted(place for sign in SIGNS for place in _places(lowered, sign)):
        start = end = place
        while start > 0 and (lowered[start - 1].isalnum() or lowered[start - 1] in "_-."):
            start -= 1
        while end < len(text) and (lowered[end].isalnum() or lowered[end] in "_-."):
            end += 1
        value = len(text) - len(text[end:].lstrip(QUOTES))
        is_assigned = lowered[value : value + 1] in SEPARATORS
        # In a list: `"Authorization", "Basic ..."`.
        is_assigned = is_assigned or (text[value : value + 1] == "," and value > end)
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
    lowered = _folded(name) if isinstance(name, str) else ""
    return any(sign in lowered for sign in SIGNS)


def _is_secret_option(option: str) -> bool:
    is_short = option[:2] != "--" and option[1:2] in OPTIONS and option != "-"
    return is_short or option == "--user" or _is_secret(option)


def _is_word(value: "Json") -> bool:
    return isinstance(value, str) and len(value.split()) == 1


def _folded(text: str) -> str:
    """Return the text in lower case and half width, letter by letter."""
    if text.isascii():
        return text.lower()
    return "".join([each.lower()[:1] for each in text.translate(FULL_WIDTH)])


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
