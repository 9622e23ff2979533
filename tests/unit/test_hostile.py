"""Whatever the environment and stdin hold, the code plans it or refuses it by the documented table."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni_bridge.edge import request
from tests.fuzz.hostile import TEXTS, VARIABLES, Asked, asked
from tests.fuzz.subject import Subject


@pytest.fixture(scope="module")
def subject() -> Iterator[Subject]:
    made = Subject()
    yield made
    made.close()


@settings(database=None, deadline=None, max_examples=2000)
@given(data=st.binary(max_size=200), as_ipam=st.booleans())
def test_a_hostile_request_is_planned_or_refused(
    subject: Subject, data: bytes, as_ipam: bool
) -> None:
    subject.judge(asked(data), as_ipam=as_ipam)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "-x", "a\nb", "n\0", "é"])
def test_no_name_of_a_network_leads_to_another_directory(subject: Subject, name: str) -> None:
    document = {"cniVersion": "1.1.0", "name": name}
    raw = str(document).replace("'", '"').encode()
    assert subject.judge(Asked({"CNI_COMMAND": "DEL", **VARIABLES}, raw)) in (6, 7)


@pytest.mark.parametrize("container", ["../x", "a/b", ".x", "-x", "a b", "a;b", "a\nb", "é"])
def test_no_container_id_is_anything_but_a_name(subject: Subject, container: str) -> None:
    variables = {"CNI_COMMAND": "DEL", **VARIABLES, "CNI_CONTAINERID": container}
    assert subject.judge(Asked(variables, b'{"name": "n"}')) == 4


@pytest.mark.parametrize("kind", ["../host-local", "/bin/sh", "..", "a/../../sh"])
def test_no_ipam_type_leads_out_of_cni_path(subject: Subject, kind: str) -> None:
    raw = f'{{"cniVersion": "1.1.0", "name": "n", "ipam": {{"type": "{kind}"}}}}'.encode()
    for command in ("ADD", "DEL", "GC", "STATUS"):
        assert subject.judge(Asked({"CNI_COMMAND": command, **VARIABLES}, raw)) == 7


def test_more_than_the_limit_is_not_read(subject: Subject) -> None:
    variables = {"CNI_COMMAND": "DEL", **VARIABLES}
    document = b'{"name": "n"}'
    assert subject.judge(Asked(variables, document.ljust(request.STDIN_LIMIT))) == 0
    assert subject.judge(Asked(variables, document.ljust(request.STDIN_LIMIT + 1))) == 5


@pytest.mark.parametrize("text", TEXTS)
def test_a_hostile_text_is_harmless_in_every_variable(subject: Subject, text: str) -> None:
    clean = text.partition("\0")[0].encode("utf-8", "surrogatepass")
    for name in VARIABLES:
        for command in ("ADD", "DEL", "CHECK", "GC", "STATUS"):
            value = clean.decode("utf-8", "surrogateescape")
            variables = {"CNI_COMMAND": command, **VARIABLES, name: value}
            subject.judge(Asked(variables, b'{"cniVersion": "1.1.0", "name": "n"}'))
