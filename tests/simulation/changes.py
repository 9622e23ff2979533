"""Commands that change a container while it runs, each carried out and noted in the model."""

import json
from collections import Counter

from tests.lab.containers import Container
from tests.lab.network import Attachment, bare
from tests.lab.plugin import Run
from tests.simulation.model import OK, Model
from tests.simulation.oracles import Key
from tests.simulation.world import KILLED, Sight, World

Fault = tuple[str, int] | None
PUBLISHING = ("publish", "unpublish")
PARTING = ("isolate", "join")
VERBS = (*PUBLISHING, *PUBLISHING, *PARTING, "limit", "connect", "connect", "disconnect")
MEGABIT = 125_000  # bytes


class Changes:
    """What people do to the containers of a world."""

    def __init__(self, world: World, model: Model, tally: Counter[str]) -> None:
        self._world = world
        self._model = model
        self._tally = tally

    def may_be(self, verb: str) -> list[Key]:
        """Return the attachments that a verb can change."""
        host = {name for name, kind in self._model.kinds.items() if not kind.has_own_ledger}
        return [
            key for key in self._model.living() if verb not in PUBLISHING or key.network in host
        ]

    def carry_out(self, verb: str, key: Key, number: int, seen: Sight, fault: Fault) -> None:
        """Do it; `number` is a port, or chooses a limit."""
        if verb == "publish":
            self._publish(key, number, seen, fault)
        elif verb == "unpublish":
            self._unpublish(key, number, fault)
        elif verb in PARTING:
            self._part(key, verb, fault)
        elif verb == "limit":
            self._limit(key, number % 3, fault)
        else:
            self._disconnect(key)

    def connect(self, key: Key, seen: Sight) -> None:
        """Attach a container that lives to a network that it is not attached to."""
        expected = self._model.answer(key, 0, seen, is_alive=True)
        words = ("--ifname", key.ifname, "--alias", key.container, "--json")
        run = self._run(key, None, "connect", key.network, key.container, *words)
        assert (run.status == 0) == (expected == OK), f"expected {expected}: {run}"
        if expected == OK:
            addresses = frozenset(map(bare, json.loads(run.stdout)["addresses"]))
            last = self._model.expected(key, seen)
            assert last in (None, addresses), f"{key} had {last}, and has {addresses}"
            self._model.add(key, addresses, 0)
            self._results(key)[_attachment(key)] = self._world.cached(key)

    def _disconnect(self, key: Key) -> None:
        words = (key.network, key.container, "--ifname", key.ifname)
        run = self._run(key, None, "disconnect", *words)
        assert run.status == 0, run
        del self._model.entries[key]
        self._results(key).pop(_attachment(key), None)

    def _publish(self, key: Key, port: int, seen: Sight, fault: Fault) -> None:
        holder = seen.ports.get(port, key)
        run = self._run(key, fault, "publish", *_words(key), f"{port}:80")
        if run.status in KILLED:
            self._model.doubt({key} if holder not in self._model.entries else {key, holder})
            return
        is_free = self._model.is_free(port, key, seen, seen.leases)
        assert (run.status == 0) == is_free, f"{port} of {holder}: {run}"
        if is_free:
            published = self._model.entries[key].published | {port}
            self._model.change(key, published=published)

    def _unpublish(self, key: Key, port: int, fault: Fault) -> None:
        published = self._model.entries[key].published
        run = self._run(key, fault, "unpublish", *_words(key), str(port))
        if run.status in KILLED:
            self._model.doubt({key})
            return
        assert (run.status == 0) == (port in published), run
        if port in published:
            self._model.change(key, published=published - {port})

    def _part(self, key: Key, verb: str, fault: Fault) -> None:
        run = self._run(key, fault, verb, *_words(key))
        if run.status in KILLED:
            self._model.doubt({key})
            return
        assert run.status == 0, run
        self._model.change(key, is_isolated=verb == "isolate")

    def _limit(self, key: Key, number: int, fault: Fault) -> None:
        wanted = f"{number}M" if number else "none"
        run = self._run(key, fault, "limit", *_words(key), "--ingress", wanted, "--egress", wanted)
        if run.status in KILLED:
            self._model.doubt({key})
        elif run.status == 0 or "this kernel can't limit" not in run.stderr:
            assert run.status == 0, run
            self._model.change(key, limit=number * MEGABIT)

    def _run(self, key: Key, fault: Fault, verb: str, *words: str) -> Run:
        run = self._world.change(key, verb, *words, fault=fault)
        assert "Traceback" not in run.stderr, run
        self._tally[f"{verb} {'killed' if run.status in KILLED else run.status}"] += 1
        return run

    def _results(self, key: Key) -> dict[Attachment, object]:
        return self._world.networks[key.network].results  # type: ignore[return-value]


def _words(key: Key) -> tuple[str, ...]:
    return key.container, "--network", key.network


def _attachment(key: Key) -> Attachment:
    return Attachment(Container(key.container), key.ifname)
