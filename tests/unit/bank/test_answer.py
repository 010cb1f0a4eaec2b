"""What the bank's answers to a token and a transfer mean."""

import json
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.worker.bank.outcome import (
    ChallengeRequired,
    CodeClass,
    Consequence,
    Declined,
    Evidence,
    Paid,
    Token,
    TokenRefused,
    Unclear,
)
from epay_transfers.worker.bank.parse_response import read_token, read_transfer
from tests.support.bank_examples import CHALLENGE, FAILURE, INVOICE, ORDER, SAMPLES, SUCCESS, heard, order, without


def transfer(body: object, status: int = 200, **more: Any) -> Any:
    return read_transfer(ORDER, heard(body, status, **more))


def why(body: object, status: int = 200, **more: Any) -> str:
    outcome = transfer(body, status, **more)
    assert isinstance(outcome, Unclear)
    assert outcome.evidence is Evidence.ANSWERED
    assert outcome.http_status == status
    return outcome.why


class TestPaid:
    def test_the_page_s_success_is_paid(self) -> None:
        assert transfer(SUCCESS) == Paid(
            bank_id="a9e1b986-be01-4763-9216-610cc63b963c",
            reference="204978430339",
            int_reference="6BD1808D0FF129B0",
            sender_card="4003********9821",
            receiver_card="5578********0613",
            sender_card_id="88481433-595e-4c01-941f-34569db2426e",
            receiver_card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce",
        )

    @pytest.mark.parametrize("amount", [200, "200", "200.00", 200.0, "200.0", " 200 "])
    def test_an_amount_may_be_a_number_or_a_string(self, amount: object) -> None:
        assert isinstance(transfer(SUCCESS | {"amount": amount}), Paid)

    @pytest.mark.parametrize("amount", ["\t200", "200\n", "X200", "200 X", "20 0"])
    def test_an_amount_with_anything_but_spaces_around_it_is_none(self, amount: str) -> None:
        assert isinstance(transfer(SUCCESS | {"amount": amount}), Unclear)

    def test_a_success_may_be_called_created(self) -> None:
        assert isinstance(transfer(SUCCESS, 201), Paid)

    def test_tiyn_are_compared_exactly(self) -> None:
        body = json.dumps(SUCCESS | {"amount": 0}).replace('"amount": 0', '"amount": 100.10').encode()

        assert isinstance(read_transfer(order(amount_minor=100_10), heard(body)), Paid)
        assert isinstance(read_transfer(order(amount_minor=100_11), heard(body)), Unclear)

    def test_true_is_not_one(self) -> None:
        assert isinstance(read_transfer(order(amount_minor=1_00), heard(SUCCESS | {"amount": True})), Unclear)

    @pytest.mark.parametrize("name", ["orderID", "orderId", "invoiceID", "invoiceId"])
    def test_the_invoice_has_many_spellings(self, name: str) -> None:
        assert isinstance(transfer(without(SUCCESS, "orderID") | {name: INVOICE}), Paid)

    def test_an_invoice_may_be_a_number(self) -> None:
        assert isinstance(transfer(SUCCESS | {"orderID": int(INVOICE)}), Paid)

    def test_a_number_has_lost_its_leading_zeros_and_is_not_ours(self) -> None:
        body = heard(SUCCESS | {"orderID": 123456})

        assert isinstance(read_transfer(order(invoice_id="0123456"), body), Unclear)

    @pytest.mark.parametrize("code", [0, "0", " 0 "])
    @pytest.mark.parametrize("status", ["AUTH", "CHARGE"])
    def test_code_zero_and_a_paid_status_are_both_needed(self, code: object, status: str) -> None:
        assert isinstance(transfer(SUCCESS | {"code": code, "status": status}), Paid)

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"statusName": "REJECT"}, "contradiction"),
            ({"STATUS": "auth"}, "contradiction"),
            ({"errorCode": 484}, "contradiction"),
            ({"error": "declined"}, "contradiction"),
            ({"reasonCode": "484"}, "contradiction"),
            ({"Code": 484}, "contradiction"),
            ({"success": "false"}, "contradiction"),
            ({"success": 0}, "contradiction"),
            ({"success": False}, "contradiction"),
            ({"failed": True}, "contradiction"),
            ({"result": "declined"}, "contradiction"),
            ({"data": [{"code": 484}]}, "contradiction"),
            ({"transaction": {"statusName": "REJECT"}}, "contradiction"),
            ({"Amount": 900}, "foreign_amount"),
            ({"CURRENCY": "USD"}, "foreign_currency"),
            ({"orderid": "251124000002"}, "foreign_invoice"),
        ],
    )
    def test_a_success_with_a_word_against_it_is_in_doubt(self, more: dict[str, Any], reason: str) -> None:
        assert why(SUCCESS | more) == reason

    @pytest.mark.parametrize(
        "more",
        [
            {"statusName": "AUTH", "reasonCode": "00", "errorCode": 0, "error": None, "success": True, "failed": False},
            {"approvalCode": "123456", "country": {"code": "KZ"}, "message": "declined?", "Amount": "200.00"},
            {"x": "1", "errors": [], "error": {}, "orderid": INVOICE},
        ],
    )
    def test_a_field_that_says_nothing_against_it_does_not_matter(self, more: dict[str, Any]) -> None:
        assert transfer(SUCCESS | more) == transfer(SUCCESS)

    def test_no_card_is_kept_of_a_success(self) -> None:
        card = "4405639704015096"

        paid = transfer(SUCCESS | dict.fromkeys(("id", "reference", "intReference", "senderCardID"), card))

        assert (paid.bank_id, paid.reference, paid.int_reference, paid.sender_card_id) == ("", *["*" * 16] * 2, "")

    def test_unknown_fields_are_no_error(self) -> None:
        body = SUCCESS | {"fee": 1.5, "cardType": None, "secure3D": None, "paReq": "", "action": "", "more": [{}]}

        assert isinstance(transfer(body), Paid)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"orderID": "251124000002"}, "foreign_invoice"),
            ({"orderID": "51124000001"}, "foreign_invoice"),
            ({"orderID": ""}, "no_invoice"),
            ({"orderID": None}, "no_invoice"),
            ({"orderID": True}, "foreign_invoice"),
            ({"orderID": [INVOICE]}, "foreign_invoice"),
            ({"invoiceId": "251124000002"}, "foreign_invoice"),
            ({"amount": 20000}, "foreign_amount"),
            ({"amount": 200.01}, "foreign_amount"),
            ({"amount": "2e2"}, "foreign_amount"),
            ({"amount": "٢٠٠"}, "foreign_amount"),
            ({"amount": True}, "foreign_amount"),
            ({"amount": {"value": 200}}, "foreign_amount"),
            ({"amount": None}, "no_amount"),
            ({"currency": "USD"}, "foreign_currency"),
            ({"currency": ""}, "no_currency"),
            ({"currency": 398}, "foreign_currency"),
            ({"status": "NEW"}, "odd_status"),
            ({"status": "REJECT"}, "odd_status"),
            ({"status": ""}, "odd_status"),
            ({"status": None}, "odd_status"),
            ({"code": "00"}, "no_code"),
            ({"code": False}, "no_code"),
            ({"code": None}, "no_code"),
            ({"code": 0.0}, "no_code"),
            ({"code": [0]}, "no_code"),
        ],
    )
    def test_a_success_that_is_not_ours_to_the_letter_is_in_doubt(self, change: dict[str, Any], reason: str) -> None:
        assert why(SUCCESS | change) == reason

    @pytest.mark.parametrize("missing", ["orderID", "amount", "currency", "status", "code"])
    def test_a_success_that_leaves_something_out_is_in_doubt(self, missing: str) -> None:
        assert isinstance(transfer(without(SUCCESS, missing)), Unclear)

    @pytest.mark.parametrize("status", [202, 204, 206, 300, 302, 307, 400, 404, 500, 502, 504, 103, 999])
    def test_a_success_under_an_http_error_is_in_doubt(self, status: int) -> None:
        assert isinstance(transfer(SUCCESS, status, location="https://bank.example/"), Unclear)

    @pytest.mark.parametrize("raw", ["4405639704015096", "4405 6397 0401 5096", "440563970401*096"])
    def test_cards_are_cut_by_us_whatever_the_bank_shows(self, raw: str) -> None:
        paid = transfer(SUCCESS | {"senderCardPAN": raw, "receiverCardPAN": raw})

        assert paid.sender_card.startswith("440563***")
        assert "970401" not in repr(paid)


