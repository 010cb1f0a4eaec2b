"""The runs that the corpus is written by: real calls of producers, web tier, operators and a worker, on real servers.

After each step all that stands in the servers is looked at, and what has a new shape becomes a line. Chance is only in
the values. The cards are the bank's own test numbers, the key that seals them is made for this alone.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import redis

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.queue.broker import NAMESPACE, QUEUES, Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pause, Pauses
from epay_transfers.ledger.store.replies import Moved, Wait
from epay_transfers.ledger.vault.sealing import Opener, Purpose, Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import PanCard, ProducerSettings, Receiver, SavedCard, TransferIntent, Transfers
from epay_transfers.producers.context import Context
from epay_transfers.sandbox import RunningSandbox
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.corpus import meaning, sealing_key, standing
from tests.corpus.lines import Line
from tests.support import factories
from tests.support.clocks import FakeClock
from tests.support.servers import queue_url
from tests.support.stage import Stage

PAN = PanCard(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov", save=True)
SAVED = SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e")
TO_PAN, TO_SAVED = Receiver(number="5522042705066736"), Receiver(card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce")
ABROAD = Receiver(number="5522042705066736", first_name="Ana", last_name="Li", country_code="KG")
LINKS: dict[str, Any] = {
    "back_link": "https://shop.example/ok",
    "failure_back_link": "https://shop.example/sorry",
    "post_link": "https://shop.example/note",
    "failure_post_link": "https://shop.example/bad",
}
AIGUL, BOLAT = operator("aigul"), operator("bolat")
SILENT = StatusReport(StatusWord.UNANSWERED, why="timeout")
HOUR_S, DAY_S = 3600, 86_400


class Watched:
    """The bank, with a look at all servers before each call: a transfer is on the wire then."""

    def __init__(self, bank: Any, look: Callable[[], None]) -> None:
        self._bank = bank
        self._look = look

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bank, name)
        if name not in {"transfer", "confirm", "status"}:
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._look()
            return found(*args, **named)

        return call


class Saying:
    """A bank that says this to every question."""

    has_status = True

    def __init__(self, report: StatusReport) -> None:
        self._report = report

    def status(self, *_: Any, **__: Any) -> StatusReport:
        return self._report


@dataclass
class Writers:
    stage: Stage
    transfers: Transfers
    clients: list[redis.Redis]
    scene: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    _seen_events: str = "-"
    _number: int = 0

    # What is looked at.

    def look(self) -> None:
        ledger, vault = self.stage.ledger.client, self.stage.vault.client
        self._events(ledger)
        for key in self._names(ledger, redis_keys.every("r:")):
            record = cast("dict[str, str]", ledger.hgetall(key))
            self._add("record", record["state"], record)
        for key in self._names(ledger, redis_keys.every("challenge:")):
            self._add("challenge", "3-D Secure", json.loads(str(ledger.get(key))))
        for where, written in ((redis_keys.PAUSES, "yes"), (redis_keys.ADDED_PAUSES, "no")):
            for pause, text in cast("dict[str, str]", ledger.hgetall(where)).items():
                name = "written" if written == "yes" else "added"
                self._add("pause", name, {"id": pause, "text": text, "written": written})
        for sender in ("web", AIGUL, BOLAT):
            for text in cast("list[str]", ledger.lrange(redis_keys.inbox(sender), 0, -1)):
                entry = json.loads(text)
                self._add("entry", entry["kind"], {"sender": sender, "entry": entry})
        self._messages(self.clients[0])
        self._vault(vault)

    def look_at(self, key: str) -> None:
        """At this transfer alone, and at what has happened: where there are many."""
        record = cast("dict[str, str]", self.stage.ledger.client.hgetall(redis_keys.record(key)))
        self._add("record", record["state"], record)
        self._events(self.stage.ledger.client)

    def _events(self, client: redis.Redis) -> None:
        for place, fields in cast("Any", client.xrange(redis_keys.EVENTS, self._seen_events)):
            self._seen_events = f"({place}"
            self._add("event", fields["verb"], fields)

    def _messages(self, client: redis.Redis) -> None:
        for queue in QUEUES:
            for text in cast("dict[str, str]", client.hgetall(f"{NAMESPACE}:{queue}.msgs")).values():
                self._add("message", queue, json.loads(text))

    def _vault(self, client: redis.Redis) -> None:
        for purpose in Purpose:
            if purpose not in {Purpose.CARD, Purpose.PARES}:
                continue
            for name in self._names(client, redis_keys.every(f"sealed:{purpose}:")):
                key = self._key_at(name)
                private = self.stage.keys.private.reveal()
                sealed = str(client.get(name))
                content = {"purpose": purpose.value, "key": key, "sealed": sealed}
                clear = Opener([Secret(private)]).open(sealed, purpose, key).decode()
                shape = "" if purpose is Purpose.PARES else clear
                self._add("sealed", purpose.value, content, shape)
            for name in self._names(client, redis_keys.every(f"{purpose}:")):
                kind = str(client.type(name))
                kept = client.hgetall(name) if kind == "hash" else client.get(name)
                self._add("place", purpose.value, {"type": kind, "kept": kept})

    def _key_at(self, name: str) -> str:
        place = name.split(":")[-2:]
        record = self.stage.ledger.client.hget(redis_keys.suffix_record(place[0], int(place[1])), "key")
        assert isinstance(record, str)
        return record

    def _names(self, client: redis.Redis, pattern: str) -> list[str]:
        return sorted(cast("list[str]", client.keys(pattern)))

    def _add(self, kind: str, name: str, content: Any, clear: str = "") -> None:
        bare = Line(kind, f"{name}, {self.scene}", content, {})
        if kind == "sealed":  # its shape is that of what is sealed
            bare = replace(bare, content={**content, "holds": json.loads(_names_alone(clear)) if clear else ""})
        if bare.shape not in self.lines:
            self.lines[bare.shape] = replace(bare, means=meaning.of(kind, content))

    # What is done.

    def step(self, work: Callable[[], object] | None = None) -> None:
        if work is not None:
            work()
        self.look()

    def enqueue(self, description: str = "Payout", **fields: Any) -> str:
        self._number += 1
        given: dict[str, Any] = {"reference": f"payout-{self._number}", "amount": "150.25", "description": description}
        intent = TransferIntent(**given | {"sender": SAVED, "receiver": TO_PAN} | fields)
        if isinstance(intent.sender, SavedCard) and intent.receiver.card_id and intent.deadline:
            self._add("intent", "saved to saved", intent.to_json())
        key = self.transfers.enqueue(intent).key
        self.look()
        return key

    def execute(self, key: str) -> None:
        self.step(lambda: self.stage.journey.execute(key))

    def inquire(self, key: str) -> None:
        self.step(lambda: self.stage.journey.inquire(key))

    def confirm(self, key: str) -> None:
        """The client, the web tier, a worker that reads of it, and one that confirms."""
        challenge = self.stage.ledger.challenge(self.stage.record(key))
        assert challenge is not None, self.stage.record(key)
        pa_res = self.stage._pa_res(challenge.md, "secret")
        self.transfers.confirm(md=challenge.md, pa_res=pa_res, handle=self.stage.record(key).handle)
        self.read_inboxes()
        self.step(lambda: self.stage.journey.confirm(key))

    def read_inboxes(self) -> None:
        self.look()
        self.step(self.stage.worker.inbox.run_once)

    def put(self, sender: str, kind: Kind, **fields: str) -> None:
        Inboxes(self.stage.ledger.client, self.stage.clock).put(sender, kind, fields)
        self.read_inboxes()
        if key := fields.get("key"):
            self.inquire(key)

    def asks(self, sender: str, kind: Kind, key: str, **fields: str) -> None:
        self.put(sender, kind, key=key, why="the client called", **fields)

    def decides(self, sender: str, key: str, verb: Verb) -> None:
        version = str(self.stage.record(key).version)
        self.asks(sender, Kind.SETTLE, key, verb=verb.value, proof="a letter", version=version)

    def bank_says(self, report: StatusReport) -> None:
        self.stage.journey.bank = Watched(Saying(report), self.look)  # type: ignore[assignment]  # the edge

    def bank_works(self) -> None:
        self.stage.build()
        self.stage.journey.bank = Watched(self.stage.journey.bank, self.look)  # type: ignore[assignment]  # the edge

    def later(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)
        for record in self.stage.ledger.due(1000).records:
            self.step(self.stage.sweeper.run_once)
            self.step(lambda key=record.key: self.stage.run(key))  # type: ignore[misc]  # each its own key

    def in_doubt(self) -> str:
        key = self.enqueue("[drop-after] Payout")
        self.execute(key)
        return key

    def in_review(self) -> str:
        key = self.in_doubt()
        change = Change(look_again_in=DAY_S * 1000, fields={"reason": "bank_says_not_found"})
        self.step(lambda: self.stage.worker.recorder.move(self.stage.record(key), Verb.SEND_TO_REVIEW, change))
        return key

    def dead(self) -> str:
        key = self.enqueue()
        record = self.stage.record(key)
        self.step(lambda: self.stage.vault.drop(key))
        change = Change(look_again_in=DAY_S * 1000, fields={"reason": "card_lost", "message": "brought no more"})
        moved = self.stage.ledger.move(record, Verb.FAIL_QUEUED, change, actor="worker")
        assert isinstance(moved, Moved)
        self.look()
        return key


def _names_alone(text: str) -> str:
    """What is sealed, without what it says: of a card not even its test number stands beside its seal."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(inner) for name, inner in value.items()}
        return "" if isinstance(value, str) else value if isinstance(value, bool) else 0

    return json.dumps(bare(json.loads(text)))


