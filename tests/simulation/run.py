"""One simulation from one seed: `simulate` raises the law that is broken, with the steps that led to it.

`python -m tests.simulation.run SEED` runs it again; with COUNT after it, that many seeds from SEED on.
"""

import contextlib
import functools
import hashlib
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from epay_transfers.ledger import key_text
from epay_transfers.ledger.invoice import SUFFIXES, make_invoice_id
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import FINAL, State
from epay_transfers.ledger.store import redis_keys, scripts
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.ledger.vault import sealing
from epay_transfers.producers import ProducerSettings
from epay_transfers.runtime import embedded_servers
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.build import Rules
from epay_transfers.worker.consequences import STRIKES
from epay_transfers.worker.inquiry_rules import InquiryRule
from epay_transfers.worker.preflight import PreflightRule
from tests.simulation.activities import Activities, intent
from tests.simulation.bank import HORIZON_S, Books
from tests.simulation.laws import Broken, Laws
from tests.simulation.line import Line
from tests.simulation.people import Place, Queue
from tests.simulation.rollback import BeforeCreate, Rollback
from tests.simulation.scenario import Scenario
from tests.simulation.vault_back import VaultBack
from tests.simulation.wires import NAMES, Server
from tests.simulation.world import LEASE_S, World
from tests.support.servers import running

_TICKS = 150
_TRANSFERS = 5

#: Events that nothing here is a cause for.
_NEVER = frozenset({"contradiction", "foreign_bank_id", "record_unreadable"})

#: Which servers go back in a life, by a throw of the dice: one kind at the most, for two at once are not promised.
_BEFORE_CREATE, _DEEP, _SHALLOW, _VAULT = 0.12, 0.2, 0.32, 0.65

#: What is durable is not asked here: the ledger goes back when a seed says so.
_SERVERS = {"ledger": embedded_servers.LEDGER_OPTIONS | {"appendonly": "no"}, "vault": embedded_servers.VAULT_OPTIONS}


@dataclass(frozen=True)
class Servers:
    """The two servers of all simulations, and what needs not be made anew for each."""

    ledger: Line
    vault: Line
    keys: sealing.KeyPair
    settings: ProducerSettings


class Failed(AssertionError):
    """A seed that breaks a law, and its story."""


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Real servers, spoken to by a socket file; the texts of the scripts are read once."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfers-")))
        lines = []
        for name, options in _SERVERS.items():
            socket = str(folder / f"{name}.sock")
            stack.enter_context(running(options | {"unixsocket": socket}, folder / name))
            lines.append(Line(socket))
            stack.callback(lines[-1].close)
            lines[-1].ask(*(("SCRIPT", "LOAD", scripts.text_of(each)) for each in NAMES))
        read = scripts.text_of
        scripts.text_of = functools.cache(read)
        stack.callback(setattr, scripts, "text_of", read)
        keys = sealing.generate()
        settings = ProducerSettings(
            redis_url=Secret("redis://127.0.0.1:1/0"),
            vault_url=Secret("redis://127.0.0.1:2/0"),
            vault_public_key=keys.public,
            fingerprint_keys=[Secret(key_text.write(Kind.FINGERPRINT, bytes(range(32))))],
        )
        yield Servers(lines[0], lines[1], keys, settings)


def simulate(servers: Servers, seed: int) -> dict[str, int]:
    """Raises `Failed`. Returns how many steps it took, and how many transfers ended in which state."""
    servers.ledger.one("FLUSHALL")
    servers.vault.one("FLUSHALL")
    world = World(seed)
    try:
        return _live(servers, world)
    except Exception as error:
        why = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        raise Failed(f"{world.story()}\n\nseed {seed}: {why}") from error
    finally:
        world.abandon()


