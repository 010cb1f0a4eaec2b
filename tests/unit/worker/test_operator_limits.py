"""`OPERATOR_LIMITS` as a worker reads it: a number of transfers, and money by currency."""

import json

import pytest

from epay_transfers.ops.settings_table import SETTINGS
from epay_transfers.worker.operator_limits import DEFAULT_LIMITS, read_operator_limits


def test_it_is_read_in_minor_units() -> None:
    """Amounts are given in units of the currency, as a number or as a text; 0 means that two are always needed."""
    assert read_operator_limits({"transfers": 7, "KZT": "500.50", "USD": 20, "EUR": 0}) == {
        "transfers": 7,
        "KZT": 500_50,
        "USD": 20_00,
        "EUR": 0,
    }
    assert read_operator_limits({}) == {}


def test_the_default_is_what_the_table_says() -> None:
    """The documents' text, read as the setting is, gives the limits that hold where it is not set."""
    (setting,) = [each for each in SETTINGS if each.name == "OPERATOR_LIMITS"]

    assert read_operator_limits(json.loads(setting.default)) == dict(DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "is no JSON object"),
        ({"payouts": 5}, "payouts: is neither transfers nor a currency"),
        ({"transfers": -1}, "transfers: must be a whole number from 0"),
        ({"transfers": True}, "transfers: must be a whole number from 0"),
        ({"transfers": "5"}, "transfers: must be a whole number from 0"),
        ({"KZT": 0.5}, "KZT: must be a whole number, or a string"),
        ({"KZT": "-5"}, "KZT: must be more than 0"),
        ({"KZT": "0.001"}, "KZT: has more than 2 decimals"),
    ],
)
def test_what_is_wrong_is_a_sentence_that_names_the_place(value: object, sentence: str) -> None:
    """A wrong limit would be one that does not hold, so the worker does not start."""
    with pytest.raises(ValueError, match=f"^{sentence}"):
        read_operator_limits(value)
