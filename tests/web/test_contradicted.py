"""While the bank says that the money of an end without money has moved, no producer is told to pay another way."""

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store import redis_keys
from epay_transfers.producers import Money, Receipt, State
from epay_transfers.producers.web import Web
from epay_transfers.runtime.web_addresses import Places
from tests.web.conftest import BASE, SECRET, Visitor, intent
from tests.web.real import RealTransfers


def contradicted(real: RealTransfers, receipt: Receipt) -> None:
    """As a worker writes it (`Consequences.end_contradicted`)."""
    real._books.client.hset(redis_keys.CONTRADICTED, receipt.key, "paid CHARGE")


def test_each_answer_to_a_producer_calls_its_money_unknown(real: RealTransfers) -> None:
    """By key, by reference, found, waited for, shown, and in the feed: until it is corrected, or the bank agrees."""
    receipt = real.enqueue(intent("payout-1"))
    real.decline(receipt.key)
    assert real.get(receipt.key).money is Money.NONE
    contradicted(real, receipt)

    answers = [
        real.get(receipt.key), real.get(reference="payout-1"), real.find("payout-1"), real.wait(receipt.key),
        real.visit(receipt.handle).transfer,
    ]  # fmt: skip
    told = list(real.outcomes("payouts", idle=0))[-1]

    assert [(each.state, each.final, each.money) for each in answers] == [(State.DECLINED, True, Money.UNKNOWN)] * 5
    assert (told.state, told.final, told.money) == (State.DECLINED, True, Money.UNKNOWN)
    real._books.client.hdel(redis_keys.CONTRADICTED, receipt.key)
    assert real.get(receipt.key).money is Money.NONE


def test_the_contradiction_of_one_says_nothing_of_another(real: RealTransfers) -> None:
    one, other, paid = (real.enqueue(intent(f"payout-{number}")) for number in range(3))
    real.decline(one.key)
    real.decline(other.key)
    real.pay(paid.key)
    contradicted(real, one)
    contradicted(real, paid)

    assert real.get(other.key).money is Money.NONE
    assert real.get(paid.key).money is Money.MOVED


def test_its_client_is_told_not_to_pay_again(real: RealTransfers) -> None:
    """And is not sent on to the shop's page for what was not paid."""
    visitor = Visitor(Web(real, Places(BASE, Secret(SECRET))))
    receipt = real.enqueue(intent(back_link="https://shop.kz/ok", failure_back_link="https://shop.kz/failed"))
    real.decline(receipt.key)
    assert visitor.get("result", receipt.handle).status == 303
    contradicted(real, receipt)

    page = visitor.get("result", receipt.handle)

    assert (page.status, page.headers["Transfer-Page"]) == (200, "doubt")
    assert "Do not pay again" in page.body.decode()