def _live(servers: Servers, world: World) -> dict[str, int]:
    dice = world.dice
    ledger, vault = Server(world, "ledger", servers.ledger), Server(world, "vault", servers.vault)
    laws = Laws(world, servers.ledger)
    books = laws.books = Books(world, laws.check)
    ledger.after_write = laws.check
    now_ms = world.clock.now_ms()
    kind = dice.random()
    is_repeated = kind < _BEFORE_CREATE
    has_invoice_id = not is_repeated or world.chance(0.5)
    intents = [
        intent(
            number,
            dice.choice(("now", "batch")),
            now_ms,
            has_invoice_id=has_invoice_id,
            has_deadline=not is_repeated,  # past its deadline it would be rejected, and not made again
        )
        for number in range(_TRANSFERS)
    ]
    laws.names = [each.invoice_id or _made(each.reference, now_ms) for each in intents]
    place = Place(world, ledger, vault, books, Queue(), servers.keys, servers.settings, _rules(dice))
    scenario = Scenario(place, laws, Activities(place, dict(zip(laws.names, intents, strict=True))))
    if is_repeated:
        scenario.rollback = BeforeCreate(world, ledger, laws, books, scenario.lose_who_knows)
    elif kind < _DEEP:
        scenario.rollback = Rollback.throw(world, ledger, laws, deep=True)
    elif kind < _SHALLOW:
        scenario.rollback = Rollback.throw(world, ledger, laws, deep=False)
    elif kind < _VAULT:
        scenario.vault_back = VaultBack(world, vault, ledger, laws, same_run=world.chance(0.5))

    scenario.live(_TICKS)
    scenario.rest()
    scenario.ask_once_more()
    if isinstance(scenario.rollback, BeforeCreate):
        scenario.rollback.count_what_came_of_it()

    laws.check()
    if not laws.has_forgotten:
        _compare(scenario, laws)
    ends = [record.state for name in laws.names if (record := scenario.activities.peek(name))]
    return {"steps": world.steps} | {str(state): ends.count(state) for state in sorted(set(ends))} | world.counts


def _compare(scenario: Scenario, laws: Laws) -> None:
    """At the end the bank's books are the ledger's paid ones, and nobody waits who needs no person."""
    assert laws.books is not None
    for name in laws.names:
        record, account = scenario.activities.peek(name), laws.books.sum_of(name)
        state = record.state if record else None
        has_another_number = record is not None and not laws.books.account(record.key).executions
        laws._must(
            bool(account.executions) == (state in {State.PAID, State.REVERSED})
            or (state is State.NEEDS_REVIEW and (has_another_number or not scenario.place.rules.has_status)),
            f"at the end {name} is {state}, and the bank executed it {account.executions} times",
        )
        laws._must(
            state is None or state in FINAL or state in {State.NEEDS_REVIEW, State.DEAD},
            f"at the end {name} is {state}",
        )
    entries = [entry[1] for entry in laws.line.one("XRANGE", redis_keys.EVENTS, "-", "+")]
    events = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in entries]
    alarms = [event for event in events if event["verb"] in _NEVER and not _is_true(event, laws.books)]
    laws._must(not alarms, f"the bank's word was refused, or the ledger can't be read: {alarms}")
    pauses = [event for event in events if event["verb"] == "pause"]
    of_credentials = [event for event in pauses if event["cause"] == Cause.CREDENTIALS]
    laws._must(
        len(of_credentials) * STRIKES <= laws.books.tokens_refused,
        f"the bank refused {laws.books.tokens_refused} tokens, and sending was stopped: {of_credentials}",
    )
    stops = [event for event in pauses if event not in of_credentials]
    laws._must(
        scenario.rollback is not None or not stops, f"the ledger did not go back, and sending was stopped: {stops}"
    )


def _is_true(event: dict[str, str], books: Books) -> bool:
    """One worker hears "paid", the bank gives it back, and another one that asked a moment later hears that."""
    said = (event["verb"], event.get("bank_said"), event.get("ledger"))
    is_given_back = any(account.word == "given_back" for account in books.of(event.get("key", "")))
    return said == ("contradiction", "inquiry_reversed", "paid") and is_given_back


def _made(reference: str, now_ms: int) -> str:
    """The invoice id that the ledger makes of a reference, while the suffix is free."""
    digest = hashlib.sha256(f"main\n{reference}".encode()).digest()
    return make_invoice_id(int.from_bytes(digest[:8]) % SUFFIXES, now_ms)


def _rules(dice: random.Random) -> Rules:
    return Rules(
        retry=RetryRule(attempts=dice.choice((1, 2, 4))),
        doubt=InquiryRule(HORIZON_S, dice.choice((1, 3))),
        preflight=PreflightRule(
            lease_s=LEASE_S,
            deadline_s=45,
            confirm_needs_token=dice.random() < 0.7,
            token_host="bank",
            hosts={Lane.SEND: "bank", Lane.CONFIRM: "bank"},
            gaps_ms={},
        ),
        park_s=900,
        has_status=dice.random() < 0.85,
        threads=2,
    )


def main() -> None:
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    totals: dict[str, int] = {}
    broken = []
    with running_servers() as servers:
        for seed in range(first, first + count):
            try:
                for name, number in simulate(servers, seed).items():
                    totals[name] = totals.get(name, 0) + number
            except Failed as error:
                broken.append((seed, str(error).rpartition("\n")[2]))
                if count == 1:
                    print(error)  # noqa: T201 - it was asked for
    for seed, why in broken:
        print(seed, why)  # noqa: T201 - as above
    print(f"{count} seeds, {len(broken)} broken: {totals}")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