SCENES: dict[str, Callable[[Writers], None]] = {}


def scene(make: Callable[[Writers], None]) -> Callable[[Writers], None]:
    SCENES[make.__name__.replace("_", " ")] = make
    return make


def write_all(writers: Writers) -> list[Line]:
    writers.scene = "standing"
    stood = stand(writers)
    for name, play in SCENES.items():
        writers.scene = name
        writers.bank_works()
        play(writers)
        writers.look()
    return [*writers.lines.values(), stood]


@scene
def plain_payouts(it: Writers) -> None:
    it.execute(it.enqueue())
    it.execute(it.enqueue(urgency="batch", receiver=TO_SAVED, deadline="2026-11-25T12:00:00+05:00"))
    it.execute(it.enqueue("[decline:484] Payout"))
    it.execute(it.enqueue("[decline:484] Payout", sender=PAN))


@scene
def all_that_an_intent_may_say(it: Writers) -> None:
    said: dict[str, Any] = LINKS | {
        "related_to": "payout-1",
        "metadata": {"order": "7"},
        "sender_email": "a@shop.example",
        "sender_ip": "192.0.2.7",
        "merchant_id_for_saving_cards": "m-1",
    }
    it.execute(it.enqueue(sender=PAN, receiver=ABROAD, foreign=True, **said))
    it.execute(it.enqueue(terminal="kiosk", receiver=TO_SAVED, deadline="2026-11-25T12:00:00+05:00", **said))


