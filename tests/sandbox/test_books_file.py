"""A sandbox bank that goes on with the books of the one before it."""

from pathlib import Path

import pytest

from epay_transfers.sandbox import Options, running
from epay_transfers.sandbox.books_file import read, write
from tests.sandbox.conftest import RECEIVER, SENDER, Shop


def test_a_bank_goes_on_with_the_orders_challenges_and_cards_of_the_one_before(tmp_path: Path) -> None:
    """A client at the bank's page when it stopped can still pay, once, and no order number is new again."""
    file = tmp_path / "books.json"
    with running() as bank:
        shop = Shop(bank)
        invoice = shop.invoice()
        paid = shop.pay("[lag:1] [slow:0]", invoice).json()
        asked, challenge = shop.challenged()
        pa_res = shop.answer(challenge["md"])
        before = shop.web.get(f"{bank.url}/books").json()
        write(bank.bank.decisions, file)

    with running() as bank:
        read(bank.bank.decisions, file)
        shop = Shop(bank)
        assert shop.web.get(f"{bank.url}/books").json() == before
        document = {"ID": challenge["id"], "MD": challenge["md"], "PaRes": pa_res}
        answered = shop.confirm(document, shop.token(invoiceID=asked))
        assert shop.book(asked)["executions"] == 1, answered.text
        assert shop.pay(invoice=f"250101{invoice[-6:]}").json()["code"] == 100, "its last six digits are known"
    assert paid["code"] == 0
    assert bank.totals()["executed_twice"] == []


def test_a_saved_card_pays_at_the_next_bank_and_no_number_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "books.json"
    with running() as bank:
        shop = Shop(bank)
        invoice = shop.invoice()
        body = shop.body(invoice)
        body["card"]["sender"]["save"] = True
        shop.send(body, shop.token(invoiceID=invoice))
        saved = bank.bank.decisions.cards.saved()
        write(bank.bank.decisions, file)

    with running() as bank:
        read(bank.bank.decisions, file)
        assert bank.bank.decisions.cards.saved() == saved
    assert len(saved) == 3
    text = file.read_text()
    assert not [number for number in (SENDER["cardCred"], RECEIVER["cardCred"]) if number in text]
    assert file.stat().st_mode & 0o077 == 0


def test_a_bank_without_a_file_begins_with_empty_books(tmp_path: Path) -> None:
    with running(Options()) as bank:
        read(bank.bank.decisions, tmp_path / "nothing.json")

        assert bank.totals()["orders"] == 0


@pytest.mark.parametrize("call", ["token", "transfer", "status"])
def test_each_call_is_told_with_its_order_and_its_status(call: str) -> None:
    heard: list[tuple[str, str, int]] = []
    with running(Options(on_call=lambda *told: heard.append(told))) as bank:
        shop = Shop(bank)
        invoice = shop.invoice()
        shop.pay(invoice=invoice)
        shop.word(invoice)

    assert (call, invoice, 200) in heard
