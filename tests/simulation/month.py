"""The month: hypothesis chooses operations, each is carried out for real and compared with the model.

How often what came of it is counted in TALLY.
"""

from collections import Counter
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.lab.network import addresses_in, bare
from tests.lab.plugin import Json, Run
from tests.simulation.changes import VERBS, Changes
from tests.simulation.model import OK, Entry, Model
from tests.simulation.oracles import Key
from tests.simulation.world import KILLED, Kind, World, ifname


def _ranges(*subnets: str) -> Json:
    return {"type": "cni-bridge", "ranges": [[{"subnet": each}] for each in subnets]}


KINDS = (
    Kind("plain", 1, {"bridge": "one", "ipam": _ranges("10.1.0.0/29")}, 5, ("10.1.0.1",)),
    Kind(
        "beside",  # on the same bridge, without a gateway, and with a ledger of its own
        2,
        {
            "bridge": "one",
            "isGateway": False,
            "ipam": {**_ranges("10.2.0.0/28"), "dataDir": "/run/beside"},
        },
        13,
        (),
    ),
    Kind(
        "dual",
        3,
        {"bridge": "two", "ipMasq": True, "ipam": _ranges("10.3.0.0/28", "fd03::/64")},
        13,
        ("10.3.0.1", "fd03::1"),
        is_guarded=True,
        keeps_on_disk=True,
        is_sticky=True,
    ),
    Kind(
        "open",
        4,
        {
            "bridge": "three",
            "ipMasq": True,
            "isDefaultGateway": True,
            "ipam": _ranges("10.4.0.0/27", "fd04::/64"),
        },
        29,
        ("10.4.0.1", "fd04::1"),
        is_guarded=True,
    ),
)
NETWORKS = tuple(each.name for each in KINDS)
PORTS = (0, 8080, 8081, 8082)
SLOTS = 7  # containers at a time: more than the smallest network has addresses
CALLS = (
    *("openat", "sendto", "recvfrom", "sendmsg", "recvmsg", "socket", "bind", "ioctl", "setns"),
    *("pwrite64", "pread64", "fcntl", "unlink", "ftruncate", "write", "close", "poll", "vfork"),
)
ACCIDENTS = (*["lose"] * 12, *["flush"] * 5, "restart")
BUG, NOT_AVAILABLE, LIMITED, NOT_AS_PLANNED = 999, 50, 51, 120
VALID = "cni.dev/valid-attachments"

networks = st.sampled_from(NETWORKS)
slots = st.integers(0, SLOTS - 1)
picks = st.integers(0, 255)
TALLY: Counter[str] = Counter()


