"""The root of a worker: every part is built here and handed to whoever needs it. Nothing connects or starts by it.

The process builds one on its settings; a test builds one on its own servers and its own clock. `clock` is the
machine's: what decides by a time has it from the `Watch`, which goes by the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ledger.breakers import Breakers
from ledger.clock import Clock
from ledger.doorbell import Broker, Doorbell
from ledger.events import Events
from ledger.lanes import Lane, Lanes
from ledger.ledger import Ledger
from ledger.sealing import Opener
from ledger.vault import Vault
from worker.bank import Bank, Terminal
from worker.card_custody import CardCustody
from worker.consequences import Consequences
from worker.doubt import DoubtRule
from worker.gate import Gate, GateRule
from worker.journey import Journey
from worker.policy import RetryRule
from worker.scribe import Scribe
from worker.settings import WorkerSettings
from worker.steps import Steps
from worker.sweeper import Sweeper
from worker.tries import Tries
from worker.watch import Watch


@dataclass(frozen=True, slots=True)
class Rules:
    """The worker's settings, as far as its parts ask for them."""

    retry: RetryRule
    doubt: DoubtRule
    gate: GateRule
    park_s: int  #: how long a challenge is kept
    has_status: bool
    threads: int

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Rules":
        return cls(
            retry=RetryRule(settings.retry_attempts, settings.retry_min_backoff, settings.retry_max_backoff),
            doubt=DoubtRule(settings.doubt_horizon, settings.doubt_reads),
            gate=GateRule(
                lease_s=settings.lease,
                deadline_s=settings.http_deadline,
                confirm_needs_token=settings.epay_confirm_auth == "bearer",
                token_host=urlsplit(settings.epay_token_url).netloc,
                hosts={
                    Lane.SEND: urlsplit(settings.epay_transfer_url).netloc,
                    Lane.CONFIRM: urlsplit(settings.epay_confirm_url).netloc,
                },
                gaps_ms={name: int(1000 / rate) for name, rate in settings.epay_rate.items()},
                places=settings.places,
                hash_key=settings.epay_secret_hash_key,
                spaces={name: settings.spaces[its.terminal_id] for name, its in settings.terminals.items()},
            ),
            park_s=settings.park_ttl,
            has_status=settings.bank.addresses.status_url is not None,
            threads=settings.worker_threads,
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process runs, and what a test drives by hand."""

    journey: Journey
    sweeper: Sweeper
    scribe: Scribe
    gate: Gate
    custody: CardCustody
    breakers: Breakers
    events: Events
    lanes: Lanes


def build(
    *,
    ledger: Ledger,
    vault: Vault,
    opener: Opener,
    bank: Bank,
    broker: Broker,
    terminals: dict[str, Terminal],
    rules: Rules,
    clock: Clock,
    actor: str,
    chance: Callable[[], float],
) -> Worker:
    watch = Watch(clock)
    events, lanes = Events(ledger.client, ledger.test_clock), Lanes(ledger.client, ledger.test_clock)
    breakers = Breakers(ledger.client, events, actor, ledger.test_clock)
    consequences = Consequences(lanes, events, watch, actor)
    custody = CardCustody(vault=vault, ledger=ledger, clock=watch, park_s=rules.park_s)
    scribe = Scribe(
        ledger=ledger,
        custody=custody,
        consequences=consequences,
        clock=watch,
        actor=actor,
        has_status=rules.has_status,
        park_s=rules.park_s,
    )
    tries = Tries(scribe=scribe, custody=custody, rule=rules.retry, clock=watch, park_s=rules.park_s, chance=chance)
    gate = Gate(
        ledger=ledger,
        bank_client=bank,
        terminals=terminals,
        breakers=breakers,
        lanes=lanes,
        consequences=consequences,
        scribe=scribe,
        tries=tries,
        custody=custody,
        rule=rules.gate,
        clock=clock,
        watch=watch,
        actor=actor,
    )
    steps = Steps(
        ledger=ledger,
        custody=custody,
        opener=opener,
        scribe=scribe,
        tries=tries,
        consequences=consequences,
        gate=gate,
    )
    journey = Journey(
        ledger=ledger,
        custody=custody,
        bank=bank,
        gate=gate,
        steps=steps,
        scribe=scribe,
        rule=rules.doubt,
        clock=watch,
    )
    sweeper = Sweeper(ledger, journey, Doorbell(broker), rules.threads)
    return Worker(journey, sweeper, scribe, gate, custody, breakers, events, lanes)
