"""`cni-bridge validate`: verdicts are the plugin's, places are right, and hints help."""

import json
from pathlib import Path
from typing import Any

import pytest

from cni_bridge.cli import main
from cni_bridge.cli.validate import command as validate
from cni_bridge.cli.validate.findings import ERROR, WARNING
from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError

DATA = Path(__file__).parents[2] / "data/config"
OWN_IPAM = ("", "cni-bridge")
CONF = Path(__file__).parents[3] / "conf"
USUAL: dict[str, Any] = {
    "type": "cni-bridge",
    "bridge": "web0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "ipam": {"type": "cni-bridge", "ranges": [[{"subnet": "10.1.0.0/24"}]]},
}


def conflist(**changes: Any) -> str:
    """Return a config list of one plugin; keywords change that."""
    plugin = {key: value for key, value in (USUAL | changes).items() if value is not None}
    return json.dumps({"cniVersion": "1.0.0", "name": "web", "plugins": [plugin]}, indent=2)


def found(text: str, severity: str, name: str = "web.conflist") -> list[str]:
    """`line: message` of each finding of a kind."""
    (report,) = validate.examine([(name, text)])
    return [
        f"{text.count(chr(10), 0, each.span.start) + 1}: {each.message}"
        for each in report.findings
        if each.severity == severity
    ]


def is_taken(text: str) -> bool:
    """Whether the plugin itself takes a single config."""
    try:
        document = codec.fold(codec.decode(text.encode()), validators.FOLD)
        document = config.prepare(document, "ADD")
        config.parse(document, "", is_delegated=config.ipam_type(document) not in OWN_IPAM)
    except CniError:
        return False
    return True


@pytest.mark.parametrize("file", sorted(DATA.glob("*/*.json")), ids=lambda file: file.stem)
def test_the_verdict_is_the_plugins(file: Path) -> None:
    text = file.read_text(errors="replace")
    assert (found(text, ERROR) == []) == is_taken(text)


@pytest.mark.parametrize("file", sorted(CONF.glob("*.conflist")), ids=lambda file: file.stem)
def test_our_examples_have_no_errors(file: Path) -> None:
    assert found(file.read_text(), ERROR) == []


def test_our_examples_together_give_no_reason_to_say_anything() -> None:
    files = [(file.name, file.read_text()) for file in sorted(CONF.glob("*.conflist"))]
    assert [each.findings for each in validate.examine(files)] == [()] * len(files)


def test_a_usual_list_gives_no_reason_to_say_anything() -> None:
    (report,) = validate.examine([("web.conflist", conflist())])
    assert report.findings == ()


def test_every_mistake_is_found_with_its_own_path() -> None:
    ranges = [[{"subnet": "10.1.0.5/24"}], [{"subnet": "fd00::/64", "rangeStart": "nope"}]]
    routes = [{"dst": "192.0.2.0/24", "gw": "fd00::1"}, {"gw": "10.1.0.1"}]
    text = conflist(
        mtu="1500",
        hairpinMode=True,
        promiscMode=True,
        ipam={"type": "cni-bridge", "ranges": ranges, "routes": routes},
    )
    messages = [line.partition(": ")[2] for line in found(text, ERROR)]
    assert [message.partition(": ")[0].removeprefix("plugins[0].") for message in messages] == [
        "ipam.ranges[0][0]",
        "ipam.ranges[1][0].rangeStart",
        "ipam.routes[0].gw",
        "ipam.routes[1].dst",
        "mtu",
        "cannot set hairpin mode and promiscuous mode at the same time",
    ]


