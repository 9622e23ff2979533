"""What can fail of the stores that `day` uses: Leases in the tests' own API server, and three members of etcd.

Connection, records and credentials fail; each is over when the function returns.
"""

import json
import os
import shlex
import signal
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests.cluster.apiserver import ApiServer, Document, kubeconfig, serving
from tests.cluster.hurried_etcd import Front, front
from tests.lab.agents import Node, Nodes

ADDRESS = "192.0.2.200"
NAMES = range(1, 6)  # of records that no agent wrote
DEEP = "[" * 100_000
PREFIX = "/cni-bridge/pods/"
# Who may do all, and the agents.
ROOT, AGENT, FIRST = "root", "agent", "first"
USERS = (
    f"user add {ROOT}:{ROOT}",
    f"user grant-role {ROOT} root",
    "role add agents",
    "role grant-permission agents --prefix=true readwrite /cni-bridge/",
    f"user add {AGENT}:{FIRST}",
    f"user grant-role {AGENT} agents",
    "auth enable",
)
ATTEMPTS = 10
ENDED_S = 0.1  # until streams have ended
Failure = Callable[[Node], None]


def spoilt(record: str, random: Random) -> str | None:
    """Return one that no agent writes; None for no record at all."""
    ways: tuple[str | None, ...] = (
        *(None, "", "no JSON", DEEP, "{}", "[]", '{"mtu": Infinity}', '{"host": 7}'),
        *(record.replace("192.0.2.", "nowhere."), record.replace("1500", "7")),
        record.replace("1500", "9000"),
    )
    return random.choice([each for each in ways if each != record])


class Leases:
    """The Kubernetes store."""

    def __init__(self, directory: Path, random: Random, wait: Callable[[], None]) -> None:
        self._directory = directory
        self._token = directory / "token"
        self._kubeconfig = directory / "kubeconfig"
        self._random = random
        self._wait = wait
        self._spoilt = ("", "")
        self._server = ApiServer()
        self.config: dict[str, Any] = {"store": "kubernetes", "kubeconfig": str(self._kubeconfig)}

    @contextmanager
    def serving(self, hosts: Nodes, hurry: int) -> Iterator[None]:
        """Let it answer."""
        del hosts
        with serving(ADDRESS) as self._server:
            self._server.hurry = hurry
            self._server.token = FIRST
            self._token.write_text(FIRST)
            kubeconfig(self._server, self._directory, tokenFile=str(self._token))
            yield

    def failures(self) -> tuple[Failure, ...]:
        """Return all."""
        return (
            *(self.server_down, self.forgotten_changes, self.ended_watches),
            *(self.junk_record, self.spoilt_host, self.spoilt_block, self.deleted_host),
            *(self.renewed_token, self.missing_token, self.bad_kubeconfig),
        )

    # ------------------------------------------------------------ connection

    def server_down(self, _node: Node) -> None:
        self._server.is_down = True
        self._wait()
        self._server.is_down = False

    def ended_watches(self, _node: Node) -> None:
        """All streams end at once, and the next are accepted."""
        self._server.is_down = True
        self._server.is_down = False

    def forgotten_changes(self, _node: Node) -> None:
        self._server.is_down = True
        self._server.forget_changes()
        self._server.is_down = False

    # ------------------------------------------------------------ record

    def junk_record(self, _node: Node) -> None:
        """Put a record that no agent wrote, and delete it again later."""
        name = f"junk-{self._random.choice(NAMES)}"
        known = next(iter(self._server.objects["leases"].values()))
        item = json.loads(json.dumps(known))
        item["metadata"]["name"] = known["metadata"]["name"][: len("cni-bridge-") + 12] + f"-{name}"
        self._spoil(item)
        self._server.put("leases", item, "ADDED")
        self._wait()
        self._server.put("leases", item, "DELETED")
        self._server.objects["leases"].pop(item["metadata"]["name"], None)

    def spoilt_host(self, _node: Node) -> None:
        self._overwrite("-host-")

    def spoilt_block(self, _node: Node) -> None:
        """Spoil a block's record, and put the old one back later."""
        before = self._overwrite("-block-")
        self._wait()
        if before and self._is_spoilt(before["metadata"]["name"]):
            self._server.put("leases", before)

    def deleted_host(self, _node: Node) -> None:
        item = self._one_of("-host-")
        if item:
            self._server.put("leases", item, "DELETED")
            self._server.objects["leases"].pop(item["metadata"]["name"], None)

    def _one_of(self, kind: str) -> Document | None:
        known = [each for name, each in self._server.objects["leases"].items() if kind in name]
        return json.loads(json.dumps(self._random.choice(known))) if known else None

    def _overwrite(self, kind: str) -> Document | None:
        before = self._one_of(kind)
        if before:
            item = json.loads(json.dumps(before))
            self._spoil(item)
            self._server.put("leases", item)
            self._spoilt = item["metadata"]["name"], item["metadata"]["resourceVersion"]
        return before

    def _is_spoilt(self, name: str) -> bool:
        """Whether the record is still as it was spoilt: no agent has written it since."""
        known = self._server.objects["leases"].get(name)
        return known is not None and (name, known["metadata"]["resourceVersion"]) == self._spoilt

    def _spoil(self, item: Document) -> None:
        notes = item["metadata"].setdefault("annotations", {})
        way = spoilt(notes.get("cni-bridge/record", "{}"), self._random)
        if way is None:
            notes.pop("cni-bridge/record", None)
        else:
            notes["cni-bridge/record"] = way

    # ------------------------------------------------------------ credential

    def renewed_token(self, _node: Node) -> None:
        """Change the server's token before that in the file."""
        self._server.token = str(self._random.random())
        self._wait()
        self._token.write_text(self._server.token)

    def missing_token(self, _node: Node) -> None:
        self._token.unlink()
        self._wait()
        self._token.write_text(self._server.token)

    def bad_kubeconfig(self, _node: Node) -> None:
        good = self._kubeconfig.read_text()
        self._kubeconfig.write_text(self._random.choice(("", "{", "users: []", "{}", good[:90])))
        self._wait()
        self._kubeconfig.write_text(good)


