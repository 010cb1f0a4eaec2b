"""The connection itself: what it sends, what it keeps, what it forgets, and when it stops."""

import gc
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.worker.bank.attempt import (
    Attempt,
    PlainPool,
    TooLateError,
    UnsendableError,
    UsedConnectionError,
    WatchedPlain,
    request_head,
)
from epay_transfers.worker.bank.outcome import Evidence, NoResponse, Response
from epay_transfers.worker.bank.transport import Transport, assert_no_hidden_retry, prepared
from tests.http.asking import HandClock
from tests.http.misbehaving import (
    UNFRAMED,
    Gone,
    Manner,
    Server,
    Talk,
    well,
    well_after_interim_answers,
    well_in_chunks,
    well_in_chunks_of_any_form,
    with_length,
)
from tests.support.certificates import Authority

CARD = b'{"cardCred":"4405639704015096"}'


def transport_of(clock: Clock | None = None, *, ca_file: str | None = None, deadline_s: float = 8.0) -> Transport:
    return Transport(
        clock or SystemClock(), connect_timeout_s=5.0, read_timeout_s=5.0, deadline_s=deadline_s, ca_file=ca_file
    )


@contextmanager
def served(manner: Manner = well, clock: Clock | None = None) -> Iterator[tuple[Transport, Server]]:
    with Server({"/x": (manner, b"{}"), "/y": (well, b"{}")}) as server:
        transport = transport_of(clock)
        yield transport, server


