"""What the actors act on: the real ledger and vault, and a model of each transfer that must say the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived, Why
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Created, Moved, Noted, ReferenceKnown, Refused
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import KEPT, Fenced, Gone, Put, Taken, TakeUnanswered, Vault
from tests.ledger.model import BankBook, Place, TransferModel
from tests.support.clocks import FakeClock
from tests.support.factories import CHALLENGE, claim, new_transfer
from tests.support.redis_state import SeenEvents, assert_agrees, empty

SEALED = "1.abcdef01.c2VhbGVk"
_LETTERS = {"blob": "B", "stale": "B", "tombstone": "X", "closed": "C"}
_ANOTHER_RUN = "00000000"
_NAMES = {
    Purpose.CARD: (redis_keys.card, redis_keys.sealed_card),
    Purpose.PARES: (redis_keys.pares, redis_keys.sealed_pares),
}


class Harness:
    def __init__(self, ledger_client: redis.Redis, vault_client: redis.Redis) -> None:
        ledger_client.flushall()
        vault_client.flushall()
        self._ledger_client = ledger_client
        self._seen = SeenEvents()
        self._vault_client = vault_client
        self.clock = FakeClock()
        self.ledger = Ledger(ledger_client, self.clock)
        self.vault = Vault(vault_client)
        self.models: dict[str, TransferModel] = {}
        self.has_vault_copy = False
        self.is_under_way: Callable[[TransferModel], bool] = lambda _: False  #: set by the machine: it knows who acts
        self._made = 0
        self._references: dict[str, str] = {}
        self._taken: dict[tuple[Purpose, str, int], Taken] = {}
        self._copy: list[tuple[str, Any]] = []
        self._places: dict[tuple[str, Purpose], Place] = {}

    # The ledger.

    def create(self, reference: str, amount: int, currency: str, mood: str) -> Record:
        (made,) = self.ledger.create([new_transfer(reference, amount=amount, currency=currency)], actor="backend")
        assert isinstance(made, Created)
        self._made += 1
        self._references[made.record.key] = reference
        self.models[made.record.key] = TransferModel(made.record.key, self.clock.now_ms() + 5000, BankBook(mood))
        return made.record

    def peek(self, key: str) -> Record:
        record = self.ledger.get(key)
        assert record is not None
        return record

    def claim(self, record: Record) -> Moved | None:
        reply = claim(self.ledger, record, lease_ms=60_000)
        self._compare(record, Verb.CLAIM, reply, self.clock.now_ms() + 60_000)
        return reply if isinstance(reply, Moved) else None

    def move(self, record: Record, verb: Verb, *, quiet: bool = False, pares: str = "", evidence: str = "") -> bool:
        is_end = verb.row.ends
        at = None if is_end or verb.row.keeps_due else self.clock.now_ms() + 1000
        fields: RecordFields = {"pares_digest": pares} if pares else {}
        if evidence:
            fields["evidence"] = evidence
        if verb is Verb.KEEP_NOTIFICATION:
            fields["notification"] = f"{record.epoch}:0"
        challenge = CHALLENGE if verb is Verb.PARK else None
        seen = (
            replace(record, deadline_at=0) if verb is Verb.EXPIRE else record
        )  # a deadline may be past at any moment here
        reply = self.ledger.move(
            seen, verb, Change(due_at=at, silent=quiet, fields=fields, challenge=challenge), actor="actor"
        )
        return self._compare(record, verb, reply, at, quiet=quiet)

    def _compare(self, record: Record, verb: Verb, reply: object, at: int | None, *, quiet: bool = False) -> bool:
        model = self.models[record.key]
        was, why = model.state, model.refusal(verb, record.epoch, record.version)
        if not model.move(verb, record.epoch, record.version, at, quiet=quiet):
            refused = (Noted if why == "noted" else Refused)(State(was), model.epoch)
            assert reply == refused, f"{verb} under {record.epoch} from {was}"
            is_heard = verb in {Verb.PAY, Verb.DECLINE} and why != "noted"
            assert not is_heard or model.is_final, "the bank's word was refused"
            return False
        self._made += 1
        expected = Moved(State(model.state), model.epoch, model.version, self._made)
        assert reply == expected, f"{verb} under {record.epoch} from {was}"
        return True

    def archive(self, record: Record) -> bool:
        """What ended long ago keeps its end alone: no law knows a difference."""
        exported = cast("dict[str, str]", self._ledger_client.hgetall(redis_keys.record(record.key)))
        archived = Archived(self._ledger_client, self.clock)
        left = archived.reduce(exported, before_ms=self.clock.now_ms() + 1, file="f.jsonl", actor="operator")
        is_final = self.models[record.key].is_final
        assert left in ({None, Why.QUESTION} if is_final else {Why.STATE}), left
        return left is None

    def leads_to(self, key: str) -> bool:
        """What a producer that repeats the reference is answered."""
        (answer,) = self.ledger.create([new_transfer(self._references[key])], actor="backend")
        return answer == ReferenceKnown(key)

    # The vault.

    def put(self, purpose: Purpose, key: str, epoch: int, tag: str = "") -> bool:
        place = self._place(purpose, key)
        reply = self.vault.put(purpose, key, epoch, SEALED, 900_000, tag)
        assert reply == Put(place.put(epoch, tag, over=purpose is Purpose.CARD))
        return reply is not Put.PRESENT

    def take(self, purpose: Purpose, record: Record, claim: Moved) -> str:
        word = self._place(purpose, record.key).take(record.epoch, claim.claim_nonce)
        match self.vault.take(purpose, record.key, record.epoch, claim.sequence, claim.claim_nonce):
            case Taken(sealed) as taken:
                assert (word, sealed) == ("taken", SEALED)
                self._taken[purpose, record.key, record.epoch] = taken
            case Fenced():
                assert word == "later"
            case TakeUnanswered():
                assert word == "unheard"
            case Gone(there):
                assert word == there
        return word

    def put_back(self, purpose: Purpose, record: Record) -> str:
        taken = self._taken[purpose, record.key, record.epoch]
        word = self._place(purpose, record.key).put_back(record.epoch, taken.nonce, record.pares_digest)
        assert self.vault.put_back(purpose, record.key, record.epoch, taken, 900_000, record.pares_digest) == word
        return word

    def refence(self, record: Record) -> bool:
        is_fenced = self._place(Purpose.CARD, record.key).refence(record.epoch)
        assert self.vault.refence(Purpose.CARD, record.key, record.epoch) == is_fenced
        return is_fenced

    def close(self, record: Record) -> bool:
        is_closed = self._place(Purpose.CARD, record.key).close(record.epoch)
        assert self.vault.close(Purpose.CARD, record.key, record.epoch) == is_closed
        return is_closed

    def drop(self, key: str) -> None:
        self.vault.drop(key)
        for purpose in KEPT:
            self._place(purpose, key).drop()

    def look(self, purpose: Purpose, key: str) -> str:
        kind = self._place(purpose, key).kind
        assert self.vault.look(purpose, key) == kind
        return kind

    def was_taken_by_another(self, record: Record) -> bool:
        place = self._place(Purpose.CARD, record.key)
        nonce = self.vault.tombstone(Purpose.CARD, record.key)
        assert nonce == (place.tag if place.kind == "tombstone" else None)
        return nonce not in {None, record.claim_nonce}

    def forget_everything(self) -> None:
        """The vault restarts."""
        empty(self._vault_client)
        for model in self.models.values():
            model.card.set("nothing")
            model.pares.set("nothing")

    def copy_vault(self) -> None:
        """A dump, a snapshot of its machine, a replica: of what stands there now."""
        names = [str(name) for name in self._vault_client.keys("*")]
        self._copy = [(name, self._vault_client.get(name)) for name in names]
        self._places = {(key, purpose): replace(self._place(purpose, key)) for key in self.models for purpose in KEPT}
        self.has_vault_copy = True

    def put_vault_back(self) -> None:
        """The vault comes up from the copy, as another run of its server. (As the same run it refuses every script.)"""
        count = self._vault_client.get(redis_keys.WRITES)
        self._vault_client.flushall()
        for name, copied in self._copy:
            value = copied
            if copied.startswith("B:"):
                kind, epoch, _, tag = copied.split(":")
                value = f"{kind}:{epoch}:{_ANOTHER_RUN}:{tag}"
            self._vault_client.set(name, value)
        self._vault_client.set(redis_keys.WRITES, str(count))
        for (key, purpose), copy in self._places.items():
            self._place(purpose, key).go_back(copy)
        for key in self.models.keys() - {key for key, _ in self._places}:
            for purpose in KEPT:
                self._place(purpose, key).set("nothing")

    def time_out(self, purpose: Purpose, key: str) -> None:
        """A blob's time is over. Its server keeps the time in truth; a test has none to wait."""
        place = self._place(purpose, key)
        if place.kind in {"blob", "stale"}:
            for name in _NAMES[purpose]:
                self._vault_client.delete(name(key))
            place.time_out()

    def _place(self, purpose: Purpose, key: str) -> Place:
        model = self.models[key]
        return model.card if purpose is Purpose.CARD else model.pares

    # What must hold after every step.

    def check(self) -> None:
        all_records, due = assert_agrees(self._ledger_client, self._seen)
        real = {record.key: record for record in all_records}
        assert real.keys() == self.models.keys()
        for key, model in self.models.items():
            record = real[key]
            kept = (record.state, record.phase, record.epoch, record.version)
            assert kept == (model.state, model.phase, model.epoch, model.version)
            assert model.is_noted == bool(record.notification)
            assert model.wrongs() == [], (model, model.wrongs())
        at = {key: model.due for key, model in self.models.items() if model.due is not None}
        assert due == at
        assert self.ledger.counters().get("sequence", 0) == self._made
        self._check_vault()

    def _check_vault(self) -> None:
        expected = {}
        for key, model in self.models.items():
            for name, place in ((redis_keys.card(key), model.card), (redis_keys.pares(key), model.pares)):
                if place.kind != "nothing":
                    expected[name] = [_LETTERS[place.kind], str(place.epoch)]
        blobs = sum(letter == "B" for letter, _ in expected.values())
        names = [name for name in expected if self._vault_client.exists(name)]
        pipeline: Any = self._vault_client.pipeline(transaction=False)
        for name in names:
            pipeline.get(name)
        stands = {name: value.split(":")[:2] for name, value in zip(names, pipeline.execute(), strict=True)}
        assert stands == expected
        others = self._vault_client.exists(redis_keys.HIGH_WATER, redis_keys.WRITES)
        assert self._vault_client.dbsize() - others == len(expected) + blobs
