"""A worker asks the vault for a card, and is not answered: it knows that it sent nothing, and says so."""

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.scripts import text_of
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Vault
from tests.e2e.link import Link
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until

#: So that doubt is believed at the first inquiry, five seconds after the take.
SHORT = {
    "HTTP_READ_TIMEOUT": "2",
    "HTTP_DEADLINE": "2",
    "LEASE": "3",
    "DOUBT_HORIZON": "4",
    "DOUBT_READS": "1",
    "RETRY_MIN_BACKOFF": "0.1",
    "RETRY_MAX_BACKOFF": "0.5",
}


def test_a_take_that_was_not_answered_is_not_left_to_an_operator(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that never came to the vault leaves the card there: the transfer is queued again and paid once.

    A lost reply leaves the worker's own tombstone. The worker sent nothing and the bank has no such order, so the card
    is lost: no money moved, and the producer may pay again.
    """
    vault = Vault(platform.vault_client)
    take = str(platform.vault_client.script_load(text_of("vault_take"))).encode()
    transfers = platform.transfers(monkeypatch)
    unasked, unheard = (transfers.enqueue(payout(reference)).key for reference in ("unasked", "unheard"))
    with Link(platform.env["VAULT_URL"]) as link:
        link.lose_request(take, redis_keys.card(unasked).encode())
        link.lose_reply(take, redis_keys.card(unheard).encode())
        platform.start_worker(VAULT_URL=link.url, **SHORT)

        until(lambda: all("doubt" in verbs_of(platform, key) for key in (unasked, unheard)))
        assert vault.look(Purpose.CARD, unasked) is Content.BLOB
        assert vault.tombstone(Purpose.CARD, unheard) == record_of(platform, unheard).claim_nonce
        until(lambda: record_of(platform, unasked).state not in {State.IN_DOUBT, State.QUEUED, State.SENDING})
        until(lambda: record_of(platform, unheard).state is not State.IN_DOUBT)
        platform.stop()

    assert verbs_of(platform, unasked) == ["create", "claim", "doubt", "requeue", "claim", "pay"]
    assert verbs_of(platform, unheard) == ["create", "claim", "doubt", "lose_card"]
    record = record_of(platform, unheard)
    assert (record.state, record.reason, record.evidence) == (State.DEAD, "card_lost", "not_sent")
    doubts = [event.fields for event in events(platform) if event.fields["verb"] == "doubt"]
    assert {(doubt["reason"], doubt["evidence"]) for doubt in doubts} == {("vault_unanswered", "not_sent")}
    assert {event.fields.get("key") for event in events(platform)} == {unasked, unheard}, "and no alarm"
    books = platform.books()
    assert (books["orders"][unasked]["executions"], books["totals"]["executions"]) == (1, 1)
    assert (books["totals"]["calls"]["transfer"], books["totals"]["executed_twice"]) == (1, [])
    transfers.close()


def record_of(platform: Platform, key: str) -> Record:
    record = Ledger(platform.ledger_client).get(key)
    assert record is not None
    return record


def verbs_of(platform: Platform, key: str) -> list[str]:
    """What happened to it; an inquiry that settled nothing is none of it, for a busy machine may have one more."""
    told = [event.fields["verb"] for event in events(platform) if event.fields.get("key") == key]
    return [verb for verb in told if verb != "inquiry_inconclusive"]


def events(platform: Platform) -> list[Event]:
    return Events(platform.ledger_client).newest(99)
