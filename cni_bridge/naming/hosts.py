"""The names that a nameserver serves, as the text of a hosts file. Pure.

A line in front of each attachment's addresses has all of its facts, so that an attachment is added and
removed by the name of its host end, whatever else is in the file:

    #domain cni.internal
    # veth0123456789a CONTAINER 10.88.0.2,fd00::2 web api
    10.88.0.2 web.cni.internal web api.cni.internal api
    fd00::2 web.cni.internal web api.cni.internal api

The first name of a line answers reverse queries. The order of the attachments is that of their ADDs. A
container's own name is `-` if it has none.
"""

from cni_bridge.lean.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NONE = "-"
_DOMAIN, _ENTRY = "#domain ", "# "
LABEL_LIMIT, NAME_LIMIT = 63, 253  # RFC 1035, 2.3.4
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@record
class Entry:
    """One attachment: what it is called, in lower case, and where it is."""

    host_name: str
    container: str
    addresses: tuple[str, ...]
    own: str = ""
    aliases: tuple[str, ...] = ()


def is_servable(name: str) -> bool:
    """Return whether a query can ask for that name, and an answer be meant for it."""
    labels = name.lower().split(".")
    return len(name) <= NAME_LIMIT and labels[-1] != "localhost" and all(map(_is_label, labels))


def put(content: str, entry: Entry, domain: str) -> str:
    """Return the content with that entry as its newest."""
    entry = bare(entry, domain)
    rest = take(content, (entry.host_name,))
    if domain_of(rest) != domain or _is_shared(rest, entry):
        return render((*entries(rest), entry), domain)
    return rest + _text(entry, domain, (entry.own, *entry.aliases))


def take(content: str, host_names: "Iterable[str]") -> str:
    """Return the content without the entries of these host ends."""
    for host_name in host_names:
        gone = find(content, host_name)
        content = _cut(content, host_name)
        if gone and _is_shared(content, gone):  # another attachment may get the name
            content = render(entries(content), domain_of(content))
    return content


def render(listed: "Iterable[Entry]", domain: str) -> str:
    """Return the content for these entries, oldest first.

    A container's own name is its alone, whatever aliases others have; of several containers with
    one own name, the oldest has it. Several may share an alias: answers name all of them.
    """
    listed = tuple(bare(each, domain) for each in listed)
    owners: dict[str, str] = {}
    for entry in listed:
        if entry.own:
            owners.setdefault(entry.own, entry.container)

    def served(entry: Entry) -> "Iterator[str]":
        for name in (entry.own, *entry.aliases):
            if owners.get(name, entry.container) == entry.container:
                yield name

    return f"{_DOMAIN}{domain}\n" + "".join(_text(each, domain, served(each)) for each in listed)


def entries(content: str) -> "tuple[Entry, ...]":
    """Return the attachments in the content, oldest first."""
    return tuple(_entry(line) for line in content.split("\n") if line.startswith(_ENTRY))


def find(content: str, host_name: str) -> Entry | None:
    """Return the entry of a host end, if there is one, without a look at the others."""
    start, end = _place(content, host_name)
    return next(iter(entries(content[start:end])), None)


def has_entries(content: str) -> bool:
    """Return whether any attachment is in the content, without a look at all of them."""
    return f"\n{_ENTRY}" in content


def domain_of(content: str) -> str:
    """Return the domain of the content; empty if there is none."""
    first = content.partition("\n")[0]
    return first.removeprefix(_DOMAIN) if first.startswith(_DOMAIN) else ""


def bare(entry: Entry, domain: str) -> Entry:
    """Return the entry with its names without the domain: `web.cni.internal` is `web`."""
    own, *aliases = (_bare(each, f".{domain}") for each in (entry.own, *entry.aliases))
    known = tuple(dict.fromkeys(each for each in aliases if each not in ("", own)))
    return replace(entry, own=own, aliases=known)


def _bare(name: str, ending: str) -> str:
    while name.endswith(ending):
        name = name.removesuffix(ending)
    return name if is_servable(name) else ""


def _text(entry: Entry, domain: str, served: "Iterable[str]") -> str:
    names = [each for name in served if name for each in (f"{name}.{domain}", name)]
    facts = (entry.host_name, entry.container, ",".join(entry.addresses) or NONE)
    lines = [_ENTRY + " ".join((*facts, entry.own or NONE, *entry.aliases))]
    if names:
        lines += [f"{ip} {' '.join(names)}" for ip in entry.addresses]
    return "\n".join(lines) + "\n"


def _entry(line: str) -> Entry:
    host_name, container, addresses, own, *aliases = line.removeprefix(_ENTRY).split(" ")
    return Entry(
        host_name=host_name,
        container=container,
        addresses=() if addresses == NONE else tuple(addresses.split(",")),
        own="" if own == NONE else own,
        aliases=tuple(aliases),
    )


def _cut(content: str, host_name: str) -> str:
    """Return the content without one entry."""
    start, end = _place(content, host_name)
    return content[:start] + content[end:]


def _place(content: str, host_name: str) -> "tuple[int, int]":
    """Return where an entry begins and ends; both are the end if there is none."""
    start = content.find(f"\n{_ENTRY}{host_name} ") + 1
    if not start:
        return len(content), len(content)
    end = content.find(f"\n{_ENTRY}", start)
    return start, end + 1 if end >= 0 else len(content)


def _is_shared(content: str, entry: Entry) -> bool:
    """Return whether another entry has one of the names."""
    names = filter(None, (entry.own, *entry.aliases))
    return any(f" {name} " in content or f" {name}\n" in content for name in names)


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= LABEL_LIMIT
        and _LETTERS.issuperset(label)
        and not label.startswith("-")
        and not label.endswith("-")
    )
