"""The ledger or its directory is broken, in every way: what each command does then."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from tests.lab import Host, Json, Network
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import mount
from tests.lab.people import printed
from tests.lab.state import LEDGER

STATE_DIR = LEDGER.parent
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 0x1000
IO_FAILURE, TRY_AGAIN, NOT_AVAILABLE = 5, 11, 50
PUBLISHED: Json = {
    "ipMasq": True,
    "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
}


@pytest.fixture
def version() -> str:
    """Return what becomes of the ledger does not depend on the spec version."""
    return "1.1.0"


# ---------------------------------------------------------------- the ways to break


def damaged() -> None:
    LEDGER.write_bytes(b"this was a database once " * 200)


def truncated() -> None:
    os.truncate(LEDGER, 5000)


def a_directory() -> None:
    LEDGER.unlink()
    LEDGER.mkdir()


def a_symbolic_link() -> None:
    LEDGER.rename(f"{LEDGER}.moved")
    LEDGER.symlink_to(f"{LEDGER}.moved")


def writable_by_others() -> None:
    LEDGER.chmod(0o666)


def newer() -> None:
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("update ledger set schema_version = 99")


def sql(statement: str) -> None:
    """Run a statement, whatever the constraints say."""
    with closing(sqlite3.connect(LEDGER)) as ledger, ledger:
        ledger.execute("pragma ignore_check_constraints = on")
        ledger.execute(statement)


def in_an_open_directory() -> None:
    STATE_DIR.chmod(0o777)


def in_a_linked_directory() -> None:
    STATE_DIR.rename("/run/elsewhere")
    STATE_DIR.symlink_to("/run/elsewhere")


def in_a_strangers_directory() -> None:
    os.chown(STATE_DIR, 1234, 1234)


def read_only() -> None:
    mount(str(STATE_DIR), STATE_DIR, flags=MS_BIND)
    mount("none", STATE_DIR, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def on_a_full_disk() -> None:
    """Put the ledger on a file system that has no byte left for a journal."""
    content = LEDGER.read_bytes()
    mount("tmpfs", STATE_DIR, "tmpfs", options=f"mode=0700,size={len(content)}")
    LEDGER.touch(0o600)
    LEDGER.write_bytes(content)


def without_its_row() -> None:
    sql("delete from ledger")


def with_text_for_a_version() -> None:
    sql("update ledger set schema_version = 'six'")


UNREADABLE = (
    *(without_its_row, with_text_for_a_version),
    *(damaged, truncated, a_directory, a_symbolic_link, writable_by_others, newer),
    *(in_an_open_directory, in_a_linked_directory, in_a_strangers_directory),
)
UNWRITABLE = (read_only, on_a_full_disk)
Break = Callable[[], None]


@contextmanager
def locked(how: str) -> Iterator[None]:
    """Another connection, of this process, has the ledger locked."""
    with closing(sqlite3.connect(LEDGER, isolation_level=None)) as other:
        other.execute(f"begin {how}")
        yield
        other.execute("rollback")


def forget(host: Host) -> None:
    """Exempt the broken ledger from the check that every test ends with."""
    host.networks.clear()
    for name in {*links(), "cni0"}:
        ip("link", "del", name)
    subprocess.run(["umount", "-l", STATE_DIR], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", STATE_DIR], check=True)
    host.remember()


def ports() -> set[str]:
    """Return the elements of our maps of published ports."""
    command = ("nft", "list", "table", "inet", "cni_bridge")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.strip() for line in listed.splitlines() if ":" in line and "8080" in line}


def links() -> set[str]:
    """All interfaces of the host but the bridge."""
    return {link["ifname"] for link in ip_json("link")} - {"lo", "cni0"}


# ---------------------------------------------------------------- what each command does


@pytest.mark.parametrize("how", UNREADABLE)
@pytest.mark.parametrize("changes", [{}, PUBLISHED], ids=["plain", "published"])
def test_del_removes_what_the_names_allow_whatever_is_wrong_with_the_ledger(
    how: Break, changes: Json, host: Host, network: Network
) -> None:
    network.config.update(changes)
    container = host.container()
    network.add(container).result()
    assert bool(changes) == bool(changes and ports())
    how()
    run = network.delete(container)
    run.assert_silent_success()
    assert str(STATE_DIR) in run.stderr
    assert container.links() == {"lo"}
    assert links() == set()
    assert not changes or ports() == set()
    network.delete(container).assert_silent_success()
    forget(host)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into ledger values (2, 6, 1, 1)",
        "update holding set created = 'yesterday'",
        "update holding set netns_path = 5",
        "update holding set boot_id = cast(x'ff' as text)",
        "update element set key = 'text'",
        "drop table lease",
    ],
)
def test_del_and_restore_need_no_ledger_that_can_be_understood(
    statement: str, host: Host, network: Network
) -> None:
    network.config.update(PUBLISHED)
    one, two = host.container(), host.container()
    network.add(one).result()
    network.config.pop("runtimeConfig")
    network.add(two).result()
    sql(statement)
    network.delete(one).assert_silent_success()
    assert one.links() == {"lo"}
    assert ports() == set()
    told = printed("restore", "--from-kernel")
    assert "moved it to" in told or "drop" not in statement
    network.check(two).assert_silent_success()
    network.delete(two).assert_silent_success()
    assert links() == set()
    forget(host)


def test_a_directory_too_deep_for_sqlite_is_refused_and_not_made(
    host: Host, network: Network
) -> None:
    network.config["ipam"]["dataDir"] = "/run/deep" + "/d" * 2000
    container = host.container()
    error = network.add(container).error()
    assert error["code"] == IO_FAILURE
    assert "SQLite takes" in error["msg"]
    assert "Set ipam.dataDir to a shorter path" in error["details"]
    network.delete(container).assert_silent_success()
    assert not os.path.exists("/run/deep")


@pytest.mark.parametrize("how", UNWRITABLE)
@pytest.mark.parametrize("changes", [{}, PUBLISHED], ids=["plain", "published"])
def test_del_removes_all_but_the_record_when_the_ledger_can_not_be_written(
    how: Break, changes: Json, host: Host, network: Network
) -> None:
    network.config.update(changes)
    container = host.container()
    network.add(container).result()
    how()
    run = network.delete(container)
    run.assert_silent_success()
    assert str(LEDGER) in run.stderr
    assert links() == set()
    assert not changes or ports() == set()
    forget(host)


@pytest.mark.parametrize("how", [*UNREADABLE, *UNWRITABLE])
def test_the_others_say_what_is_wrong_and_change_nothing(
    how: Break, host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    how()
    before = links()
    for run in (network.add(two), *([network.check(one)] if how in UNREADABLE else [])):
        error = run.error()
        assert error["code"] == IO_FAILURE
        assert str(STATE_DIR) in error["msg"]
        assert error["details"]
    assert (links(), two.links()) == (before, {"lo"})
    assert network.do("STATUS", one, "eth0").error()["code"] == NOT_AVAILABLE
    assert one.can_ping("10.88.0.1")
    forget(host)


@pytest.mark.parametrize("how", UNREADABLE)
def test_gc_removes_what_the_kernel_shows_and_then_says_what_is_wrong(
    how: Break, host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    network.add(two).result()
    how()
    kept = [{"containerID": two.name, "ifname": "eth0"}]
    error = network.do("GC", one, "eth0", config={"cni.dev/valid-attachments": kept}).error()
    assert error["code"] == IO_FAILURE
    assert str(STATE_DIR) in error["msg"]
    assert one.links() == {"lo"}
    assert two.can_ping("10.88.0.1")
    forget(host)


def test_a_ledger_of_no_bytes_is_made_anew(host: Host, network: Network) -> None:
    STATE_DIR.mkdir(0o700)
    LEDGER.touch(0o600)
    container = host.container()
    network.add(container).result()
    assert container.can_ping("10.88.0.1")


def test_the_directory_and_the_file_are_ours_alone_whatever_the_umask(
    host: Host, network: Network
) -> None:
    before = os.umask(0)
    try:
        network.add(host.container()).result()
    finally:
        os.umask(before)
    assert STATE_DIR.stat().st_mode & 0o7777 == 0o700
    assert LEDGER.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("how", ["immediate", "exclusive"])
def test_a_lock_that_is_not_given_back_is_waited_for_and_its_holder_named(
    how: str, host: Host, network: Network
) -> None:
    one, two = host.container(), host.container()
    network.add(one).result()
    with locked(how):
        add, delete = network.do_each([("ADD", two), ("DEL", one)])
    for run in (add, delete):
        error = run.error()
        assert error["code"] == TRY_AGAIN
        assert f"process {os.getpid()} " in error["details"]
    assert one.links() == two.links() == {"lo"}
    network.delete(one).assert_silent_success()
