"""PCI DSS 3.5.1: what the web tier and operators read has a card's first six and last four, and no digest of it.

With both, and the key, a card number is found in seconds: so the digests stand in a key that producers alone may read,
and go when the transfer ends.
"""

from collections.abc import Iterator

import pytest
import redis

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.producers import Conflict, PanCard, Receiver, SettingsWrong, Transfers, WebSettings
from epay_transfers.producers.context import Context
from epay_transfers.producers.fingerprints import CARD_FIELDS, FIELDS, compute
from epay_transfers.producers.testing import FakeTransfers
from tests.producers.conftest import (
    Hands,
    build,
    by_pan,
    by_saved_card,
    hands,
    pair,
    parts,
    queue_client,
    settings,
    transfers,
)
from tests.support.redis_state import everything

__all__ = ["hands", "pair", "parts", "queue_client", "settings", "transfers"]

OTHER_CARD = PanCard(number="377514500004820", expiry="01/25", cvc="815", name="Sergey Frolov", address="Abay 1")
#: The same first six and last four as the card of `by_pan`, and other digits between them.
TWIN = PanCard(number=f"440563{1:06d}5096", expiry="01/25", cvc="815", name="Sergey Frolov", address="Abay 1")


def digests_of_cards(context: Context) -> Iterator[str]:
    """Every digest that a producer could have made of the cards that these tests use."""
    for intent in (by_pan(), by_saved_card("order-1"), by_pan(receiver=Receiver(card_id="a-card-id"))):
        prints = compute(intent, context.producer.print_keys)
        yield from (one for one in prints.cards.split(".")[2:] if one)


def test_what_others_than_producers_read_holds_no_digest_of_a_card(
    transfers: Transfers, parts: Context, hands: Hands, ledger_client: redis.Redis
) -> None:
    key = transfers.enqueue(by_pan()).key
    all_digests = set(digests_of_cards(parts))
    assert len(all_digests) > 5
    assert [one for one in all_digests if one in everything(ledger_client)], "the control: they are there"

    for state in (State.QUEUED, State.PARKED):
        hands.bring(key, state)
        apart = str(ledger_client.getdel(redis_keys.prints(key)))
        assert [one for one in all_digests if one in everything(ledger_client)] == []
        ledger_client.set(redis_keys.prints(key), apart)


@pytest.mark.parametrize("state", [State.PAID, State.DECLINED, State.EXPIRED, State.CANCELLED])
def test_after_the_end_no_digest_of_a_card_is_anywhere(
    transfers: Transfers, parts: Context, hands: Hands, ledger_client: redis.Redis, state: State
) -> None:
    key = transfers.enqueue(by_pan()).key
    hands.bring(key, state)

    assert [one for one in digests_of_cards(parts) if one in everything(ledger_client)] == []
    assert hands.record(key).sender_card == "440563******5096"


def test_a_replay_is_compared_by_the_cards_until_the_end_and_by_their_masks_after_it(
    transfers: Transfers, hands: Hands
) -> None:
    key = transfers.enqueue(by_pan()).key

    with pytest.raises(Conflict) as caught:
        transfers.enqueue(by_pan(sender=TWIN))
    assert caught.value.fields == ("sender.number",)
    assert transfers.enqueue(by_pan()).replayed

    hands.bring(key, State.PAID)
    assert transfers.enqueue(by_pan()).state is State.PAID
    assert transfers.enqueue(by_pan(sender=TWIN)).replayed  # nothing is sent, and nothing more is known of the card
    with pytest.raises(Conflict) as caught:
        transfers.enqueue(by_pan(sender=OTHER_CARD, amount="100.51"))
    assert caught.value.fields == ("amount", "sender.number")


def test_the_fake_forgets_them_at_the_end_as_the_ledger_does() -> None:
    fake = FakeTransfers()
    fake.enqueue(by_pan())
    with pytest.raises(Conflict):
        fake.enqueue(by_pan(sender=TWIN))

    fake.pay("order-1")

    assert fake.enqueue(by_pan(sender=TWIN)).replayed


def test_a_web_tier_enqueues_nothing_and_says_why(parts: Context, ledger_client: redis.Redis) -> None:
    """It has no fingerprint key, so a replay would be no replay to it."""
    web = WebSettings.load(
        redis_url=parts.settings.redis_url,
        vault_url=parts.settings.vault_url,
        vault_public_key=parts.settings.vault_public_key,
        web_base_url="https://shop.example/transfers",
    )
    tier = build(parts, settings=web)

    for enqueue in (lambda: tier.enqueue(by_pan()), lambda: tier.enqueue_many([by_pan()])):
        with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: a web tier has none, and enqueues nothing"):
            enqueue()
    assert ledger_client.keys("*") == []


def test_every_field_that_names_a_card_is_among_those_that_are_kept_apart() -> None:
    every = {name for names in FIELDS.values() for name in names}
    of_no_card = {"sender.save", "receiver.save", "receiver.first_name", "receiver.last_name", "receiver.country_code"}

    assert {name for name in every if name.startswith(("sender.", "receiver."))} - of_no_card == CARD_FIELDS
