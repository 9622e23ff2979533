"""`python -m tests.traffic [FILE]`: runs everything on every stack here, and writes the table.

Only what is run and how it is shown; what should come of it stands beside the rows.
"""

import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab import ROOT, Host
from tests.lab.namespaces import become_root
from tests.lab.stacks import STACKS, Stack
from tests.lab.town import Town
from tests.traffic.attacks import ATTACKS, Attack
from tests.traffic.forgeries import FORGERIES, KEYS, Forgery, passing
from tests.traffic.races import RACES, Race, passed
from tests.traffic.rows import WAYS, Answers, Row, Setting, Way, answers
from tests.traffic.scenes import SETTINGS
from tests.traffic.trials import TRIALS, Trial

TABLE = ROOT / "docs/evidence/firewall-proof.md"
RACES_EACH = 100
RIGHT, LACKING = "✓", "none"
TRIALS_OF_ATTACKS = 120  # each reserved group address, in both families
INTRODUCTION = """\
# Firewall proof

Written by `make proof`: every line was run with real packets between namespaces, on {machine}. ✓: the expected
outcome; otherwise the actual one; none: the stack does not have the feature. Each row of the first tables is tried with IPv4 and IPv6,
with TCP and UDP, with and without br_netfilter. `a1` and `a2` are containers of network a, `b1` of b, `world` is another machine. An answer
names the container that answered, the port, and the source address that it saw. The reference is bridge and portmap v1.10.0, with
`hairpinMode`, and its firewall plugin for isolation.

The kernel tests (`tests/kernel/test_traffic_*.py`) assert the column of cni-bridge.
"""


def main() -> None:
    """Write the table."""
    become_root()
    stacks = [stack for stack in STACKS if stack.is_here]
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE
    machine = f"Linux {platform.release()}, {_version('nft', '--version')}"
    parts = [INTRODUCTION.format(machine=machine)]
    parts += [_setting_text(setting, stacks) for setting in SETTINGS]
    parts += [_trials_text(stacks), _races_text(stacks), _forgeries_text(stacks)]
    parts += [_attacks_text(stacks[:2])]
    target.write_text("\n".join(parts))
    print(f"written: {target}")


def _setting_text(setting: Setting, stacks: list[Stack]) -> str:
    cells = [_shown(setting, stack) for stack in stacks]
    lines = [
        (row.about, f"{row.asker} → {row.address}:{row.port}", row.want, *(c[row] for c in cells))
        for row in setting.rows
    ]
    head = ("", "asked", "answer", *(stack.name for stack in stacks))
    return _section(_capital(setting.about), head, lines)


def _shown(setting: Setting, stack: Stack) -> Mapping[Row, str]:
    """One stack's cells for a setting."""
    if not _offered(stack, setting.networks.values()):
        return dict.fromkeys(setting.rows, LACKING)
    with _town(stack) as town:
        try:
            setting.build(town)
        except AssertionError:
            return dict.fromkeys(setting.rows, "ADD fails")
        found = answers(town, setting.rows)
    return {row: _cell(row, found) for row in setting.rows}


def _cell(row: Row, found: Answers) -> str:
    wrong = found.unwanted(row)
    ways = {said: {way for way in wrong if wrong[way] == said} for said in wrong.values()}
    everywhere = set(found.by_row[row])
    return (
        "; ".join(f"{_where(some, everywhere)}{said}" for said, some in sorted(ways.items()))
        or RIGHT
    )


def _where(some: set[Way], everywhere: set[Way]) -> str:
    """Return what these ways have in common that no other has."""
    if some == everywhere:
        return ""
    kinds: dict[str, Callable[[Way], bool]] = {
        "with br_netfilter: ": lambda way: way.bridged,
        "without br_netfilter: ": lambda way: not way.bridged,
        "IPv4: ": lambda way: way.family == 4,
        "IPv6: ": lambda way: way.family == 6,
        "TCP: ": lambda way: way.protocol == "tcp",
        "UDP: ": lambda way: way.protocol == "udp",
    }
    for text, is_such in kinds.items():
        if some == {way for way in everywhere if is_such(way)}:
            return text
    return f"{', '.join(sorted(map(str, some)))}: "


