"""Enqueue, on the real servers: what is stored where, and what if somebody dies in between."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from epay_transfers.ledger.errors import LedgerWentBack, ReferenceLost
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import FIRST_EPOCH, GENERATION
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.vault.sealed_card import SealedCard
from epay_transfers.ledger.vault.sealing import KeyPair, Opener, Purpose, SealBroken
from epay_transfers.ledger.vault.vault import Content, Put, Vault
from epay_transfers.producers import (
    Conflict,
    IntentRejected,
    InvoicesExhausted,
    LedgerUnavailable,
    QueueFull,
    Receipt,
    Receiver,
    SuffixTaken,
    TerminalPaused,
    Transfers,
    VaultUnavailable,
    enqueue,
)
from epay_transfers.producers.context import Context
from tests.producers.conftest import NOWHERE, Hands, build, by_pan, by_saved_card
from tests.support.clocks import FakeClock
from tests.support.redis_state import empty

Rung = Callable[[], list[tuple[str, str]]]


class TestNew:
    def test_a_new_transfer_is_queued_with_its_card_in_the_vault_and_a_ring(
        self, transfers: Transfers, hands: Hands, vault: Vault, rung: Rung, clock: FakeClock
    ) -> None:
        receipt = transfers.enqueue(by_pan())

        record = hands.record(receipt.key)
        assert receipt == Receipt(record.key, record.key, record.handle, State.QUEUED, replayed=False)
        assert (record.reference, record.amount, record.currency) == ("order-1", 10050, "KZT")
        assert (record.sender_card, record.receiver_card) == ("440563******5096", "552204******6736")
        assert record.deadline_at == clock.now_ms() + 900_000
        assert vault.look(Purpose.CARD, receipt.key) is Content.BLOB
        assert rung() == [("transfers.now", receipt.key)]

    def test_the_worker_takes_out_what_the_producer_put_in(self, transfers: Transfers, hands: Hands) -> None:
        intent = by_pan()
        key = transfers.enqueue(intent).key

        assert SealedCard.from_bytes(hands.take(hands.claim(key))).cards == intent.card_data()

    def test_a_blob_opens_for_its_own_transfer_alone(
        self, transfers: Transfers, vault: Vault, pair: KeyPair, hands: Hands
    ) -> None:
        one, two = transfers.enqueue(by_pan("one")).key, transfers.enqueue(by_pan("two")).key
        sealed = vault.client.get(redis_keys.sealed_card(one))
        vault.client.set(redis_keys.sealed_card(two), str(sealed))

        with pytest.raises(SealBroken):
            hands.take(hands.claim(two))
        assert Opener([pair.private]).key_ids

    def test_the_blob_lives_exactly_as_long_as_the_deadline(
        self, transfers: Transfers, vault: Vault, clock: FakeClock
    ) -> None:
        deadline = datetime.fromtimestamp(clock.now_ms() / 1000, UTC) + timedelta(seconds=100)
        key = transfers.enqueue(by_pan(deadline=deadline)).key

        assert 90_000 < int(str(vault.client.pttl(redis_keys.card(key)))) <= 100_000

    def test_a_payout_rings_for_the_batch(self, transfers: Transfers, rung: Rung) -> None:
        key = transfers.enqueue(by_saved_card()).key

        assert rung() == [("transfers.batch", key)]

    def test_a_terminal_with_a_space_of_its_own_has_its_name_in_the_key(self, transfers: Transfers) -> None:
        receipt = transfers.enqueue(by_pan(terminal="kiosk", invoice_id="00000123456"))

        assert (receipt.key, receipt.invoice_id) == ("kiosk:00000123456", "00000123456")

    def test_an_unknown_terminal_is_refused(self, transfers: Transfers, ledger: Ledger) -> None:
        with pytest.raises(IntentRejected) as caught:
            transfers.enqueue(by_pan(terminal="nowhere"))

        assert caught.value.field == "terminal"
        assert ledger.by_reference("order-1") is None

    def test_a_past_expiry_is_said_once_a_process_without_the_date(
        self, transfers: Transfers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The bank's own test cards are past: a line for each of them would bury the rest of the log."""
        monkeypatch.setattr(enqueue, "_EXPIRY_PAST_TOLD", threading.Event())
        for number in range(3):
            transfers.enqueue(by_pan(f"order-{number}"))

        said = [line for line in caplog.records if getattr(line, "event", "") == "intent.expiry_past"]
        assert [line.levelno for line in said] == [logging.WARNING]
        assert "order-0" in said[0].getMessage()
        assert "01/25" not in repr(vars(said[0]))


