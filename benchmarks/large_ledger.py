"""A large ledger for benchmarks, made by the scripts of the ledger, many calls a round trip. It prints no table.

`filled` starts the embedded servers and makes so many transfers, of which most are paid; a few of each hundred stand in
every other state that an operator asks for. Those that are queued have their wake-ups in the queue, and something in
the place of their cards in the vault: an audit finds nothing. Where it is given a folder, it keeps the ledger there,
and the next run loads it: a million take minutes to make. `python -m benchmarks.large_ledger` alone does nothing.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

import dramatiq
import redis

from benchmarks.processes import SERVER
from epay_transfers.ledger.queue.broker import ACTORS, NAMESPACE, NOW
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Lists
from epay_transfers.ledger.store.replies import Created, Moved
from epay_transfers.runtime import embedded_servers
from tests.support.factories import CHALLENGE, new_transfer

#: Transfers a round trip.
BATCH = 1000

#: So many are made by the ledger's scripts, by so many processes; then copies of them, and a word after so many copies.
_BY_SCRIPTS, _PROCESSES = 10_000, 2
_COPIED_AT_ONCE, _WORD = 200, 10

#: A space has a million suffixes: so a million transfers are in four.
TERMINALS = ("main", "kiosk", "site", "app")

_HOUR_MS = 3_600_000

#: A worker looks again then: later than a kept ledger is read, and not later than any rule says.
_DUE_MS = 20 * _HOUR_MS

#: A server takes so long at most to load a million transfers.
_LOAD_S = 300.0

_FILE, _NOTE = "ledger.rdb", "made.json"

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
    (3, (Verb.SCHEDULE_WAKEUP,), {}),
)
_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Filled:
    client: redis.Redis
    vault: redis.Redis
    ledger_url: str
    vault_url: str
    states: Counter[State]  #: how many were made in each state
    amounts: Counter[State]  #: and with how much money


def amount_of(number: int) -> int:
    """Of a thousand amounts, each in every part of the ledger."""
    return 100_000 + number % 1000


@contextmanager
def filled(count: int, kept: Path | None = None, terminals: Sequence[str] = TERMINALS) -> Iterator[Filled]:
    """`kept`: a folder of this ledger's own. It is loaded from there if it is there, and else is saved there."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = kept or home / "ledger"
        options = embedded_servers.LEDGER_OPTIONS | _ONLY_READ | {"dbfilename": _FILE}
        ledger_server = stack.enter_context(embedded_servers.running(options, folder, SERVER, starts_within_s=_LOAD_S))
        vault_server = stack.enter_context(
            embedded_servers.running(embedded_servers.VAULT_OPTIONS, home / "vault", SERVER)
        )
        client = connect(ledger_server.url, timeout_s=_LOAD_S)
        vault = connect(vault_server.url)
        stack.callback(client.close)
        stack.callback(vault.close)
        note = folder / _NOTE
        if note.exists():
            states, amounts = _noted(note, count)
        else:
            states, amounts = fill(client, ledger_server.url, count, terminals)
            _send_wakeups(client)
            if kept is not None:
                client.save()
                note.write_text(json.dumps({"count": count, "states": states, "amounts": amounts}))
        _put_cards(client, vault)
        yield Filled(client, vault, ledger_server.url, vault_server.url, states, amounts)


#: Nothing is written to disk while it is filled: only reads are measured.
_ONLY_READ = {"appendfsync": "no", "appendonly": "no"}


def _noted(note: Path, count: int) -> tuple[Counter[State], Counter[State]]:
    told = json.loads(note.read_text())
    if told["count"] != count:
        raise SystemExit(f"that folder keeps a ledger of {told['count']:,} transfers: give another one")
    states, amounts = (
        Counter({State(name): each for name, each in told[part].items()}) for part in ("states", "amounts")
    )
    return states, amounts


def fill(client: redis.Redis, url: str, count: int, terminals: Sequence[str]) -> tuple[Counter[State], Counter[State]]:
    """The first by the ledger's scripts. Where there are many, the others are copies of these, made in the server."""
    first = _BY_SCRIPTS if count % _BY_SCRIPTS == 0 else count
    copies = count // first
    states, amounts = _fill(url, first, terminals)
    _copy(client, copies, first)
    for counter in (states, amounts):
        for state in counter:
            counter[state] *= copies
    return states, amounts