class Month(RuleBasedStateMachine):
    """Every rule is one operation, and ends with a look at everything."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(KINDS, Path(mkdtemp(prefix="simulation-")))
        self.model = Model(self.world.kinds)
        self.changes = Changes(self.world, self.model, TALLY)
        self.slots = [f"c{number}-0" for number in range(SLOTS)]
        self.seen = self.world.look()
        TALLY["hosts"] += 1

    def teardown(self) -> None:
        self.world.close()

    # ------------------------------------------------------------ operations

    @rule(pair=st.sampled_from(((0, 1), (2, 3), (4, 5))), port=st.sampled_from(PORTS))
    def add_two_everywhere(self, pair: tuple[int, int], port: int) -> None:
        """So that there is something to lose."""
        for slot in pair:
            for network in NETWORKS:
                self.add(network, slot, port)

    @rule(network=networks, slot=slots, port=st.sampled_from(PORTS))
    def add(self, network: str, slot: int, port: int) -> None:
        key = self._key(network, slot)
        if key.container not in self.world.alive:
            self.world.create(key.container)
        self._add(key, port if network == "open" else 0)

    @rule(pick=picks)
    def add_again(self, pick: int) -> None:
        key = self._pick(pick)
        self._add(key, self.model.entries.get(key, Entry()).port)

    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        may_not_be = self._key(NETWORKS[pick % len(NETWORKS)], pick % SLOTS)
        self._delete(self._pick(pick) if pick % 8 else may_not_be)

    @rule(pick=picks)
    def check(self, pick: int) -> None:
        key = self._pick(pick)
        entry = self.model.entries.get(key)
        asked = _publishing(entry.port if entry else 0)
        run = self._run("CHECK", key, asked | self._previous(key))
        if entry is None or entry.is_lost:
            assert run.status == 1, run
        elif entry.is_certain:
            is_guarded = self.world.kinds[key.network].is_guarded or entry.was_published
            is_whole = self.model.is_whole or not is_guarded
            assert _code(run) in ({OK} if is_whole else {OK, NOT_AS_PLANNED}), run
        self._compare()

    @rule(network=networks)
    def status(self, network: str) -> None:
        run = self._run("STATUS", Key(network, "", ""), {})
        is_exhausted = self.model.is_exhausted(network, self.seen)
        expected = NOT_AVAILABLE if is_exhausted else OK
        # Rules that were flushed, or left by a killed run, are reported until an ADD or DEL loads them.
        may_differ = not self.model.is_whole or not all(
            entry.is_certain for entry in self.model.entries.values()
        )
        assert _code(run) == expected or (_code(run) == LIMITED and may_differ), run
        self._compare()

    @rule(network=networks, pick=picks, spares=st.booleans())
    def collect(self, network: str, pick: int, spares: bool) -> None:
        config, stale = self._stale(network, pick, spares=spares)
        run = self._run("GC", Key(network, "", ""), config)
        run.assert_silent_success()
        self._forget(stale)
        self._compare()

    @rule(network=networks, pick=picks, call=st.sampled_from(CALLS), when=st.integers(1, 8))
    def kill_a_collection(self, network: str, pick: int, call: str, when: int) -> None:
        config, stale = self._stale(network, pick, spares=True)
        run = self._run("GC", Key(network, "", ""), config, (call, when))
        if run.status in KILLED:
            self.model.doubt(stale)
        else:
            run.assert_silent_success()
            self._forget(stale)
        self._compare()

    @rule(
        network=networks,
        slot=slots,
        port=st.sampled_from(PORTS),
        call=st.sampled_from(CALLS),
        when=st.integers(1, 8),
    )
    def kill_an_add(self, network: str, slot: int, port: int, call: str, when: int) -> None:
        key = self._key(network, slot)
        if key.container not in self.world.alive:
            self.world.create(key.container)
        self._add(key, port if network == "open" else 0, (call, when))

    @rule(pick=picks, call=st.sampled_from(CALLS), when=st.integers(1, 8))
    def kill_a_delete(self, pick: int, call: str, when: int) -> None:
        self._delete(self._pick(pick), (call, when))

    @rule(
        verb=st.sampled_from(VERBS),
        pick=picks,
        port=st.sampled_from(PORTS[1:]),
        fault=st.none() | st.tuples(st.sampled_from(CALLS), st.integers(1, 8)),
    )
    def change(self, verb: str, pick: int, port: int, fault: tuple[str, int] | None) -> None:
        usable = self.changes.may_be(verb)
        if verb == "connect":
            key = self._key(NETWORKS[pick % len(NETWORKS)], pick % SLOTS)
            if key.container in self.world.alive and key not in self.model.entries:
                self.changes.connect(key, self.seen)
        elif usable:
            self.changes.carry_out(verb, usable[pick % len(usable)], port, self.seen, fault)
        self._compare()

    @rule(slot=slots, kind=st.sampled_from(ACCIDENTS))
    def accident(self, slot: int, kind: str) -> None:
        container = self.slots[slot]
        if kind == "flush":
            self.world.flush()
            self.model.is_whole = False
        elif kind == "restart":
            self._restart(keeps_run=slot % 2 == 0)
        elif container in self.world.alive:
            self.world.lose(container)
            self.model.lose(container)
            self._replace(slot)
        TALLY[kind] += 1
        self._compare()

    # ------------------------------------------------------------ how they go

    def _add(self, key: Key, port: int, fault: tuple[str, int] | None = None) -> None:
        entry = self.model.entries.get(key)
        lost = {each for each, it in self.model.of_network(key.network).items() if it.is_lost}
        named = {"args": {"cni": {"aliases": [key.container]}}}
        run = self._run("ADD", key, _publishing(port) | named, fault)
        if run.status in KILLED:
            self.model.remembered.pop((key.network, key.name), None)
            survives = entry is not None and entry.is_certain and not entry.is_lost
            self.model.doubt(lost if survives else lost | {key})
            if not survives and key in self.world.look().of_this_boot:
                self.model.renew(key)
        else:
            is_alive = key.container in self.world.alive
            expected = self.model.answer(key, port, self.seen, is_alive=is_alive)
            assert _code(run) == expected, f"expected {expected}: {run}"
            if expected == OK:
                self._note_added(key, addresses_in(run.result()), port)
        self._compare()

    def _note_added(self, key: Key, given: list[str], port: int) -> None:
        addresses = frozenset(map(bare, given))
        last = self.model.expected(key, self.seen)
        assert last in (None, addresses), f"{key} had {last}, and has {addresses}"
        TALLY["remembered"] += last is not None
        self.model.add(key, addresses, port)

    def _delete(self, key: Key, fault: tuple[str, int] | None = None) -> None:
        run = self._run("DEL", key, self._previous(key), fault)
        if run.status in KILLED:
            self.model.doubt({key})
        else:
            run.assert_silent_success()
            self._forget({key})
        self._compare()

    def _run(
        self, command: str, key: Key, config: Json, fault: tuple[str, int] | None = None
    ) -> Run:
        run = self.world.run(command, key, config, fault)
        outcome = "killed" if run.status in KILLED else f"code {_code(run)}"
        TALLY[f"{command} {outcome}"] += 1
        return run

    def _restart(self, *, keeps_run: bool) -> None:
        self.world.restart(keeps_run=keeps_run)
        self.model.restart(keeps_run=keeps_run)
        for slot in range(0, SLOTS, 2):  # the others come up with the ids that they had
            self._replace(slot)

    def _replace(self, slot: int) -> None:
        name, _, number = self.slots[slot].partition("-")
        self.slots[slot] = f"{name}-{int(number) + 1}"

    def _stale(self, network: str, pick: int, *, spares: bool) -> tuple[Json, set[Key]]:
        """Return a GC's config, and what it must remove: all but the living, of which one may be stale."""
        entries = self.model.of_network(network)
        valid = [key for key in self.model.living() if key.network == network]
        if valid and not spares:
            valid.pop(pick % len(valid))
        listed = [{"containerID": key.container, "ifname": key.ifname} for key in valid]
        return {VALID: listed}, entries.keys() - set(valid)

    def _forget(self, keys: set[Key]) -> None:
        for key in keys:
            self.model.entries.pop(key, None)

    def _compare(self) -> None:
        self.seen = self.world.look()
        differences = list(self.model.differences(self.seen))
        assert not differences, "\n".join(differences)
        cut_off = [key for key in self.model.living() if not self.world.reaches_gateways(key)]
        assert not cut_off, cut_off
        TALLY["operations"] += 1

    def _pick(self, number: int) -> Key:
        keys = sorted(self.model.entries)
        return keys[number % len(keys)] if keys else self._key(NETWORKS[number % 4], 0)

    def _key(self, network: str, slot: int) -> Key:
        return Key(network, self.slots[slot], ifname(network))

    def _previous(self, key: Key) -> Json:
        """Return an empty prevResult for what never gave one, as runtimes send none for it."""
        results: dict[Any, Json] = self.world.networks[key.network].results
        has_result = any(each.container.name == key.container for each in results)
        return {} if has_result else {"prevResult": {"cniVersion": "1.1.0"}}


def _publishing(port: int) -> Json:
    """Return what a runtime says with every command for the attachment."""
    if not port:
        return {}
    return {"runtimeConfig": {"portMappings": [{"hostPort": port, "containerPort": 80}]}}


def _code(run: Run) -> int:
    code = OK if run.status == OK else int(run.error()["code"])
    assert code != BUG, run
    return code
