"""What people read when a config is refused."""

import pytest

from cni_bridge.edge import explain
from cni_bridge.edge.explain import Problem
from cni_bridge.errors import Bug, InvalidConfig


def test_one_problem_is_one_sentence_with_path_value_and_expectation() -> None:
    error = explain.explain({"name": "n", "ipam": {"ranges": [[{"subnet": "x"}, {"subnet": 5}]]}})
    assert isinstance(error, InvalidConfig)
    assert error.msg == (
        "ipam.ranges[0][1].subnet: expected a string of 1 or more characters, found 5"
    )
    assert error.details == ""


def test_several_problems_are_all_in_the_details_one_a_line() -> None:
    error = explain.explain({"name": "n", "mtu": "1500", "bridge": "", "ipam": {"subnet": 5}})
    assert error.details.split("\n") == [
        'bridge: expected a string of 1 to 15 characters, found ""',
        "ipam.subnet: expected a string, found 5",
        'mtu: expected a whole number, 0 to 65535, found "1500" (write `1500` without quotes)',
    ]
    assert error.msg == error.details.split("\n")[0]


def test_each_missing_key_is_a_problem_of_its_own() -> None:
    data = {"name": "n", "runtimeConfig": {"portMappings": [{"protocol": "tcp"}]}}
    assert [problem.path for problem in explain.problems(data)] == [
        "runtimeConfig.portMappings[0].containerPort",
        "runtimeConfig.portMappings[0].hostPort",
    ]


def test_a_long_value_is_cut() -> None:
    (problem,) = explain.problems({"name": "n", "bridge": "x" * 1000})
    assert problem.found == '"' + "x" * 59 + "..."


def test_a_whole_number_with_a_fraction_is_not_one_for_go_nor_for_us() -> None:
    assert list(explain.problems({"name": "n", "mtu": 1500.0})) == [
        Problem(
            path="mtu",
            found="1500.0",
            expected="a whole number, 0 to 65535",
            hint="write `1500`",
            stand_in=0,
        )
    ]


@pytest.mark.parametrize("data", [{"name": "n"}, {"name": "n", "mtu": 1500, "x": None}])
def test_a_refusal_that_the_schema_does_not_share_is_a_bug(data: dict[str, object]) -> None:
    assert isinstance(explain.explain(data), Bug)
