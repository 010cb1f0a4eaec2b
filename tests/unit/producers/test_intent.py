"""An intent that exists is valid: a test a rule."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.vault.card_data import CardData
from epay_transfers.producers import IntentRejected, PanCard, Receiver, SavedCard, TransferIntent


def refused(fields: dict[str, Any], **bent: Any) -> str:
    """The name of the field that the intent is refused for."""
    with pytest.raises(IntentRejected) as caught:
        TransferIntent(**fields | bent)
    return caught.value.field


class TestAmount:
    @pytest.mark.parametrize("amount", ["15000", 15000, Decimal(15000), "15000.00", Decimal("1.5E+4")])
    def test_an_amount_is_a_decimal_an_int_or_a_string(self, by_pan: dict[str, Any], amount: Any) -> None:
        intent = TransferIntent(**by_pan | {"amount": amount})

        assert intent.amount == Decimal(15000)
        assert intent.amount_minor == 1_500_000

    @pytest.mark.parametrize("amount", [100.5, 100.0, True, None, b"100", [100], {"amount": 1}])
    def test_a_float_and_what_is_no_number_are_refused(self, by_pan: dict[str, Any], amount: Any) -> None:
        assert refused(by_pan, amount=amount) == "amount"

    @pytest.mark.parametrize(
        "amount", [0, "0", "0.00", -1, "-15000", Decimal("-0.01"), Decimal("NaN"), Decimal("sNaN")]
    )
    def test_it_is_more_than_nothing(self, by_pan: dict[str, Any], amount: Any) -> None:
        assert refused(by_pan, amount=amount) == "amount"

    @pytest.mark.parametrize(
        "amount", ["1.001", Decimal("0.001"), "1." + "0" * 19 + "1", Decimal("1." + "0" * 40 + "1")]
    )
    def test_it_has_at_most_two_decimals_however_far_out_the_third_is(
        self, by_pan: dict[str, Any], amount: Any
    ) -> None:
        assert refused(by_pan, amount=amount) == "amount"

    @pytest.mark.parametrize("amount", ["1e5", "1_000", "1 000", "1,50", "\u0661\u0660", "", "abc", "0x10", "Infinity"])
    def test_a_string_is_plain_digits(self, by_pan: dict[str, Any], amount: str) -> None:
        assert refused(by_pan, amount=amount) == "amount"

    @pytest.mark.parametrize("amount", [10**12, 10**40, Decimal("9E+999999"), Decimal("Infinity")])
    def test_it_is_not_more_than_lua_can_count(self, by_pan: dict[str, Any], amount: Any) -> None:
        assert refused(by_pan, amount=amount) == "amount"

    @given(minor=st.integers(min_value=1, max_value=10**13))
    def test_every_payable_amount_comes_out_as_it_went_in(self, minor: int) -> None:
        amount = Decimal(minor).scaleb(-2)

        for given_as in (amount, str(amount)):
            assert _simple(given_as).amount_minor == minor

    @given(value=st.decimals(allow_nan=True, allow_infinity=True) | st.text(max_size=12) | st.floats())
    def test_whatever_is_given_is_exact_or_refused(self, value: Any) -> None:
        try:
            intent = _simple(value)
        except IntentRejected:
            return

        assert not isinstance(value, float)
        assert intent.amount == Decimal(value)

    def test_an_unknown_currency_is_refused_and_a_known_one_is_written_large(self, by_pan: dict[str, Any]) -> None:
        assert refused(by_pan, currency="XXX") == "currency"
        assert TransferIntent(**by_pan | {"currency": "kzt"}).currency == "KZT"


def _simple(amount: Any) -> TransferIntent:
    return TransferIntent(
        reference="a",
        amount=amount,
        description="b",
        sender=SavedCard(card_id="c"),
        receiver=Receiver(card_id="d"),
    )


class TestTexts:
    @pytest.mark.parametrize(
        "reference", ["a", "payout-42", "x" * 64, "2025:11.24_7", "0193b5a0-6c1e-7aaa-8000-000000000000"]
    )
    def test_a_reference_is_up_to_64_safe_characters(self, by_pan: dict[str, Any], reference: str) -> None:
        assert TransferIntent(**by_pan | {"reference": reference}).reference == reference

    @pytest.mark.parametrize("reference", ["", "x" * 65, "a b", "a\n", "a/b", "платёж", "a{b}", 42, None])
    def test_any_other_is_refused(self, by_pan: dict[str, Any], reference: Any) -> None:
        assert refused(by_pan, reference=reference) == "reference"
        if reference is not None:
            assert refused(by_pan, related_to=reference) == "related_to"

    @pytest.mark.parametrize(
        "text", ["4405639704015096", "4405-6397-0401-5096", "payout-4405639704015096", "377514500004820"]
    )
    def test_what_looks_like_a_card_number_is_no_reference(self, by_pan: dict[str, Any], text: str) -> None:
        assert refused(by_pan, reference=text) == "reference"
        assert refused(by_pan, related_to=text) == "related_to"

    @pytest.mark.parametrize("text", ["to 4405639704015096", "card 4405 6397 0401 5096.", "3775 145000 04820"])
    def test_nor_does_it_go_to_the_ledger_in_another_text(self, by_pan: dict[str, Any], text: str) -> None:
        assert refused(by_pan, description=text) == "description"
        assert refused(by_pan, merchant_id_for_saving_cards=text) == "merchant_id_for_saving_cards"
        assert refused(by_pan, back_link="https://shop.kz/?c=4405639704015096") == "back_link"

    def test_a_description_is_counted_in_bytes(self, by_pan: dict[str, Any]) -> None:
        for fits in ("x" * 125, "ж" * 62):
            assert TransferIntent(**by_pan | {"description": fits}).description == fits

        for too_much in ("x" * 126, "ж" * 63, "", "two\nlines", "\ud800"):
            assert refused(by_pan, description=too_much) == "description"

    @pytest.mark.parametrize("link", ["", "https://shop.kz/ok", "https://shop.kz:8443/a?b=c#d"])
    def test_a_link_is_https_or_empty(self, by_pan: dict[str, Any], link: str) -> None:
        assert TransferIntent(**by_pan | {"post_link": link}).post_link == link

    @pytest.mark.parametrize("name", ["back_link", "failure_back_link", "post_link", "failure_post_link"])
    @pytest.mark.parametrize(
        "link",
        [
            "http://shop.kz/",
            "http://127.0.0.1/",
            "//shop.kz/",
            "shop.kz",
            "https://",
            "https://:443/",
            "https://u:p@shop.kz/",
            "https://shop.kz/a b",
            "https://shop.kz:x/",
            "https://[::1/",
            "javascript:alert(1)",
            "https://shop.kz/" + "a" * 512,
        ],
    )
    def test_any_other_link_is_refused(self, by_pan: dict[str, Any], name: str, link: str) -> None:
        assert refused(by_pan, **{name: link}) == name

    @pytest.mark.parametrize(
        "invoice_id", ["12345", "1234567890123456", "12345a", "\u0661" * 6, "", "main:123456", 123456]
    )
    def test_an_invoice_id_is_6_to_15_digits(self, by_pan: dict[str, Any], invoice_id: Any) -> None:
        assert refused(by_pan, invoice_id=invoice_id) == "invoice_id"
        assert TransferIntent(**by_pan | {"invoice_id": "000001"}).invoice_id == "000001"

    @pytest.mark.parametrize("email", ["nobody", "a@b@c", "@b", "a@", "a b@c", "a@b\n"])
    def test_an_email_has_one_at_sign(self, by_pan: dict[str, Any], email: str) -> None:
        assert refused(by_pan, sender_email=email) == "sender_email"

    @pytest.mark.parametrize("address", ["300.1.1.1", "localhost", "1.2.3.4:80", "1.2.3"])
    def test_an_ip_is_an_address(self, by_pan: dict[str, Any], address: str) -> None:
        assert refused(by_pan, sender_ip=address) == "sender_ip"
        assert TransferIntent(**by_pan | {"sender_ip": "2001:db8::1"}).sender_ip.reveal() == "2001:db8::1"


class TestTheRest:
    @pytest.mark.parametrize("urgency", ["", "soon", None, 1])
    def test_urgency_is_now_or_batch(self, by_pan: dict[str, Any], urgency: Any) -> None:
        assert refused(by_pan, urgency=urgency) == "urgency"

    @pytest.mark.parametrize(
        "deadline",
        [datetime.now(UTC).replace(tzinfo=None), "2026-01-01T00:00:00", 1_795_500_000, "1795500000", "now", 1.5],
    )
    def test_a_deadline_has_a_time_zone(self, by_pan: dict[str, Any], deadline: Any) -> None:
        assert refused(by_pan, deadline=deadline) == "deadline"

    def test_a_deadline_may_be_written_in_iso_8601(self, by_pan: dict[str, Any]) -> None:
        intent = TransferIntent(**by_pan | {"deadline": "2026-01-01T05:00:00+05:00"})

        assert intent.deadline == datetime(2026, 1, 1, tzinfo=UTC)
        assert intent.deadline.utcoffset() == timedelta(hours=5)

    @pytest.mark.parametrize("missing", ["first_name", "last_name", "country_code"])
    def test_abroad_needs_the_receivers_names_and_country(self, by_pan: dict[str, Any], missing: str) -> None:
        abroad = {"first_name": "Aigerim", "last_name": "Bek", "country_code": "KG"}
        receiver = {"number": "5522042705066736"} | abroad

        assert TransferIntent(**by_pan | {"foreign": True, "receiver": receiver}).foreign
        assert refused(by_pan, foreign=True, receiver=receiver | {missing: ""}) == f"receiver.{missing}"

    @pytest.mark.parametrize("name", ["reference", "amount", "description", "sender", "receiver"])
    def test_what_is_needed_is_named(self, by_pan: dict[str, Any], name: str) -> None:
        del by_pan[name]

        assert refused(by_pan) == name

    def test_an_unknown_field_is_refused_by_its_name(self, by_pan: dict[str, Any]) -> None:
        assert refused(by_pan, ammount="5") == "ammount"

    def test_a_cards_field_is_named_with_its_card(self, by_pan: dict[str, Any]) -> None:
        card = {"number": "5522042705066736", "expiry": "13/25", "cvc": "525", "name": "A B"}

        assert refused(by_pan, sender=card) == "sender.expiry"
        assert refused(by_pan, sender={"card_id": "x", "cvc": "1"}) == "sender.cvc"
        assert refused(by_pan, receiver={"number": "1"}) == "receiver.number"
        assert refused(by_pan, sender="4405639704015096") == "sender.(all)"

    def test_an_intent_is_frozen(self, intent: TransferIntent) -> None:
        with pytest.raises(AttributeError, match="frozen") as caught:
            setattr(intent, "description", "4405639704015096")  # noqa: B010 - mypy knows that it is frozen

        assert "4405" not in str(caught.value)

    def test_a_copy_is_checked_as_the_first_was(self, intent: TransferIntent) -> None:
        assert intent.model_copy() == intent
        assert (intent.amount_minor, bool(intent.order_details().description)) == (10_050, True)
        assert TransferIntent(**dict(intent)) == intent  # what it keeps of its own is no field
        assert intent.model_copy(update={"amount": 7}).amount_minor == 700
        with pytest.raises(IntentRejected, match="amount"):
            intent.model_copy(update={"amount": -1})


class TestJson:
    def test_an_intent_can_be_read_from_json(self) -> None:
        text = json.dumps(
            {
                "reference": "payout-42",
                "amount": "15000.50",
                "description": "Payout 42",
                "sender": {"number": "4405 6397 0401 5096", "expiry": "01/25", "cvc": "815", "name": "Sergey Frolov"},
                "receiver": {"card_id": "86496cb0-bb5d-4791-bb49-cc27a0f660ce"},
            }
        )

        intent = TransferIntent.model_validate_json(text)

        assert isinstance(intent.sender, PanCard)
        assert intent.sender.number.reveal() == "4405639704015096"
        assert intent == TransferIntent.model_validate(json.loads(text))

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"amount": 1.5}', b"\xff", '"4405639704015096"'])
    def test_any_other_json_is_refused(self, text: str | bytes) -> None:
        with pytest.raises(IntentRejected):
            TransferIntent.model_validate_json(text)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('{"reference": "a", "amount": "1", "amount": "2"}', "gives amount twice in one object"),
            ('{"sender": {"card_id": "a", "card_id": "b"}}', "gives card_id twice in one object"),
            ('{"4405639704015096": 1, "4405639704015096": 2}', "gives a name twice in one object"),
            ('{"amount": "1", "\\u0061mount": "2"}', "gives amount twice in one object"),
            ('{"amount": "1", "amount": "2", "foreign": NaN}', "is not JSON"),
            ("[" * 9999, "is not JSON"),
        ],
    )
    @pytest.mark.parametrize("kind", [str, str.encode, lambda text: bytearray(text.encode())])
    def test_a_name_that_is_given_twice_is_refused(self, text: str, why: str, kind: Callable[[str], str]) -> None:
        """The last one would be paid, and a person may read the first. No card number is in the refusal."""
        with pytest.raises(IntentRejected) as caught:
            TransferIntent.model_validate_json(kind(text))

        assert (caught.value.field, caught.value.why) == ("json", why)

    def test_the_published_schema_says_string_for_cards_and_no_float_for_amounts(self) -> None:
        schema = TransferIntent.json_schema()

        assert schema["$defs"]["PanCard"]["properties"]["number"]["type"] == "string"
        assert {kind["type"] for kind in schema["properties"]["amount"]["anyOf"]} == {"string", "integer"}
        assert set(schema["required"]) == {"reference", "amount", "description", "sender", "receiver"}
        assert json.loads(json.dumps(schema)) == schema


class TestWhatTheSidesGet:
    def test_the_vault_gets_what_the_bank_wants_of_the_cards(self, by_pan: dict[str, Any]) -> None:
        intent = TransferIntent(**by_pan | {"sender_email": "a@epay.kz", "sender_ip": "10.0.0.1"})

        data = CardData.from_plain(intent.card_data().plain())

        sender = data.sender
        assert (sender.transfer_type, sender.cred.reveal()) == ("TYPEPAN", "4405639704015096")
        assert (sender.month.reveal(), sender.year.reveal(), sender.cvc.reveal()) == ("01", "25", "815")
        assert sender.name.reveal() == "Sergey Frolov"
        assert (data.receiver.transfer_type, data.receiver.cred.reveal()) == ("TYPEPAN", "5522042705066736")
        assert (data.sender_email.reveal(), data.sender_ip.reveal()) == ("a@epay.kz", "10.0.0.1")

    def test_saved_cards_go_by_their_ids(self, by_saved_card: dict[str, Any]) -> None:
        data = TransferIntent(**by_saved_card).card_data()

        assert (data.sender.transfer_type, data.sender.cred) == ("TYPECARDID", by_saved_card["sender"].card_id)
        assert (data.receiver.transfer_type, data.receiver.cred) == ("TYPECARDID", by_saved_card["receiver"].card_id)
        assert not data.sender.cvc

    def test_the_order_is_what_only_the_bank_is_told(self, by_pan: dict[str, Any]) -> None:
        order = (
            TransferIntent(**by_pan | {"description": "Выплата", "post_link": "https://shop.kz/p"})
            .order_details()
            .to_json()
        )

        assert json.loads(order) == {"description": "Выплата", "post_link": "https://shop.kz/p"}
        assert "Выплата" in order, "the record is counted in bytes"

    def test_the_ledger_may_keep_first_six_and_last_four(self, intent: TransferIntent) -> None:
        assert intent.sender.mask == "440563******5096"
        assert intent.receiver.mask == "552204******6736"
        assert SavedCard(card_id="abc").mask == Receiver(card_id="abc").mask == ""