def test_name_and_version_are_both_looked_at() -> None:
    text = conflist().replace('"1.0.0"', '"9.0.0"').replace('"web"', '"../web"')
    assert found(text, ERROR) == [
        "2: incompatible CNI versions",
        "3: invalid characters found in network name",
    ]


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        ({"rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.5"}, 13, "not after its end"),
        ({"rangeStart": "10.2.0.9"}, 13, "not after its end"),
        ({"rangeStart": "10.1.0.9", "rangeEnd": "10.2.0.5"}, 14, "not before its start"),
    ],
)
def test_the_end_of_a_range_that_is_wrong_is_pointed_at(
    wrong: dict[str, str], line: int, words: str
) -> None:
    text = conflist(ipam={"type": "cni-bridge", "subnet": "10.1.0.0/24", **wrong})
    (report,) = validate.examine([("web.conflist", text)])
    (only,) = report.findings
    assert text.count("\n", 0, only.span.start) + 1 == line
    assert only.path == f"plugins[0].ipam.{['rangeStart', 'rangeEnd'][line - 13]}"
    assert only.message.startswith("plugins[0].ipam: Range")
    assert words in only.hint


def test_what_no_runtime_takes_for_want_of_a_plugin_is_an_error() -> None:
    (line,) = found('{"cniVersion": "1.0.0", "name": "web"}', ERROR)
    assert line == "1: `plugins` is missing: a network config needs a list of plugins"


def test_a_mistake_that_follows_from_another_is_not_reported() -> None:
    text = conflist(ipam={"type": "cni-bridge", "subnet": "10.1.0.0/33"})
    (line,) = found(text, ERROR)
    assert "ipam.subnet" in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"name": "x",\n "mtu": }', '2: the key "mtu" has no value'),
        ('{"name": "x",\n "name": "y"}', '2: duplicate key "name"'),
        ("", "1: empty input"),
        ("[1]", "1: expected one object, not a list"),
    ],
)
def test_what_is_not_json_is_pointed_at(text: str, line: str) -> None:
    assert found(text, ERROR) == [line]


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"isGatway": True}, "did you mean `isGateway`?"),
        ({"ipam": {**USUAL["ipam"], "resolveConf": "/x"}}, "did you mean `resolvConf`?"),
        ({"capabilities": {"portMapping": True}}, "did you mean `portMappings`?"),
    ],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(
    changes: dict[str, Any], hint: str
) -> None:
    (report,) = validate.examine([("web.conflist", conflist(**changes))])
    assert [(each.severity, each.hint) for each in report.findings] == [(WARNING, hint)]


@pytest.mark.parametrize("key", ["$schema", "_comment", "example.com/owner"])
def test_a_key_of_somebody_elses_namespace_is_no_typo(key: str) -> None:
    assert found(conflist(**{key: "x"}), WARNING) == []


def test_another_ipam_plugins_keys_are_its_own_business() -> None:
    assert found(conflist(ipam={"type": "dhcp", "daemonSocketPath": "/x"}), WARNING) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bridge": "docker0"}, "Docker's bridge"),
        ({"promiscMode": True}, "twice"),
        ({"ipMasq": None}, "replies never come back"),
        ({"internal": True}, "no default route"),
        ({"subnet": "10.1.0.0/24"}, "belongs in `ipam`"),
        ({"runtimeConfig": {}}, "written by the runtime"),
        ({"ipam": {"type": "cni-bridge", "subnet": "8.8.8.0/24"}}, "public"),
        ({"ipam": None}, "no addresses"),
        (
            {"ipam": {"subnet": "10.1.0.0/24"}, "ipMasq": None},
            "without `ipam.type` the network has no addresses",
        ),
        (
            {
                "isDefaultGateway": False,
                "ipam": {**USUAL["ipam"], "routes": [{"dst": "0.0.0.0/0"}]},
            },
            "the bridge does not have that address",
        ),
        (
            {"ipam": {"type": "cni-bridge", "subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.1"}},
            "no address to assign",
        ),
        ({"ipam": {"type": "dhcp", "sticky": True}}, "IPAM plugin dhcp assigns the addresses"),
    ],
)
def test_what_is_rarely_meant_is_a_warning(changes: dict[str, Any], words: str) -> None:
    text = conflist(**changes)
    assert found(text, ERROR) == []
    (line,) = found(text, WARNING)
    assert words in line


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("web.conf", conflist(), "config list"),
        (
            "web.conflist",
            json.dumps({**USUAL, "cniVersion": "0.4.0", "name": "w"}),
            "needs a `plugins` list",
        ),
        ("web.conf", json.dumps({**USUAL, "cniVersion": "1.0.0", "name": "w"}), "lists only"),
        ("web.conf", json.dumps({**USUAL, "name": "w"}), "`cniVersion` is missing"),
        ("a.conflist", conflist(type="macvlan", ipam=None), "no plugin in this list"),
    ],
)
def test_a_file_of_the_wrong_kind_is_a_warning(name: str, text: str, words: str) -> None:
    (line,) = found(text, WARNING, name)
    assert words in line