class TestDeclined:
    @pytest.mark.parametrize("status", [200, 400, 403, 422])
    def test_the_page_s_failure_is_a_decline(self, status: int) -> None:
        assert transfer(FAILURE, status) == Declined("484", "Insufficient funds", CodeClass.DECLINED)

    def test_a_consequence_comes_with_its_code(self) -> None:
        declined = transfer(FAILURE | {"code": "2872", "id": "b1", "reference": "204"}, 400)

        assert declined.code_class is CodeClass.DECLINED_CONSEQUENCE
        assert declined.consequence is Consequence.LEAVE_CARD
        assert (declined.bank_id, declined.reference) == ("b1", "204")

    def test_the_merchant_s_own_fault_is_told_apart(self) -> None:
        assert transfer(FAILURE | {"code": 487}, 400).code_class is CodeClass.SETUP

    def test_the_message_is_cleaned(self) -> None:
        declined = transfer(FAILURE | {"message": "card 4405639704015096\x00 refused"}, 400)

        assert declined.message == "card **************** refused"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"invoiceId": "251124000002"}, "foreign_invoice"),
            ({"invoiceId": ""}, "no_invoice"),
            ({"orderID": "251124000002"}, "foreign_invoice"),
            ({"amount": 100}, "foreign_amount"),
            ({"currency": "USD"}, "foreign_currency"),
            ({"status": "AUTH"}, "contradiction"),
            ({"status": "charge"}, "contradiction"),
            ({"STATUS": "AUTH"}, "contradiction"),
            ({"statusName": "AUTH"}, "contradiction"),
            ({"transaction": {"p2p": [{"statusname": "Charge"}]}}, "contradiction"),
            ({"Code": 0}, "contradiction"),
            ({"data": {"code": "0"}}, "contradiction"),
            ({"success": True}, "contradiction"),
            ({"code": 100}, "question_code"),
            ({"code": -31}, "question_code"),
            ({"code": "454"}, "question_code"),
            ({"code": 999999}, "question_code"),
            ({"code": 4405639704015096}, "no_code"),
            ({"code": "error"}, "no_code"),
            ({"code": 484.0}, "no_code"),
        ],
    )
    def test_a_no_that_is_not_final_and_ours_is_in_doubt(self, change: dict[str, Any], reason: str) -> None:
        assert why(FAILURE | change, 400) == reason

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 301, 307, 204])
    def test_a_no_under_a_gateway_s_status_is_in_doubt(self, status: int) -> None:
        outcome = transfer(FAILURE, status, retry_after_s=7.0)

        message = "Insufficient funds"
        assert outcome == Unclear(f"http_{status}", Evidence.ANSWERED, "484", status, 7.0, message=message)

    def test_a_no_may_come_under_any_of_the_banks_own_statuses(self) -> None:
        """201 is the bank's, 202 is a gateway's: it may have taken the order in, and the end is yet to come."""
        assert isinstance(transfer(FAILURE, 201), Declined)
        assert why(FAILURE, 202) == "http_202"

    def test_a_code_in_doubt_is_told(self) -> None:
        assert transfer(FAILURE | {"code": 1267}, 400).code == "1267"