class TestWhatIsSent:
    def test_the_request_says_who_we_are_and_nothing_more(self) -> None:
        with served() as (transport, server):
            transport.exchange("POST", f"{server.url}/x", headers={"Authorization": "Bearer T"}, body=CARD)

        [request] = server.executed
        assert request.line == "POST /x HTTP/1.1"
        assert request.body == CARD
        assert request.headers.pop("user-agent").startswith("transfers/")
        assert request.headers == {
            "host": f"127.0.0.1:{request.headers['host'].split(':')[1]}",
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "close",
            "authorization": "Bearer T",
            "content-type": "application/json",
            "content-length": str(len(CARD)),
        }

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://Bank.example:443/x", "bank.example"),
            ("http://127.0.0.1:80/x", "127.0.0.1"),
            ("https://bank.example:8443/x", "bank.example:8443"),
            ("https://bank.example./x", "bank.example"),
            ("https://[2001:db8::7]:8443/x", "[2001:db8::7]:8443"),
            ("https://[fe80::1%25eth0]/x", "[fe80::1]"),
        ],
    )
    def test_the_host_is_named_as_the_standard_wants_it(self, url: str, host: str) -> None:
        """With its port where that is not the scheme's own; else the bank may know it by another name."""
        assert prepared("GET", url, {}, body=None, form=None).headers["Host"] == host

    @pytest.mark.parametrize("value", ["T\r\nX-Other: 1", "T\n", "T\r", "T\0", "T\x7f", "T\x85", "\u0416"])
    def test_a_value_that_would_be_read_as_a_line_is_not_sent(self, value: str) -> None:
        with served() as (transport, server):
            heard = transport.exchange("POST", f"{server.url}/x", headers={"Authorization": value}, body=CARD)

        assert (heard, server.executed, server.connections) == (NoResponse(Evidence.NOT_SENT, "unsendable"), [], 0)

    @pytest.mark.parametrize(
        "line",
        [("GET", "/x y", {}), ("GET", "/x\r\n", {}), ("GET /y", "/x", {}), ("GET", "", {}), ("GET", "/x", {"A:": "b"})],
    )
    def test_nor_is_a_line_that_would_be_another_one(self, line: tuple[str, str, dict[str, str]]) -> None:
        with pytest.raises(UnsendableError, match="character"):
            request_head(*line)

    def test_a_form_goes_as_multipart_with_every_character_of_a_secret(self) -> None:
        with served() as (transport, server):
            transport.exchange("POST", f"{server.url}/x", form={"client_secret": "a&(#%+ =\u0436", "scope": "transfer"})

        [request] = server.executed
        kind, _, boundary = request.headers["content-type"].partition("; boundary=")
        assert kind == "multipart/form-data"
        parts = request.body.split(f"--{boundary}".encode())
        assert parts[1] == '\r\nContent-Disposition: form-data; name="client_secret"\r\n\r\na&(#%+ =\u0436\r\n'.encode()
        assert parts[2] == b'\r\nContent-Disposition: form-data; name="scope"\r\n\r\ntransfer\r\n'
        assert parts[3] == b"--\r\n"

    def test_a_request_without_a_body_says_so(self) -> None:
        """Else the server might wait for one."""
        with served() as (transport, server):
            assert isinstance(transport.exchange("POST", f"{server.url}/x"), Response)
            assert isinstance(transport.exchange("GET", f"{server.url}/x"), Response)

        assert [request.headers.get("content-length") for request in server.executed] == ["0", None]

    def test_the_environment_and_netrc_change_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A netrc would replace the token, a proxy would see the card, a bundle would let a stranger in."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login evil password evil\n")
        with served() as (transport, server), Server({}) as proxy:
            monkeypatch.setenv("NETRC", str(netrc))
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            heard = transport.exchange("POST", f"{server.url}/x", headers={"Authorization": "Bearer T"}, body=CARD)

            assert isinstance(heard, Response)
            assert proxy.connections == 0
        assert server.executed[0].headers["authorization"] == "Bearer T"

    def test_a_bundle_of_the_environment_lets_nobody_in(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.ca_file)
        monkeypatch.setenv("CURL_CA_BUNDLE", authority.ca_file)
        with Server({"/x": (well, b"{}")}, tls=authority.server()) as server:
            assert transport_of().exchange("POST", f"{server.url}/x", body=CARD) == NoResponse(Evidence.NOT_SENT, "tls")

    def test_a_file_of_authorities_stands_instead_of_all_others(self, authority: Authority) -> None:
        """The library would add its own file to ours, at each request."""
        with Server({"/x": (well, b"{}")}, tls=authority.server()) as server:
            transport = transport_of(ca_file=authority.ca_file)
            assert isinstance(transport.exchange("POST", f"{server.url}/x", body=CARD), Response)

        assert transport._tls.cert_store_stats()["x509_ca"] == 1

    def test_no_request_reads_the_file_of_authorities_again(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is read once, into the one context that all requests share: a handshake costs a handshake."""
        with Server({"/x": (well, b"{}")}, tls=authority.server()) as server:
            transport = transport_of(ca_file=authority.ca_file)
            for name in ("load_verify_locations", "load_default_certs", "set_default_verify_paths"):
                monkeypatch.setattr(ssl.SSLContext, name, None)
            monkeypatch.setattr(ssl.SSLContext, "__new__", None)

            for _ in range(2):
                assert isinstance(transport.exchange("POST", f"{server.url}/x", body=CARD), Response)

    def test_the_secrets_of_the_connection_are_written_nowhere(
        self, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the file of SSLKEYLOGFILE, a recording of the connection shows the card and the bank's password."""
        control, ours = tmp_path / "control", tmp_path / "ours"
        with Server({"/x": (well, b"{}")}, tls=authority.server()) as server:
            monkeypatch.setenv("SSLKEYLOGFILE", str(control))
            assert requests.get(f"{server.url}/x", verify=authority.ca_file, timeout=5).ok
            monkeypatch.setenv("SSLKEYLOGFILE", str(ours))
            transport = transport_of(ca_file=authority.ca_file)
            assert isinstance(transport.exchange("POST", f"{server.url}/x", body=CARD), Response)
            assert transport.reachable(server.url)

        assert "TRAFFIC_SECRET" in control.read_text()
        assert not ours.exists()

    def test_no_cookie_is_kept(self) -> None:
        def set_cookie(talk: Talk) -> None:
            talk.say(with_length(b"{}", b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1; Path=/\r\n"))

        with served(set_cookie) as (transport, server):
            for _ in range(2):
                transport.exchange("GET", f"{server.url}/x")

        assert all("cookie" not in request.headers for request in server.executed)

    @pytest.mark.parametrize(
        "url", ["http://bank.example/x", "ftp://127.0.0.1/", "https://u:p@bank.example/", "nonsense"]
    )
    def test_an_unsafe_address_gets_nothing(self, url: str) -> None:
        assert transport_of().exchange("POST", url, body=CARD) == NoResponse(Evidence.NOT_SENT, "unsafe_address")

    @pytest.mark.parametrize("host", ["bank..example", "a" * 64 + ".example"])
    def test_a_host_that_no_request_can_name_is_no_fault_of_the_bank_s(self, host: str) -> None:
        """The breaker's event repeats the word: `dropped` would send an operator to the bank."""
        heard = transport_of().exchange("POST", f"https://{host}/x", body=CARD)

        assert heard == NoResponse(Evidence.NOT_SENT, "unsendable")

    def test_a_header_that_cannot_be_sent_is_not_sent(self) -> None:
        with served() as (transport, server):
            heard = transport.exchange("POST", f"{server.url}/x", headers={"Authorization": "Bearer a\nb"}, body=CARD)

        assert heard == NoResponse(Evidence.NOT_SENT, "unsendable")
        assert server.executed == []


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_told_and_not_followed(self, status: int) -> None:
        with ExitStack() as stack:
            other = stack.enter_context(Server({"/y": (well, b"{}")}))
            head = f"HTTP/1.1 {status} Go\r\nLocation: {other.url}/y\r\n".encode()
            transport, server = stack.enter_context(served(lambda talk: talk.say(with_length(b"", head))))
            heard = transport.exchange("POST", f"{server.url}/x", body=CARD)

            assert heard == Response(status, location=f"{other.url}/y")
            assert (len(server.executed), other.connections) == (1, 0)

    def test_a_redirect_to_nowhere_is_an_answer_too(self) -> None:
        """Even where it does not follow, the library makes the next request ready, and fails at this one."""
        head = b"HTTP/1.1 307 Go\r\nLocation: https://[::1/\r\n"
        with served(lambda talk: talk.say(with_length(b"", head))) as (transport, server):
            assert transport.exchange("POST", f"{server.url}/x", body=CARD) == Response(307, location="https://[::1/")

    def test_two_locations_are_none(self) -> None:
        head = b"HTTP/1.1 302 Go\r\nLocation: https://a.example/\r\nLocation: https://b.example/\r\n"
        with served(lambda talk: talk.say(with_length(b"", head))) as (transport, server):
            assert transport.exchange("POST", f"{server.url}/x", body=CARD) == Response(302, has_more_locations=True)

    def test_a_refresh_beside_a_location_is_another_one(self) -> None:
        head = b"HTTP/1.1 302 Go\r\nLocation: https://a.example/\r\nRefresh: 0;url=https://b.example/\r\n"
        with served(lambda talk: talk.say(with_length(b"", head))) as (transport, server):
            found = transport.exchange("POST", f"{server.url}/x", body=CARD)

        assert found == Response(302, location="https://a.example/", has_more_locations=True)


class TestConnections:
    def test_each_request_has_a_connection_of_its_own(self) -> None:
        """Also where the server would keep it: what comes on it next is read by nobody."""
        with served() as (transport, server):
            for _ in range(3):
                assert isinstance(transport.exchange("POST", f"{server.url}/x", body=CARD), Response)

            assert (server.connections, len(server.executed)) == (3, 3)

    def test_what_comes_after_a_response_is_never_read(self) -> None:
        """A second response lies ready on the connection when the next request is made."""

        def twice(talk: Talk) -> None:
            talk.say(with_length(b"{}"), with_length(b'{"of": "another"}'))

        with served(twice) as (transport, server):
            heard = [transport.exchange("POST", f"{server.url}/x", body=CARD) for _ in range(3)]

            assert heard == [Response(200, body=b"{}")] * 3
            assert server.connections == 3

    def test_a_connection_refuses_a_second_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever kept it: nothing of the second request is sent, and that is said."""
        with served() as (transport, server):
            kept = WatchedPlain("127.0.0.1", server.port)
            monkeypatch.setattr(PlainPool, "_new_conn", lambda _: kept)
            assert isinstance(transport.exchange("POST", f"{server.url}/x", body=CARD), Response)

            assert transport.exchange("POST", f"{server.url}/x", body=CARD) == NoResponse(
                Evidence.NOT_SENT, "used_connection"
            )
            assert (server.connections, len(server.executed)) == (1, 1)

    def test_a_connection_that_was_closed_is_not_opened_for_a_second_request(self) -> None:
        with served() as (_, server):
            connection = WatchedPlain("127.0.0.1", server.port)
            with Attempt(SystemClock(), 5.0):
                connection.request("GET", "/x")
                connection.getresponse()
                connection.close()
                with pytest.raises(UsedConnectionError):
                    connection.request("GET", "/x")

        assert (server.connections, len(server.executed)) == (1, 1)

    def test_no_connection_is_left_open(self) -> None:
        """By a good answer or an odd one."""

        def too_large(talk: Talk) -> None:
            talk.say(with_length(b" " * 70_000))

        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many
        with served(too_large) as (transport, server):
            assert transport.exchange("POST", f"{server.url}/x", body=CARD) == NoResponse(
                Evidence.MAYBE_SENT, "too_large"
            )
            assert isinstance(transport.exchange("POST", f"{server.url}/y", body=CARD), Response)

        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - only how many

    def test_many_threads_share_one_transport(self) -> None:
        with served() as (transport, server):
            preflight = threading.Barrier(4)
            heard: list[object] = []

            def ask() -> None:
                preflight.wait(5)
                heard.extend(transport.exchange("POST", f"{server.url}/x", body=CARD) for _ in range(5))

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert heard == [Response(200, body=b"{}")] * 20
            assert (server.connections, len(server.executed)) == (20, 20)


class TestFrames:
    @pytest.mark.parametrize("manner", [well, well_in_chunks, well_in_chunks_of_any_form, well_after_interim_answers])
    def test_one_length_or_chunks_prove_the_end_of_a_body(self, manner: Manner) -> None:
        with served(manner) as (transport, server):
            assert transport.exchange("GET", f"{server.url}/x") == Response(200, body=b"{}", framed=True)

    @pytest.mark.parametrize("frame", UNFRAMED)
    def test_nothing_else_does(self, frame: str) -> None:
        """A gzip stream that was cut off unpacks without an error."""
        with served(UNFRAMED[frame]) as (transport, server):
            assert transport.exchange("GET", f"{server.url}/x") == Response(200, body=b"{}", framed=False)

    def test_what_is_coded_in_more_ways_than_one_is_not_decoded(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"

        def coded(talk: Talk) -> None:
            talk.say(head, b"2\r\n{}\r\n0\r\n\r\n")
            raise Gone

        with served(coded) as (transport, server):
            heard = transport.exchange("GET", f"{server.url}/x")

        assert heard == Response(200, body=b"2\r\n{}\r\n0\r\n\r\n", framed=False)

    def test_a_redirect_whose_body_did_not_come_is_no_answer(self) -> None:
        """What is missing might have said another thing than the address does."""
        head = b"HTTP/1.1 302 Found\r\nLocation: https://shop.example/ok\r\nContent-Length: 90, 90\r\n\r\n"

        def hollow(talk: Talk) -> None:
            talk.say(head)
            raise Gone

        with served(hollow) as (transport, server):
            heard = transport.exchange("POST", f"{server.url}/x", body=CARD)

        assert heard == NoResponse(Evidence.MAYBE_SENT, "cut")

    def test_blanks_around_a_value_are_no_part_of_it(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \t chunked \t\r\n\r\n"
        with served(lambda talk: talk.say(head, b"2\r\n{}\r\n0\r\n\r\n")) as (transport, server):
            assert transport.exchange("GET", f"{server.url}/x") == Response(200, body=b"{}", framed=True)


class TestTheEnd:
    def test_after_the_deadline_nothing_begins_to_be_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As where the name was looked up for longer than all the time there was."""
        clock = HandClock()

        class LateConnection(WatchedPlain):
            def connect(self) -> None:
                super().connect()
                clock.at_s += 9.0

        class LatePool(PlainPool):
            ConnectionCls = LateConnection

        monkeypatch.setattr("epay_transfers.worker.bank.transport.POOLS", {"http": LatePool})
        with served(clock=clock) as (transport, server):
            assert transport.exchange("POST", f"{server.url}/x", body=CARD) == NoResponse(Evidence.NOT_SENT, "deadline")
        assert server.executed == []

    @pytest.mark.parametrize("ends_in_s", [-3600.0, 0.0])
    def test_after_the_lease_nothing_begins_to_be_sent(self, ends_in_s: float) -> None:
        """As where the process was stopped before the exchange began: its own deadline is yet to come."""
        clock = HandClock()
        with served(clock=clock) as (transport, server):
            heard = transport.exchange("POST", f"{server.url}/x", body=CARD, not_after=clock.at_s + ends_in_s)

        assert heard == NoResponse(Evidence.NOT_SENT, "deadline")
        assert server.executed == []

    def test_the_lease_may_end_between_two_pieces_of_a_request(self) -> None:
        """The headers went, the body does not follow."""
        clock = HandClock()
        left, right = socket.socketpair()
        with left, right, Attempt(clock, 5.0, not_after=clock.at_s + 1.0) as attempt:
            attempt.touch(left)
            clock.at_s += 1.0
            with pytest.raises(TooLateError):
                attempt.touch(left)

    def test_a_lease_that_lasts_longer_makes_no_deadline_longer(self) -> None:
        clock = HandClock()
        left, right = socket.socketpair()
        with left, right, Attempt(clock, 5.0, not_after=clock.at_s + 60.0) as attempt:
            attempt.touch(left)
            clock.at_s += 5.0
            with pytest.raises(TooLateError):
                attempt.touch(left)

    def test_an_attempt_that_was_touched_stays_so(self) -> None:
        clock = HandClock()
        left, right = socket.socketpair()
        with left, right:
            with Attempt(clock, 5.0) as attempt:
                attempt.touch(left)
                clock.at_s += 5.0
                with pytest.raises(TooLateError):
                    attempt.touch(left)

            assert attempt.was_cut
            assert attempt.evidence is Evidence.MAYBE_SENT

    def test_a_watchdog_that_comes_late_harms_no_later_attempt(self) -> None:
        left, right = socket.socketpair()
        with left, right:
            with Attempt(SystemClock(), 5.0) as attempt:
                attempt.touch(left)
            attempt._cut()
            left.sendall(b"x")

            assert right.recv(1) == b"x"
            assert not attempt.was_cut

    def test_a_watchdog_leaves_no_handle_behind(self) -> None:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many
        left, right = socket.socketpair()
        with left, right, Attempt(SystemClock(), 5.0) as attempt:
            attempt.touch(left)
            attempt.touch(left)

        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - only how many

    def test_a_connection_sends_only_inside_an_attempt(self) -> None:
        with served() as (_, server):
            pool = PlainPool("127.0.0.1", server.port)
            with pytest.raises(LookupError):
                pool.urlopen("GET", "/x", timeout=urllib3.Timeout(5))
            pool.close()

        assert server.executed == []

    def test_no_retry_can_hide(self) -> None:
        """Each of these repeats a POST that the bank has executed."""
        by_status = urllib3.Retry(0, read=False, status_forcelist=[503])
        for retries in (3, urllib3.Retry(total=3), urllib3.Retry(0, read=0), by_status):
            with pytest.raises(RuntimeError, match="repeat"):
                assert_no_hidden_retry(HTTPAdapter(max_retries=retries))
        assert_no_hidden_retry(HTTPAdapter())


class TestNothingSurvives:
    def test_a_failure_leaves_no_request_in_memory(self) -> None:
        """Even with the collector off: no exception, frame or cycle holds the card."""

        def vanish(talk: Talk) -> None:
            talk.reset()
            raise Gone

        with served(vanish) as (transport, server):
            gc.collect()
            gc.disable()
            try:
                heard = transport.exchange("POST", f"{server.url}/x", body=CARD)
                left = [found for found in gc.get_objects() if issubclass(type(found), requests.PreparedRequest)]
            finally:
                gc.enable()

        assert isinstance(heard, NoResponse)
        assert left == []


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("7", 7.0),
            ("0", 0.0),
            ("999999999", 86_400.0),
            ("Mon, 24 Nov 2025 10:00:30 GMT", 30.0),
            ("Mon, 24 Nov 2025 09:00:00 GMT", 0.0),
            ("Mon, 24 Nov 2025 10:00:30 -0000", 30.0),
            ("-7", None),
            ("7.5", None),
            ("soon", None),
            ("Mon, 99 Nov 2025 10:00:30 GMT", None),
        ],
    )
    def test_seconds_or_a_date(self, value: str, seconds: float | None) -> None:
        head = f"HTTP/1.1 503 Later\r\nRetry-After: {value}\r\n".encode()
        with served(lambda talk: talk.say(with_length(b"", head)), HandClock()) as (transport, server):
            heard = transport.exchange("GET", f"{server.url}/x")

        assert isinstance(heard, Response)
        assert heard.retry_after_s == seconds
