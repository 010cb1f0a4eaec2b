"""The four questions as the journey asks them: which token goes where, and what is kept between two questions."""

import json
import math
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank import Addresses, ChallengeRequired, Paid, StatusReport, StatusWord, Token, TokenRefused
from tests.http.asking import ASK, GOOD, TOKEN, HandClock, bank_at, manners
from tests.http.misbehaving import (
    NONSENSE,
    UNFRAMED,
    Manner,
    Server,
    Talk,
    well,
    well_after_interim_answers,
    well_in_chunks,
    with_length,
)
from tests.support.bank_examples import (
    CARDS,
    CHALLENGE,
    INVOICE,
    ORDER,
    PAN,
    SUCCESS_PAGE,
    SUCCESS_QUERY,
    TERMINAL,
    status_body,
)
from tests.support.certificates import Authority

WELL = manners("", well)


class TestTransfer:
    def test_a_transfer_carries_its_token_and_its_cards_once(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url)
            token = bank.token(TERMINAL, order=ORDER)
            assert isinstance(token, Token)
            outcome = bank.transfer(TERMINAL, token, order=ORDER, cards=CARDS, lease_ends_at=math.inf)

        assert isinstance(outcome, Paid)
        assert [request.line.split()[:2] for request in server.executed] == [["POST", "/token"], ["POST", "/transfer"]]
        assert server.executed[1].headers["authorization"] == "Bearer STATUS_TOKEN"
        assert json.loads(server.executed[1].body)["card"]["sender"]["cardCred"] == PAN
        assert PAN.encode() not in server.executed[0].body

    def test_each_transfer_asks_for_its_own_token(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url)
            for _ in range(2):
                bank.token(TERMINAL, order=ORDER, secret_hash="abc")

        assert server.count("/token") == 2
        assert b'name="secret_hash"\r\n\r\nabc' in server.executed[0].body

    def test_a_challenge_comes_home(self) -> None:
        with Server(manners("/transfer", lambda talk: talk.say(with_length(json.dumps(CHALLENGE).encode())))) as server:
            bank = bank_at(server.url)

            assert isinstance(ASK["/transfer"](bank), ChallengeRequired)

    def test_many_threads_execute_each_transfer_once(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url)
            outcomes: list[object] = []

            def pay(number: int) -> None:
                order = replace(ORDER, invoice_id=f"{number:012}")
                outcomes.append(bank.transfer(TERMINAL, TOKEN, order=order, cards=CARDS, lease_ends_at=math.inf))

            threads = [threading.Thread(target=pay, args=(number,)) for number in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert sorted(json.loads(request.body)["order"]["id"] for request in server.executed) == [
            f"{number:012}" for number in range(16)
        ]
        assert len(outcomes) == 16


class TestConfirm:
    def test_a_confirm_is_answered_by_a_redirect_that_nobody_follows(self) -> None:
        head = f"HTTP/1.1 302 Found\r\nLocation: {SUCCESS_PAGE}?{SUCCESS_QUERY}\r\n".encode()
        with Server(manners("/confirm", lambda talk: talk.say(with_length(b"", head)))) as server:
            bank = bank_at(server.url)
            outcome = ASK["/confirm"](bank)

        assert isinstance(outcome, Paid)
        assert json.loads(server.executed[0].body) == {"ID": "a9e1", "PaRes": "eJxV+", "MD": "270-9CA"}
        assert server.executed[0].headers["authorization"] == "Bearer DCEB8O_ZM5U7SO_T_U5EJQ"

    def test_raw_bytes_in_the_description_of_a_location_do_not_matter(self) -> None:
        """In windows-1251, and with a byte that Unicode calls the end of a line."""
        address = f"{SUCCESS_PAGE}?{SUCCESS_QUERY}".replace("TEST+p2p", "Перевод…\xa0№7").encode("cp1251")
        head = b"HTTP/1.1 302 Found\r\nLocation: " + address + b"\r\n"
        with Server(manners("/confirm", lambda talk: talk.say(with_length(b"", head)))) as server:
            assert isinstance(ASK["/confirm"](bank_at(server.url)), Paid)

    def test_a_page_of_a_configured_host_is_the_banks(self) -> None:
        """A host of the bank's own, beside that of the documented page; another port is another host."""
        with Server(manners("", well)) as server:
            host = urlsplit(server.url).netloc
            there, elsewhere = (
                f"http://{place}/payform/success.html?{SUCCESS_QUERY}".encode() for place in (host, "127.0.0.1:9")
            )
            server.manners["/confirm"] = (well, there)  # type: ignore[index]  # the test's own server
            assert isinstance(ASK["/confirm"](bank_at(server.url)), Paid)
            server.manners["/confirm"] = (well, elsewhere)  # type: ignore[index]  # as above
            assert ASK["/confirm"](bank_at(server.url)).why == "foreign_address"

    def test_which_words_mean_paid_is_the_bank_s_setting_for_each_call(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url, paid_words=("CHARGE",))
            whys = [ASK[question](bank).why for question in ("/transfer", "/confirm")]

            assert whys == ["status_not_counted", "status_not_counted"]
            assert ASK["/status"](bank).word is StatusWord.NOT_YET

    def test_a_location_that_was_cut_off_is_no_answer(self) -> None:
        """The standard reader takes cut headers for whole ones: `amount=200` may have been `amount=2000`."""
        head = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {SUCCESS_PAGE}?{SUCCESS_QUERY}".encode()

        def cut(talk: Talk) -> None:
            talk.say(head)
            raise OSError

        with Server(manners("/confirm", cut)) as server:
            bank = bank_at(server.url)

            assert not isinstance(ASK["/confirm"](bank), Paid)

    @pytest.mark.parametrize("frame", UNFRAMED)
    def test_an_address_without_a_proved_end_is_no_answer(self, frame: str) -> None:
        """It may lack a digit of the amount: `amount=200` may have been `amount=2000`."""
        page = f"{SUCCESS_PAGE}?currency=KZT&invoiceID={INVOICE}&amount=200".encode()
        with Server(manners("", well) | {"/confirm": (UNFRAMED[frame], page)}) as server:
            assert ASK["/confirm"](bank_at(server.url)).why == "unframed"

    @pytest.mark.parametrize("manner", [well, well_in_chunks, well_after_interim_answers])
    def test_an_address_with_a_proved_end_is_one(self, manner: Manner) -> None:
        """The positive control of the test before."""
        page = f"{SUCCESS_PAGE}?currency=KZT&invoiceID={INVOICE}&amount=200".encode()
        with Server(manners("", well) | {"/confirm": (manner, page)}) as server:
            assert isinstance(ASK["/confirm"](bank_at(server.url)), Paid)

    def test_without_authorization_where_the_setting_says_so(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url, confirm_auth="none")
            for token in (None, TOKEN):
                bank.confirm(token, order=ORDER, bank_id="a9e1", pa_res=Secret("eJxV"), md="1", lease_ends_at=math.inf)

        assert ["authorization" in request.headers for request in server.executed] == [False, False]

    def test_a_missing_token_is_a_bug_and_sends_nothing(self) -> None:
        with Server(WELL) as server, pytest.raises(ValueError, match="token"):
            bank_at(server.url).confirm(
                None, order=ORDER, bank_id="a9e1", pa_res=Secret("eJxV"), md="1", lease_ends_at=math.inf
            )

        assert server.executed == []


class TestStatus:
    def test_a_status_token_is_kept_until_shortly_before_its_end(self) -> None:
        clock = HandClock()
        with Server(WELL) as server:
            bank = bank_at(server.url, clock=clock)
            for at_s, tokens in ((0, 1), (7139, 1), (7140, 2)):
                clock.at_s = 1_000.0 + at_s
                assert bank.status(TERMINAL, order=ORDER).word is StatusWord.PAID
                assert server.count("/token") == tokens

        assert server.executed[1].line == f"GET /status/{INVOICE} HTTP/1.1"
        assert server.executed[1].headers["authorization"] == "Bearer STATUS_TOKEN"
        assert b"invoiceID" not in server.executed[0].body
        assert b"amount" not in server.executed[0].body

    def test_each_terminal_has_its_own(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url)
            for name in ("main", "other", "main"):
                bank.status(replace(TERMINAL, name=name), order=ORDER)

        assert (server.count("/token"), server.count("/status")) == (2, 3)

    def test_a_refused_token_is_dropped_and_asked_for_once_more(self) -> None:
        answers = iter([b"HTTP/1.1 401 No\r\n", b"HTTP/1.1 200 OK\r\n"])
        with Server(manners("/status", lambda talk: talk.say(with_length(talk.good, next(answers))))) as server:
            bank = bank_at(server.url)

            assert bank.status(TERMINAL, order=ORDER).word is StatusWord.PAID
            assert (server.count("/token"), server.count("/status")) == (2, 2)

    def test_a_token_that_is_always_refused_ends_the_question(self) -> None:
        with Server(manners("/status", lambda talk: talk.say(with_length(b"{}", b"HTTP/1.1 401 No\r\n")))) as server:
            bank = bank_at(server.url)

            assert bank.status(TERMINAL, order=ORDER) == StatusReport(StatusWord.UNANSWERED, why="http_401")
            assert (server.count("/token"), server.count("/status")) == (2, 2)

    @pytest.mark.parametrize("code", ["104", "109"])
    def test_a_token_of_another_terminal_is_dropped_and_asked_for_once_more(self, code: str) -> None:
        """One that was kept. One that is new is no better the second time, and is not kept either."""
        wrong = json.dumps({"result": {"code": code}}).encode()
        bodies = [status_body(), None, None, None]
        said = iter(json.dumps(body).encode() if body else wrong for body in bodies)
        with Server(manners("/status", lambda talk: talk.say(with_length(next(said))))) as server:
            bank = bank_at(server.url)
            words = [bank.status(TERMINAL, order=ORDER).word for _ in range(3)]

            assert words == [StatusWord.PAID, StatusWord.UNANSWERED, StatusWord.UNANSWERED]
            assert (server.count("/token"), server.count("/status")) == (3, 4)

    def test_no_token_is_no_answer(self) -> None:
        body = json.dumps({"error": "invalid_scope"}).encode()
        with Server(manners("/token", lambda talk: talk.say(with_length(body, b"HTTP/1.1 400 No\r\n")))) as server:
            bank = bank_at(server.url)
            report = bank.status(TERMINAL, order=ORDER)
            refused = bank.token(TERMINAL, order=ORDER)

        assert report == StatusReport(StatusWord.UNANSWERED, why="token_invalid_scope")
        assert isinstance(refused, TokenRefused)
        assert server.count("/status") == 0

    def test_where_no_address_is_set_nobody_is_asked(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(
                server.url,
                addresses=Addresses(f"{server.url}/token", f"{server.url}/transfer", f"{server.url}/confirm", None),
            )
            assert not bank.has_status
            with pytest.raises(RuntimeError, match="has_status"):
                bank.status(TERMINAL, order=ORDER)

        assert server.executed == []


def without_status(url: str) -> Addresses:
    return Addresses(f"{url}/token", f"{url}/transfer", f"{url}/confirm", None)


def tokens_elsewhere(url: str) -> Addresses:
    return Addresses("https://tokens.example/token", f"{url}/transfer", f"{url}/confirm", None)


class TestHarmless:
    def test_a_host_that_answers_inquiries_is_asked_one(self) -> None:
        with Server(WELL) as server:
            assert bank_at(server.url).ask_harmless(urlsplit(server.url).netloc, TERMINAL)

        assert server.count("/transfer") == server.count("/confirm") == 0
        assert server.count("/status") == 1

    def test_any_other_host_is_reached_without_a_request(self, authority: Authority) -> None:
        for tls in (None, authority.server()):
            with Server(WELL, tls=tls) as server:
                bank = bank_at(server.url, addresses=tokens_elsewhere(server.url), ca_file=authority.ca_file)
                assert bank.ask_harmless(urlsplit(server.url).netloc, TERMINAL)
            assert server.executed == []

    def test_the_host_of_tokens_is_asked_for_one(self) -> None:
        with Server(WELL) as server:
            bank = bank_at(server.url, addresses=without_status(server.url))
            assert bank.ask_harmless(urlsplit(server.url).netloc, TERMINAL)

        assert [request.line for request in server.executed] == ["POST /token HTTP/1.1"]

    def test_a_host_that_answers_with_a_servers_error_is_not_back(self) -> None:
        later = NONSENSE["503 later"]
        with Server({path: (later, good) for path, good in GOOD.items()}) as server:
            host = urlsplit(server.url).netloc
            assert not bank_at(server.url).ask_harmless(host, TERMINAL)
            assert not bank_at(server.url, addresses=without_status(server.url)).ask_harmless(host, TERMINAL)

    def test_a_stranger_s_host_is_not_the_bank(self, authority: Authority) -> None:
        with Server(WELL, tls=authority.stranger()) as server:
            bank = bank_at(server.url, addresses=without_status(server.url), ca_file=authority.ca_file)
            assert not bank.ask_harmless(urlsplit(server.url).netloc, TERMINAL)

    def test_a_host_that_is_away_is_not_back(self) -> None:
        with Server(WELL) as server:
            url = server.url
        assert not bank_at(url).ask_harmless(urlsplit(url).netloc, TERMINAL)

    def test_a_host_that_is_not_the_banks_is_never_asked(self) -> None:
        with Server(WELL) as server:
            assert not bank_at(server.url).ask_harmless("elsewhere.example", TERMINAL)
        assert server.executed == []

    def test_every_path_of_the_bank_has_its_manner(self) -> None:
        assert set(WELL) == set(GOOD)