class TestChallenge:
    @pytest.mark.parametrize(
        "body",
        [
            CHALLENGE,
            CHALLENGE | {"status": "3D", "code": 0},
            CHALLENGE | {"code": 484, "message": "3D Secure", "invoiceId": INVOICE},
            SUCCESS | CHALLENGE,
            {"id": CHALLENGE["id"], "secure3D": without(CHALLENGE, "id")},
            {"id": CHALLENGE["id"], "secure3D": without(CHALLENGE, "id"), "status": "3D", "code": 0, "amount": "200"},
            CHALLENGE | {"secure3D": without(CHALLENGE, "id")},
            {"id": CHALLENGE["id"], "PaReq": CHALLENGE["paReq"], "MD": CHALLENGE["md"], "action": CHALLENGE["action"]},
        ],
    )
    def test_each_form_of_the_challenge_is_seen_before_the_code(self, body: dict[str, Any]) -> None:
        assert transfer(body) == ChallengeRequired(
            pa_req="eJxVUt1ugjAUvvcp",
            md="270469967-9CA5EC5779A3358E",
            action="https://acs.example/pareq",
            bank_id="a9e1b986-be01-4763-9216-610cc63b963c",
        )

    @pytest.mark.parametrize("path", sorted(SAMPLES.glob("challenge-*.json")), ids=lambda path: path.stem)
    def test_each_sample_is_the_same_challenge(self, path: Path) -> None:
        assert transfer(path.read_bytes()) == ChallengeRequired(
            pa_req="eJxVUttugkAQ",
            md="271710719-E54F6D8F865285D4",
            action="https://acs.example.kz/pareq",
            bank_id="00000000-0000-4000-8000-000000000002",
        )

    @pytest.mark.parametrize(
        "body",
        [
            {name.upper(): value for name, value in CHALLENGE.items()},
            {name.title(): value for name, value in CHALLENGE.items()},
            {"SECURE3D": {name.swapcase(): value for name, value in CHALLENGE.items()}},
            {"Secure3d": CHALLENGE, "id": CHALLENGE["id"], "termURL": "https://other.example/"},
            CHALLENGE | {"ID": CHALLENGE["id"], "PAREQ": CHALLENGE["paReq"]},
            CHALLENGE | {"secure3D": {"id": "00000000-0000-0000-0000-000000000000"}},
        ],
    )
    def test_its_names_are_read_without_case_in_both_places(self, body: dict[str, Any]) -> None:
        assert transfer(body) == transfer(CHALLENGE)

    @pytest.mark.parametrize(
        "more",
        [
            {"PAREQ": "other"},
            {"MD": "other"},
            {"ACTION": "https://other.example/"},
            {"Id": "b2"},
            {"secure3D": {"id": "b2"}},
            {"secure3d": {"md": "other"}},
            {"secure3D": {"pareq": 5}},
            {"secure3D": {"invoiceId": "251124000002"}},
            {"secure3D": {"amount": 1}},
        ],
    )
    def test_two_values_for_one_name_are_in_doubt(self, more: dict[str, Any]) -> None:
        assert isinstance(transfer(CHALLENGE | more), Unclear)

    @pytest.mark.parametrize("name", ["pareq", "PAREQ", "Action", "md", "MD"])
    @pytest.mark.parametrize("place", ["", "secure3D", "secure3d"])
    def test_a_trace_of_a_challenge_in_any_spelling_is_not_believed(self, name: str, place: str) -> None:
        trace = {name: "eJxVUt1ugjAUvvcp"}

        assert why(SUCCESS | ({place: trace} if place else trace)) == "challenge_incomplete"
        assert why(FAILURE | ({place: trace} if place else trace), 400) == "challenge_incomplete"

    @pytest.mark.parametrize(
        "more",
        [
            {"secure3D": [CHALLENGE]},
            {"secure3d": json.dumps(CHALLENGE)},
            {"secure3D": True},
            {"data": CHALLENGE},
            {"data": [{"more": {"PAREQ": "eJx"}}]},
            {"data": {"status": "3D"}},
        ],
    )
    def test_a_trace_of_a_challenge_at_any_depth_is_not_believed(self, more: dict[str, Any]) -> None:
        for body, status in ((SUCCESS, 200), (FAILURE | {"code": 503}, 400), (CHALLENGE, 200)):
            assert why(body | more, status) == "challenge_incomplete"

    @pytest.mark.parametrize("name", ["paReq", "PaReq", "action"])
    def test_a_success_with_a_trace_of_a_challenge_is_not_believed(self, name: str) -> None:
        assert why(SUCCESS | {name: "eJxVUt1ugjAUvvcp"}) == "challenge_incomplete"

    @pytest.mark.parametrize(
        "change",
        [
            {"id": ""},
            {"id": None},
            {"md": ""},
            {"paReq": ""},
            {"paReq": 5},
            {"action": ""},
            {"action": "http://acs.example/pareq"},
            {"action": "javascript:alert(1)"},
            {"action": "https://user@acs.example/"},
            {"secure3D": {"action": "https://other.example/"}},
            {"status": "3D", "paReq": "", "action": "", "md": "", "code": 0},
        ],
    )
    def test_a_challenge_that_cannot_be_met_is_in_doubt(self, change: dict[str, Any]) -> None:
        assert why(SUCCESS | CHALLENGE | change) == "challenge_incomplete"

    def test_an_action_on_this_very_machine_is_for_the_sandbox(self) -> None:
        assert isinstance(transfer(CHALLENGE | {"action": "http://127.0.0.1:8700/acs"}), ChallengeRequired)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"orderID": "251124000002"}, "foreign_invoice"),
            ({"amount": 1}, "foreign_amount"),
            ({"orderID": INVOICE, "currency": "USD"}, "foreign_currency"),
        ],
    )
    def test_a_challenge_for_another_order_is_in_doubt(self, change: dict[str, Any], reason: str) -> None:
        assert why(CHALLENGE | change) == reason