def seed(client: redis.Redis, count: int, plan: Plan, *, name: str, due_in_ms: int = _HOUR_MS) -> None:
    """So many more, by this plan, on a ledger that a benchmark has. `name`: what each reference begins with.

    `due_in_ms`: when those that do not end are looked at again.
    """
    ledger = Ledger(client)
    for first in range(0, count, BATCH):
        _make(ledger, range(first, min(first + BATCH, count)), plan, TERMINALS, name=name, due_in_ms=due_in_ms)


def _fill(url: str, count: int, terminals: Sequence[str]) -> tuple[Counter[State], Counter[State]]:
    """By several processes: most of the time goes into what Python does."""
    states: Counter[State] = Counter()
    amounts: Counter[State] = Counter()
    parts = [range(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        for made in pool.map(_fill_part, repeat(url), repeat(terminals), parts):
            for state, amount in made:
                states[state] += 1
                amounts[state] += amount
    return states, amounts


def _copy(client: redis.Redis, copies: int, first: int) -> None:
    """Each transfer so often, the first one with it; an audit compares all of it."""
    script = client.register_script((Path(__file__).parent / "copy_transfers.lua").read_text())
    keys = [each.at.key for each in Lists(client).all(list(State))]
    counters = Ledger(client).counters()
    root = redis_keys.every("").removesuffix("*")
    began = time.monotonic()
    for copy in range(1, copies):
        for start in range(0, len(keys), _COPIED_AT_ONCE):
            script([root], [copy, copy * first, *keys[start : start + _COPIED_AT_ONCE]])
        if copy % _WORD == 0:
            print(f"made {copy * first:,} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    kept = {name: value for name, value in counters.items() if name not in {"events", "format"}}
    client.hset(redis_keys.COUNTERS, mapping={name: value * copies for name, value in kept.items()})


@cache
def _ledger(url: str) -> Ledger:
    """One of each process."""
    return Ledger(connect(url, timeout_s=_LOAD_S))


def _fill_part(url: str, terminals: Sequence[str], numbers: range) -> list[tuple[State, int]]:
    return _make(_ledger(url), numbers, _PLAN, terminals, name="payout", due_in_ms=_DUE_MS)


def _make(
    ledger: Ledger, numbers: range, plan: Plan, terminals: Sequence[str], *, name: str, due_in_ms: int
) -> list[tuple[State, int]]:
    ways = [(verbs, why) for share, verbs, why in plan for _ in range(share)]
    # Spread over the hundred, so that each page of a list has a bit of everything.
    records = zip(numbers, _made(ledger, terminals, numbers, name), strict=True)
    chosen = [(record, *ways[number * 37 % _HUNDRED]) for number, record in records]
    return [(state, record.amount) for state, record in _moved(ledger, chosen, due_in_ms)]


def _send_wakeups(client: redis.Redis) -> None:
    """As the queue's library writes them, but many a round trip."""
    pipeline = client.pipeline(transaction=False)
    for each in Lists(client).all([State.QUEUED]):
        message_id = str(uuid4())
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=NOW,
            actor_name=ACTORS[NOW],
            args=(each.at.key,),
            kwargs={},
            options={"redis_message_id": message_id},
            message_id=message_id,
        )
        pipeline.hset(f"{NAMESPACE}:{NOW}.msgs", message_id, message.encode().decode())
        pipeline.rpush(f"{NAMESPACE}:{NOW}", message_id)
    pipeline.execute()


def _put_cards(client: redis.Redis, vault: redis.Redis) -> None:
    """No card: the audit looks at the places alone."""
    pipeline = vault.pipeline(transaction=False)
    for each in Lists(client).all([State.QUEUED]):
        pipeline.set(redis_keys.card(each.at.key), "B:")
    pipeline.execute()


def _made(ledger: Ledger, terminals: Sequence[str], numbers: range, name: str) -> list[Record]:
    new = [
        new_transfer(
            f"{name}-{number}",
            amount=amount_of(number),
            terminal=(terminal := terminals[number % len(terminals)]),
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