@scene
def three_d_secure(it: Writers) -> None:
    for fields in ({}, LINKS | {"metadata": {"order": "8"}}):
        key = it.enqueue("[3ds] Payout", sender=PAN, **fields)
        it.execute(key)
        it.confirm(key)
    key = it.enqueue("[3ds] Payout", sender=PAN)
    it.execute(key)
    it.put("web", Kind.SECURE_2, key=key, fields="cres:120")
    it.later(HOUR_S)


@scene
def a_proved_notification(it: Writers) -> None:
    key = it.enqueue("[3ds] Payout", sender=PAN, **LINKS)
    it.execute(key)
    it.put("web", Kind.NOTIFICATION, key=key, sealed="nothing that proves anything")


@scene
def doubt_that_the_bank_settles(it: Writers) -> None:
    keys = [it.in_doubt(), it.enqueue("[drop-before] Payout")]
    it.execute(keys[1])
    for _ in range(6):
        it.later(HOUR_S)


@scene
def settled_by_operators(it: Writers) -> None:
    for verb in (Verb.OPERATOR_PAID, Verb.OPERATOR_NOT_PAID, Verb.OPERATOR_REVERSED):
        it.bank_works()
        key = it.in_review()
        it.bank_says(SILENT)
        it.decides(AIGUL, key, verb)
        it.decides(BOLAT, key, verb)
        it.bank_says(StatusReport(StatusWord.PAID, status_name="CHARGE"))
        it.later(DAY_S)
    it.bank_works()
    key = it.in_review()
    it.bank_says(SILENT)
    it.decides(AIGUL, key, Verb.OPERATOR_NOT_PAID)
    it.asks(AIGUL, Kind.TAKE_BACK, key)
    it.asks(AIGUL, Kind.ASK, key)


