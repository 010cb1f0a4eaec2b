"""How long an intent may wait."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from epay_transfers.producers import IntentRejected, SavedCard, TransferIntent
from epay_transfers.producers.deadline import lasts_ms

NOW_MS = 1_795_500_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
TTL_S = 900


def waits_s(fields: dict[str, Any], **bent: Any) -> float:
    return lasts_ms(TransferIntent(**fields | bent), NOW_MS, TTL_S) / 1000


def test_with_a_cvc_it_is_card_ttl_by_default_and_at_most(by_pan: dict[str, Any]) -> None:
    assert waits_s(by_pan) == TTL_S
    assert waits_s(by_pan, deadline=NOW + timedelta(seconds=TTL_S)) == TTL_S
    with pytest.raises(IntentRejected, match="CARD_TTL"):
        waits_s(by_pan, deadline=NOW + timedelta(seconds=TTL_S + 1))


def test_a_saved_card_with_a_cvc_is_no_exception(by_saved_card: dict[str, Any]) -> None:
    by_saved_card["sender"] = SavedCard(card_id="abc", cvc="815")

    assert waits_s(by_saved_card) == TTL_S
    with pytest.raises(IntentRejected, match="CARD_TTL"):
        waits_s(by_saved_card, deadline=NOW + timedelta(hours=1))


def test_without_a_cvc_it_is_a_day_by_default_and_a_month_at_most(by_saved_card: dict[str, Any]) -> None:
    assert waits_s(by_saved_card) == 86_400
    assert waits_s(by_saved_card, deadline=NOW + timedelta(days=30)) == 30 * 86_400
    with pytest.raises(IntentRejected, match="30 days"):
        waits_s(by_saved_card, deadline=NOW + timedelta(days=30, seconds=1))


@pytest.mark.parametrize("ago", [0, 1, 10_000_000])
def test_it_is_in_the_future(by_saved_card: dict[str, Any], ago: int) -> None:
    with pytest.raises(IntentRejected, match="passed") as caught:
        waits_s(by_saved_card, deadline=NOW - timedelta(seconds=ago))

    assert caught.value.field == "deadline"