class TestReplay:
    def test_the_same_intent_again_gets_the_same_receipt(
        self, transfers: Transfers, hands: Hands, ledger: Ledger
    ) -> None:
        first = transfers.enqueue(by_pan())
        again = transfers.enqueue(by_pan())

        assert (again.key, again.handle, again.replayed) == (first.key, first.handle, True)
        assert hands.record(first.key).epoch == FIRST_EPOCH, "its card was there: no new generation"
        assert ledger.totals().of(State.QUEUED).count == 1

    def test_a_ledger_that_goes_back_while_it_answers_is_one_to_call_again(
        self, transfers: Transfers, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It knows the reference, and a moment later nothing of the record: nothing was created."""
        transfers.enqueue(by_pan())
        create = transfers._context.ledger.create

        def and_forget(*args: Any, **kwargs: Any) -> Any:
            answers = create(*args, **kwargs)
            ledger_client.flushdb()
            return answers

        with monkeypatch.context() as patch:
            patch.setattr(transfers._context.ledger, "create", and_forget)
            with pytest.raises(LedgerUnavailable):
                transfers.enqueue(by_pan())

    def test_a_replay_says_the_state_as_of_now_and_touches_nothing(
        self, transfers: Transfers, hands: Hands, rung: Rung
    ) -> None:
        key = transfers.enqueue(by_pan()).key
        hands.bring(key, State.PAID)
        before, rings = hands.record(key), rung()

        assert transfers.enqueue(by_pan()).state is State.PAID
        assert hands.record(key) == before
        assert rung() == rings

    @pytest.mark.parametrize("state", sorted(State))
    def test_a_replay_neither_puts_a_card_nor_rings_for_what_is_not_queued(
        self, transfers: Transfers, hands: Hands, vault: Vault, rung: Rung, state: State
    ) -> None:
        key = transfers.enqueue(by_pan()).key
        if state in {State.RESUMED, State.CONFIRMING}:
            hands.park(key, "md-1")
            transfers.confirm(md="md-1", pa_res="cGFyZXM=")
            if state is State.CONFIRMING:
                hands.claim(key)
        else:
            hands.bring(key, state)
        for _ in range(2):  # with the vault as it is, and with one that has forgotten everything
            rings = rung()
            assert transfers.enqueue(by_pan()).state is state
            assert (rung() == rings) is (state is not State.QUEUED)
            empty(vault.client)

        assert transfers.enqueue(by_pan()).state is state
        expected = Content.BLOB if state is State.QUEUED else Content.NOTHING
        assert vault.look(Purpose.CARD, key) is expected

    def test_another_intent_is_a_conflict_that_names_what_differs(self, transfers: Transfers) -> None:
        first = by_pan()
        transfers.enqueue(first)

        with pytest.raises(Conflict) as caught:
            transfers.enqueue(by_pan(amount="100.51", receiver=Receiver(number="377514500004820")))

        assert caught.value.fields == ("amount", "receiver.number")
        assert "3775" not in str(caught.value)

    def test_another_cvc_is_no_other_intent(self, transfers: Transfers) -> None:
        first = by_pan()
        transfers.enqueue(first)

        assert transfers.enqueue(by_pan(sender=first.sender.model_copy(update={"cvc": "525"}))).replayed

    def test_an_invoice_id_is_compared_with_the_one_that_was_given_out(self, transfers: Transfers) -> None:
        invoice_id = transfers.enqueue(by_pan()).invoice_id

        assert transfers.enqueue(by_pan(invoice_id=invoice_id)).replayed
        with pytest.raises(Conflict) as caught:
            transfers.enqueue(by_pan(invoice_id="999999"))
        assert caught.value.fields == ("invoice_id",)

    def test_an_invoice_id_that_another_reference_has_is_a_conflict(self, transfers: Transfers) -> None:
        transfers.enqueue(by_pan("one", invoice_id="251124000001"))

        with pytest.raises(Conflict) as caught:
            transfers.enqueue(by_pan("two", invoice_id="251124000001"))
        assert caught.value.fields == ("reference",)

    def test_the_last_six_digits_of_another_invoice_id_are_taken(self, transfers: Transfers) -> None:
        transfers.enqueue(by_pan("one", invoice_id="251124000001"))

        with pytest.raises(SuffixTaken):
            transfers.enqueue(by_pan("two", invoice_id="999000001"))
        assert not transfers.enqueue(by_pan("two", invoice_id="999000001", terminal="kiosk")).replayed

    def test_a_replay_after_the_deadline_is_a_replay_and_not_a_rejection(
        self, transfers: Transfers, hands: Hands, clock: FakeClock
    ) -> None:
        deadline = datetime.fromtimestamp(clock.now_ms() / 1000, UTC) + timedelta(seconds=60)
        key = transfers.enqueue(by_pan(deadline=deadline)).key
        hands.bring(key, State.PAID)
        clock.advance(3600)

        again = transfers.enqueue(by_pan(deadline=deadline))

        assert (again.key, again.state, again.replayed) == (key, State.PAID, True)
        with pytest.raises(Conflict):
            transfers.enqueue(by_pan(deadline=deadline, amount=1))
        with pytest.raises(IntentRejected, match="deadline"):
            transfers.enqueue(by_pan("new", deadline=deadline))


class TestDeath:
    def test_without_the_vault_the_transfer_is_accepted_and_the_receipt_says_so(
        self, without_vault: Transfers, hands: Hands, rung: Rung
    ) -> None:
        with pytest.raises(VaultUnavailable) as caught:
            without_vault.enqueue(by_pan())

        receipt = caught.value.receipt
        assert isinstance(receipt, Receipt)
        assert hands.record(receipt.key).state is State.QUEUED
        assert rung() == [], "nobody is called for a transfer without its card"

    def test_the_same_reference_again_brings_the_card_under_a_new_generation(
        self, transfers: Transfers, without_vault: Transfers, hands: Hands, vault: Vault, rung: Rung
    ) -> None:
        with pytest.raises(VaultUnavailable):
            without_vault.enqueue(by_pan())

        receipt = transfers.enqueue(by_pan())

        record = hands.record(receipt.key)
        assert receipt.replayed
        assert record.epoch == 2 * GENERATION + 1
        assert rung() == [("transfers.now", receipt.key)]
        assert SealedCard.from_bytes(hands.take(hands.claim(receipt.key))).cards == by_pan().card_data()
        assert vault.look(Purpose.CARD, receipt.key) is Content.TOMBSTONE

    def test_a_late_put_of_the_dead_caller_proves_nothing(
        self, transfers: Transfers, without_vault: Transfers, hands: Hands, vault: Vault
    ) -> None:
        with pytest.raises(VaultUnavailable):
            without_vault.enqueue(by_pan())
        key = transfers.enqueue(by_pan()).key

        late = vault.put(Purpose.CARD, key, FIRST_EPOCH, "1.old.blob", 1000)

        assert late is Put.PRESENT
        assert SealedCard.from_bytes(hands.take(hands.claim(key))).cards == by_pan().card_data()

    def test_an_old_cards_put_that_comes_late_does_not_stand_in_the_way_of_the_new_one(
        self, transfers: Transfers, hands: Hands, vault: Vault
    ) -> None:
        """A first put is under way for long; meanwhile the card was brought again, and that put did not arrive."""
        key = transfers.enqueue(by_pan()).key
        empty(vault.client)
        transfers.enqueue(by_pan())
        empty(vault.client)
        vault.put(Purpose.CARD, key, FIRST_EPOCH, "1.old.blob", 60_000)

        assert transfers.enqueue(by_pan()).state is State.QUEUED

        assert SealedCard.from_bytes(hands.take(hands.claim(key))).cards == by_pan().card_data()

    def test_a_put_whose_reply_was_lost_is_not_repeated(
        self, parts: Context, transfers: Transfers, hands: Hands, rung: Rung
    ) -> None:
        class Deaf(Vault):
            """Does what it is told, and is not heard."""

            def put_cards(self, blobs: object) -> list[Put]:
                super().put_cards(blobs)  # type: ignore[arg-type]  # passed on as it came
                raise VaultUnavailable

        with pytest.raises(VaultUnavailable):
            build(parts, vault=Deaf(parts.vault.client)).enqueue(by_pan())

        receipt = transfers.enqueue(by_pan())

        assert hands.record(receipt.key).epoch == FIRST_EPOCH
        assert rung() == [("transfers.now", receipt.key)]
        hands.take(hands.claim(receipt.key))

    def test_a_worker_that_was_faster_keeps_the_transfer(
        self, parts: Context, without_vault: Transfers, hands: Hands
    ) -> None:
        with pytest.raises(VaultUnavailable):
            without_vault.enqueue(by_pan())

        class Slow(Vault):
            """Between our look and our next word, a worker claims."""

            def look(self, purpose: Purpose, key: str, epoch: int = 0) -> Content:
                there = super().look(purpose, key, epoch)
                hands.claim(key)
                return there

        receipt = build(parts, vault=Slow(parts.vault.client)).enqueue(by_pan())

        assert receipt.state is State.SENDING
        assert parts.vault.look(Purpose.CARD, receipt.key) is Content.NOTHING
        assert hands.record(receipt.key).epoch == FIRST_EPOCH

    def test_no_card_is_brought_again_after_the_deadline(
        self, transfers: Transfers, without_vault: Transfers, hands: Hands, vault: Vault, clock: FakeClock
    ) -> None:
        with pytest.raises(VaultUnavailable):
            without_vault.enqueue(by_pan())
        clock.advance(900)

        receipt = transfers.enqueue(by_pan())

        assert vault.look(Purpose.CARD, receipt.key) is Content.NOTHING
        assert hands.record(receipt.key).epoch == FIRST_EPOCH

    def test_a_card_that_is_brought_again_keeps_the_time_of_the_next_try(
        self, transfers: Transfers, without_vault: Transfers, hands: Hands, ledger: Ledger, clock: FakeClock
    ) -> None:
        with pytest.raises(VaultUnavailable):
            without_vault.enqueue(by_pan())
        record = ledger.by_reference("order-1")
        assert record is not None
        later = clock.now_ms() + 60_000
        hands.move(record.key, Verb.DEFER, Change(due_at=later, fields={"next_attempt_at": later}))

        transfers.enqueue(by_pan())

        assert ledger.client.zscore(redis_keys.DUE, record.key) == later

    def test_a_queue_that_is_away_is_no_error(
        self, parts: Context, hands: Hands, ledger: Ledger, caplog: pytest.LogCaptureFixture
    ) -> None:
        silent = build(parts, wakeups=Wakeups(Broker(connect(NOWHERE, "BROKER_URL"), [], {})))

        key = silent.enqueue(by_pan()).key
        silent.enqueue(by_pan("order-2"))

        assert hands.record(key).state is State.QUEUED
        assert ledger.client.zscore(redis_keys.DUE, key) is not None
        (said,) = [record for record in caplog.records if vars(record).get("event") == "queue.away"]
        assert vars(said)["why"].startswith("BROKER_URL: the server at 127.0.0.1:1 refused the connection; start it")

    def test_without_the_ledger_it_says_so_and_puts_nothing(self, without_ledger: Transfers, vault: Vault) -> None:
        with pytest.raises(LedgerUnavailable):
            without_ledger.enqueue(by_pan())

        assert vault.client.dbsize() == 0

    def test_of_two_threads_with_one_reference_one_makes_the_transfer(
        self, transfers: Transfers, hands: Hands, ledger: Ledger
    ) -> None:
        barrier = threading.Barrier(8)
        receipts: list[Receipt] = []

        def run() -> None:
            barrier.wait()
            receipts.append(transfers.enqueue(by_pan()))

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(receipts) == 8
        assert len({receipt.key for receipt in receipts}) == 1
        assert [receipt.replayed for receipt in receipts].count(False) == 1
        assert ledger.totals().of(State.QUEUED).count == 1
        assert SealedCard.from_bytes(hands.take(hands.claim(receipts[0].key))).cards == by_pan().card_data()


class TestRefused:
    def test_a_space_without_a_free_suffix_says_so(self, transfers: Transfers, ledger_client: redis.Redis) -> None:
        ledger_client.set(redis_keys.suffixes("main"), b"\xff" * 125_000)

        with pytest.raises(InvoicesExhausted):
            transfers.enqueue(by_pan())
        assert transfers.enqueue(by_pan(terminal="kiosk")).key.startswith("kiosk:")

    def test_the_last_free_suffix_is_found(self, transfers: Transfers, ledger_client: redis.Redis) -> None:
        ledger_client.set(redis_keys.suffixes("main"), b"\xff" * 125_000)
        ledger_client.setbit(redis_keys.suffixes("main"), 123_456, 0)

        assert transfers.enqueue(by_pan()).invoice_id.endswith("123456")

    def test_a_reference_whose_transfer_may_be_lost_is_refused(
        self, transfers: Transfers, ledger_client: redis.Redis
    ) -> None:
        """The ledger went back: record and reference are gone, the operator closed the suffix. It is not paid again."""
        receipt = transfers.enqueue(by_pan())
        suffix = int(receipt.invoice_id[-6:])
        for key in (redis_keys.record(receipt.key), redis_keys.reference(by_pan().reference)):
            ledger_client.delete(key)
        ledger_client.hset(redis_keys.LOST, f"main:{suffix}", receipt.invoice_id)

        with pytest.raises(ReferenceLost, match="do not pay it again, under no reference"):
            transfers.enqueue(by_pan())
        with pytest.raises(LedgerWentBack):
            transfers.enqueue(by_pan())

    def test_a_terminal_that_is_stopped_beyond_the_deadline_says_until_when(
        self, transfers: Transfers, ledger_client: redis.Redis, clock: FakeClock
    ) -> None:
        until_ms = clock.now_ms() + 3_600_000
        pauses = Pauses(ledger_client, clock)
        pauses.pause(Lane.SEND, "main", actor="ops", reason="limit", until_ms=until_ms)

        with pytest.raises(TerminalPaused) as caught:
            transfers.enqueue(by_pan())

        assert caught.value.until == datetime.fromtimestamp(until_ms / 1000, UTC)
        assert transfers.enqueue(by_pan(terminal="second")).state is State.QUEUED
        assert transfers.enqueue(by_saved_card()).state is State.QUEUED, "its deadline is a day away"
        pauses.pause(Lane.SEND, ALL, actor="ops", reason="bank away", until_ms=until_ms)
        with pytest.raises(TerminalPaused):
            transfers.enqueue(by_pan("other", terminal="second"))

    def test_a_known_reference_is_a_replay_though_its_terminal_is_stopped(
        self, transfers: Transfers, ledger_client: redis.Redis, clock: FakeClock
    ) -> None:
        transfers.enqueue(by_pan())
        until_ms = clock.now_ms() + 3_600_000
        Pauses(ledger_client, clock).pause(Lane.SEND, "main", actor="ops", reason="limit", until_ms=until_ms)

        assert transfers.enqueue(by_pan()).replayed

    def test_a_full_queue_says_when_to_call_again(self, parts: Context) -> None:
        narrow = build(parts, settings=parts.settings.model_copy(update={"queue_limit": 1}))
        narrow.enqueue(by_pan("one"))

        with pytest.raises(QueueFull) as caught:
            narrow.enqueue(by_pan("two"))

        assert caught.value.retry_after_s > 0
        assert narrow.enqueue(by_pan("one")).replayed
