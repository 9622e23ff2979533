"""What people are told about their mistakes, word by word: broken JSON, wrong values, wrong places."""

import json
from pathlib import Path
from typing import Any

import pytest

from cni_bridge import json_flaws
from cni_bridge.cli import conflists
from cni_bridge.cli.validate import command as validate
from cni_bridge.edge import codec
from cni_bridge.errors import InvalidConfig, UndecodableContent

NESTED = """\
{
  "name": "web",
  "plugins": [
    {
      "ipam": {
        "subnet": "10.1.0.0/24"
    }
  ]
}"""
OUTER = NESTED.replace('0/24"\n', '0/24"\n      }\n').replace("  ]\n}", "  ]\n")
# Each text with `line:column: reason = hint` of every flaw.
BROKEN: dict[str, tuple[str, ...]] = {
    '{"a": 1} // why': ("1:10: JSON has no comments = remove it",),
    '# why\n{"a": 1}': ("1:1: JSON has no comments = remove it",),
    '{"a": 1, /* why */ "b": [1, // x\n2]}': (
        "1:10: JSON has no comments = remove it",
        "1:29: JSON has no comments = remove it",
    ),
    "name: web\nplugins:\n- type: cni-bridge": (
        '1:1: this is YAML, not JSON = JSON looks like {"name": "web", "plugins": [...]}',
    ),
    "# web\n---\nname: web": (
        '1:1: this is YAML, not JSON = JSON looks like {"name": "web", "plugins": [...]}',
    ),
    "[Match]\nName=eth0": ("1:1: this is an INI or TOML file, not JSON",),
    'name = "web"': ("1:1: this is an INI or TOML file, not JSON",),
    "<html>": ("1:1: this is XML or HTML, not JSON",),
    '{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> mine\n}': (
        "2:1: a merge conflict is not resolved = keep one of the two versions",
    ),
    '```json\n{"a": 1}\n```': (
        "1:1: this is Markdown, not JSON = keep what is between the lines of ```",
    ),
    "#!/bin/sh\ntrue": ("1:1: this is a script, not JSON",),
    "": ("1:1: empty input",),
    " \n\t": ("2:2: empty input",),
    '\ufeff{"a": 1}': (
        "1:1: the text begins with a byte order mark (BOM) = save it as UTF-8 without BOM",
    ),
    "\0{\0\n\0}": ("1:1: this is UTF-16 = save it as UTF-8",),
    "\x7fELF\2\1\1\0\0": ("1:1: this is a binary file, not JSON = expected text in UTF-8",),
    '{"a": True, "b": None, "c": yes, "d": FALSE}': (
        "1:7: `True` is written `true`",
        "1:18: `None` is written `null`",
        "1:29: `yes` is written `true`",
        "1:39: `FALSE` is written `false`",
    ),
    "{'a': 'b'}": (
        "1:2: JSON has double quotes only = write \"...\" for '...'",
        "1:7: JSON has double quotes only = write \"...\" for '...'",
    ),
    "{\u201ca\u201d: 1}": ('1:2: these are typographic quotes = write "..."',),
    "{a: 1}": ('1:2: keys are in double quotes: `"a"`',),
    '{"a": web}': ('1:7: text must be in double quotes = write "..."',),
    '{"a": 10.1.0.0/24}': ('1:7: text must be in double quotes = write "..."',),
    '{"a": "web}': ('1:7: a `"` is missing at the end of this text',),
    '{"a": "web\n}': ('1:7: a `"` is missing at the end of this text',),
    '{"a": 1,\n}': ("1:8: trailing comma before `}` = remove it",),
    '{"a": [1, 2,]}': ("1:12: trailing comma before `]` = remove it",),
    '{"a": 1,, "b": 2}': ("1:9: there is one `,` too many = remove it",),
    '{"a": 1\n "b": 2}': ("1:8: a `,` is missing here",),
    '{"a" 1}': ('1:5: a `:` is missing after the key "a"',),
    '{"a": , "b": }': ('1:7: the key "a" has no value', '1:14: the key "b" has no value'),
    '{"a" = 1; "b": 2}': ("1:6: `=` is written `:` in JSON", "1:9: `;` is written `,` in JSON"),
    NESTED: ("5:15: `{` of line 5 is not closed = line 8 has `]` before its `}`",),
    OUTER: ("1:1: `{` of line 1 is not closed = the text ends before its `}`",),
    '{"a": [1}': ("1:7: `[` of line 1 is not closed = line 1 has `}` before its `]`",),
    '{"a": 1}}': ("1:9: there is one `}` too many = remove it",),
    '{"a": 1]}': ("1:8: there is one `]` too many = remove it",),
    '{"a": 1}\n{"b": 2}': (
        "2:1: the JSON object ended before this = a config is one object: remove the rest",
    ),
    '"name": "web"': ("1:1: expected a JSON object = the text must begin with { and end with }",),
    "[1]": ("1:1: expected one object, not a list = write `{...}`",),
    '{"a": 0x10, "b": 01, "c": .5}': (
        "1:7: not a number in JSON = write it like 1500 or -1.5",
        "1:18: not a number in JSON = write it like 1500 or -1.5",
        "1:27: not a number in JSON = write it like 1500 or -1.5",
    ),
    '{"a": NaN, "b": 1e999}': ("1:7: number out of range: NaN", "1:17: number out of range: 1e999"),
    '{"a": "\\d"}': ("1:8: `\\d` is not an escape = a backslash is written `\\\\`",),
    '{"a": "x\ty"}': ("1:9: a tab in a text is written `\\t`",),
    '{"a": 1, "a": 2}': ('1:10: duplicate key "a" = keep one of them',),
    "{{ .Config }}": ("1:1: `{{` belongs to a template = fill in the template first",),
    '{"a": ${PORT}}': ("1:7: `$` belongs to a template = fill in the template first",),
    '{"ipam": {...}}': ("1:11: `...` stands for something left out = fill it in",),
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_json_is_explained(text: str) -> None:
    said = []
    for each in json_flaws.flaws(text):
        line, column = codec.position(text, each.place)
        said.append(f"{line}:{column}: {each.reason}" + (f" = {each.hint}" if each.hint else ""))
    assert tuple(said) == BROKEN[text]
    with pytest.raises(UndecodableContent) as caught:  # the plugin says so, too
        codec.decode(text.encode())
    assert json_flaws.flaws(text)[0].reason in caught.value.msg or text == "[1]"


def test_utf16_is_recognized_after_it_was_read_as_utf8() -> None:
    for name in ("utf-16", "utf-16-le", "utf-16-be"):
        text = '{"name": "web"}'.encode(name).decode(errors="replace")
        assert [each.reason for each in json_flaws.flaws(text)] == ["this is UTF-16"]


def test_no_value_is_repeated_as_it_may_be_a_secret() -> None:
    for text in ('{"p": hunter2}', "{'p': 'hunter2'}", '{"p": "hunter2', '{"p": "hunter2" "q": 1}'):
        assert not any("hunter2" in f"{each.reason}{each.hint}" for each in json_flaws.flaws(text))


PLUGIN: dict[str, Any] = {
    "type": "cni-bridge",
    "bridge": "web0",
    "ipam": {"type": "cni-bridge", "subnet": "10.1.0.0/24"},
}


def ipam(**keys: Any) -> dict[str, Any]:
    return {"ipam": {"type": "cni-bridge", **keys}}


def runtime(*ports: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"runtimeConfig": {"portMappings": list(ports), **keys}}


CAPABILITY = 'to take it from there, write `"capabilities": {"portMappings": true}` in the plugin'
HOST_BITS = (
    "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0"
)
# Changes of the plugin, each with `path: message = hint` of every mistake, without `plugins[0].`.
WRONG: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (
        ipam(ranges=[{"subnet": "10.1.0.0/33"}]),
        (
            'ipam.ranges[0]: expected a list of 1 or more items, found {"subnet":"10.1.0.0/33"}'
            " = write `[[{...}]]`: a list of lists",
            "ipam.ranges[0].subnet: '10.1.0.0/33': the prefix length must be between 0 and 32",
        ),
    ),
    (
        ipam(ranges={"subnet": "10.1.0.0/24"}),
        (
            'ipam.ranges: expected a list, found {"subnet":"10.1.0.0/24"}'
            " = write `[[{...}]]`: a list of lists",
        ),
    ),
    (
        ipam(
            subnet="10.1.0.0/33", rangeStart="10.1.0.300", rangeEnd="x", routes=[{"dst": "0.0.0.0"}]
        ),
        (
            "ipam.subnet: '10.1.0.0/33': the prefix length must be between 0 and 32",
            "ipam.rangeStart: '10.1.0.300' is not an IP address",
            "ipam.rangeEnd: 'x' is not an IP address",
            "ipam.routes[0].dst: '0.0.0.0' is not an address with a prefix length, like 10.1.2.0/24",
        ),
    ),
    (
        ipam(subnet="10.1.0.5/24", routes=[{"gw": "10.1.0.1"}], resolvConf=5),
        (
            f"ipam: {HOST_BITS} = the bits behind the prefix length must be 0",
            "ipam.routes[0].dst: required, but missing",
            "ipam.resolvConf: expected a string, found 5",
        ),
    ),
    (
        runtime(
            {"hostPort": 99999, "containerPort": -1, "protocol": "tpc", "hostIP": "1.2"}, mac="q"
        ),
        (
            "runtimeConfig.portMappings[0].hostPort: expected a whole number, 0 to 65535, found 99999",
            "runtimeConfig.portMappings[0].containerPort: expected a whole number, 1 to 65535, found -1",
            "runtimeConfig.portMappings[0].protocol: expected tcp, udp or sctp, found 'tpc'",
            "runtimeConfig.portMappings[0].hostIP: '1.2' is not an IP address",
            "runtimeConfig.mac: address q: invalid MAC address = like 02:00:00:00:00:05",
        ),
    ),
    (
        {"mtu": "1500", "isGateway": "yes", "ipMasq": 1, "isolation": True, "vlan": 5.0},
        (
            'mtu: expected a whole number, 0 to 65535, found "1500" = write `1500` without quotes',
            'isGateway: expected true or false, found "yes" = write `true` without quotes',
            "ipMasq: expected true or false, found 1 = write `true` without quotes",
            'isolation: expected one of "", "off", "on", "strict", found true = write `"on"`',
            "vlan: expected a whole number, 0 to 4094, found 5.0 = write `5`",
        ),
    ),
    (
        {"isolation": "stict", "sysctl": {"net.core.x": 1}, "dns": {"search": "x.y"}},
        (
            'isolation: expected one of "", "off", "on", "strict", found "stict"'
            ' = write `"strict"`',
            'sysctl["net.core.x"]: expected a string or null, found 1 = write `"1"` in quotes',
            'dns.search: expected a list, found "x.y" = write `[...]`: a list',
        ),
    ),
    (
        {"isGatway": True, "brigde": "x", "dns": {"nameserver": []}},
        (
            "isGatway: unknown key `isGatway` is ignored = did you mean `isGateway`?",
            "brigde: unknown key `brigde` is ignored = did you mean `bridge`?",
            "dns.nameserver: unknown key `nameserver` is ignored = did you mean `nameservers`?",
        ),
    ),
    (
        ipam(
            subnet="10.1.0.0/24", rangStart="10.1.0.9", routes=[{"dst": "10.9.0.0/16", "gwy": ""}]
        ),
        (
            "ipam.rangStart: unknown key `rangStart` is ignored = did you mean `rangeStart`?",
            "ipam.routes[0].gwy: unknown key `gwy` is ignored = did you mean `gw`?",
        ),
    ),
    (
        {"subnet": "10.1.0.0/24", "rangeStart": "x", "nameservers": [], "name": "x", "plugins": []},
        (
            "subnet: `subnet` belongs in `ipam`; it is ignored here",
            "rangeStart: `rangeStart` belongs in `ipam`; it is ignored here",
            "nameservers: `nameservers` belongs in `dns`; it is ignored here",
            "name: `name` belongs at the top of the file, not in a plugin; it is ignored here",
            "plugins: `plugins` belongs at the top of the file, not in a plugin; it is ignored here",
        ),
    ),
    (
        {"portMappings": [], "ports": [], "hostPort": 80},
        tuple(
            f"{key}: `{key}` is ignored here: `portMappings` comes from the runtime = {CAPABILITY}"
            for key in ("portMappings", "ports", "hostPort")
        ),
    ),
    (
        ipam(subnet="10.1.0.0/24", isGateway=True),
        ("ipam.isGateway: `isGateway` belongs in the plugin, outside `ipam`; it is ignored here",),
    ),
    (
        {"dns": {"nameservers": ["192.0.2.53", "fe80::1%eth0", "224.0.0.251", "dns.example"]}},
        (
            "dns.nameservers[2]: 224.0.0.251 is a multicast address: resolvers cannot use it = "
            "name a server's address",
            "dns.nameservers[3]: dns.example is not an IP address: resolvers cannot use it = "
            "name a server's address",
        ),
    ),
    (
        {"mtu": 67},
        (
            "mtu: expected 68 or more, which IPv4 needs, found 67 = the kernel refuses less; 0 means "
            "its default",
        ),
    ),
    (
        {"type": "cni-brdige", "isGatway": True, "mtu": -1},
        (
            "type: plugin cni-brdige is not a known one = did you mean `cni-bridge`?",
            "isGatway: unknown key `isGatway` is ignored = did you mean `isGateway`?",
            "mtu: expected a whole number, 0 to 65535, found -1",
        ),
    ),
]