@pytest.mark.parametrize(
    "plugins", [[], {}, [5], [{}], [{"type": 5}]], ids=["none", "object", "number", "bare", "type"]
)
def test_a_list_needs_plugins_with_a_type(plugins: object) -> None:
    text = json.dumps({"cniVersion": "1.0.0", "name": "web", "plugins": plugins})
    assert len(found(text, ERROR)) == 1


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"name": "web"}, "plugins"),
        ({"name": "a/b"}, "network name"),
        ({"name": "web", "cniVersion": "9.9.9"}, "incompatible"),
        ({"name": 5}, "name: expected a string"),
    ],
)
def test_the_header_is_checked_once(header: dict[str, Any], words: str) -> None:
    errors = found(json.dumps({"plugins": [], **header}), ERROR)
    assert sum(words in line for line in errors) == 1


def test_networks_in_several_files_are_compared() -> None:
    other = conflist(bridge="b").replace('"web"', '"other"')
    reports = validate.examine([("a", conflist()), ("b", other), ("c", conflist())])
    assert [[each.message.partition(":")[0] for each in report.findings] for report in reports] == [
        [],
        ["10.1.0.0/24 overlaps 10.1.0.0/24 of network web"],
        [
            "network web is also defined in a",
            "10.1.0.0/24 overlaps 10.1.0.0/24 of network other",
        ],
    ]


def test_text_is_what_compilers_print_with_the_line_and_a_marker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "web.conflist"
    file.write_text(conflist(mtu="1500"))
    assert main.run(["validate", str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f'{file}:20:14: error: plugins[0].mtu: expected a whole number, 0 to 65535, found "1500"',
        '   20 |       "mtu": "1500"',
        "      |              ^^^^^^",
        "      = write `1500` without quotes",
        "1 error",
    ]


def test_json_has_place_path_and_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "web.conflist"
    file.write_text(conflist(mtu="1500"))
    assert main.run(["validate", "--format", "json", str(file)]) == 1
    ((finding,),) = [each["findings"] for each in json.loads(capsys.readouterr().out)["files"]]
    assert (finding["line"], finding["column"], finding["path"]) == (20, 14, "plugins[0].mtu")
    assert (finding["found"], finding["expected"]) == ('"1500"', "a whole number, 0 to 65535")


def test_warnings_fail_only_where_asked(tmp_path: Path) -> None:
    file = tmp_path / "web.conflist"
    file.write_text(conflist(isGatway=True))
    assert main.run(["validate", str(file)]) == 0
    assert main.run(["validate", "--strict", str(file)]) == 1


def test_a_file_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.conflist").write_text(conflist(mtu="1500"))
    (tmp_path / "empty").mkdir()
    names = [str(tmp_path / "empty"), "/nowhere/x.conflist", str(tmp_path)]
    assert main.run(["validate", *names]) == 1
    printed = capsys.readouterr().out
    assert f"{tmp_path}/empty:1:1: error: cannot be read: Is a directory" in printed
    assert "/nowhere/x.conflist:1:1: error: cannot be read: No such file or directory" in printed
    assert f"{tmp_path}/web.conflist:20:14: error: plugins[0].mtu" in printed
