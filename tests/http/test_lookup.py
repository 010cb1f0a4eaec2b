"""A name whose lookup hangs: the question ends in time, nothing was sent, and no other name is held up by it."""

import errno
import gc
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from epay_transfers.worker.bank import Bank
from epay_transfers.worker.bank.lookup import look_up
from epay_transfers.worker.bank.outcome import Response
from tests.http.asking import ASK, QUESTIONS, bank_at, is_believed, manners, says_not_sent, why
from tests.http.misbehaving import Server, well
from tests.support.bank_examples import TERMINAL
from tests.support.certificates import Authority
from tests.support.clocks import FakeClock

HANGING = "https://bank.example"


class Names:
    """The system's lookup: one name hangs until the test is over, the others are as they are or as a test says."""

    def __init__(self) -> None:
        self._really = socket.getaddrinfo
        self.over = threading.Event()
        self.hanging = 0
        self.threads: list[int] = []  #: of each lookup of `localhost`
        self.known: dict[str, list[str]] = {}

    def look_up(self, host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host == "bank.example":
            self.hanging += 1
            assert self.over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host == "localhost":
            self.threads.append(threading.get_ident())
        found = []
        for address in self.known.get(host, [host]):
            found += self._really(address, port, *args, **more)
        return found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.over.set()


def within(seconds: float, ask: Callable[[], object]) -> object:
    """The answer. A thread that hangs is left behind, so that the test fails and does not hang itself."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert answers, "it hangs"
    return answers[0]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_lookup_that_hangs_ends_as_a_connection_that_is_not_made(names: Names, question: str) -> None:
    """Within the time for a connection: so the breaker hears of it, and the thread is free again."""
    outcome = within(20, lambda: ASK[question](bank_at(HANGING, connect_timeout_s=0.1)))

    assert why(outcome).endswith("dns")
    assert says_not_sent(outcome) or question == "/status"


def test_nor_does_the_harmless_question_of_a_closed_host_hang(names: Names) -> None:
    """Else no other closed host would be asked meanwhile."""
    bank = bank_at(HANGING, connect_timeout_s=0.1)

    assert within(20, lambda: bank.ask_harmless("bank.example", TERMINAL)) is False
    assert within(20, lambda: bank._transport.reachable(f"{HANGING}/transfer")) is False


def test_a_name_that_hangs_takes_one_thread_and_no_other_name_waits_for_it(names: Names) -> None:
    for _ in range(5):
        within(20, lambda: ASK["/token"](bank_at(HANGING, connect_timeout_s=0.05)))

    with Server(manners("/token", well)) as server:
        assert is_believed(within(20, lambda: ASK["/token"](bank_at(server.url.replace("127.0.0.1", "localhost")))))
    assert names.hanging == 1


def test_what_was_looked_up_is_not_kept(names: Names) -> None:
    """The bank's address may change: each connection asks anew."""
    with Server(manners("/token", well)) as server:
        bank = bank_at(server.url.replace("127.0.0.1", "localhost"))
        assert is_believed(ASK["/token"](bank))

        names.known["localhost"] = ["bank.example.invalid"]

        assert why(ASK["/token"](_fresh(bank))).endswith("dns")


def test_where_one_address_of_a_name_refuses_the_next_one_is_tried(names: Names) -> None:
    with Server(manners("/transfer", well)) as server:
        names.known["localhost"] = ["::1", "127.0.0.1"]

        outcome = ASK["/transfer"](bank_at(server.url.replace("127.0.0.1", "localhost")))

        assert is_believed(outcome)
        assert server.count("/transfer") == 1
        assert bank_at(server.url)._transport.reachable(server.url.replace("127.0.0.1", "localhost"))


def test_where_the_machine_lacks_the_kind_of_an_address_the_next_one_is_tried(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may have an IPv6 address where the machine has none: its system makes no socket of that kind."""

    class Lacking(socket.socket):
        def __init__(self, family: int = -1, *args: Any, **more: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *args, **more)

    with Server(manners("/transfer", well)) as server:
        names.known["localhost"] = ["::1", "127.0.0.1"]
        bank = bank_at(server.url.replace("127.0.0.1", "localhost"))
        monkeypatch.setattr(socket, "socket", Lacking)

        assert is_believed(ASK["/transfer"](bank))


def test_an_address_that_refused_keeps_no_request_in_memory(names: Names) -> None:
    """Even with the collector off: its error leads to the frames of those that asked, and these hold the card."""
    with Server(manners("/transfer", well)) as server:
        names.known["localhost"] = ["::1", "127.0.0.1"]
        transport = bank_at(server.url)._transport
        gc.collect()
        gc.disable()
        try:
            url = server.url.replace("127.0.0.1", "localhost")
            heard = transport.exchange("POST", f"{url}/transfer", body=b'{"cardCred":"4405639704015096"}')
            left = [found for found in gc.get_objects() if issubclass(type(found), requests.PreparedRequest)]
        finally:
            gc.enable()

    assert isinstance(heard, Response)
    assert left == []


def test_where_all_addresses_refuse_it_was_not_sent(names: Names) -> None:
    names.known["localhost"] = ["::1", "127.0.0.1"]

    outcome = ASK["/transfer"](bank_at("http://localhost:1"))

    assert (why(outcome), says_not_sent(outcome)) == ("refused", True)


def test_the_certificate_is_asked_for_the_name_and_not_for_the_address_that_was_found(
    names: Names, authority: Authority
) -> None:
    """It is good for 127.0.0.1, and for no name."""
    names.known["localhost"] = ["127.0.0.1"]
    with Server(manners("/transfer", well), tls=authority.server()) as server:
        by_address = ASK["/transfer"](bank_at(server.url, ca_file=authority.ca_file))
        by_name = ASK["/transfer"](bank_at(server.url.replace("127.0.0.1", "localhost"), ca_file=authority.ca_file))

    assert is_believed(by_address)
    assert (why(by_name), says_not_sent(by_name)) == ("tls", True)


def test_a_name_is_looked_up_in_one_thread_that_is_kept(names: Names) -> None:
    """Each time anew, and never in the thread of a request."""
    for _ in range(3):
        assert (socket.AF_INET, ("127.0.0.1", 7)) in look_up("localhost", 7, within_s=20)

    assert len(names.threads) == 3
    assert len({*names.threads}) == 1
    assert threading.get_ident() not in names.threads


def test_the_thread_of_a_name_that_is_asked_for_no_more_ends(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next question starts another one."""
    monkeypatch.setattr("epay_transfers.worker.bank.lookup._KEPT_S", 0.01)
    for _ in range(2):
        assert look_up("localhost", 8, within_s=20)
        for thread in threading.enumerate():
            if thread.ident == names.threads[-1]:
                thread.join(20)
                assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # that is what dies
def test_a_lookup_that_breaks_its_thread_is_a_name_without_an_address(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No caller waits for a dead thread, and the next question starts another one."""
    dying: list[threading.Thread] = []

    def die(*_: object, **__: object) -> None:
        dying.append(threading.current_thread())
        raise SystemExit

    monkeypatch.setattr(socket, "getaddrinfo", die)
    assert look_up("localhost", 9, within_s=20) == []
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    assert (socket.AF_INET, ("127.0.0.1", 9)) in look_up("localhost", 9, within_s=20)
    for thread in dying:  # else it would die in the next test, which does not expect it
        thread.join(20)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "2001:db8::7"])
def test_an_address_is_not_looked_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup of another test may still be under way in its own thread."""
    looked_up: list[object] = []
    really = socket.getaddrinfo

    def heard(host: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return really(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", heard)

    assert [place for _, place in look_up(address, 443, within_s=0.0)] == [(address, 443)]
    assert address not in looked_up


@pytest.mark.parametrize("name", ["127.1", "0177.0.0.1", "1.2.3.4.5", "::1::", "localhost", "", "a\0b", "\u0436"])
def test_what_is_no_whole_address_is_looked_up_as_a_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "looked up")

    monkeypatch.setattr(socket, "getaddrinfo", none)

    with pytest.raises(socket.gaierror, match="looked up"):
        look_up(name, 443, within_s=20)


def _fresh(bank: Bank) -> Bank:
    """The same bank, with no connection that is still open."""
    return Bank(bank._config, FakeClock())
