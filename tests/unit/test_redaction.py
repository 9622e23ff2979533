"""What leaves a record before it is written: everything under a name that sounds like a secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_bridge import journal, redaction
from cni_bridge.edge import explain

PASSWORD = "hunter2-0xdeadbeef"


def redacted(**record: object) -> str:
    return redaction.redact(json.dumps(record))


@pytest.mark.parametrize(
    "name", ["password", "PassPhrase", "api_key", "authToken", "clientSecret", "pwd", "credentials"]
)
def test_what_stands_under_a_secrets_name_is_left_out_however_deep(name: str) -> None:
    cleaned = redacted(stdin={"plugins": [{"a": {name: PASSWORD}, "mtu": 1500}]})
    assert PASSWORD not in cleaned
    assert json.loads(cleaned)["stdin"]["plugins"][0]["mtu"] == 1500


def test_a_secret_may_be_an_object() -> None:
    assert PASSWORD not in redacted(stdin={"auth": {"user": "me", "is": [PASSWORD]}})


def test_secrets_in_cni_args_are_left_out_and_the_rest_stays() -> None:
    arguments = f"K8S_POD_NAME=web;K8S_POD_TOKEN={PASSWORD};IP=10.0.0.5"
    cleaned = json.loads(redacted(environment={"CNI_ARGS": arguments}))
    assert cleaned["environment"]["CNI_ARGS"] == (
        "K8S_POD_NAME=web;K8S_POD_TOKEN=(redacted);IP=10.0.0.5"
    )


def test_an_error_that_quotes_a_secret_is_masked() -> None:
    error = {"code": 7, "msg": f"found {PASSWORD}", "details": f"token={PASSWORD} is bad"}
    cleaned = redacted(stdin={"token": PASSWORD}, error=error)
    assert PASSWORD not in cleaned
    assert json.loads(cleaned)["error"]["code"] == 7


def test_stdin_that_is_not_json_is_left_out_with_what_the_error_shows_of_it() -> None:
    error = {"code": 6, "msg": "cannot decode", "details": f'after `"token": "{PASSWORD}"`'}
    assert PASSWORD not in redacted(stdin=f'{{"token": "{PASSWORD}", ', error=error)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())))
def test_what_has_no_secrets_stays_as_it_is(document: dict[str, object]) -> None:
    harmless = {
        name: value
        for name, value in document.items()
        if not any(sign in name.lower() for sign in journal.SIGNS)
    }
    assert json.loads(redacted(stdin=harmless))["stdin"] == harmless


def test_none_of_our_own_keys_sounds_like_a_secret() -> None:
    names = json.dumps(list(explain.schema()["properties"])).lower()
    assert [sign for sign in journal.SIGNS if sign in names] == []
