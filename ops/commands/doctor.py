"""`transfers doctor`: finds everything that keeps transfers from moving, and says what to do about each finding.

It has the model of `transfers overview`, is never healthier than that, and looks at settings and keys besides. It ends
with 78 if a setting or a server has to be changed, or with 75 if all findings may end without that: a server that is
away, no worker, a pause, transfers that wait for a person. It also says which processes could start here.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import typer

from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import SOCKET_TIMEOUT
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ledger.vault.keyring import read_public
from epay_transfers.ops import screen, typed
from epay_transfers.ops.commands.pauses import as_dict
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import EX_TEMPFAIL
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.overview.as_json import judgement_json
from epay_transfers.ops.overview.facts import gather
from epay_transfers.ops.overview.findings import findings_of
from epay_transfers.ops.overview.judge import judge
from epay_transfers.producers.known_keys import finding_of
from epay_transfers.producers.settings import ProducerSettings
from epay_transfers.runtime.health import Finding
from epay_transfers.runtime.key_source import FingerprintKeySource
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import EX_CONFIG, ServerSettings, SettingsWrong

app = typer.Typer()

_CHECK_S = 30

#: It is all that was looked at: a bank that refuses is no finding.
_SOUND = "The servers are as they must be."

_NONE_STARTS = "But neither a producer nor a worker could start with these settings: see what each lacks."


class _Sealing(ServerSettings):
    """The public key, if this environment has one: a producer's has. It is no secret, and an operator's may have it."""

    vault_public_key: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """What a producer or a worker lacks to start in this environment."""

    name: str
    lacks: list[str]
    remarks: list[str]  #: what may go wrong although it starts


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check servers, invoice ids, lanes and settings. Ends with 0 if all is well, 75 if it may pass, else 78."""
    context = Context.connect()
    with _worker_check() as check:  # it starts a process: the servers are looked at meanwhile
        facts = gather(context, timeout_s=SOCKET_TIMEOUT)
        judgements = judge(facts)
        workers = None if facts.workers is None else {one.worker: list(one.vault_keys) for one in facts.alive}
        findings = findings_of(judgements, facts.findings) + _vault_keys(workers or {}) + _fingerprint_keys(context)
        rooms = _rooms({str(finding) for finding in findings}, check)
    stops, totals = facts.pauses, facts.totals
    if as_json:
        screen.say_json({
            "healthy": not findings,
            "findings": [asdict(finding) for finding in findings],
            "judgements": [judgement_json(judgement) for judgement in judgements],
            "stops": None if stops is None else [as_dict(stop) for stop in stops],
            "transfers": None if totals is None else {
                state: [line.to_json() for line in screen.sums(totals, state)] for state in State
            },
            "vault_keys": workers,
            "rooms": [asdict(room) for room in rooms],
        })  # fmt: skip
    else:
        _say(findings, rooms)
        paused = "?" if stops is None else len(stops) or "none"
        screen.say(f"Pauses: {paused}" + (f"; see `{typed.command()} pauses`" if stops else ""))
        keys = "?" if workers is None else ", ".join(_shared(workers)) or "no worker has told of any"
        screen.say(f"Keys that every worker opens with: {keys}")
        if totals is None:
            screen.say("Transfers: ?")
        else:
            _say_counts(totals)
    if findings:
        raise typer.Exit(EX_TEMPFAIL if all(finding.passing for finding in findings) else EX_CONFIG)


def _shared(workers: dict[str, list[str]]) -> list[str]:
    return sorted(set.intersection(*map(set, workers.values()))) if workers else []


def _vault_keys(workers: dict[str, list[str]]) -> list[Finding]:
    """Does every worker open what this environment's public key seals? Only workers have private keys."""
    text = _Sealing.load(env_file=ENV_FILE).vault_public_key
    try:
        key_id = read_public(text).key_id if text else ""
    except ValueError:
        return []  # a producer's settings say what is wrong with it
    without = [worker for worker, key_ids in workers.items() if key_id not in key_ids]
    if not (key_id and without):
        return []
    return [
        Finding(
            "VAULT_PUBLIC_KEY",
            f"{len(without)} of {len(workers)} workers do not open what it seals (key {key_id}): {', '.join(without)}",
            "give its private key to these workers, or producers a key that all of them have: a worker that can't open "
            "a card ends its transfer",
        )
    ]


def _fingerprint_keys(context: Context) -> list[Finding]:
    """Where this environment has a producer's keys: does the ledger know one of them? It changes nothing there."""
    try:
        own = [
            key.key_id for key in FingerprintKeys(FingerprintKeySource.load(env_file=ENV_FILE).fingerprint_keys).all()
        ]
    except SettingsWrong:
        return []  # there are none, or a producer's settings say what is wrong with them
    known: list[str] = []
    try:
        known = Ledger(context.client).fingerprint_keys()  # they are kept so in every format
    except LedgerBroken as error:
        problem, _, cure = str(error).partition(": ")
        return [Finding(context.settings.name_of("REDIS_URL"), problem, cure)]
    except LedgerUnavailable:
        return []  # the findings say so already
    if not known or set(own) & set(known):
        return []
    return [finding_of(own, known)]


def _rooms(known: set[str], check: "subprocess.Popen[str]") -> list[Room]:
    """What producers and workers lack here. Few environments have all: a backend has no secret of the bank."""
    try:
        ProducerSettings.load(env_file=ENV_FILE)
        producers: list[str] = []
    except SettingsWrong as error:
        producers = error.lines
    lacks, remarks = _worker(check)
    return [
        Room("producers", producers, []),
        Room("worker", [line for line in lacks if line not in known], remarks),
    ]


@contextmanager
def _worker_check() -> Iterator["subprocess.Popen[str]"]:
    """`ops` may not read a worker's settings, so a worker process checks itself. It does not outlive the block."""
    command = [sys.executable, "-P", "-m", "epay_transfers.worker", "--check"]
    with subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as check:
        try:
            yield check
        finally:
            check.kill()


def _worker(check: "subprocess.Popen[str]") -> tuple[list[str], list[str]]:
    """What a worker lacks, and its remarks."""
    try:
        said, complained = check.communicate(timeout=_CHECK_S)
    except subprocess.TimeoutExpired:
        return [f"the worker did not answer `--check` within {_CHECK_S} s"], []
    lines = [line for line in complained.splitlines() if line]
    lacks = lines or ([f"`{typed.command()} worker --check` failed"] if check.returncode else [])
    return lacks, said.splitlines()


def _say(findings: list[Finding], rooms: list[Room]) -> None:
    if findings:
        rows = [(finding.name, typed.named(finding.problem), typed.named(finding.cure)) for finding in findings]
        screen.say(screen.table(("where", "what is wrong", "what to do"), rows, title="Findings"))
    else:
        can_start = any(not room.lacks for room in rooms)
        screen.say(_SOUND if can_start else f"{_SOUND} {_NONE_STARTS}")
    screen.say()
    lacks = [
        (room.name, typed.named("\n".join([*(room.lacks or ["could start here"]), *room.remarks]))) for room in rooms
    ]
    screen.say(screen.table(("process", "what it lacks in this environment"), lacks))


def _say_counts(totals: Totals) -> None:
    rows = [
        (screen.state_text(state), line.count, screen.amount(line.amount_minor, line.currency))
        for state in State
        for line in screen.sums(totals, state)
    ]
    if rows:
        screen.say(screen.table(("state", "count", "amount"), rows))
