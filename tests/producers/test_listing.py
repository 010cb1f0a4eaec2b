"""`Transfers.list` on the real servers: transfers that move meanwhile, records that can't be read, contradictions."""

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.producers import Money, SettingsWrong, Transfers
from epay_transfers.producers.context import Context
from epay_transfers.producers.settings import SealingSettings
from tests.producers.conftest import Hands, build, by_saved_card
from tests.support.clocks import FakeClock


def test_a_page_whose_transfers_moved_meanwhile_is_empty_and_says_that_more_follow(
    transfers: Transfers, hands: Hands, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing on it is no end: a caller who stops there would miss the others."""
    keys = []
    for number in range(3):
        keys.append(transfers.enqueue(by_saved_card(f"payout-{number}")).key)
        clock.advance(1)
    real = Ledger.get_many

    def moved_before(ledger: Ledger, *arguments: object) -> list[Record]:
        monkeypatch.setattr(Ledger, "get_many", real)
        hands.bring(keys[0], State.PAID)
        return real(ledger, *arguments)  # type: ignore[arg-type]  # as they were given

    monkeypatch.setattr(Ledger, "get_many", moved_before)

    page = transfers.list(State.QUEUED, limit=1)

    assert page.items == ()
    assert page.cursor is not None
    rest = transfers.list(State.QUEUED, cursor=page.cursor)
    assert [transfer.reference for transfer in rest.items] == ["payout-1", "payout-2"]
    assert rest.cursor is None


def test_a_record_that_can_not_be_read_is_named_and_ends_no_list(
    transfers: Transfers, ledger_client: redis.Redis
) -> None:
    broken, sound = (transfers.enqueue(by_saved_card(f"payout-{number}")).key for number in range(2))
    ledger_client.hset(redis_keys.record(broken), "amount", "many")

    page = transfers.list()

    assert page.unreadable == (broken,)
    assert [transfer.key for transfer in page.items] == [sound]


def test_money_is_unknown_where_the_bank_contradicts_the_end(
    transfers: Transfers, hands: Hands, ledger_client: redis.Redis
) -> None:
    """As `get` says it: a payer who looks at a list may not pay it another way."""
    keys = [transfers.enqueue(by_saved_card(f"payout-{number}")).key for number in range(2)]
    for key in keys:
        hands.bring(key, State.DECLINED)
    ledger_client.hset(redis_keys.CONTRADICTED, keys[0], "paid")

    items = transfers.list(State.DECLINED).items

    assert {transfer.key: transfer.money for transfer in items} == {keys[0]: Money.UNKNOWN, keys[1]: Money.NONE}
    assert items == tuple(transfers.get(transfer.key) for transfer in items)


def test_a_terminal_that_the_settings_lost_is_listed_while_it_has_transfers(
    parts: Context, transfers: Transfers, ledger_client: redis.Redis
) -> None:
    key = transfers.enqueue(by_saved_card(terminal="kiosk")).key
    without = parts.settings.model_copy(update={"epay_terminals": {}})

    page = build(parts, settings=without).list(terminal="kiosk")

    assert [transfer.key for transfer in page.items] == [key]


def test_a_web_tier_lists_nothing(parts: Context) -> None:
    """Its user on the servers has no leave to: the sentence says what to give."""
    settings = SealingSettings.model_construct(vault_public_key=parts.producer.vault_public_key)

    with pytest.raises(SettingsWrong, match="a web tier has none, and lists no transfers; give"):
        build(parts, settings=settings).list()
