"""The two servers as dictionaries: the ledger's scripts that a producer can reach, and the vault, once more in Python.

What they must answer is said in the headers of `ledger/lua`; the tests hold both to one another.
"""

import json
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, cast

import redis

from epay_transfers.ledger import invoice
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable, ServerProblem, VaultUnavailable
from epay_transfers.ledger.record import CLEARED
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Inboxes, Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.outcome_feed import Delivery, OfRecord, SetAside, Turn
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome, aside_field, replay_field
from epay_transfers.ledger.store.scripts import Call, Scripts
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import KEPT, Content, Put, Vault
from epay_transfers.producers.outcomes import is_move

_DAY_MS = 86_400_000


class MemoryScripts(Scripts):
    """A server without a server: what stands there, and the scripts that change it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lock = threading.RLock()  #: a server runs one script at a time, and threads may share these transfers
        self.away = False
        self.hashes: dict[str, dict[str, str]] = {}
        self.texts: dict[str, str] = {}
        self.expiries: dict[str, int] = {}
        self.suffixes: dict[str, str] = {}  #: of which transfer
        self.due: dict[str, int] = {}  #: by transfer: when the ledger has it looked at
        self.stops: dict[str, int] = {}  #: by terminal: until when, 0 for ever
        self.events: list[Event] = []

    def run(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> list[str]:
        if self.away:
            raise redis.ConnectionError
        with self.lock:
            replies: list[str] = getattr(self, f"_{name}")(list(keys), [str(arg) for arg in args])
        return replies

    def run_many(self, calls: Sequence[Call]) -> list[list[str] | Exception]:
        return [self.run(*call) for call in calls]

    # As a client: what `Ledger` reads with.

    def hgetall(self, name: str) -> dict[str, str]:
        if self.away:
            raise redis.ConnectionError
        return dict(self.hashes.get(name, {}))

    def hget(self, name: str, field: str) -> str | None:
        return self.hgetall(name).get(field)

    def hmget(self, name: str, fields: Sequence[str]) -> list[str | None]:
        found = self.hgetall(name)
        return [found.get(field) for field in fields]

    def pipeline(self, *, transaction: bool) -> "_Pipeline":  # noqa: ARG002 - the library's signature
        return _Pipeline(self)

    def zrangebylex(self, _name: str, low: str, high: str, *, start: int, num: int) -> list[str]:
        """Of the names by which the ledger lists its transfers; the only such set that a producer reads."""
        return self._listed(low, high)[start : start + num]

    def zrevrangebylex(self, _name: str, high: str, low: str, *, start: int, num: int) -> list[str]:
        return self._listed(low, high)[::-1][start : start + num]

    def _listed(self, low: str, high: str) -> list[str]:
        if self.away:
            raise redis.ConnectionError
        names = sorted(
            ":".join(record[name] for name in ("state", "terminal", "state_since", "key"))
            for record in self.hashes.values()
            if "state_since" in record
        )
        first, last = low[1:], high[1:]
        return [
            name
            for name in names
            if (first < name or (name == first and low[0] == "["))
            and (name < last or (name == last and high[0] == "["))
        ]

    def hkeys(self, name: str) -> list[str]:
        return list(self.hgetall(name))

    def hset(self, name: str, *, mapping: Mapping[str, str]) -> None:
        self.hgetall(name)
        self.hashes.setdefault(name, {}).update(mapping)

    def xadd(self, _name: str, entry: dict[str, str]) -> None:
        """What another program could add: an event as it is, without a number."""
        self.events.append(Event(f"{len(self.events) + 1}-0", entry))

    def execute_command(self, _evalsha: str, _digest: str, count: int, *words: str | int) -> list[str]:
        """What `Events` sends by itself: an event that is no move."""
        return self.run("tell", [str(word) for word in words[:count]], words[count:])

    def get(self, name: str) -> str | None:
        if self.away:
            raise redis.ConnectionError
        if self.expiries.get(name, self._clock.now_ms() + 1) <= self._clock.now_ms():
            self.texts.pop(name, None)
        return self.texts.get(name)

    # The ledger's scripts.

    def _create(self, keys: list[str], args: list[str]) -> list[list[str]]:
        _, _, actor, limit, *each = args
        count = len(each) // 6
        return [self._create_one(keys[-6 * n :][:6], each[-6 * n :][:6], actor, limit) for n in range(count, 0, -1)]

    def _create_one(self, keys: list[str], args: list[str], actor: str, limit: str) -> list[str]:
        record_key, handle, reference, suffixes, prints, archived = keys
        text, suffix, origin, lasts, fingerprints, digest = args
        fields = json.loads(text)
        now, expires = self._clock.now_ms(), self._clock.now_ms() + int(lasts)
        if known := self.get(reference) or self.hget(archived, digest):
            return ["REPLAYED", known]
        until = self.stops.get(fields["terminal"])
        if until is not None and until > expires:  # without an end it accepts, as the ledger does: the pause may end
            return ["PAUSED", str(until)]
        queued = sum(each.get("state") == "queued" for each in self.hashes.values())  # not all of them are records
        if 0 < int(limit) <= queued:
            return ["FULL", str(queued)]
        place = f"{suffixes}:{suffix}"
        if place in self.suffixes:
            taken = self.suffixes[place]
            return ["TAKEN", taken] if origin == "given" else ["TRY", str((int(suffix) + 1) % invoice.SUFFIXES)]
        self.suffixes[place] = self.texts[reference] = self.texts[handle] = fields["key"]
        times = {"state_since": str(now), "created_at": str(now), "deadline_at": str(expires)}
        stored = {name: text for name, text in fields.items() if name != "space"}
        self.hashes[record_key] = record = {"state": "queued", "version": "1"} | times | stored
        if fingerprints:
            self.texts[prints] = fingerprints
        self._tell_move(record, {"verb": "create", "actor": actor}, "")
        return ["OK", f"queued {record['epoch']} 1 {len(self.events)} {now}"]

    def _move(self, keys: list[str], args: list[str]) -> list[str]:
        move = {"set_in": {}, "told": [], "unset": [], "event": {}} | json.loads(args[0])  # empty ones are left out
        record = self.hashes.get(keys[0])
        if record is None or record["key"] != move["key"]:
            return ["UNKNOWN"]
        given, kept = int(move.get("epoch", record["epoch"])), int(record["epoch"])
        is_its_own = given >= kept if move.get("late") else given == kept
        is_as_seen = all(move.get(name, record[name]) == record[name] for name in ("phase", "version"))
        now = self._clock.now_ms()
        after = next((to for to, starts in move["moves"].items() if f" {record['state']} " in starts), "")
        if not after or not is_its_own or not is_as_seen:
            return ["REFUSED", record["state"], record["epoch"], record["version"], str(now)]
        if "unless_paid" in move and record.get("notification", "").endswith(":0"):
            return ["NOTED", record["state"], record["epoch"], record["version"]]
        if "ids" in move:
            owner = self.texts.setdefault(keys[7], record["key"])
            if owner != record["key"]:
                return ["FOREIGN", record["state"], record["epoch"], owner]
        before = record["state"]
        record["state_since"] = record["state_since"] if after == before else str(now)
        times = {name: str(min(now + ms, move.get("no_later", now + ms))) for name, ms in move["set_in"].items()}
        record |= {"state": after} | move["set"] | times
        move["event"] |= {name: times[name] for name in move["told"]}
        cleared = [name for name in CLEARED[: move.get("clears", 0)] if name not in move["set"] | times]
        for name in [*cleared, *move["unset"]]:
            record.pop(name, None)
        if not {"due", "due_in", "keep_due"} & move.keys():
            self._end(keys, move, now)
        if "challenge" in move:
            self.texts[keys[6]], self.texts[keys[8]] = move["challenge"], record["key"]
            self.expiries[keys[8]] = now + int(move["challenge_ms"])
        self._look_again(record["key"], move, now)
        if not move.get("quiet"):
            record["version"] = str(int(record["version"]) + 1)
            self._tell_move(record, move, before)
        return ["OK", f"{record['state']} {record['epoch']} {record['version']} {len(self.events)} {now}"]

    def _archive(self, keys: list[str], args: list[str]) -> list[str]:
        said, record = json.loads(args[0]), self.hashes[keys[0]]
        if record["state"] not in said["ends"]:
            return ["OPEN", "state"]
        self.hashes.setdefault(keys[5], {})[said["digest"]] = record["key"]
        self.texts.pop(keys[4], None)
        self._add_event(
            {"verb": "archived", "actor": said["actor"], "key": record["key"], "reference": said["digest"]}
            | {name: said[name] for name in ("file", "why")}
        )
        record |= {
            "reference": said["digest"],
            "archived_at": str(self._clock.now_ms()),
            "archive": said["file"],
            "history": "",
        }
        for name in record.keys() - set(said["keep"]):
            del record[name]
        return ["ARCHIVED"]

    def _end(self, keys: list[str], move: Mapping[str, Any], now: int) -> None:
        self.expiries[keys[5]] = now + _DAY_MS
        if "home" in move and keys[5] in self.texts:
            self.texts[keys[5]] = f"{move['key']} {move['home']}"
        self.texts.pop(keys[6], None)
        self.texts.pop(move.get("prints", ""), None)

    def _look_again(self, key: str, move: Mapping[str, Any], now: int) -> None:
        if "due_in" in move:
            self.due[key] = min(now + move["due_in"], move.get("no_later", now + move["due_in"]))
        elif "due" in move:
            self.due[key] = int(move["due"])
        elif "keep_due" not in move:
            self.due.pop(key, None)

    def _remember_fingerprint_keys(self, _keys: list[str], _args: list[str]) -> list[str]:
        return ["OK"]  # no other process has keys here

    def _tell(self, _keys: list[str], args: list[str]) -> list[str]:
        words = json.loads(args[0])["event"]
        self._add_event(dict(zip(words[::2], words[1::2], strict=True)))
        return ["TOLD", "0"]

    def _tell_move(self, record: dict[str, str], move: dict[str, Any], before: str) -> None:
        of_record = {
            name: record[name] for name in ("key", "reference", "state", "version", "epoch", "amount", "currency")
        }
        told = {"verb": move["verb"], "from": before, "actor": move["actor"], "at": str(self._clock.now_ms())}
        self._add_event(of_record | told | move.get("event", {}))

    def _add_event(self, entry: dict[str, str]) -> None:
        number = len(self.events) + 1
        self.events.append(Event(f"{number}-0", {"number": str(number)} | entry))


class _Pipeline:
    """As far as records are read by one."""

    def __init__(self, scripts: MemoryScripts) -> None:
        self._scripts = scripts
        self._names: list[str] = []

    def hgetall(self, name: str) -> None:
        self._names.append(name)

    def execute(self, *, raise_on_error: bool) -> list[dict[str, str]]:  # noqa: ARG002 - the library's signature
        return [self._scripts.hgetall(name) for name in self._names]


class MemoryLedger(Ledger):
    def __init__(self, scripts: MemoryScripts, clock: Clock) -> None:
        super().__init__(cast("redis.Redis", scripts), clock)
        self._scripts = scripts


class MemoryInboxes(Inboxes):
    """What a worker makes of an entry is made at once, by `deal_with`."""

    def __init__(self, deal_with: Callable[[Kind, Mapping[str, str]], None]) -> None:
        self._deal_with = deal_with
        self.guesses = 0  #: of all time: a test's is short

    def put(self, sender: str, kind: Kind, fields: Mapping[str, str], entry_id: str = "") -> str:  # noqa: ARG002 - the real one's signature
        self._deal_with(kind, fields)
        return secrets.token_hex(12)

    def count_guess(self) -> int:
        self.guesses += 1
        return self.guesses


class MemoryVault(Vault):
    """As far as a producer goes: what is put in is not kept, but that it is there."""

    def __init__(self) -> None:
        self.away = False
        self._there: dict[tuple[Purpose, str], tuple[Content, int, str]] = {}

    def put(self, purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str = "") -> Put:  # noqa: ARG002 - the real one's signature
        there, kept, kept_tag = self._at(purpose, key)
        if there is Content.NOTHING or (there is Content.BLOB and purpose is Purpose.CARD and kept < epoch):
            self._there[purpose, key] = (Content.BLOB, epoch, tag)
            return Put.STORED
        return Put.SAME if tag and (there, kept, kept_tag) == (Content.BLOB, epoch, tag) else Put.PRESENT

    def put_cards(self, blobs: Sequence[tuple[str, int, str, int]]) -> list[Put]:
        return [self.put(Purpose.CARD, *blob) for blob in blobs]

    def close(self, purpose: Purpose, key: str, epoch: int) -> bool:
        there, kept, tag = self._at(purpose, key)
        if there is Content.BLOB and kept == epoch:
            self._there[purpose, key] = (Content.BLOB, epoch + 1, tag)
        elif there is Content.NOTHING:
            self._there[purpose, key] = (Content.CLOSED, epoch, "")
        return True  # no worker takes anything out here

    def drop(self, key: str) -> None:
        for purpose in KEPT:
            there, kept, _ = self._at(purpose, key)
            if there is Content.BLOB:
                self._there[purpose, key] = (Content.CLOSED, kept, "")

    def look(self, purpose: Purpose, key: str, epoch: int = 0) -> Content:
        there, kept, _ = self._at(purpose, key)
        return Content.NOTHING if there is Content.BLOB and kept < epoch else there

    def _at(self, purpose: Purpose, key: str) -> tuple[Content, int, str]:
        if self.away:
            raise VaultUnavailable
        return self._there.get((purpose, key), (Content.NOTHING, 0, ""))


@dataclass(slots=True)
class _Owed:
    consumer: str
    since: float
    count: int = 1


@dataclass(slots=True)
class _Group:
    read: int = 0
    owed: dict[str, _Owed] = field(default_factory=dict)  #: by event


class MemoryFeed:
    """`producers.outcomes.Feed`, over the events of `MemoryScripts`."""

    def __init__(self, scripts: MemoryScripts, clock: Clock) -> None:
        self._scripts = scripts
        self._clock = clock
        self._groups: dict[str, _Group] = {}

    def join(self, group: str) -> None:
        self._answer()
        self._groups.setdefault(group, _Group())

    def take(self, group: str, consumer: str, *, count: int, block_ms: int = 0, after: str = ">") -> list[Event]:  # noqa: ARG002 - no other process brings more while we wait
        self._answer()
        known = self._groups[group]
        if after != ">":
            mine = [event for event in self._of(known, consumer) if _number(event.id) > _number(after)][:count]
            for event in mine:
                known.owed[event.id].count += 1
            return mine
        taken = self._scripts.events[known.read : known.read + count]
        known.read += len(taken)
        known.owed |= {event.id: _Owed(consumer, self._clock.monotonic()) for event in taken}
        return taken

    def claim(self, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Event]:
        self._answer()
        known = self._groups[group]
        left = self._idle(known, idle_ms)[:count]
        for event in left:
            known.owed[event.id].count += 1
        self._claimed(known, consumer, [event.id for event in left])
        return left

    def ack(self, group: str, event_id: str) -> None:
        self._answer()
        self._groups[group].owed.pop(event_id, None)

    def leave(self, group: str, consumer: str) -> None:
        """A dictionary keeps no list of consumers."""

    def counts(self, group: str, consumer: str, events: Sequence[Event]) -> dict[str, int]:
        owed = self._groups[group].owed
        return {event.id: owed[event.id].count for event in events if self._is_of(owed, event.id, consumer)}

    # In the order of each transfer.

    def owed(
        self, group: str, consumer: str, *, count: int, but: Collection[str], idle_ms: int | None = None
    ) -> list[Delivery]:
        self._answer()
        known = self._groups[group]
        found = self._of(known, consumer) if idle_ms is None else self._idle(known, idle_ms)
        found = [event for event in found if event.id not in but][:count]
        self._claimed(known, consumer, [event.id for event in found])
        return [Delivery(event, known.owed[event.id].count) for event in found]

    def keep(self, group: str, consumer: str, places: Collection[str]) -> set[str]:
        known = self._groups[group]
        mine = {place for place in places if self._is_of(known.owed, place, consumer)}
        self._claimed(known, consumer, mine)
        return mine

    def count_delivery(self, group: str, consumer: str, place: str, count: int) -> bool:
        known = self._groups[group]
        if place in known.owed:
            self._claimed(known, consumer, [place])
            known.owed[place].count = count
        return place in known.owed

    def release(self, group: str, consumer: str, places: Sequence[str], *, count: int | None = None) -> None:  # noqa: ARG002 - the real one's signature
        known = self._groups[group].owed
        for owed in (known[place] for place in places if place in known):  # one may be acknowledged already
            owed.since = -inf
            owed.count = owed.count if count is None else count

    def of_records(self, outcomes: Sequence[tuple[str, str]]) -> list[OfRecord]:
        found = []
        for key, place in outcomes:
            moves = [event.id for event in self._scripts.events if event.fields.get("key") == key and is_move(event)]
            earlier = [move for move in moves if _number(move) < _number(place)]
            metadata = self._scripts.hget(redis_keys.record(key), "metadata") if invoice.is_key(key) else None
            found.append(OfRecord(earlier[-1] if earlier else "", metadata or ""))
        return found

    def turns(self, group: str, before: Sequence[tuple[str, str]]) -> list[Turn]:
        aside, owed = self._scripts.hgetall(redis_keys.OUTCOMES_ASIDE), self._groups[group].owed
        return [
            Turn.ASIDE if aside_field(group, key, place) in aside else Turn.WAITS if place in owed else Turn.READY
            for key, place in before
        ]

    def set_aside(self, consumer: str, outcome: AsideOutcome, *, behind: str = "") -> SetAside:
        group, owed = outcome.group, self._groups[outcome.group].owed
        aside = self._scripts.hashes.setdefault(redis_keys.OUTCOMES_ASIDE, {})
        replays = self._scripts.hgetall(redis_keys.OUTCOME_REPLAYS)
        is_replayed = replay_field(group, outcome.key) in replays
        if behind and (aside_field(group, outcome.key, behind) not in aside or is_replayed):
            return SetAside.LATER
        if not self._is_of(owed, outcome.place, consumer):
            return SetAside.GONE
        aside[outcome.field] = outcome.to_json()
        del owed[outcome.place]
        return SetAside.ASIDE

    def replay(self, group: str, consumer: str, *, most: int) -> list[Delivery]:
        replays = self._scripts.hashes.get(redis_keys.OUTCOME_REPLAYS, {})
        aside = self._scripts.hashes.get(redis_keys.OUTCOMES_ASIDE, {})
        places = set()
        for asked in [each for each in replays if each.startswith(f"{group} ")][:most]:
            for each in [each for each in aside if each.startswith(f"{asked} ")]:
                places.add(each.rpartition(" ")[2])
                del aside[each]
            del replays[asked]
        known, now = self._groups[group], self._clock.monotonic()
        known.owed |= {place: _Owed(consumer, now, 0) for place in places}
        return [Delivery(event, 0) for event in self._scripts.events if event.id in places]

    def _answer(self) -> None:
        """Raises `LedgerUnavailable` while the server is away. No waiting helps: the test alone brings it back."""
        if self._scripts.away:
            problem = ServerProblem("", "the ledger is away", "set_away() brings it back", is_passing=False)
            raise LedgerUnavailable(problem, reading=True)

    def _of(self, known: _Group, consumer: str) -> list[Event]:
        return [event for event in self._scripts.events if self._is_of(known.owed, event.id, consumer)]

    def _idle(self, known: _Group, idle_ms: int) -> list[Event]:
        now = self._clock.monotonic()
        owed = [event for event in self._scripts.events if event.id in known.owed]
        return [event for event in owed if now - known.owed[event.id].since >= idle_ms / 1000]

    def _claimed(self, known: _Group, consumer: str, places: Iterable[str]) -> None:
        for place in places:
            known.owed[place].consumer, known.owed[place].since = consumer, self._clock.monotonic()

    @staticmethod
    def _is_of(owed: Mapping[str, _Owed], place: str, consumer: str) -> bool:
        return place in owed and owed[place].consumer == consumer


class OneAtATime:
    """A part that threads share, each call of it under the lock: what a server is by itself."""

    def __init__(self, part: object, lock: threading.RLock) -> None:
        self._part = part
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._part, name)

        def locked(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return part(*args, **kwargs)

        return locked if callable(part) else part


def _number(place: str) -> int:
    return int(place.partition("-")[0])