class TestNotBelieved:
    """What the bank said beside an answer in doubt is kept for the operator's question, and for nothing else."""

    SAID = {"id": "b1", "reference": "204978430339", "message": "  Refused\x00 by the bank"}  # noqa: RUF012 - never changed

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (FAILURE | {"invoiceId": "251124000002"}, 400),
            (FAILURE | {"code": 100}, 400),
            (FAILURE, 502),
            (SUCCESS | {"amount": 20}, 200),
            (SUCCESS | {"status": "NEW"}, 200),
            (SUCCESS, 400),
            (SUCCESS | {"md": "x"}, 200),
        ],
    )
    def test_its_id_reference_and_message_are_kept(self, body: dict[str, Any], status: int) -> None:
        unclear = transfer(body | self.SAID, status)

        assert isinstance(unclear, Unclear)
        assert (unclear.bank_id, unclear.reference) == ("b1", "204978430339")
        assert unclear.message == "Refused by the bank"

    def test_a_challenge_without_end_keeps_its_id_in_any_spelling(self) -> None:
        assert transfer({"secure3d": {"ID": "b1", "PAREQ": "x"}}).bank_id == "b1"

    def test_no_card_comes_out_of_it(self) -> None:
        card = "4405639704015096"

        unclear = transfer(FAILURE | {"code": 100, "id": card, "reference": card, "message": card}, 400)

        assert (unclear.bank_id, unclear.reference, unclear.message) == ("*" * 16,) * 3


