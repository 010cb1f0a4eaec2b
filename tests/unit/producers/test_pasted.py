"""What is pasted from a page, a mail or a spreadsheet: taken and cleaned, or refused by a sentence that is true."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.pasted_text import cleaned, without_separators
from epay_transfers.producers import IntentRejected, PanCard, Receiver, SavedCard, TransferIntent, validators
from tests.unit.producers.test_cards import CARD

NBSP, NARROW, FIGURE, THIN = "\u00a0", "\u202f", "\u2007", "\u2009"
SOFT_HYPHEN, ZERO_WIDTH, JOINER, MARK, BOM = "\u00ad", "\u200b", "\u200d", "\u200e", "\ufeff"
WIDE = "".join(chr(ord("\uff10") + int(digit)) for digit in "4405639704015096")
HYPHEN, EN_DASH, MINUS = "\u2010", "\u2013", "\u2212"
FAMILY = f"\U0001f468{JOINER}\U0001f469{JOINER}\U0001f467"


def payout(**bent: Any) -> TransferIntent:
    fields: dict[str, Any] = {
        "reference": "payout-42",
        "amount": "100",
        "description": "Payout",
        "sender": PanCard(**CARD),
    }
    return TransferIntent(**fields | {"receiver": Receiver(card_id="abc")} | bent)


def said(call: Any, *args: Any, **fields: Any) -> str:
    with pytest.raises(IntentRejected) as caught:
        call(*args, **fields)
    return str(caught.value)


@pytest.mark.parametrize(
    "between", [NBSP, NARROW, FIGURE, THIN, SOFT_HYPHEN, ZERO_WIDTH, HYPHEN, EN_DASH, MINUS, "\t", " \u2011 "]
)
def test_a_card_number_is_taken_with_whatever_a_page_puts_between_its_digits(between: str) -> None:
    pasted = f"{MARK}{between.join(('4405', '6397', '0401', '5096'))}{BOM}\n"

    assert PanCard(**CARD | {"number": pasted}).number.reveal() == "4405639704015096"
    assert Receiver(number=pasted).mask == "440563******5096"


@pytest.mark.parametrize("digits", ["\u0664" * 16, WIDE, "4405639704015O96", "4405.6397.0401.5096"])
def test_any_other_character_in_it_is_refused_by_a_true_sentence(digits: str) -> None:
    """Digits of another script are digits: so the sentence says which ones are meant."""
    assert "12 to 19 digits 0 to 9; blanks and dashes" in said(PanCard, **CARD | {"number": digits})


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        (f"Sergey{NBSP}Frolov", "Sergey Frolov"),
        (f"Sergey{NARROW}Frolov{ZERO_WIDTH}", "Sergey Frolov"),
        (f"Константино{SOFT_HYPHEN}польский", "Константинопольский"),
        (f"{BOM}Әйгерім{MARK}", "Әйгерім"),
        (f"Frolov {FAMILY}", "Frolov \U0001f468\U0001f469\U0001f467"),
        ("Zoe\u0308 \u2764\ufe0f", "Zoe\u0308 \u2764\ufe0f"),
    ],
)
def test_a_name_a_description_and_a_reason_are_cleaned_and_taken(pasted: str, kept: str) -> None:
    card = PanCard(**CARD | {"name": pasted, "address": pasted})

    assert (card.name.reveal(), card.address.reveal()) == (kept, kept)
    assert payout(description=pasted, merchant_id_for_saving_cards=pasted).description == kept
    assert Receiver(card_id="abc", first_name=pasted).first_name.reveal() == kept


@pytest.mark.parametrize(
    "text", ["Sergey\nFrolov", "Sergey\tFrolov", "Sergey\x00", "Sergey\u2028Frolov", "Sergey\ud83d"]
)
def test_a_line_break_a_tab_and_a_control_character_are_refused_by_a_true_sentence(text: str) -> None:
    for refused in (said(PanCard, **CARD | {"name": text}), said(payout, description=text)):
        assert "must be one line of text, without line breaks, tabs" in refused


@pytest.mark.parametrize("text", [NBSP, ZERO_WIDTH, SOFT_HYPHEN * 3])
def test_a_name_of_nothing_is_no_name(text: str) -> None:
    assert "must be the holder's name" in said(PanCard, **CARD | {"name": text})
    assert "must be 1 to 125 bytes" in said(payout, description=ZERO_WIDTH)


def test_a_card_number_that_soft_hyphens_hide_is_none_the_less_found_in_a_description() -> None:
    hidden = SOFT_HYPHEN.join("4405639704015096")

    assert "looks like a card number" in said(payout, description=f"for {hidden}")


@pytest.mark.parametrize("text", ["платёж-42", f"payout{NBSP}42", f"payout-42{ZERO_WIDTH}"])
def test_a_reference_and_an_id_are_never_changed_but_refused(text: str) -> None:
    """Two references that differ by a character that is not seen would be one, or two: an id is taken as it is."""
    assert "Latin letters, digits 0 to 9, dots, dashes" in said(payout, reference=text)
    assert "Latin letters, digits and dashes" in said(SavedCard, card_id=text)


@given(st.text(max_size=40))
def test_what_was_cleaned_is_clean(text: str) -> None:
    """So a replay of what was stored is the same intent."""
    assert cleaned(cleaned(text)) == cleaned(text)
    assert without_separators(cleaned(text)) == without_separators(text)


@pytest.mark.parametrize("around", ["\u00a0", " ", "\u200b", "\u2009\ufeff"])
def test_a_code_a_date_and_an_amount_lose_what_was_pasted_around_them(around: str) -> None:
    """They were refused by a sentence that was false: 815 with a blank behind it is 3 digits."""
    assert validators.cvc(f"{around}815{around}") == "815"
    assert validators.expiry(f"{around}01{around}/{around}27{around}") == "01/27"
    assert payout(amount=f"{around}15000.50{around}").amount_minor == 1_500_050


@pytest.mark.parametrize("text", ["81 5", "8\u00a015", "\uff18\uff11\uff15", "815\n"])
def test_a_code_with_something_within_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="3 or 4 digits 0 to 9"):
        validators.cvc(text)
