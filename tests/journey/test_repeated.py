"""A gateway between us and the bank that sends our transfer twice: what is recorded is the answer to the second.

We send once. That a gateway repeats it can't be prevented or seen by us, so these tests hold what becomes of it;
`docs/bank.md` says what a gateway must not do.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.states import Money, State
from epay_transfers.sandbox import Options, RunningSandbox, running
from epay_transfers.sandbox.faults import Rule
from epay_transfers.worker.bank import Addresses, Bank, BankConfig
from tests.support.stage import Stage


@contextmanager
def repeating(url: str, between: Callable[[], object]) -> Iterator[str]:
    """A gateway in front of `url`. `between` happens after the first of the two requests."""
    bank = urlsplit(url)

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._ask(body)
            between()
            status, answer = self._ask(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def _ask(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(bank.netloc, timeout=10)
            connection.request("POST", bank.path, body, dict(self.headers))
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
            connection.close()
            return status, text

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{bank.path}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[RunningSandbox]:
    """A bank with a rule for the second of two equal orders, where a test names one."""
    with running(getattr(request, "param", Options())) as sandbox:
        yield sandbox


def send(stage: Stage, between: Callable[[], object] = bool) -> str:
    """One transfer, through the gateway."""
    key, at = stage.new(), stage.sandbox.addresses
    with repeating(at.transfer, between) as gateway:
        bank = Bank(BankConfig(Addresses(at.token, gateway, at.confirm, at.status)), stage.clock)
        stage.journey.bank = bank
        stage.journey.execute(key)
    order = stage.sandbox.book.get(key)
    assert order is not None
    assert order.transfers_received == 2
    return key


REFUSES_WITH_100 = Options(refuse_duplicates=True, duplicate_code=100)
REFUSES_WITH_475 = Options(refuse_duplicates=True, duplicate_code=475)


@pytest.mark.parametrize("sandbox", [REFUSES_WITH_100], indirect=True)
def test_a_bank_that_answers_the_second_with_no_final_code_is_asked_and_all_is_well(stage: Stage) -> None:
    """A system error (class Q) leaves it in doubt, and the inquiry learns what became of the first."""
    key = send(stage)
    assert stage.state(key) is State.IN_DOUBT

    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_gateway_that_has_no_answer_to_give_leaves_it_in_doubt_and_the_bank_is_asked(stage: Stage) -> None:
    """HTTP 502, say, after both: the first was executed."""
    key = send(stage, lambda: stage.sandbox.faults.add(Rule("transfer", "status", "before", times=1, http_status=502)))
    assert stage.state(key) is State.IN_DOUBT

    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


@pytest.mark.parametrize("sandbox", [REFUSES_WITH_475], indirect=True)
def test_a_bank_that_declines_the_second_for_good_is_believed_though_it_executed_the_first(stage: Stage) -> None:
    """What is not so, and can't be told from a decline of a transfer that was sent once."""
    key = send(stage)

    assert (stage.state(key), stage.state(key).money) == (State.DECLINED, Money.NONE)
    assert stage.executions(key) == 1


def test_so_is_a_decline_of_the_second_because_the_first_has_taken_the_money(stage: Stage) -> None:
    """Code 484: insufficient funds."""

    def take_the_money() -> None:
        (order,) = stage.sandbox.book
        order.directives.decline = 484

    key = send(stage, take_the_money)

    assert (stage.state(key), stage.executions(key)) == (State.DECLINED, 1)


def test_a_bank_that_executes_both_says_paid_and_no_word_of_it_tells_that_it_did_so_twice(stage: Stage) -> None:
    """By default the sandbox is such a bank. The ledger says paid, once."""
    key = send(stage)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 2)
