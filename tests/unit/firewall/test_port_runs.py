"""Consecutive ports as one record: merged, cut and compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_bridge.firewall import port_runs
from cni_bridge.firewall.model import PublishedPort


def run(first: int, count: int = 1, to: int | None = None, host_ip: bytes = b"") -> PublishedPort:
    return PublishedPort(
        protocol=6,
        host_port=first,
        container_port=first if to is None else to,
        host_ip=host_ip,
        count=count,
    )


def merged(*ports: PublishedPort) -> tuple[PublishedPort, ...]:
    return port_runs.merged(ports, lambda one, other: ValueError(one, other))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((run(80), run(81)), (run(80, 2),)),
        ((run(81), run(80), run(80)), (run(80, 2),)),
        ((run(80), run(82)), (run(80), run(82))),
        ((run(80, 3), run(81, 5)), (run(80, 6),)),
        ((run(80, 9), run(82)), (run(80, 9),)),
        ((run(80, to=90), run(81, to=91)), (run(80, 2, to=90),)),
        ((run(80), run(81, to=91)), (run(80), run(81, to=91))),
        ((run(80), run(81, host_ip=bytes(4))), (run(80), run(81, host_ip=bytes(4)))),
        ((), ()),
    ],
)
def test_consecutive_ports_become_one(
    given: tuple[PublishedPort, ...], expected: tuple[PublishedPort, ...]
) -> None:
    assert merged(*given) == expected


def test_a_number_with_two_targets_is_refused() -> None:
    with pytest.raises(ValueError, match="container_port=90"):
        merged(run(80, 9), run(84, to=90))


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ((), [(80, 10)]),
        ((run(80, 10),), []),
        ((run(70, 40),), []),
        ((run(70, 10),), [(80, 10)]),
        ((run(90),), [(80, 10)]),
        ((run(84),), [(80, 4), (85, 5)]),
        ((run(88, 9), run(80)), [(81, 7)]),
        ((run(70, 12), run(84, 2), run(99)), [(82, 2), (86, 4)]),
    ],
)
def test_what_others_have_is_cut_out(
    others: tuple[PublishedPort, ...], left: list[tuple[int, int]]
) -> None:
    parts = port_runs.without(run(80, 10, to=180), others)
    assert [(each.host_port, each.count) for each in parts] == left
    assert {port_runs.shift(each) for each in parts} <= {100}
    shared = port_runs.common(run(80, 10), others)
    found = [n for it in (*parts, *shared) for n in range(it.host_port, it.host_port + it.count)]
    assert sorted(found) == list(range(80, 90))


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9))),
    st.integers(1, 60),
    st.integers(1, 9),
)
def test_the_runs_that_overlap_are_found(
    some: list[tuple[int, int]], first: int, count: int
) -> None:
    runs = merged(*(run(start, length) for start, length in some))
    port = run(first, count)
    assert port_runs.overlapping(runs, port) == tuple(
        each for each in runs if port_runs.overlap(each, port)
    )
