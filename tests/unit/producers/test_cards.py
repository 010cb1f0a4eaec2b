"""The cards of an intent: what each field must be, and that none of them shows itself."""

from typing import Any

import pytest

from epay_transfers.producers import IntentRejected, PanCard, Receiver, SavedCard

CARD: dict[str, Any] = {"number": "4405639704015096", "expiry": "01/25", "cvc": "815", "name": "Sergey Frolov"}


def refused(model: type[PanCard | SavedCard | Receiver], fields: dict[str, Any]) -> str:
    with pytest.raises(IntentRejected) as caught:
        model(**fields)
    return caught.value.field


@pytest.mark.parametrize(
    "number",
    [
        "4405639704015096",
        "4405 6397 0401 5096",
        "4405-6397-0401-5096",
        "377514500004820",
        "5522042705066736",
        "000000000000",
    ],
)
def test_a_number_is_12_to_19_digits_that_pass_luhn(number: str) -> None:
    assert PanCard(**CARD | {"number": number}).number.reveal() == number.replace(" ", "").replace("-", "")


@pytest.mark.parametrize(
    "number",
    [
        "",
        "4405639704015097",
        "44056397",
        "0" * 20,
        "4405639704015O96",
        "4405.6397.0401.5096",
        "\u0664" * 16,
        4405639704015096,
        None,
    ],
)
def test_any_other_number_is_refused(number: Any) -> None:
    assert refused(PanCard, CARD | {"number": number}) == "number"
    if number is not None:
        assert refused(Receiver, {"number": number}) == "number"


@pytest.mark.parametrize("expiry", ["01/25", "12/99", "0125", "09/20"])
def test_an_expiry_is_a_month_and_a_year_past_or_not(expiry: str) -> None:
    assert PanCard(**CARD | {"expiry": expiry}).expiry.reveal() == f"{expiry[:2]}/{expiry[-2:]}"


@pytest.mark.parametrize("expiry", ["", "00/25", "13/25", "1/25", "01/2025", "01-25", "01/2 5x", "2025-01"])
def test_any_other_expiry_is_refused(expiry: str) -> None:
    assert refused(PanCard, CARD | {"expiry": expiry}) == "expiry"


@pytest.mark.parametrize("cvc", ["", "12", "12345", "12a", "\uff18\uff11\uff15", 815])
def test_a_cvc_is_3_or_4_digits(cvc: Any) -> None:
    assert refused(PanCard, CARD | {"cvc": cvc}) == "cvc"
    assert refused(SavedCard, {"card_id": "abc", "cvc": cvc}) == "cvc"
    assert PanCard(**CARD | {"cvc": "4169"}).cvc.reveal() == "4169"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 129])
def test_a_holder_has_a_name(name: str) -> None:
    assert refused(PanCard, CARD | {"name": name}) == "name"


def test_a_card_number_is_no_card_id() -> None:
    assert refused(SavedCard, {"card_id": "4405639704015096"}) == "card_id"
    assert refused(SavedCard, {"card_id": "a b"}) == "card_id"


def test_a_receiver_has_exactly_one_of_number_and_card_id() -> None:
    assert refused(Receiver, {}) == "number"
    assert refused(Receiver, {"number": CARD["number"], "card_id": "abc"}) == "number"
    assert Receiver(card_id="abc").cred.reveal() == "abc"


@pytest.mark.parametrize("code", ["K", "KZAA", "K1", "\u041a\u0417"])
def test_a_country_code_is_2_or_3_letters(code: str) -> None:
    assert refused(Receiver, {"card_id": "abc", "country_code": code}) == "country_code"
    assert Receiver(card_id="abc", country_code="KAZ").country_code.reveal() == "KAZ"


@pytest.mark.parametrize(("model", "fields"), [(PanCard, CARD), (SavedCard, {"card_id": "secret-id", "cvc": "815"})])
def test_a_card_shows_nothing_of_itself(model: type[PanCard | SavedCard], fields: dict[str, Any]) -> None:
    card = model(**fields)

    shown = repr(card) + str(card) + card.model_dump_json() + f"{card}"

    assert not [value for value in fields.values() if value in shown]
