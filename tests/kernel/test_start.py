"""How the executables start: once, by themselves, and where little is there for them."""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import PLUGIN, PLUGIN_PORTABLE, Attachment, Host, Network, Plugin
from tests.lab.waiting import wait_until

EXECUTABLES = pytest.mark.parametrize(
    "executable", [PLUGIN, PLUGIN_PORTABLE], ids=lambda path: path.name
)


@EXECUTABLES
def test_an_executable_starts_once_with_the_c_library_alone(executable: Path) -> None:
    environment = {"CNI_COMMAND": "VERSION", "LD_DEBUG": "files,libs"}
    done = subprocess.run(
        [executable], env=environment, input="", capture_output=True, text=True, check=True
    )
    assert done.stderr.count("transferring control") == 1
    assert f"={executable.parent}" not in done.stderr  # it is searched for in the system alone
    loaded = [line.split()[-1] for line in done.stderr.splitlines() if "calling init" in line]
    assert {Path(each).name.partition(".")[0] for each in loaded} <= {
        "ld-linux-x86-64",
        "ld-linux-aarch64",
        "libc",
        "libm",
    }


WITHOUT_IMAGE = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=mremap:error=EPERM")
STARTS = pytest.mark.parametrize("prefix", [(), WITHOUT_IMAGE], ids=["image", "ordinary"])


@EXECUTABLES
def test_a_plugin_run_maps_the_image_once_and_opens_no_file_of_its_own(
    executable: Path, tmp_path: Path
) -> None:
    log = tmp_path / "strace.log"
    trace = ("strace", "-o", log, "-e", "trace=mremap,openat,readlink,write")
    environment = {"CNI_COMMAND": "VERSION"}
    subprocess.run((*trace, executable), env=environment, check=True, stdout=subprocess.DEVNULL)
    calls = log.read_text().splitlines()
    mapped = [place for place, call in enumerate(calls) if call.startswith("mremap(")]
    assert len(mapped) == 1
    assert "MREMAP_MAYMOVE|MREMAP_FIXED" in calls[mapped[0]]
    assert [call.partition("(")[0] for call in calls[mapped[0] + 1 :][:2]] == ["readlink", "write"]


