"""A large ledger for benchmarks, made by the scripts of the ledger, many calls a round trip. It prints no table.

`filled` starts the embedded servers and makes so many transfers, of which most are paid; a few of each hundred stand in
every other state that an operator asks for. `python -m benchmarks.large_ledger` alone does nothing.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Created, Moved
from epay_transfers.runtime import embedded_servers
from tests.support.factories import CHALLENGE, new_transfer

#: Transfers a round trip.
BATCH = 1000

#: A space has a million suffixes: so a million transfers are in four.
TERMINALS = ("main", "kiosk", "site", "app")

_HOUR_MS = 3_600_000

#: What becomes of each hundred: so many, by which moves, and why at the last.
Plan = tuple[tuple[int, tuple[Verb, ...], RecordFields], ...]
_PLAN: Plan = (
    (86, (Verb.CLAIM, Verb.PAY), {}),
    (4, (Verb.CLAIM, Verb.DECLINE), {"code": "484"}),
    (1, (Verb.CLAIM, Verb.DECLINE), {"code": "455"}),
    (2, (Verb.CANCEL,), {"reason": "cancelled"}),
    (2, (Verb.CLAIM, Verb.FAIL_CLAIMED), {"reason": "attempts_used_up", "message": "token_401"}),
    (1, (Verb.CLAIM, Verb.DOUBT), {"reason": "timeout"}),
    (1, (Verb.CLAIM, Verb.PARK), {}),
    (3, (), {}),
)
_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Filled:
    client: redis.Redis
    ledger_url: str
    vault_url: str
    states: Counter[State]  #: how many were made in each state
    amounts: Counter[State]  #: and with how much money


def amount_of(number: int) -> int:
    """Of a thousand amounts, each in every part of the ledger."""
    return 100_000 + number % 1000


@contextmanager
def filled(count: int) -> Iterator[Filled]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = embedded_servers.LEDGER_OPTIONS | {"appendfsync": "no", "appendonly": "no"}  # only reads are measured
        ledger_server = stack.enter_context(embedded_servers.running(options, home / "ledger"))
        vault_server = stack.enter_context(embedded_servers.running(embedded_servers.VAULT_OPTIONS, home / "vault"))
        client = connect(ledger_server.url)
        stack.callback(client.close)
        states, amounts = fill(client, count)
        yield Filled(client, ledger_server.url, vault_server.url, states, amounts)


def fill(
    client: redis.Redis, count: int, plan: Plan = _PLAN, *, name: str = "payout", due_in_ms: int = _HOUR_MS
) -> tuple[Counter[State], Counter[State]]:
    """`name`: what each reference begins with. `due_in_ms`: when those that do not end are looked at again."""
    ledger = Ledger(client)
    states: Counter[State] = Counter()
    amounts: Counter[State] = Counter()
    ways = [(verbs, why) for share, verbs, why in plan for _ in range(share)]
    for first in range(0, count, BATCH):
        records = _made(ledger, range(first, min(first + BATCH, count)), name)
        # Spread over the hundred, so that each page of a list has a bit of everything.
        chosen = [(record, *ways[number * 37 % _HUNDRED]) for number, record in enumerate(records, first)]
        for state, record in _moved(ledger, chosen, due_in_ms):
            states[state] += 1
            amounts[state] += record.amount
    return states, amounts


def _made(ledger: Ledger, numbers: range, name: str) -> list[Record]:
    new = [
        new_transfer(
            f"{name}-{number}",
            amount=amount_of(number),
            terminal=(terminal := TERMINALS[number % len(TERMINALS)]),
            space=terminal,
            receiver_card=f"552204******{number % 10_000:04d}",
            lasts_ms=30 * 24 * _HOUR_MS,
        )
        for number in numbers
    ]
    made = ledger.create(new, actor="backend")
    return [each.record for each in made if isinstance(each, Created)]


def _moved(
    ledger: Ledger, chosen: list[tuple[Record, tuple[Verb, ...], RecordFields]], due_in_ms: int
) -> list[tuple[State, Record]]:
    now_ms = ledger.now_ms()
    states: list[State] = [State.QUEUED] * len(chosen)
    for step in range(max(len(verbs) for _, verbs, _ in chosen)):
        moving = [at for at, (_, verbs, _) in enumerate(chosen) if step < len(verbs)]
        moves = [(chosen[at][0], chosen[at][1][step], _change(chosen[at], step, now_ms + due_in_ms)) for at in moving]
        for at, moved in zip(moving, ledger.move_many(moves, actor="worker host 1"), strict=True):
            if not isinstance(moved, Moved):
                raise TypeError(f"{moves[0][1]} was refused")
            states[at] = moved.state
    return [(state, record) for state, (record, _, _) in zip(states, chosen, strict=True)]


def _change(chosen: tuple[Record, tuple[Verb, ...], RecordFields], step: int, due_at: int) -> Change:
    record, verbs, why = chosen
    verb = verbs[step]
    fields: RecordFields = why if step == len(verbs) - 1 else {}
    if verb is Verb.PAY:
        fields = {"bank_reference": f"42{record.key[-10:]}", "code": "0", "evidence": "whole answer"}
    if verb is Verb.PARK:
        return Change(due_at=due_at, challenge=CHALLENGE, fields={"parked_until": due_at})
    ends = verb.row.ends or verb.row.keeps_due
    return Change(due_at=None if ends else due_at, fields=fields)