def conflist(*, key: str = "plugins", **changes: Any) -> str:
    plugin = {**PLUGIN, **changes}
    return json.dumps({"cniVersion": "1.1.0", "name": "web", key: [plugin]}, indent=2)


def said(text: str) -> set[str]:
    (report,) = validate.examine([("web.conflist", text)])
    lines = set()
    for each in report.findings:
        path = each.path.removeprefix("plugins[0].").removeprefix("pluggins[0].")
        message = each.message.replace("plugins[0].", "")
        line = message if message.startswith((f"{path}: ", "ipam: ")) else f"{path}: {message}"
        lines.add(line + (f" = {each.hint}" if each.hint else ""))
    return lines


@pytest.mark.parametrize(("changes", "expected"), WRONG)
def test_every_mistake_is_explained_at_once(
    changes: dict[str, Any], expected: tuple[str, ...]
) -> None:
    written = "`runtimeConfig` is written by the runtime"
    assert {each for each in said(conflist(**changes)) if written not in each} == set(expected)


def test_a_misspelt_list_of_plugins_hides_nothing() -> None:
    assert said(conflist(key="pluggins", mtu=-1)) == {
        ": `plugins` is missing: a network config needs a list of plugins",
        "pluggins: unknown key `pluggins` is ignored = did you mean `plugins`?",
        "mtu: pluggins[0].mtu: expected a whole number, 0 to 65535, found -1",
    }


