"""The fault matrix: four questions, plain and TLS, to a server that counts what it executed and then misbehaves.

Held everywhere: nothing is executed twice; NOT_SENT is never said of what was executed; no broken answer is believed.
"""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from epay_transfers.worker.bank import Evidence, Unclear
from tests.http.asking import ASK, GOOD, QUESTIONS, bank_at, is_believed, manners, says_not_sent, why
from tests.http.misbehaving import (
    NONSENSE,
    SILENCES,
    TLS_SILENCES,
    UNFRAMED,
    Manner,
    Server,
    well,
    well_after_interim_answers,
    well_in_chunks,
    well_in_chunks_of_any_form,
)
from tests.support.certificates import Authority

WIRES = ("plain", "tls")

#: By the word that is expected: only the limit that is to be met is short, so that a busy machine meets no other.
SHORT: dict[str, dict[str, Any]] = {"timeout": {"read_timeout_s": 0.2}, "deadline": {"deadline_s": 0.3}}


@contextmanager
def outcome_of(
    authority: Authority, wire: str, question: str, manner: Manner, **times: Any
) -> Iterator[tuple[object, Server]]:
    """Asks once, and holds what must hold whatever happened."""
    tls = authority.server() if wire == "tls" else None
    with Server(manners(question, manner), tls=tls) as server:
        outcome = ASK[question](bank_at(server.url, ca_file=authority.ca_file, **times))

        assert server.has_executed.wait(5)
        assert server.count(question) == 1
        assert not says_not_sent(outcome)
        yield outcome, server


@pytest.mark.parametrize("manner", [well, well_in_chunks, well_in_chunks_of_any_form, well_after_interim_answers])
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_good_answer_is_believed(authority: Authority, wire: str, question: str, manner: Manner) -> None:
    """The positive control of all that follows."""
    with outcome_of(authority, wire, question, manner) as (outcome, _):
        assert is_believed(outcome)


@pytest.mark.parametrize("frame", UNFRAMED)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("wire", WIRES)
def test_json_that_is_whole_is_believed_whatever_its_head_says_of_its_length(
    authority: Authority, wire: str, question: str, frame: str
) -> None:
    """An object that was cut, or has something after it, does not parse; and the connection carries no other answer."""
    with outcome_of(authority, wire, question, UNFRAMED[frame]) as (outcome, _):
        assert is_believed(outcome)


@pytest.mark.parametrize("fault", SILENCES)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("wire", WIRES)
def test_no_whole_answer_means_maybe_sent(authority: Authority, wire: str, question: str, fault: str) -> None:
    manner, word = SILENCES[fault]
    with outcome_of(authority, wire, question, manner, **SHORT.get(word, {})) as (outcome, _):
        assert not is_believed(outcome)
        assert why(outcome) in word.split("|")
        if isinstance(outcome, Unclear):
            assert outcome.evidence is Evidence.MAYBE_SENT


@pytest.mark.parametrize("fault", TLS_SILENCES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_broken_tls_after_the_request_means_maybe_sent(authority: Authority, question: str, fault: str) -> None:
    """The same class of exception as an untrusted certificate, and the bank has executed."""
    manner, word = TLS_SILENCES[fault]
    with outcome_of(authority, "tls", question, manner) as (outcome, _):
        assert not is_believed(outcome)
        assert why(outcome) == word


@pytest.mark.parametrize("fault", NONSENSE)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_answer_that_is_none_is_in_doubt(authority: Authority, wire: str, question: str, fault: str) -> None:
    with outcome_of(authority, wire, question, NONSENSE[fault]) as (outcome, server):
        assert not is_believed(outcome)
        assert server.count("/again") == 0
        if isinstance(outcome, Unclear) and fault != "cut gzip":
            assert outcome.evidence is Evidence.ANSWERED
        if fault == "503 later":
            assert getattr(outcome, "retry_after_s", None) == 7.0


def _never(_sock: socket.socket) -> bool:
    return False


def _reset(sock: socket.socket) -> bool:
    """Within the handshake: one that is reset before it, Python's `SSLSocket._create` leaves unclosed, and warns."""
    sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _stall(sock: socket.socket) -> bool:
    while sock.recv(65536):
        pass
    return False


def _speak_plainly(sock: socket.socket) -> bool:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    return False


@pytest.mark.parametrize("greet", [_never, _reset, _stall, _speak_plainly])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_handshake_that_fails_means_not_sent(authority: Authority, question: str, greet: object) -> None:
    """Also where it stalls, and the library says that a read timed out."""
    with Server(manners(question, well), tls=authority.server(), greet=greet) as server:  # type: ignore[arg-type]  # one of the four above
        times: dict[str, Any] = {"connect_timeout_s": 0.2} if greet is _stall else {}
        outcome = ASK[question](bank_at(server.url, ca_file=authority.ca_file, **times))

        assert server.executed == []
        assert not is_believed(outcome)
        assert why(outcome).removeprefix("token_") in {"tls", "timeout", "dropped", "unreachable"}
        if question != "/status":
            assert says_not_sent(outcome)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["unknown authority", "another name"])
def test_a_certificate_that_is_not_the_bank_s_means_not_sent(authority: Authority, question: str, kind: str) -> None:
    tls = authority.server() if kind == "unknown authority" else authority.stranger()
    with Server(manners(question, well), tls=tls) as server:
        outcome = ASK[question](bank_at(server.url, ca_file=None if kind == "unknown authority" else authority.ca_file))

        assert server.executed == []
        assert why(outcome).endswith("tls")
        if question != "/status":
            assert says_not_sent(outcome)


@pytest.mark.parametrize("question", ["/token", "/transfer", "/confirm"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_that_we_have_not_is_never_believed(
    authority: Authority, question: str, version: ssl.TLSVersion
) -> None:
    """TLS 1.2 refuses in the handshake; 1.3 refuses after the request was written, and that is in doubt."""
    tls = authority.server()
    tls.minimum_version = tls.maximum_version = version
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(authority.ca_file)
    with Server(manners(question, well), tls=tls) as server:
        outcome = ASK[question](bank_at(server.url, ca_file=authority.ca_file))

        assert server.executed == []
        assert not is_believed(outcome)
        assert says_not_sent(outcome) or version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("question", QUESTIONS)
def test_nobody_there_means_not_sent(question: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outcome = ASK[question](bank_at(f"http://127.0.0.1:{port}"))

    assert why(outcome).endswith("refused")
    assert says_not_sent(outcome) or question == "/status"


@pytest.mark.parametrize("question", QUESTIONS)
def test_nobody_who_accepts_means_not_sent(question: str) -> None:
    """A listener whose queue is full: the connection is never made."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - the library's signature
            waiting.connect_ex(listener.getsockname())
        outcome = ASK[question](bank_at(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout_s=0.2))

    assert why(outcome).endswith("connect_timeout")
    assert says_not_sent(outcome) or question == "/status"


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_such_name_means_not_sent(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    outcome = ASK[question](bank_at("https://bank.example"))

    assert why(outcome).endswith("dns")
    assert says_not_sent(outcome) or question == "/status"


def test_every_question_has_its_good_answer() -> None:
    assert tuple(GOOD) == QUESTIONS
