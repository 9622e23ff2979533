"""What leaves a record before it is written: every secret, whatever it is wrapped in."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni_bridge import journal, redaction
from cni_bridge.edge import explain

PASSWORD = "hunter2-0xdeadbeef"


def redacted(**record: object) -> str:
    return redaction.redact(json.dumps(record))


def leaves(value: object) -> list[str]:
    """Return all texts in a value, in JSON inside of texts too."""
    if isinstance(value, dict):
        return [text for item in (*value, *value.values()) for text in leaves(item)]
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    if not isinstance(value, str):
        return [json.dumps(value)]
    try:
        inner = json.loads(value)
    except ValueError:
        return [value]
    return [value] if isinstance(inner, int | float) else [value, *leaves(inner)]


# ---------------------------------------------------------------- the property

Wrap = Callable[[Any], object]


def _full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


NAMES = ("password", "PassPhrase", "api_key", "authToken", "psk", "Set-Cookie", "Authorization")
OBJECTS: dict[str, Wrap] = {
    "a value": lambda secret: {NAMES[0]: secret, "mtu": 1500},
    "a deep value": lambda secret: {"plugins": [{"a": {NAMES[2]: secret}}]},
    "a list": lambda secret: {NAMES[3]: [{"is": secret}, "no"]},
    "a label": lambda secret: [{"key": "app", "value": "web"}, {"key": "psk", "value": secret}],
    "a variable": lambda secret: {"env": [{"name": "DB_PASSWORD", "value": secret}]},
    "an option": lambda secret: ["run", "--password", secret, "-v"],
    "a short option": lambda secret: ["sshpass", "-p", secret, "ssh", "host"],
    "a pair": lambda secret: [["Host", "a"], ["Authorization", f"Basic {secret}"]],
    "a flat list": lambda secret: ["Host", "a", "Authorization:", "Basic", secret],
    "a pair as an object": lambda secret: [{"header": "Authorization", "content": secret}],
    "a full-width name": lambda secret: {_full_width("password"): secret},
    "a name with other letters": lambda secret: {"\u0440assword": secret},
    "a name with a hidden letter": lambda secret: {"pass\u200bword": secret},
    "lines of PEM": lambda secret: ["-----BEGIN EC PRIVATE KEY-----", secret, "-----END"],
}
TEXTS: dict[str, Callable[[str], str]] = {
    "an assignment": lambda secret: f"user=bob PASSWORD={secret}",
    "a query": lambda secret: f"https://registry/x?user=bob&access_token={secret}",
    "a header": lambda secret: f"GET / HTTP/1.1\nAuthorization: Basic {secret}\nHost: a",
    "a cookie": lambda secret: f"Cookie: id={secret}",
    "YAML": lambda secret: f"wifi:\n  psk: '{secret}'\n",
    "XML": lambda secret: f"<password>{secret}</password>",
    "prose": lambda secret: f"login failed with password {secret}",
    "a URL": lambda secret: f"http://bob:{secret}@proxy.example:3128/",
    "a URL with a token": lambda secret: f"fetch https://{secret}@github.com/a/b now",
    "two URLs": lambda secret: f"http://a:b@c,http://bob:{secret}@d",
    "a login": lambda secret: f"bob:{secret}@proxy:3128",
    "PEM": lambda secret: f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n",
    "cut off JSON": lambda secret: f'{{"password": "{secret}", "a": ',
    "base64 of JSON": lambda secret: f"using eyJ{secret} for it",
    "curl": lambda secret: f"curl -s -u bob:{secret} http://a",
    "curl, without a blank": lambda secret: f"curl -ubob:{secret} http://a",
    "sshpass": lambda secret: f"sshpass -p {secret} ssh bob@a",
    "sshpass, quoted": lambda secret: f"sshpass -p '{secret}' ssh a",
    "mysql": lambda secret: f"mysql -uroot -p{secret} db",
    "full width": lambda secret: f"{_full_width('password=')}{secret}",
    "a form": lambda secret: "a=b&" + quote(f"password={secret}", safe=""),
    "a name in percent": lambda secret: f"%70%61%73%73word={quote(secret, safe='')}",
}
WRAPPINGS: dict[str, Wrap] = {
    "nothing more": lambda value: value,
    "JSON": json.dumps,
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "JSON in an object in JSON": lambda value: json.dumps({"config": json.dumps({"a": value})}),
    "escaped JSON": lambda value: (
        "".join(
            f"\\u{ord(letter):04x}" if letter.isalpha() else letter
            for letter in json.dumps(value, ensure_ascii=False)
        )
        if isinstance(value, str)
        else json.dumps(value)
    ),
    "JSON in percent": lambda value: quote(json.dumps(value)),
    "JSON in percent twice": lambda value: quote(quote(json.dumps(value), safe="")),
    "a query with JSON": lambda value: f"http://a/?data={quote(json.dumps(value), safe='')}",
    "a list": lambda value: ["x", [value]],
    "an object": lambda value: {"data": {"inner": value}},
}
PLACES: dict[str, Callable[[object], dict[str, object]]] = {
    "stdin": lambda value: {"stdin": {"args": {"cni": {"x": value}}}},
    "prevResult": lambda value: {"stdin": {"prevResult": {"dns": {"options": value}}}},
    "result": lambda value: {"stdin": {}, "result": {"dns": {"search": [value]}}},
    "an error": lambda value: {"stdin": {}, "error": {"code": 5, "msg": "x", "details": value}},
    "a variable": lambda value: {"environment": {"CNI_X": value}, "stdin": {}},
}
# Letters that secrets have and separators are not; blanks, `;` and `&` only where they can be told.
secrets = st.text("abcXYZ0189!#$%^*_-+~./\\", min_size=8, max_size=80)


@settings(deadline=None, max_examples=400)
@given(
    secret=secrets,
    form=st.sampled_from([*OBJECTS, *TEXTS]),
    wrapping=st.sampled_from(list(WRAPPINGS)),
    place=st.sampled_from(list(PLACES)),
)
def test_no_secret_gets_through(secret: str, form: str, wrapping: str, place: str) -> None:
    wrapped = WRAPPINGS[wrapping]((OBJECTS | TEXTS)[form](secret))
    record = json.dumps(PLACES[place](wrapped))
    assert journal.may_hold_secrets(record), "it is not even looked at"
    cleaned = redaction.redact(record)
    found = [
        text for text in leaves(json.loads(cleaned)) if secret in text or secret in unquote(text)
    ]
    assert not found


@settings(deadline=None, max_examples=100)
@given(
    secret=secrets,
    quoting=st.sampled_from([str, repr, json.dumps, lambda s: s[:30], lambda s: s[-30:]]),
)
def test_what_is_secret_in_one_place_is_removed_from_all(
    secret: str, quoting: Callable[[str], str]
) -> None:
    error = {"code": 7, "msg": f"found {quoting(secret)}", "details": quoting(secret)}
    record = {"stdin": {"token": secret, "note": f"see {secret}"}, "error": error}
    cleaned = json.loads(redacted(**record))
    assert cleaned["error"]["code"] == 7
    part = quoting(secret).strip("\"'")
    if len(part) > redaction.SHARED:
        assert not [text for text in leaves(cleaned) if part in text]


@settings(deadline=None, max_examples=100)
@given(parts=st.lists(st.text("abcXYZ0189!#$", min_size=4), min_size=2, max_size=4))
def test_a_secret_of_cni_args_goes_with_what_follows_a_semicolon(parts: list[str]) -> None:
    arguments = f"K8S_POD_NAME=web;K8S_POD_TOKEN={';'.join(parts)};IP=10.0.0.5"
    cleaned = json.loads(redacted(environment={"CNI_ARGS": arguments}))["environment"]["CNI_ARGS"]
    assert cleaned.startswith("K8S_POD_NAME=web;K8S_POD_TOKEN=(redacted);")
    assert cleaned.endswith(";IP=10.0.0.5")
    assert not [part for part in parts if part in cleaned]


# ---------------------------------------------------------------- by example


@pytest.mark.parametrize(
    "name", [*NAMES, "clientSecret", "pwd", "credentials", "X-Amz-Signature", "sessionId"]
)
def test_a_value_under_a_secrets_name_is_removed_however_deep(name: str) -> None:
    cleaned = redacted(stdin={"plugins": [{"a": {name: PASSWORD}, "mtu": 1500}]})
    assert PASSWORD not in cleaned
    assert json.loads(cleaned)["stdin"]["plugins"][0]["mtu"] == 1500


def test_a_secret_may_be_an_object_or_a_number() -> None:
    secret = {"auth": {"user": "me", "is": [PASSWORD]}, "pwd": 12345678}
    cleaned = redacted(stdin=secret, error={"code": 7, "msg": "found 12345678"})
    assert PASSWORD not in cleaned
    assert "12345678" not in cleaned


def test_secrets_in_cni_args_are_removed_and_the_rest_stays() -> None:
    arguments = f"K8S_POD_NAME=web;K8S_POD_TOKEN={PASSWORD};IP=10.0.0.5"
    cleaned = json.loads(redacted(environment={"CNI_ARGS": arguments}))
    assert cleaned["environment"]["CNI_ARGS"] == (
        "K8S_POD_NAME=web;K8S_POD_TOKEN=(redacted);IP=10.0.0.5"
    )


def test_json_web_tokens_and_base64_of_json_are_removed_whatever_they_are_called() -> None:
    token = base64.b64encode(json.dumps({"password": PASSWORD}).encode()).decode()
    assert token.startswith("eyJ")
    cleaned = json.loads(redacted(stdin={"blob": f"x {token}, y"}))
    assert cleaned["stdin"]["blob"] == "x (redacted), y"


def test_the_rest_of_a_url_stays() -> None:
    secret = quote("p@ss/word")
    cleaned = json.loads(redacted(stdin={"proxy": f"http://bob:{secret}@proxy:3128/x"}))
    assert cleaned["stdin"]["proxy"] == "http://(redacted)@proxy:3128/x"


def test_a_text_that_is_encoded_too_often_is_left_out() -> None:
    text = "a%20b"
    for _ in range(redaction.ROUNDS):
        text = quote(text)
    cleaned = json.loads(redacted(stdin={"path": "a%20b", "often": text}))["stdin"]
    assert cleaned == {"path": "a%20b", "often": "(redacted)"}


def test_what_follows_an_option_of_a_command_goes_and_the_rest_stays() -> None:
    text = f"sshpass -p {PASSWORD} ssh -v host; curl -sS --user bob:{PASSWORD} http://a"
    cleaned = json.loads(redacted(error={"msg": text}))["error"]["msg"]
    assert cleaned == "sshpass -p (redacted) ssh -v host; curl -sS --user (redacted) http://a"


def test_a_label_that_is_no_secret_stays() -> None:
    labels = [{"key": "app", "value": "web"}, {"key": "psk", "value": PASSWORD}]
    cleaned = json.loads(redacted(stdin={"labels": labels}))
    assert cleaned["stdin"]["labels"] == [
        {"key": "app", "value": "web"},
        {"key": "psk", "value": "(redacted)"},
    ]


def test_stdin_that_is_not_json_is_left_out_with_what_the_error_shows_of_it() -> None:
    error = {"code": 6, "msg": "cannot decode", "details": f'after `"token": "{PASSWORD}"`'}
    assert PASSWORD not in redacted(stdin=f'{{"token": "{PASSWORD}", ', error=error)


def test_stdin_that_is_too_long_is_still_counted() -> None:
    assert json.loads(redacted(stdin="70000 bytes", token="x"))["stdin"] == "70000 bytes"


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())))
def test_what_has_no_trigger_stays_as_it_is(document: dict[str, object]) -> None:
    if not journal.may_hold_secrets(json.dumps(document, ensure_ascii=False)):
        assert json.loads(redacted(stdin=document))["stdin"] == document


def test_all_that_redaction_looks_for_makes_the_journal_ask_it() -> None:
    for text in (*redaction.SIGNS, *redaction.STRONG_SIGNS, *redaction.TOKENS, redaction.PEM_BEGIN):
        assert journal.may_hold_secrets(text), text
    for option in redaction.OPTIONS:
        assert all(journal.may_hold_secrets(f"{quote}-{option} x") for quote in " \"'"), option


def test_none_of_our_own_keys_sounds_like_a_secret() -> None:
    names = json.dumps(list(explain.schema()["properties"])).lower()
    assert [trigger for trigger in journal.TRIGGERS if trigger in names] == []