def test_which_words_mean_paid_is_a_setting_for_a_transfer_too() -> None:
    """A direct AUTH is in doubt where only CHARGE counts: the inquiry settles it."""
    outcome = read_transfer(ORDER, heard(SUCCESS), paid_words=("CHARGE",))

    assert isinstance(outcome, Unclear)
    assert (outcome.why, outcome.bank_id) == ("status_not_counted", SUCCESS["id"])
    assert isinstance(read_transfer(ORDER, heard(SUCCESS | {"status": "CHARGE"}), paid_words=("CHARGE",)), Paid)
    assert isinstance(read_transfer(ORDER, heard(FAILURE | {"status": "AUTH"}), paid_words=("CHARGE",)), Unclear)


class TestBrokenBodies:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "empty"),
            (b"  \n", "empty"),
            (b"<html><body>OK</body></html>", "html"),
            (b"[]", "not_json"),
            (b'"paid"', "not_json"),
            (b"0", "not_json"),
            (b"null", "not_json"),
            (b"\xff\xfe{", "not_json"),
            (b"{" * 60000, "not_json"),
            (b"[" * 60000, "not_json"),
            (json.dumps(SUCCESS).encode()[:-1], "not_json"),
            (json.dumps(SUCCESS).encode() * 2, "not_json"),
            (json.dumps(SUCCESS).encode().replace(b'"code": 0', b'"code": 484, "code": 0'), "not_json"),
            (json.dumps(SUCCESS).encode().replace(b": 200", b": NaN"), "foreign_amount"),
            (json.dumps(SUCCESS).encode().replace(b": 200", b": Infinity"), "foreign_amount"),
            (json.dumps(SUCCESS).encode().replace(b": 200", b": " + b"9" * 50), "foreign_amount"),
            (json.dumps(SUCCESS).encode().replace(b": 200", b": 1e99999999999999999999"), "foreign_amount"),
            (json.dumps(SUCCESS).encode().replace(b'"AUTH"', b'"AUTH\t"'), "odd_status"),
            (json.dumps(SUCCESS).encode().replace(b'"code": 0', b'"code": NaN'), "no_code"),
            (json.dumps(SUCCESS | {"Amount": 1}).encode().replace(b": 1", b": -Infinity"), "foreign_amount"),
            (json.dumps(SUCCESS).encode().replace(b": 200", b": 1e999999"), "foreign_amount"),
            (json.dumps(SUCCESS).encode("utf-16"), "not_json"),
        ],
    )
    def test_a_body_that_is_not_one_plain_object_is_in_doubt(self, body: bytes, reason: str) -> None:
        assert why(body) == reason

    @pytest.mark.parametrize(
        "value", [b'"a\tb\r\n"', b"NaN", b"-Infinity", b"1" * 41, b"1e99999999999999999999", b'[{"x": NaN}]']
    )
    def test_a_value_that_no_json_has_does_not_matter_where_it_is_not_read(self, value: bytes) -> None:
        paid, declined = (json.dumps(body).encode()[:-1] + b', "x": ' + value + b"}" for body in (SUCCESS, FAILURE))

        assert transfer(paid) == transfer(SUCCESS)
        assert transfer(declined, 400) == transfer(FAILURE, 400)

    def test_a_mark_of_byte_order_harms_nobody(self) -> None:
        assert isinstance(transfer(b"\xef\xbb\xbf" + json.dumps(SUCCESS).encode()), Paid)

    def test_a_body_in_windows_1251_is_read_for_what_counts(self) -> None:
        """A description decides nothing, and neither does a message: what decides is ASCII."""
        success = json.dumps(SUCCESS | {"description": "Перевод № 5"}, ensure_ascii=False).encode("cp1251")
        failure = json.dumps(FAILURE | {"message": "Отказ"}, ensure_ascii=False).encode("cp1251")
        broken = success.replace("Перевод".encode("cp1251"), b"\x98\xff\xd0")
        foreign = json.dumps(SUCCESS | {"currency": "\u041a\u0417\u0422"}, ensure_ascii=False).encode("cp1251")

        assert transfer(success) == transfer(broken) == transfer(SUCCESS)
        assert transfer(failure, 400) == Declined("484", "Отказ", CodeClass.DECLINED)
        assert why(foreign) == "foreign_currency"
        assert why(success[:-1]) == "not_json"

    def test_text_that_could_not_be_stored_is_left_out(self) -> None:
        paid = transfer(SUCCESS | {"id": "\ud800", "reference": "a\nb", "senderCardID": "x" * 500})

        assert (paid.bank_id, paid.reference, paid.sender_card_id) == ("", "", "")


