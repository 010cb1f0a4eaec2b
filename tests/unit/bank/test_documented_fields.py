"""The fields of the bank's JSON are those of the table in docs/bank.md."""

import json
import re
from pathlib import Path

from epay_transfers.worker.bank import Order, Terminal
from epay_transfers.worker.bank.payloads import transfer_json
from tests.support.bank_examples import CARDS

ROOT = Path(__file__).parents[3]


def test_every_field_of_the_order_is_in_the_document() -> None:
    order = Order(invoice_id="000000123456", amount_minor=100, currency="KZT")
    sent = json.loads(transfer_json(Terminal("main", "t", "c", CARDS.sender.cvc), order, CARDS, receiver_id_field="id"))

    named = set(re.findall(r"\border\.(\w+)", (ROOT / "docs" / "bank.md").read_text()))

    assert set(sent["order"]) - named == set()