@EXECUTABLES
def test_commands_for_people_start_without_the_image(executable: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    subprocess.run(
        ("strace", "-o", log, "-e", "trace=mremap", executable, "--version"),
        env={"PATH": os.environ["PATH"], "CNI_PATH": "/opt/cni/bin"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert "MREMAP_FIXED" not in log.read_text()


@EXECUTABLES
def test_where_the_image_cannot_be_mapped_a_plugin_run_starts_without(
    executable: Path, host: Host, network: Network
) -> None:
    network.plugin = Plugin.at(executable)
    network.config["type"] = executable.name
    container = host.container()
    network.plugin = replace(network.plugin, prefix=WITHOUT_IMAGE)
    network.add(container).result()
    assert container.can_ping("10.88.0.1")
    network.delete(container).assert_silent_success()
    network.config["mtu"] = "large"
    error = network.add(container).error()
    assert (error["code"], "mtu" in error["msg"]) == (7, True)


@STARTS
@pytest.mark.parametrize("is_ignored", [True, False], ids=["ignored", "default"])
def test_a_signal_that_the_runtime_ignores_stays_ignored(
    is_ignored: bool, prefix: tuple[str, ...], host: Host, network: Network
) -> None:
    """An image was made by a process that ignored nothing."""
    container = host.container()
    environment, stdin = network.call("ADD", Attachment(container))
    disposition = signal.SIG_IGN if is_ignored else signal.SIG_DFL
    with subprocess.Popen(
        (*prefix, network.plugin.path),
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, disposition),
    ) as run:
        pid = reading_stdin(run.pid)
        os.kill(pid, signal.SIGINT)
        assert run.stdin
        if is_ignored:
            run.stdin.write(stdin)
        answer = run.communicate(timeout=20)[0]
    assert ('"code": 11' in answer, run.returncode) == (not is_ignored, not is_ignored)
    network.delete(container).assert_silent_success()


def test_an_interruption_is_reported_however_early_it_comes(host: Host, network: Network) -> None:
    early = ("strace", "-qq", "-o", "/dev/null", "-P", "/run/cni-bridge/journal.jsonl")
    network.plugin = replace(network.plugin, prefix=(*early, "-e", "inject=openat:signal=INT"))
    assert network.delete(host.container()).error()["code"] == 11


@EXECUTABLES
def test_del_needs_no_proc(executable: Path, host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    without = ("unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "-")
    network.plugin = replace(Plugin.at(executable), prefix=without)
    network.delete(container).assert_silent_success()
    assert not host.left_behind()


def reading_stdin(pid: int) -> int:
    """Return the process that reads stdin, when it does: this one, or strace's child."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (*children, str(pid)):
            try:
                program = Path(f"/proc/{each}/exe").readlink().name
                if program == PLUGIN.name and "read" in Path(f"/proc/{each}/wchan").read_text():
                    return int(each)
            except FileNotFoundError:  # strace starts a process to see what it may do
                continue
        time.sleep(0.005)
    raise TimeoutError(f"{pid} does not read stdin")


@EXECUTABLES
def test_both_shapes_do_what_reported_faults_were_about(
    executable: Path, host: Host, network: Network
) -> None:
    network.plugin = Plugin.at(executable)
    network.config |= {"type": executable.name, "ipMasq": True, "macspoofchk": True}
    one, two = host.container(), host.container()
    ports = [{"hostPort": 8080, "containerPort": 80}, {"hostPort": 8080, "containerPort": 80}]
    config = {"runtimeConfig": {"portMappings": ports}}
    network.add(one, config=config).result()
    network.add(two).result()
    for each in (one, two) if network.has_check else ():
        network.check(each).assert_silent_success()
    stale = {"CNI_NETNS": str(two.netns)}  # another container's by now
    network.delete(one, environment=stale, config=config).assert_silent_success()
    assert two.can_ping("10.88.0.1")
    network.delete(two, environment={"CNI_NETNS": None}).assert_silent_success()


def test_a_portable_plugin_run_unpacks_nothing(host: Host, network: Network) -> None:
    network.plugin = Plugin.at(PLUGIN_PORTABLE)
    network.config["type"] = PLUGIN_PORTABLE.name
    nowhere = {"TMPDIR": "/proc"}  # where nothing can be made
    container = host.container()
    network.add(container, environment=nowhere).result()
    network.delete(container, environment=nowhere).assert_silent_success()


def test_an_error_that_is_explained_leaves_nothing_unpacked(
    host: Host, network: Network, tmp_path: Path
) -> None:
    network.plugin = Plugin.at(PLUGIN_PORTABLE)
    network.config["mtu"] = "large"
    error = network.add(host.container(), environment={"TMPDIR": str(tmp_path)}).error()
    assert (error["code"], "mtu" in error["msg"]) == (7, True)
    assert list(tmp_path.iterdir()) == []


BUNDLE = PLUGIN.parent / "_internal"
# The host's own copies of the libraries that the executable brings are empty.
WITHOUT_LIBRARIES = """\
for library in $BUNDLED; do
    for copy in /lib/*-linux-gnu/$library /usr/lib/*-linux-gnu/$library; do
        if [ -e $copy ]; then mount --bind /dev/null $copy; fi
    done
done
"$@"
"""


@EXECUTABLES
def test_an_executable_uses_the_libraries_that_it_brings(
    executable: Path, host: Host, network: Network
) -> None:
    names = [each.name for each in BUNDLE.glob("*.so*")]
    assert any(name.startswith("libffi") for name in names)
    variables = ("env", f"BUNDLED={' '.join(names)}")
    prefix = (*variables, "unshare", "--mount", "sh", "-c", WITHOUT_LIBRARIES, "sh")
    done = subprocess.run((*prefix, executable, "doctor"), capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "checked: 0 containers" in done.stdout
    network.config["mtu"] = "large"
    network.plugin = replace(Plugin.at(executable), prefix=prefix)
    error = network.add(host.container()).error()
    assert (error["code"], "mtu" in error["msg"]) == (7, True)


def test_bundled_libraries_find_each_other() -> None:
    words: tuple[str | Path, ...] = ("ldd", *BUNDLE.rglob("*.so*"))
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for name in (each.name for each in BUNDLE.glob("*.so*")):
        assert not re.findall(rf"{re.escape(name)} => (?!{BUNDLE})\S+", found)


# Everywhere that is tried, or TMPDIR alone, is such a file system; what is left there is printed.
PLACES = ("/tmp", "/var/tmp", "/run", "/dev/shm")
# The executable itself may lie below one of them.
IN_SUCH_PLACES = """\
mount --bind "$DIST" /mnt
mount -t tmpfs unpacking /var/tmp # other tests unpack into the machine's
for place in $PLACES; do mount -t tmpfs -o "$KIND" unpacking $place; done
"/mnt${0#"$DIST"}" "$@"
status=$?
for place in $PLACES /var/tmp; do find $place -mindepth 1 -name 'cni-bridge-*' >&2; done
exit $status
"""
KINDS = pytest.mark.parametrize("kind", ["noexec", "ro", "size=1m"])


def in_such_places(kind: str, *places: str) -> tuple[str, ...]:
    """Return what runs a command in a mount namespace of its own."""
    dist = f"DIST={PLUGIN_PORTABLE.parent}"
    variables = (dist, f"KIND={kind}", f"PLACES={' '.join(places)}", f"TMPDIR={places[0]}")
    return ("env", *variables, "unshare", "--mount", "sh", "-c", IN_SUCH_PLACES)


@EXECUTABLES
@KINDS
def test_a_command_runs_where_tmpdir_does_not_serve(executable: Path, kind: str) -> None:
    words = (*in_such_places(kind, "/tmp"), str(executable), "show")
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@KINDS
def test_a_command_that_can_be_unpacked_nowhere_says_what_to_do(kind: str) -> None:
    words = (*in_such_places(kind, *PLACES), str(PLUGIN_PORTABLE), "show")
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    why = {"noexec": " is mounted noexec", "ro": ": Read-only file system"}
    refusals = ", ".join(place + why.get(kind, ": No space left on device") for place in PLACES)
    assert done.stderr == (
        "cni-bridge can't run: nowhere to unpack its library: set TMPDIR to a directory with 30 MB free "
        f"that is not mounted noexec ({refusals})\n"
    )


@KINDS
def test_an_error_that_can_not_be_explained_is_still_one_in_json(
    kind: str, host: Host, network: Network
) -> None:
    network.config["mtu"] = "large"
    places = tuple(place for place in PLACES if place != "/run")  # the namespaces are there
    prefix = in_such_places(kind, *places)
    if kind == "noexec":
        prefix = (
            "unshare",
            "--mount",
            "sh",
            "-c",
            'mount -o remount,bind,noexec /run; "$@"',
            "sh",
            *prefix,
        )
    network.plugin = replace(Plugin.at(PLUGIN_PORTABLE), prefix=prefix)
    error = network.add(host.container()).error()
    if kind == "noexec":
        assert (error["code"], "set TMPDIR to a directory" in error["msg"]) == (5, True)
    else:
        assert (error["code"], "mtu" in error["msg"]) == (7, True)
    assert list(Path("/run").glob("cni-bridge-*")) == []


@EXECUTABLES
@pytest.mark.parametrize("limit", [0, 1, 4096, 40_960])
def test_a_limit_of_files_sizes_is_no_reason_to_die(
    executable: Path, limit: int, host: Host, network: Network
) -> None:
    network.config["type"] = executable.name
    container = host.container()
    network.plugin = replace(Plugin.at(executable), prefix=("prlimit", f"--fsize={limit}"))
    run = network.add(container)
    assert run.status == 0 or run.error()["code"] == 5, run
    network.plugin = Plugin.at(executable)
    network.delete(container).assert_silent_success()
    host.assert_as_before()


@EXECUTABLES
def test_memory_that_a_full_disk_does_not_back_is_an_error_of_its_own(
    executable: Path, host: Host, network: Network
) -> None:
    network.plugin = Plugin.at(executable)
    environment, _ = network.call("ADD", Attachment(host.container()))
    with subprocess.Popen(
        [executable], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        wait_until(Path("/run/cni-bridge/journal.jsonl").exists)  # it waits for stdin now
        process.send_signal(signal.SIGBUS)
        answer, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert json.loads(answer)["code"] == 5


@EXECUTABLES
def test_a_journal_that_may_not_grow_is_no_reason_to_fail(
    executable: Path, host: Host, network: Network
) -> None:
    network.config["type"] = executable.name
    network.plugin = Plugin.at(executable)
    container = host.container()
    network.add(container).result()
    network.delete(container).assert_silent_success()
    with open("/run/cni-bridge/journal.jsonl", "a") as journal:
        journal.write("\n" * 300_000)
    network.plugin = replace(network.plugin, prefix=("prlimit", "--fsize=200000"))
    network.add(container).result()
    network.delete(container).assert_silent_success()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_portable_command_that_is_stopped_leaves_nothing_in_tmp(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    words = (PLUGIN_PORTABLE, "show", "--watch")
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as watching:
        assert watching.stdout
        assert watching.stdout.readline()
        assert list(tmp_path.iterdir()) != []
        watching.send_signal(number)
        watching.wait(timeout=20)
    assert list(tmp_path.iterdir()) == []


def test_a_portable_command_that_is_stopped_while_it_unpacks_leaves_nothing(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    stop = ("strace", "-o", "/dev/null", "-e", "inject=mkdir:signal=SIGTERM:when=2")
    done = subprocess.run((*stop, PLUGIN_PORTABLE, "show"), env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, b"", b"")
    assert list(tmp_path.iterdir()) == []


@EXECUTABLES
def test_commands_for_people_leave_nothing_in_tmp(executable: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [executable, "--version"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.startswith("cni-bridge "), done.stderr) == (0, True, "")
    assert list(tmp_path.iterdir()) == []
