"""containerd's CRI, driven as a kubelet drives it."""

from collections.abc import Iterator

import pytest

from tests.lab.echo import Question, ask
from tests.lab.town import OUTSIDE
from tests.runtimes.arrangements import only_alone
from tests.runtimes.box import assert_not_published, assert_published, assert_reach_each_other
from tests.runtimes.containerd import Containerd
from tests.runtimes.cri import Cri, Pod, RefusedError
from tests.runtimes.features import (
    CRASH,
    KILLED_INSIDE,
    MANY,
    PORTS,
    REACH,
    READY,
    REPEATED,
    TAKEN_PORT,
    proves,
)
from tests.runtimes.interrupted import forget_namespaces, held_ledger, is_adding

RUNTIME = ("CRI of containerd", "containerd")
TWENTY = 20


@pytest.fixture
def cri(containerd: Containerd) -> Iterator[Cri]:
    """Yield the connection to that containerd."""
    with Cri() as connected:
        yield connected


@proves(REACH)
def test_two_pods_reach_each_other_by_both_families(cri: Cri) -> None:
    pods = cri.run(Pod("a")), cri.run(Pod("b"))
    assert_reach_each_other(*map(cri.box, pods))
    for pod in pods:
        cri.remove_wholly(pod)


@proves(PORTS)
def test_host_ports_answer_from_everywhere(cri: Cri, containerd: Containerd) -> None:
    town = containerd.machine.town
    a = cri.run(Pod("a", ports=((8080, 80, "tcp"), (9053, 53, "udp"))))
    b = cri.run(Pod("b"))
    assert_published(town, cri.box(a), cri.box(b), 8080, 80, "tcp")
    assert_published(town, cri.box(a), cri.box(b), 9053, 53, "udp")
    cri.stop(a)
    assert_not_published(town, 8080, "tcp")
    assert_not_published(town, 9053, "udp")
    cri.remove_wholly(a)
    cri.remove_wholly(b)


@proves(REPEATED)
def test_a_stopped_pod_can_be_stopped_again_and_leaves_nothing(
    cri: Cri, containerd: Containerd
) -> None:
    pod = cri.run(Pod("a", ports=((8080, 80, "tcp"),)))
    cri.stop(pod)
    containerd.machine.assert_as_before()
    cri.stop(pod)
    cri.remove_wholly(pod)


@proves(MANY)
def test_twenty_pods_at_once_have_twenty_addresses_of_each_family(cri: Cri) -> None:
    numbers = range(TWENTY + 1)
    first, *others = (Pod(f"p{each}", ports=((8000 + each, 80, "tcp"),)) for each in numbers)
    # Alone: the reference's portmap, in the chain, looks for its chains before it makes them,
    # and fails where another has made them in between.
    before = cri.run(first)
    made = cri.each(cri.create, others)
    boxes = [cri.box(each) for each in made]
    for family in (0, 1):
        assert len({each.addresses[family] for each in boxes}) == TWENTY
    assert_reach_each_other(boxes[0], boxes[-1])
    cri.each(cri.end, made)
    cri.each(cri.end, made)
    cri.each(cri.forget, made)
    cri.remove_wholly(before)


@proves(CRASH)
def test_a_pod_outlives_a_crash_of_the_runtime_and_is_removed_after_it(
    cri: Cri, containerd: Containerd
) -> None:
    town = containerd.machine.town
    pod = cri.run(Pod("a", ports=((8080, 80, "tcp"),)))
    box = cri.box(pod)
    containerd.kill()
    cri.disconnect()
    town.servers.listen("a", 80, netns=box.netns)
    assert ask(Question(town.netns("world"), OUTSIDE["host"][0], 8080)).startswith("a:80")
    town.servers.end("a")
    containerd.start()
    cri.wait()
    cri.remove_wholly(pod)


@proves(KILLED_INSIDE)
def test_a_containerd_killed_inside_of_add_leaves_nothing_of_ours(
    cri: Cri, containerd: Containerd
) -> None:
    town = containerd.machine.town
    first = cri.run(Pod("first"))
    box = cri.box(first)
    with held_ledger():
        cri.begin(Pod("late", ports=((8080, 80, "tcp"),)), is_adding)
        containerd.kill()
        cri.disconnect()
    containerd.start()
    cri.wait()
    for pod in cri.pods():
        if pod != first:
            cri.remove_wholly(pod)
    forget_namespaces(but=box.netns)  # of a pod that it has not come to write down
    assert_not_published(town, 8080, "tcp")
    again = cri.run(Pod("again", ports=((8080, 80, "tcp"),)))
    assert_reach_each_other(box, cri.box(again))
    cri.remove_wholly(again)
    cri.remove_wholly(first)


@proves(TAKEN_PORT)
@only_alone
def test_a_pod_that_cannot_be_attached_says_why_and_leaves_nothing(
    cri: Cri, containerd: Containerd
) -> None:
    a = cri.run(Pod("a", ports=((8080, 80, "tcp"),)))
    before = containerd.machine.left_behind()
    with pytest.raises(RefusedError, match="host port 8080/tcp is held by container"):
        cri.run(Pod("b", ports=((8080, 80, "tcp"),)))
    assert containerd.machine.left_behind() == before
    cri.remove_wholly(a)


@proves(READY)
def test_the_runtime_says_that_its_network_is_ready(cri: Cri) -> None:
    assert cri.conditions()["NetworkReady"] == "ok"