class Keys:
    """The etcd store, of three members with users."""

    def __init__(self, directory: Path, random: Random, wait: Callable[[], None]) -> None:
        self._password = directory / "password"
        self._random = random
        self._wait = wait
        self._hosts: Nodes | None = None
        self._fronts: list[Front] = []
        os.environ["ETCD_BCRYPT_COST"] = "4"  # or members are busy with passwords only
        self.config: dict[str, Any] = {"username": AGENT, "passwordFile": str(self._password)}

    @contextmanager
    def serving(self, hosts: Nodes, hurry: int) -> Iterator[None]:
        """Let it know its users, and answer at addresses that the hosts are told."""
        self._hosts = hosts
        self._password.write_text(FIRST)
        for words in USERS:
            hosts.store.ctl(*shlex.split(words))
        os.environ["ETCDCTL_USER"] = f"{ROOT}:{ROOT}"
        with ExitStack() as ended:
            self._fronts = [
                ended.enter_context(front(ADDRESS, each, hurry)) for each in hosts.store.endpoints
            ]
            for node in hosts.nodes.values():
                node.config["cluster"]["endpoints"] = [each.url for each in self._fronts]
            yield

    def failures(self) -> tuple[Failure, ...]:
        """Return all."""
        return (
            *(self.store_down, self.forgotten_changes, self.ended_watches),
            *(self.killed_leader, self.stopped_leader),
            *(self.junk_record, self.spoilt_host, self.spoilt_block),
            *(self.deleted_host, self.deleted_member),
            *(self.renewed_password, self.missing_password),
        )

    def _ctl(self, *words: str) -> Any:
        """Return what etcdctl says, which may ask while a leader is elected."""
        assert self._hosts
        for _attempt in range(ATTEMPTS):
            try:
                return self._hosts.store.ctl(*words)
            except AssertionError:
                time.sleep(1)
        return self._hosts.store.ctl(*words)

    # ------------------------------------------------------------ connection

    def _be_down(self, is_down: bool) -> None:
        for each in self._fronts:
            each.is_down = is_down

    def store_down(self, _node: Node) -> None:
        self._be_down(True)
        self._wait()
        self._be_down(False)

    def ended_watches(self, _node: Node) -> None:
        """All streams end at once, and the next are accepted."""
        self._be_down(True)
        time.sleep(ENDED_S)
        self._be_down(False)

    def forgotten_changes(self, _node: Node) -> None:
        """Change something while no agent watches, and compact it."""
        self._be_down(True)
        self._ctl("put", PREFIX + "junk", "1")
        done = self._ctl("del", PREFIX + "junk")
        self._ctl("compaction", str(done["header"]["revision"]))
        time.sleep(ENDED_S)
        self._be_down(False)

    def killed_leader(self, _node: Node) -> None:
        assert self._hosts
        self._hosts.store.leader().kill()
        self._wait()
        self._hosts.store.start()

    def stopped_leader(self, _node: Node) -> None:
        """Let it believe afterwards that it leads."""
        assert self._hosts
        leader = self._hosts.store.leader()
        leader.tell(signal.SIGSTOP)
        self._wait()
        leader.tell(signal.SIGCONT)

    # ------------------------------------------------------------ record

    def junk_record(self, _node: Node) -> None:
        """Put a record that no agent wrote, and delete it again later."""
        kind = self._random.choice(("hosts/", "blocks/", "members/", "names/"))
        key = f"{PREFIX}{kind}junk-{self._random.choice(NAMES)}"
        self._ctl("put", key, spoilt("", self._random) or "")
        self._wait()
        self._ctl("del", key)

    def spoilt_host(self, _node: Node) -> None:
        self._overwrite("hosts/")

    def spoilt_block(self, _node: Node) -> None:
        """Spoil a block's record, and put the old one back later."""
        if not (found := self._overwrite("blocks/")):
            return
        key, before, revision = found
        self._wait()
        known = self._entries(key)
        if known and known[0]["mod_revision"] == revision:
            self._ctl("put", key, before)

    def deleted_host(self, _node: Node) -> None:
        self._delete("hosts/")

    def deleted_member(self, _node: Node) -> None:
        self._delete("members/")

    def _entries(self, key: str) -> list[Document]:
        found: list[Document] = self._ctl("get", "--prefix", key).get("kvs", [])
        return [
            each | {part: b64decode(each.get(part, "")).decode() for part in ("key", "value")}
            for each in found
        ]

    def _delete(self, kind: str) -> None:
        if known := self._entries(PREFIX + kind):
            self._ctl("del", self._random.choice(known)["key"])

    def _overwrite(self, kind: str) -> tuple[str, str, int] | None:
        """Return the key, its value before, and the revision since."""
        if not (known := self._entries(PREFIX + kind)):
            return None
        one = self._random.choice(known)
        way = spoilt(one["value"], self._random)
        done = self._ctl("put", one["key"], way or "")
        return one["key"], one["value"], done["header"]["revision"]

    # ------------------------------------------------------------ credential

    def renewed_password(self, _node: Node) -> None:
        """Change the password before that in the file."""
        assert self._hosts
        new = str(self._random.random())
        endpoints = ",".join(self._hosts.store.endpoints)
        words = (
            "etcdctl",
            "--endpoints",
            endpoints,
            "user",
            "passwd",
            AGENT,
            "--interactive=false",
        )
        subprocess.run(words, input=new, text=True, check=True, capture_output=True, timeout=20)
        self._wait()
        self._password.write_text(new)

    def missing_password(self, _node: Node) -> None:
        before = self._password.read_text()
        self._password.unlink()
        self._wait()
        self._password.write_text(before)
