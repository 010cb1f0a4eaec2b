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

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import SOCKET_TIMEOUT
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops import screen, typed
from epay_transfers.ops.commands.pauses import as_dict
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import EX_TEMPFAIL
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.overview.as_json import judgement_json
from epay_transfers.ops.overview.examination import OwnKeys, examined, opening_keys, shared
from epay_transfers.ops.overview.facts import gather
from epay_transfers.ops.overview.judge import judge
from epay_transfers.producers.settings import ProducerSettings
from epay_transfers.runtime.health import Finding
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong

app = typer.Typer()

_CHECK_S = 30

#: It is all that was looked at: a bank that refuses is no finding.
_SOUND = "The servers are as they must be."

_NONE_STARTS = "But neither a producer nor a worker could start with these settings: see what each lacks."


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
        workers = opening_keys(facts)
        findings = examined(context, facts, judgements, OwnKeys.load())
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
        keys = "?" if workers is None else ", ".join(shared(workers)) or "no worker has told of any"
        screen.say(f"Keys that every worker opens with: {keys}")
        if totals is None:
            screen.say("Transfers: ?")
        else:
            _say_counts(totals)
    if findings:
        raise typer.Exit(EX_TEMPFAIL if all(finding.passing for finding in findings) else EX_CONFIG)


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
