"""No more of a card than its first six and last four digits is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.card_numbers import passes_luhn
from epay_transfers.worker.bank.masking import clean_message, mask_card
from tests.support.bank_examples import FUZZ


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("440563******5096", "440563******5096"),
        ("4405639704015096", "440563******5096"),
        ("4405 6397 0401 5096", "440563******5096"),
        ("4405-6397-0401-5096", "440563******5096"),
        ("4003********9821", "4003********9821"),
        ("44056397******5096", "440563********5096"),
        ("440563XXXXXX5096", "440563******5096"),
        ("440563970401*096", "440563*******096"),
        ("377514500004820", "377514*****4820"),
        ("************5096", "************5096"),
        ("", ""),
        ("none", ""),
        ("123456", ""),
        ("1234567890", ""),
        ("*" * 40, ""),
    ],
)
def test_a_mask_is_cut_anew(raw: str, kept: str) -> None:
    assert mask_card(raw) == kept


@FUZZ
@given(st.text(alphabet="0123456789* -Xx٣", max_size=40))
def test_no_mask_shows_more_than_ten_digits_nor_more_than_six_in_a_row(raw: str) -> None:
    kept = mask_card(raw)

    first, _, last = kept.partition("*")
    assert len(first) <= 6
    assert len(last.lstrip("*")) <= 4
    assert set(kept) <= set("0123456789*")


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (" Not permitted to merchant", "Not permitted to merchant"),
        ("card 4405639704015096 refused", "card **************** refused"),
        ("card 4405 6397 0401 5096 refused", "card **** **** **** **** refused"),
        ("card 4405-6397-0401-5096", "card ****-****-****-****"),
        ("4405\x006397\u200b04015096", "****************"),
        ("44056397\n04015096", "******** ********"),
        ("order 251124000001 card 377514500004820", "order 251124000001 card ***************"),
        ("4405639704015096 251124000001", "**************** 251124000001"),
        ("reference 4405639704015097", "reference 4405639704015097"),
        ("x" * 300, "x" * 200),
        ("a\r\nb\x1b[31mc\ud800", "a  b[31mc"),
    ],
)
def test_a_message_loses_controls_and_card_numbers(raw: str, kept: str) -> None:
    assert clean_message(raw, invoice_id="251124000001") == kept


def test_our_own_invoice_id_stays_even_where_it_looks_like_a_card() -> None:
    assert passes_luhn("377514500004820")
    assert clean_message("order 377514500004820", invoice_id="377514500004820") == "order 377514500004820"


@pytest.mark.parametrize("raw", [None, 5, [], {}, b"x"])
def test_what_is_no_sentence_is_none(raw: object) -> None:
    assert clean_message(raw, invoice_id="251124000001") == ""


@FUZZ
@given(st.text(max_size=30), st.sampled_from(["", " ", "-", "."]), st.text(max_size=30))
def test_no_message_carries_a_card_number_in_any_dress(before: str, between: str, after: str) -> None:
    pan = between.join(["4405", "6397", "0401", "5096"])

    assert "5096" not in clean_message(f"{before}{pan}{after}", invoice_id="251124000001").replace("251124000001", "")
