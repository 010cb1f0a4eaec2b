"""The start of the worker's process: settings, log, error reports, and whether the servers are fit to run on.

Wrong settings end it with 78, a server that is away with 75, each with a sentence that says what to do.
"""

import logging
import os
import socket
import sys
from collections.abc import Sequence

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import terminals
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats
from epay_transfers.runtime import hardening, health, logs, sentry
from epay_transfers.runtime.health import REPLICAS_CURE, Finding
from epay_transfers.runtime.server_addresses import operator_of
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import EX_CONFIG, Durability, SettingsWrong
from epay_transfers.worker.preflight import Cause
from epay_transfers.worker.process import Process
from epay_transfers.worker.settings import WorkerSettings

_LOG = logging.getLogger(__name__)

#: `EX_TEMPFAIL`: a server is away; a supervisor may try again.
EX_TEMPFAIL = 75

_NOT_BOUND = "so it is not known which space each TerminalID has"


_NO_LINKS = (
    "WEB_BASE_URL: is not set, so an intent without links of its own is sent without any, and the bank's newer pages "
    "require them: the bank may refuse the transfer; set the address, or give each intent its links"
)


def main(*, only_check: bool = False) -> int:
    """Run the worker; or, with `only_check`, say what keeps it from running."""
    hardened = hardening.harden()
    try:
        settings = WorkerSettings.load(env_file=ENV_FILE)
    except SettingsWrong as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator's screen, before there is a log
        return EX_CONFIG
    logs.set_up(settings.log_level)
    logs.catch_the_rest()
    sentry.set_up(settings.sentry_dsn, "transfers", settings.epay_environment or "test")
    _warn_of_durability(settings)
    if only_check:
        _print_remarks(settings)
    # `doctor` runs this check under an operator's user, which no worker has: it would be refused, and that be counted.
    receives = not operator_of(settings.redis_url)
    findings = health.Examination(
        settings, SystemClock(), queue=True, receives=receives, replicas=settings.replicas
    ).look()
    for finding in findings:
        print(finding, file=sys.stderr)  # noqa: T201 - the operator's screen
    if not only_check:
        _tell_whether_replicas_lack(settings, findings)
    if findings:
        return EX_TEMPFAIL if all(finding.passing for finding in findings) else EX_CONFIG
    try:
        wrong = _bound_elsewhere(settings, only_look=only_check)
    except LedgerUnavailable as error:
        print(f"{error.why}; {_NOT_BOUND}", file=sys.stderr)  # noqa: T201 - as above
        return EX_TEMPFAIL if error.is_passing else EX_CONFIG
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201 - as above
    if wrong:
        return EX_CONFIG
    if only_check:
        return 0
    _warn(settings, hardened=hardened)
    return Process.of(settings).run()


def _tell_whether_replicas_lack(settings: WorkerSettings, findings: Sequence[Finding]) -> None:
    """A worker that ends for want of replicas leaves a heartbeat, so that the overview says why nothing is sent.

    Its supervisor starts it again and again: so the name is its machine's, and the start that comes through takes it
    back. Else an operator would read that no worker runs, with the replica as the one thing that is not looked at.
    """
    lacking = [finding for finding in findings if finding.cure == REPLICAS_CURE]
    if len(lacking) != len(findings):
        return
    name = f"worker {socket.gethostname()} (not started)"
    client = connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL"))
    try:
        if lacking:
            why = f"{lacking[0].problem}; {lacking[0].cure}"
            _LOG.error("replicas.lacking", extra={"why": why})
            said = Heartbeat(host=socket.gethostname(), pid=os.getpid(), unfit=[Cause.REPLICAS], findings=[why])
            Heartbeats(client).tell(name, said)
        else:
            Heartbeats(client).leave(name)
    except LedgerUnavailable:
        pass  # its findings are on the screen, and the next start tells it
    finally:
        client.close()


def _bound_elsewhere(settings: WorkerSettings, *, only_look: bool) -> list[str]:
    """The terminals whose TerminalID the ledger has bound to another space than these settings do."""
    client = connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL"))
    there = terminals.bound(client) if only_look else terminals.bind(client, settings.spaces)
    client.close()
    lines = []
    for name, its in sorted(settings.terminals.items()):
        space = settings.spaces[its.terminal_id]
        kept = there.get(its.terminal_id, space)
        if kept != space:
            lines.append(
                f"EPAY_TERMINALS: {name} is in the space {space}, and the transfers of its TerminalID are in the space "
                f"{kept}: two transfers could have one invoice id at the bank; give it that space, "
                "or see the runbook, 'A TerminalID in another space'"
            )
    return lines


def _warn_of_durability(settings: WorkerSettings) -> None:
    if settings.durability is Durability.RELAXED:
        _LOG.warning("DURABILITY=relaxed: what is confirmed may be lost, and cards may be written to disk")
    for warning in health.vault_warnings(settings):
        _LOG.warning("servers.warning", extra={"why": str(warning)})


def _print_remarks(settings: WorkerSettings) -> None:
    """What keeps no worker from running: so `doctor` reads it on standard output."""
    if not settings.web_base_url:
        print(_NO_LINKS)  # noqa: T201 - as above


def _warn(settings: WorkerSettings, *, hardened: bool) -> None:
    if not settings.web_base_url:
        _LOG.warning("settings.warning", extra={"why": _NO_LINKS})
    if not hardened:
        _LOG.warning("worker.open_to_debuggers")
    for place in hardening.cards_in(sys.argv[1:], os.environ):
        _LOG.error("worker.card_in_the_open", extra={"place": place})