@scene
def dead_letters(it: Writers) -> None:
    it.asks(AIGUL, Kind.REQUEST, it.dead(), what="discard")
    it.asks(AIGUL, Kind.REQUEST, it.dead(), what="requeue")
    it.asks(AIGUL, Kind.REQUEST, it.in_doubt(), what="inquire", label="night shift")
    it.asks(AIGUL, Kind.DOUBT, it.dead(), proof="line 17")


@scene
def taken_back(it: Writers) -> None:
    it.transfers.cancel(it.enqueue(), reason="the client changed their mind")
    it.asks(AIGUL, Kind.CANCEL, it.enqueue())
    key = it.enqueue("[3ds] Payout", sender=PAN)
    it.execute(key)
    it.asks(AIGUL, Kind.CANCEL, key)


@scene
def pauses(it: Writers) -> None:
    client, clock = it.stage.ledger.client, it.stage.clock
    pause = Pause("fraud-send-all", Lane.SEND, ALL, Cause.FRAUD, actor="operator aigul", reason="a fraud")
    fields = {"why": "a fraud"}
    Inboxes(client, clock).put_pause(AIGUL, pause.id, pause.to_text(), fields)
    it.read_inboxes()
    standing = Pauses(client, clock).standing()
    it.execute(it.enqueue())
    for each in standing:
        seen = str(each.since_ms)
        it.put(AIGUL, Kind.UNPAUSE, pause=each.id, seen=seen, tries="1", why="is it over?")
        it.put(AIGUL, Kind.UNPAUSE, pause=each.id, seen=seen, why="it is over")
    it.put(AIGUL, Kind.REBUILD, why="the queue was lost")


@scene
def every_verb_as_the_scripts_write_it(it: Writers) -> None:
    """From each state that it may start from, with what a caller has to say and nothing else."""
    ledger, made = it.stage.ledger, []
    for verb in Verb:
        for place in factories.WAYS:
            if place[0] not in verb.row.moves:
                continue
            it._number += 1
            record = factories.into(ledger, place, f"verb-{it._number}", day_ms=it.stage.clock.now_ms())
            factories.make(ledger, record, verb, it.stage.clock.now_ms())
            it.look_at(record.key)
            made.append(redis_keys.record(record.key))
    ledger.client.delete(*made, redis_keys.DUE, redis_keys.BY_STATE)  # the other scenes look at all that there is


@scene
def what_is_rare_in_a_record(it: Writers) -> None:
    """Fields that need a bank which is away, lies or asks for patience: written by the moves that write them."""
    ledger = it.stage.ledger
    record = it.stage.record(it.enqueue())
    change = Change(due_in=60_000, increments=("attempts",), fields={"not_before_at": 1_795_999_999_000})
    made = ledger.move(record, Verb.DEFER, change, actor="worker")
    assert isinstance(made, Moved)
    it.look()
    record = it.stage.record(record.key)
    assert isinstance(factories.claim(ledger, record, gap_ms=60_000), Moved)
    assert isinstance(factories.claim(ledger, it.stage.record(it.enqueue()), gap_ms=60_000), Wait), "its slot is later"
    it.look()
    fields: RecordFields = {
        "unbelieved_bank_id": "17",
        "unbelieved_reference": "17",
        "unbelieved_message": "17",
        "unanswered": 2,
        "notification": f"{record.epoch}:484",
    }
    doubted = ledger.move(it.stage.record(record.key), Verb.DOUBT, Change(due_in=0, fields=fields), actor="worker")
    assert isinstance(doubted, Moved)


