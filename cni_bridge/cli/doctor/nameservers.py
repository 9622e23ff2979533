"""Check the nameservers of networks: installed, running, and with the names that the ledger has."""

from collections.abc import Iterator
from functools import partial

from cni_bridge.cli import restore as restore_command
from cni_bridge.cli.doctor.attachments import living
from cni_bridge.cli.doctor.facts import Facts
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.errors import NameserverFailed
from cni_bridge.ledger import store
from cni_bridge.model_optional import ServedNames
from cni_bridge.naming import apply, server

RESTORE = "cni-bridge restore"
OUTDATED = "the names that it serves differ from the ledger"
UNANSWERED = "its containers can resolve no name"


def nameservers(facts: Facts) -> Iterator[Diagnosis]:
    """Find servers that can't be started, that have died, or that serve other names than recorded."""
    wanted = sorted(each.name for each in facts.configs if each.nameserver)
    if wanted and (missing := _missing()):
        yield Diagnosis(
            cause=f"{missing.msg}, which network{'s' * (len(wanted) > 1)} {', '.join(wanted)} needs",
            effect="no container can be attached: ADD fails with error 113",
            command="apt-get install dnsmasq-base   # or the package dnsmasq",
        )
        return
    served = {
        each.attachment.network: plan.served
        for each in living(facts)
        if (plan := facts.plans.get(each.attachment)) and plan.served
    }
    for network, what in served.items():
        yield from _of_network(facts, network, what)
    for number, network in server.orphans():
        if network not in served:
            yield Diagnosis(
                cause=f"process {number} is the nameserver of network {network}, which has no container",
                effect=f"it keeps port {server.PORT} of the network's gateway",
                command=RESTORE,
                fix=Fix(what=RESTORE, act=restore_command.nameservers),
            )


def _of_network(facts: Facts, network: str, served: ServedNames) -> Iterator[Diagnosis]:
    state_dir = next(each.state_dir for each in facts.configs if each.name == network)
    ledger = store.find_ledger(state_dir)
    if ledger is None:
        return
    if network not in server.networks():
        yield Diagnosis(
            cause=f"the files of the nameserver of network {network} are gone from {server.BASE}",
            effect=UNANSWERED,
            command="cni-bridge doctor --fix",
            fix=Fix(
                what=f"serve names of {network} again", act=partial(apply.serve, ledger, served)
            ),
        )
        return
    silence = apply.silence(network)
    outdated = OUTDATED if apply.is_outdated(ledger, network) else ""
    for what in filter(None, (silence, outdated)):
        yield Diagnosis(
            cause=f"nameserver of network {network}: {what}",
            effect=UNANSWERED if silence else "some names lead nowhere",
            command=RESTORE,
            fix=Fix(what=RESTORE, act=partial(apply.restore, ledger, network)),
        )


def _missing() -> NameserverFailed | None:
    try:
        server.require()
    except NameserverFailed as missing:
        return missing
    return None