def test_keys_beside_the_plugins_say_where_they_belong() -> None:
    document = {**json.loads(conflist()), "mtu": 1500, "subnet": "10.1.0.0/24", "disableChek": 1}
    assert said(json.dumps(document)) == {
        "mtu: `mtu` belongs in a plugin, inside `plugins`; it is ignored here",
        "subnet: `subnet` belongs in `ipam` of a plugin, inside `plugins`; it is ignored here",
        "disableChek: unknown key `disableChek` is ignored = did you mean `disableCheck`?",
    }


def test_a_command_for_people_refuses_with_all_mistakes() -> None:
    with pytest.raises(InvalidConfig) as caught:
        validate.refuse("web.conflist", conflist(mtu="1500", bridge=5))
    assert caught.value.msg == "web.conflist has 2 errors"
    assert caught.value.details.splitlines() == [
        "line 7, column 17: plugins[0].bridge: expected a string of 1 to 15 characters, found 5",
        "line 12, column 14: plugins[0].mtu: expected a whole number, 0 to 65535, "
        'found "1500" (write `1500` without quotes)',
    ]


def test_a_network_that_is_not_found_is_perhaps_in_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "10-web.conflist").write_text('{"name": "web", // mine\n "plugins": []}')
    with pytest.raises(InvalidConfig) as caught:
        conflists.find("web", str(tmp_path))
    assert caught.value.details.splitlines()[1:] == [
        f"{tmp_path}/10-web.conflist: cannot decode the JSON: "
        "line 1, column 17: JSON has no comments"
    ]