def _trials_text(stacks: list[Stack]) -> str:
    lines = [
        (trial.about, trial.want, *(_tried(trial, stack) for stack in stacks)) for trial in TRIALS
    ]
    return _section("Trials", ("", "outcome", *(stack.name for stack in stacks)), lines)


def _tried(trial: Trial, stack: Stack) -> str:
    if not _offered(stack, trial.networks.values()):
        return LACKING
    with _town(stack) as town:
        said = trial.outcome(town)
    return RIGHT if said == trial.want else said


def _races_text(stacks: list[Stack]) -> str:
    """How often a container that sends at once got something through during ADD and DEL."""
    lines = [(race.about, *(_raced(race, stack) for stack in stacks)) for race in RACES]
    head = (f"passed in {RACES_EACH} ADDs and DELs", *(stack.name for stack in stacks))
    return _section("Races", head, lines)


def _raced(race: Race, stack: Stack) -> str:
    if not stack.offers(dict(race.config)):
        return LACKING
    with _town(stack) as town, tempfile.TemporaryDirectory() as scratch:
        count = passed(race, town, RACES_EACH, Path(scratch))
    return f"**{count}**" if count else f"0 {RIGHT}"


def _forgeries_text(stacks: list[Stack]) -> str:
    """One column for each stack and each key that it has."""
    columns = [
        (stack, about)
        for about, (config, _) in KEYS.items()
        for stack in stacks[:2]  # the reference's check does not depend on the backend
        if config and stack.offers(config)
    ]
    passed = {column: _passed(*column) for column in columns}
    lines = [
        (
            each.about,
            *(_forgery_cell(each, about, passed[stack, about]) for stack, about in columns),
        )
        for each in FORGERIES
    ]
    head = ("a frame from a1 to a2", *(f"{stack.name}: {about}" for stack, about in columns))
    return _section("Forged frames", head, lines)


def _attacks_text(stacks: list[Stack]) -> str:
    lines = [
        (attack.about, str(TRIALS_OF_ATTACKS), *(_attacked(attack, stack) for stack in stacks))
        for attack in ATTACKS
    ]
    head = ("attack", "trials", *(f"{stack.name}: passed" for stack in stacks))
    return _section("Attacks", head, lines)


def _attacked(attack: Attack, stack: Stack) -> str:
    offered = attack.on(stack)
    if offered is None:
        return LACKING
    with _town(stack) as town:
        try:
            passed = offered.run(town, TRIALS_OF_ATTACKS)
        except AssertionError as error:
            return f"not tried: {error}".splitlines()[0]
    return f"{passed} {RIGHT}" if not passed else f"**{passed}**"


def _passed(stack: Stack, about: str) -> set[Forgery]:
    """Return what passes with br_netfilter or without."""
    with _town(stack) as town:
        town.network("a", **KEYS[about][0])
        town.attach("a1")
        town.attach("a2")
        found: set[Forgery] = set()
        for bridged in WAYS:
            town.filter_bridged(bridged)
            found |= passing(town)
    return found


def _forgery_cell(each: Forgery, about: str, passed: set[Forgery]) -> str:
    said = "passes" if each in passed else "stopped"
    return f"{said} {RIGHT}" if (each in passed) == KEYS[about][1](each) else f"**{said}**"


@contextmanager
def _town(stack: Stack) -> Iterator[Town]:
    with Host() as host, Town(host, stack) as town:
        yield town


def _offered(stack: Stack, networks: Iterable[Mapping[str, object]]) -> bool:
    return all(stack.offers(dict(config)) for config in networks)


def _section(title: str, head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    head = list(head)
    rows = [head, ["---"] * len(head), *lines]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _capital(text: str) -> str:
    return text if text.startswith(("ipMasq", "icc")) else text[0].upper() + text[1:]


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split(" (")[0].strip()


if __name__ == "__main__":
    main()
