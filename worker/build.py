"""The root of a worker: every part is built here and handed to whoever needs it. Nothing connects or starts by it.

The process builds one on its settings; a test builds one on its own servers and its own clock. `clock` is the
machine's: what decides by a time has it from the `LedgerClock`, which goes by the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.queue.wakeups import Broker, Wakeups
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.lanes import Lane, Lanes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Opener
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import Bank, Terminal
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.card_steps import CardSteps
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.inquiry_rules import InquiryRule
from epay_transfers.worker.journey import Journey
from epay_transfers.worker.ledger_clock import LedgerClock
from epay_transfers.worker.preflight import Preflight, PreflightRule
from epay_transfers.worker.recorder import Recorder
from epay_transfers.worker.settings import WorkerSettings
from epay_transfers.worker.sweeper import Sweeper


@dataclass(frozen=True, slots=True)
class Rules:
    """The worker's settings, as far as its parts ask for them."""

    retry: RetryRule
    doubt: InquiryRule
    preflight: PreflightRule
    park_s: int  #: how long a challenge is kept
    has_status: bool
    threads: int

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Rules":
        return cls(
            retry=RetryRule(settings.retry_attempts, settings.retry_min_backoff, settings.retry_max_backoff),
            doubt=InquiryRule(settings.doubt_horizon, settings.doubt_reads),
            preflight=PreflightRule(
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
    recorder: Recorder
    preflight: Preflight
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
    watch = LedgerClock(clock)
    events, lanes = Events(ledger.client, ledger.test_clock), Lanes(ledger.client, ledger.test_clock)
    breakers = Breakers(ledger.client, events, actor, ledger.test_clock)
    consequences = Consequences(lanes, events, watch, actor)
    custody = CardCustody(vault=vault, ledger=ledger, clock=watch, park_s=rules.park_s)
    recorder = Recorder(
        ledger=ledger,
        custody=custody,
        consequences=consequences,
        clock=watch,
        actor=actor,
        retry=rules.retry,
        chance=chance,
        has_status=rules.has_status,
        park_s=rules.park_s,
    )
    preflight = Preflight(
        ledger=ledger,
        bank_client=bank,
        terminals=terminals,
        breakers=breakers,
        lanes=lanes,
        consequences=consequences,
        recorder=recorder,
        custody=custody,
        rule=rules.preflight,
        clock=clock,
        watch=watch,
        actor=actor,
    )
    card_steps = CardSteps(
        ledger=ledger,
        custody=custody,
        opener=opener,
        recorder=recorder,
        consequences=consequences,
        preflight=preflight,
    )
    journey = Journey(
        ledger=ledger,
        custody=custody,
        bank=bank,
        preflight=preflight,
        card_steps=card_steps,
        recorder=recorder,
        rule=rules.doubt,
        clock=watch,
    )
    sweeper = Sweeper(ledger, journey, Wakeups(broker), rules.threads)
    return Worker(journey, sweeper, recorder, preflight, custody, breakers, events, lanes)