class TestToken:
    SAMPLE = {  # noqa: RUF012 - a sample, never changed
        "access_token": "DCEB8O_ZM5U7SO_T_U5EJQ",
        "expires_in": 7200,
        "refresh_token": "",
        "scope": "transfer",
        "token_type": "Bearer",
    }

    @pytest.mark.parametrize(
        ("expires_in", "seconds"), [(7200, 7200), ("7200", 7200), (None, 0), ("soon", 0), (-1, 0), (10**12, 0)]
    )
    def test_a_token_and_its_life(self, expires_in: object, seconds: int) -> None:
        token = read_token(heard(self.SAMPLE | {"expires_in": expires_in}))

        assert isinstance(token, Token)
        assert token.access_token.reveal() == "DCEB8O_ZM5U7SO_T_U5EJQ"
        assert token.expires_in_s == seconds

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            ({"error": "invalid_client"}, 401, "invalid_client"),
            ({"error": "card 4405639704015096"}, 400, "http_400"),
            (b"<html>", 502, "http_502"),
            (b"<html>", 200, "not_json"),
            (SAMPLE, 201, "http_201"),
            ({"expires_in": 7200}, 200, "no_token"),
            (SAMPLE | {"access_token": ""}, 200, "no_token"),
            (SAMPLE | {"access_token": 5}, 200, "no_token"),
            (SAMPLE | {"access_token": "a\r\nX-Evil: 1"}, 200, "no_token"),
            (SAMPLE | {"access_token": "a b"}, 200, "no_token"),
            (SAMPLE | {"access_token": "жетон"}, 200, "no_token"),
            (SAMPLE | {"token_type": "MAC"}, 200, "no_token"),
        ],
    )
    def test_anything_else_is_no_token(self, body: object, status: int, reason: str) -> None:
        assert read_token(heard(body, status, retry_after_s=3.0)) == TokenRefused(
            reason, Evidence.ANSWERED, status, retry_after_s=3.0
        )

    @pytest.mark.parametrize(
        "error",
        [
            *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"),
            *("unsupported_grant_type", "access_denied", "server_error", "temporarily_unavailable"),
        ],
    )
    def test_oauth_s_own_words_are_told_as_they_are(self, error: str) -> None:
        """Those of RFC 6749, sections 4.1.2.1 and 5.2; no other word of a body gets into a record."""
        assert read_token(heard({"error": error}, 400)) == TokenRefused(error, Evidence.ANSWERED, 400)

    def test_a_token_never_shows_itself(self) -> None:
        assert "DCEB8O" not in repr(read_token(heard(self.SAMPLE)))


@pytest.mark.parametrize("placeholder", ["0", "00000000-0000-0000-0000-000000000000", "-"])
def test_an_id_without_any_sign_but_zeros_stands_for_none(placeholder: str) -> None:
    """Or the second decline that brings it would be called another transfer's."""
    declined = read_transfer(ORDER, heard(FAILURE | {"id": placeholder}))

    assert isinstance(declined, Declined)
    assert declined.bank_id == ""
