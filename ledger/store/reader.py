"""The reader of the ledger: a transfer by its key and by what else names it, who is due, who is in which state.

It changes nothing but when to look again at what can't be read. `Ledger` is a reader that may write. Where many
records are read, one that can't be read is told to `on_unreadable` (the log, if the caller names nothing else) and the
others are returned; where one is read by its key, that is an error.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import cast

import redis

from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable, RecordUnreadable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.record import KEPT_AS, Record, StoredChallenge, kept_as
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import reference_digest
from epay_transfers.ledger.store.connection import in_one_write
from epay_transfers.ledger.store.lists import Lists
from epay_transfers.ledger.store.redis_errors import of_its_type, read_errors_as
from epay_transfers.ledger.store.replies import Due
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ledger.store.unreadable import NO_HASH, NO_KEY, NOT_THERE, SetAside, Tell, fields_of, log_unreadable

#: Of the names that are due at a time (ms), those that are to be read.
Leave = Callable[[Sequence[str], int], Sequence[str]]

#: A reply that did not come.
_LOST = (redis.ConnectionError, redis.TimeoutError)

#: Before the name of a run, in the counters.
_VAULT = "vault:"
_COUNT = re.compile("[0-9]{1,15}")


class Reader:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        """`test_clock`: a test's time in place of the server's. Production has none."""
        self.client = client
        self.test_clock = test_clock
        self.lists = Lists(client)
        self._looks = Scripts(client, ("due",))
        self._aside = SetAside(client)

    def now_ms(self) -> int:
        """The ledger's own time, by which its times are meant."""
        with read_errors_as(LedgerUnavailable):
            return ledger_ms(self.client, self.test_clock)

    def get(self, key: str) -> Record | None:
        """Raises `RecordUnreadable`."""
        with read_errors_as(LedgerUnavailable):
            try:
                reply = cast("dict[str, str]", self.client.hgetall(redis_keys.record(key)))
            except redis.ResponseError as error:
                return _record(key, fields_of(error))
        return _record(key, reply)

    def by_reference(self, reference: str) -> Record | None:
        """An archived one has but the digest of its reference: it is returned with the reference that led to it."""
        record = self._by(redis_keys.reference(reference)) or self._archived(reference)
        return replace(record, reference=reference) if record and record.archived_at else record

    def by_handle(self, handle: str) -> Record | None:
        return self._by(redis_keys.handle(handle))

    def details(self, record: Record) -> OrderDetails:
        """What the record keeps of its order; of an ended transfer the way home alone, for as long as its handle.

        Raises `ValueError` for what a hand has damaged.
        """
        if record.order_details:
            return OrderDetails.from_json(record.order_details)
        with read_errors_as(LedgerUnavailable):  # after the record: a transfer that ends meanwhile writes both at once
            text = cast("str | None", self.client.get(redis_keys.handle(record.handle))) or ""
        return OrderDetails.from_json(text.partition(" ")[2])

    def by_md(self, md: str) -> Record | None:
        return self._by(redis_keys.md(md))

    def challenge(self, record: Record) -> StoredChallenge | None:
        with read_errors_as(LedgerUnavailable):
            text = cast("str | None", self.client.get(redis_keys.challenge(record.key)))
        return StoredChallenge(**json.loads(text)) if text else None

    def card_prints(self, key: str) -> str:
        """The fingerprints of the cards of a transfer that has not ended; empty where there are none. For producers."""
        with read_errors_as(LedgerUnavailable):
            return cast("str | None", self.client.get(redis_keys.prints(key))) or ""

    def due(self, limit: int, leave: Leave | None = None) -> Due:
        """The transfers that must be looked at now, longest due first. None is taken out: only a move changes `due`.

        A record that can't be read is set aside for an hour, or it would keep all others from being looked at. `leave`
        replies which of them are to be read, at that time.
        """
        with read_errors_as(LedgerUnavailable):
            now, *all_names = self._looks.run("due", (redis_keys.DUE,), (self._test_time or "", limit))
        names = leave(all_names, int(now)) if leave and all_names else all_names
        unreadable: list[RecordUnreadable] = []
        records = self.get_many(names, unreadable.append) if names else []
        known = {record.key for record in records} | {error.key for error in unreadable}
        unreadable += [RecordUnreadable(name, NOT_THERE) for name in names if name not in known]
        self._aside.set(unreadable, int(now))
        return Due(int(now), records, len(all_names) - len(names))

    def in_state(self, state: State, limit: int = 100, on_unreadable: Tell = log_unreadable) -> list[Record]:
        """Transfers of one state, longest in it first."""
        return self.get_many(self.lists.page([state], limit=limit).keys, on_unreadable)

    def all_in_state(self, state: State, page: int) -> Iterator[Record]:
        """Every transfer of one state, a page a round trip; one that moves meanwhile may be missed."""
        keys = (listed.at.key for listed in self.lists.all([state], chunk=page))
        while names := list(islice(keys, page)):
            yield from self.get_many(names)

    def get_many(self, names: Sequence[str], on_unreadable: Tell = log_unreadable) -> list[Record]:
        """Those that the ledger has, and that can be read."""
        for name in names:
            if not is_key(name):
                on_unreadable(RecordUnreadable(name, NO_KEY))
        names = [name for name in names if is_key(name)]
        pipeline = self.client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(redis_keys.record(name))
        with read_errors_as(LedgerUnavailable):
            raws = [fields_of(raw) for raw in pipeline.execute(raise_on_error=False)]
        found = []
        for name, raw in zip(names, raws, strict=True):
            try:
                record = _record(name, raw)
            except RecordUnreadable as error:
                on_unreadable(error)
            else:
                found += [record] if record else []
        return found

    def by_bank_reference(self, reference: str) -> list[Record]:
        """The transfers to which the bank gave this reference: one, as a rule."""
        return self.get_many(self.keys_by_bank_reference([reference])[0])

    def by_bank_id(self, bank_id: str) -> Record | None:
        """The transfer to which the bank gave this id of its own: it belongs to one, for ever."""
        name = redis_keys.bank_id_name(bank_id)
        pipeline = self.client.pipeline(transaction=False)
        pipeline.get(redis_keys.bank_id(bank_id))
        for place in redis_keys.bank_ids(bank_id):
            pipeline.hget(place, name)
        with read_errors_as(LedgerUnavailable):
            key = next(filter(None, cast("list[str | None]", pipeline.execute())), None)
        return self.get(key) if key and is_key(key) else None

    def keys_by_bank_reference(self, references: Sequence[str]) -> list[list[str]]:
        """For each the keys of the transfers to which the bank gave it, in one round trip."""
        pipeline = self.client.pipeline(transaction=False)
        for reference in references:
            for place in redis_keys.references(reference):
                pipeline.hget(place, reference)
        with read_errors_as(LedgerUnavailable):
            found = iter(cast("list[str | None]", pipeline.execute() if references else []))
        return [(few or many or "").split() for few, many in zip(found, found, strict=True)]

    def contradictions(self) -> dict[str, str]:
        """By key: what the bank says against the end that the record has, until it is corrected or the two agree."""
        with read_errors_as(LedgerUnavailable), of_its_type("contradicted"):
            return cast("dict[str, str]", self.client.hgetall(redis_keys.CONTRADICTED))

    def is_contradicted(self, key: str, state: State) -> bool:
        """Does the bank say that the money has moved, of what ended without? The others are not looked up."""
        if not (state.final and state.money is Money.NONE):
            return False
        with read_errors_as(LedgerUnavailable), of_its_type("contradicted"):
            return self.client.hget(redis_keys.CONTRADICTED, key) is not None

    def contradicted_among(self, records: Sequence[Record]) -> set[str]:
        """The keys of those that are contradicted, in one round trip."""
        keys = [record.key for record in records if record.state.final and record.state.money is Money.NONE]
        if not keys:
            return set()
        with read_errors_as(LedgerUnavailable), of_its_type("contradicted"):
            told = cast("list[str | None]", self.client.hmget(redis_keys.CONTRADICTED, keys))
        return {key for key, text in zip(keys, told, strict=True) if text is not None}

    def totals(self) -> Totals:
        """How many transfers there are, and how much money is in them. Raises `LedgerBroken`."""
        return Totals.of_counters(self.counters())

    def counters(self) -> dict[str, int]:
        """What `Totals` is made of; `used:<space>`, `vault:<run>`, `sequence`, `events`, `trimmed`.

        Raises `LedgerBroken` for what is no number, or a key of another type.
        """
        with read_errors_as(LedgerUnavailable), of_its_type("counters"):
            raw = cast("dict[str, str]", self.client.hgetall(redis_keys.COUNTERS))
        try:
            return {name: int(value) for name, value in raw.items()}
        except ValueError:
            raise LedgerBroken("counters") from None

    def vault_writes(self, run: str) -> int:
        """Of this run of the vault's server: the most writes that a process has told the ledger.

        0 for what is no count: `remember_vault` writes over it.
        """
        with read_errors_as(LedgerUnavailable):
            told = str(self.client.hget(redis_keys.COUNTERS, f"{_VAULT}{run}"))
        return int(told) if _COUNT.fullmatch(told) else 0

    def fingerprint_keys(self) -> list[str]:
        """The ids of the keys that producers compare intents by; none before the first has enqueued.

        Raises `LedgerBroken` for a key of another type.
        """
        with read_errors_as(LedgerUnavailable), of_its_type("fingerprint keys"):
            return sorted(cast("set[str]", self.client.smembers(redis_keys.FINGERPRINT_KEYS)))

    def fields(self, keys: Sequence[str], names: Sequence[str]) -> list[list[str | None] | None]:
        """These fields of each record, as they stand there: a tenth of what a whole one costs. None: it is no hash."""
        older = [name for name in names if name in KEPT_AS]
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(redis_keys.record(key), [*map(kept_as, names), *older])
        with read_errors_as(LedgerUnavailable):
            replies = pipeline.execute(raise_on_error=False) if keys else []
        return [_by_name(reply, names, older) if isinstance(reply, list) else None for reply in replies]

    def times(self, keys: Sequence[str], name: str) -> dict[str, int]:
        """The field `name`, a time, of each of these records, for those that have it."""
        commands = [("HGET", redis_keys.record(key), name) for key in keys]
        with read_errors_as(LedgerUnavailable):  # a pipeline of the library's costs twice as much
            raw = in_one_write(self.client, commands) if keys else []
            lost = next((each for each in raw if isinstance(each, _LOST)), None)
            if lost is not None:
                raise lost
        told = zip(keys, raw, strict=True)
        return {key: int(text) for key, text in told if isinstance(text, str) and _COUNT.fullmatch(text) and int(text)}

    def lag_ms(self, now_ms: int) -> int:
        """For how long the transfer that is due longest has been due: the sweeper's lag. 0 where none is due."""
        with read_errors_as(LedgerUnavailable):
            first = cast(
                "list[tuple[str, float]]",
                self.client.zrangebyscore(redis_keys.DUE, "-inf", now_ms, start=0, num=1, withscores=True),
            )
        return max(0, now_ms - int(first[0][1])) if first else 0

    def memory(self) -> tuple[int, int]:
        """How many bytes the server uses, and its limit; 0 for none."""
        with read_errors_as(LedgerUnavailable):
            info = self.client.info("memory")
        return int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))

    def sequence(self) -> int:
        """How many moves the ledger has made, all told; 0 for one that has made none."""
        with read_errors_as(LedgerUnavailable):
            return int(cast("str | None", self.client.hget(redis_keys.COUNTERS, "sequence")) or 0)

    @property
    def _test_time(self) -> str | None:
        return str(self.test_clock.now_ms()) if self.test_clock else None

    def not_led_to(self, archived: Mapping[str, str]) -> list[str]:
        """Of archived transfers, by key the digest of the reference: those to which it does not lead."""
        pipeline = self.client.pipeline(transaction=False)
        for digest in archived.values():
            pipeline.hget(redis_keys.archived(digest), digest)
        with read_errors_as(LedgerUnavailable):
            found = pipeline.execute(raise_on_error=False) if archived else []
        return [key for key, leads_to in zip(archived, found, strict=True) if leads_to != key]

    def _archived(self, reference: str) -> Record | None:
        digest = reference_digest(reference)
        with read_errors_as(LedgerUnavailable), of_its_type("archived references"):
            key = cast("str | None", self.client.hget(redis_keys.archived(digest), digest))
        return self.get(key) if key else None

    def _by(self, name: str) -> Record | None:
        with read_errors_as(LedgerUnavailable):
            text = cast("str | None", self.client.get(name))
        return self.get(text.partition(" ")[0]) if text else None


def _by_name(reply: list[str | None], names: Sequence[str], older: Sequence[str]) -> list[str | None]:
    """The values of these fields; of a field that only its older name has, that one's."""
    before = dict(zip(older, reply[len(names) :], strict=True))
    return [before.get(name) if text is None else text for name, text in zip(names, reply, strict=False)]


def _record(key: str, raw: dict[str, str] | None) -> Record | None:
    """None: the ledger has no such transfer. Raises `RecordUnreadable`."""
    if raw is None:
        raise RecordUnreadable(key, NO_HASH)
    return Record.from_ledger(key, raw) if raw.get("key") == key else None