@scene
def alarms(it: Writers) -> None:
    """Each with what its sentence names."""
    for alarm in Alarm:
        named = dict.fromkeys(re.findall(r"\{(\w+)\}", alarm.sentence), "x")
        it.stage.events.alarm(alarm, actor="worker", **named)


@scene
def archived(it: Writers) -> None:
    """Last: from here on the ledger is in the next format."""
    key = it.enqueue(metadata={"order": "9"})
    it.execute(key)
    it.look()
    client, clock = it.stage.ledger.client, it.stage.clock
    clock.advance(1)
    kept = cast("dict[str, str]", client.hgetall(redis_keys.record(key)))
    why = Archived(client, clock).reduce(kept, before_ms=clock.now_ms(), file="transfers-1.jsonl", actor=AIGUL)
    assert why is None, why


#: What each transfer of `stand` is, and what becomes of it under a worker of any later version.
STANDING = {
    "saved": "paid",
    "pan": "paid",
    "abroad": "paid",
    "batch": "paid",
    "parked": "expired",
    "unknown to the bank": "needs_review",
    "dead": "dead",
    "cancelled": "cancelled",
}


def stand(it: Writers) -> Line:
    """A ledger and a vault in the middle of their work: all keys of both, for a worker of a later version."""
    it.bank_works()
    said: dict[str, Any] = LINKS | {"metadata": {"order": "7"}, "sender_ip": "192.0.2.7"}
    keys = {
        "saved": it.enqueue(),
        "pan": it.enqueue(sender=PAN, **said),
        "abroad": it.enqueue(receiver=ABROAD, foreign=True),
        "batch": it.enqueue(urgency="batch", receiver=TO_SAVED),
        "parked": it.enqueue("[3ds] Payout", sender=PAN, **LINKS),
        "unknown to the bank": it.enqueue("[drop-before] Payout"),
        "dead": it.dead(),
        "cancelled": it.enqueue(),
    }
    it.execute(keys["parked"])
    it.execute(keys["unknown to the bank"])
    it.transfers.cancel(keys["cancelled"], reason="a test")
    content = {
        "now_ms": it.stage.clock.now_ms(),
        "transfers": keys,
        "ledger": standing.read(it.stage.ledger.client),
        "vault": standing.read(it.stage.vault.client),
    }
    return Line("standing", "in the middle of its work", content, STANDING)


@contextmanager
def writers(ledger_url: str, vault_url: str, sandbox: RunningSandbox) -> Iterator[Writers]:
    """On two empty servers."""
    clock, keys = FakeClock(), sealing_key.keys()
    ledger_client, vault_client = connect(ledger_url), connect(vault_url)
    queue, read_queue = connect(queue_url(ledger_url), text=False), connect(queue_url(ledger_url))
    ledger, vault = Ledger(ledger_client, clock), Vault(vault_client)
    stage = Stage(ledger, vault, sandbox, clock, Broker(queue, [], {}), keys=keys)
    settings = ProducerSettings.load(
        redis_url=ledger_url,
        vault_url=vault_url,
        vault_public_key=keys.public,
        fingerprint_keys=[fingerprint_keys.generate()],
        epay_terminals={"kiosk": {"space": "kiosk"}},
    )
    context = Context(
        ledger=ledger,
        inboxes=Inboxes(ledger_client, clock),
        vault=vault,
        sealer=Sealer(keys.public),
        wakeups=Wakeups(Broker(read_queue, [], {})),
        clock=clock,
        settings=settings,
    )
    transfers = Transfers(**{name: getattr(context, name) for name in context.__slots__ if name != "known_keys"})
    try:
        yield Writers(stage, transfers, [read_queue])
    finally:
        for client in (ledger_client, vault_client, queue, read_queue):
            client.close()
