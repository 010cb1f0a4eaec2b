"""Whatever anybody sends: no server error, no trace of our insides, and nothing of the input unescaped in a page."""

import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.record import StoredChallenge
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.producers import Challenge, Receipt, State
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import ROUTES, Request, Web, redirect_page
from epay_transfers.producers.web.exchange import BODY_BYTES
from epay_transfers.runtime.web_addresses import Places
from tests.web.conftest import BASE, FORM, PA_RES, SECRET, Visitor, intent

MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&{{7*7}}"

#: A text that can only be there if it was put there.
CANARY = "c4n4ry"

TEXTS = st.text(max_size=60) | st.sampled_from([MARKUP, "A" * 22, CANARY + "<b>", "%00", "..%2f..", "\r\nX: y"])
NAMES = st.sampled_from(["PaRes", "MD", "cres", "threeDSSessionData", "invoiceId", "code", "secret_hash", "x"]) | TEXTS
BODIES = (
    st.none()
    | st.binary(max_size=300)
    | st.dictionaries(NAMES, TEXTS, max_size=8).map(lambda fields: urlencode(fields).encode())
    | st.dictionaries(NAMES, TEXTS | st.floats() | st.integers() | st.none(), max_size=8).map(
        lambda fields: json.dumps(fields).encode()
    )
)
TYPES = st.sampled_from(
    [FORM, f"{FORM}; charset=koi8-r", "application/json", "multipart/form-data; boundary=b", "", MARKUP]
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW", ""])


def parked_at(action: str, md: str = "1", pa_req: str = "cGFSZXE=", **of_web: Any) -> tuple[Visitor, Receipt]:
    """A web tier with one transfer, whose bank asks for this."""
    fake = FakeTransfers()
    receipt = fake.enqueue(intent())
    record, until = fake._sent(receipt.key), fake._time.now_ms() + 900_000
    asked = StoredChallenge(pa_req=pa_req, md=md, action=action)
    fake._move(record, Verb.PARK, Change(due_at=until, challenge=asked, fields={"parked_until": until}))
    return Visitor(Web(fake, Places(BASE, Secret(SECRET)), **of_web)), receipt


@pytest.fixture(scope="module")
def known() -> tuple[Web, Receipt]:
    """One transfer that is parked, in a web tier that all examples share: they may do to it what they can."""
    visitor, receipt = parked_at("https://acs.example/pareq")
    return visitor.web, receipt


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(list(ROUTES)),
    name=TEXTS | st.just("the handle") | st.just(SECRET),
    method=METHODS,
    content_type=TYPES,
    languages=TEXTS,
    body=BODIES,
)
def test_no_request_makes_a_server_error_or_comes_back_in_a_page(
    known: tuple[Web, Receipt],
    route: Any,
    name: str,
    method: str,
    content_type: str,
    languages: str,
    body: bytes | None,
) -> None:
    web, receipt = known
    handle = receipt.handle if name == "the handle" else name

    reply = web.answer(route, handle, Request(method, content_type, languages, body))
    page = reply.body.decode()

    assert reply.status < 500
    assert not re.search(r"Traceback|\.py\b|redis|Error\b", page)
    assert "<script>" not in page
    assert CANARY not in page
    assert "onerror" not in page
    assert all("\r" not in value and "\n" not in value for value in reply.headers.values())
    assert set(re.findall(r"<(\w+)", page)) <= {
        "html", "head", "meta", "link", "noscript", "title", "style", "body", "main", "div", "svg", "circle", "path",
        "h1", "p", "b", "br", "a", "form", "input", "button", "script",
    }  # fmt: skip


def test_markup_in_every_field_of_the_banks_answer_is_escaped() -> None:
    visitor, receipt = parked_at(f"https://acs.example/?{MARKUP.replace(' ', '+')}", md=MARKUP, pa_req=MARKUP)

    page = visitor.get("pay", receipt.handle).body.decode()
    values = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))

    assert "<script>" not in page
    assert "<img" not in page
    assert [unescape(values[name]) for name in ("PaReq", "MD")] == [MARKUP, MARKUP]


UNSAFE = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//https://acs.example",
    "data:text/html,<script>alert(1)</script>",
    "http://acs.example/pareq",
    "http://127.0.0.1:8801/acs",
    "//acs.example",
    "https://",
    "https://shop.example@evil.example/",
    "https://acs.example:port/",
    "https://acs.example;script-src *",
    "https://acs.ex ample/",
    "",
]


@pytest.mark.parametrize("action", UNSAFE)
def test_a_client_is_never_sent_to_an_action_that_is_not_plain_https(action: str) -> None:
    visitor, receipt = parked_at(action)

    reply = visitor.get("pay", receipt.handle)

    assert reply.headers["Transfer-Page"] == "closed"
    assert b"<form" not in reply.body


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("http://127.0.0.1:8801/acs", "let WEB_BASE_URL be plain http, too"),
        ("https://other.example/acs", "its host is none of acs_hosts"),
        ("javascript:alert(1)", "its address is not https with a host"),
    ],
)
def test_the_log_says_why_an_address_is_refused(action: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    """In words of ours: the address came from outside."""
    challenge = Challenge(action, "cGFSZXE=", "1", datetime.now(UTC))

    redirect_page(challenge, term_url="https://shop.example/back", acs_hosts=["acs.example"])

    (said,) = caplog.messages
    assert why in said
    assert action not in said


@pytest.mark.parametrize("action", UNSAFE)
def test_nor_by_a_web_tier_that_makes_the_page_itself(action: str, caplog: pytest.LogCaptureFixture) -> None:
    """`redirect_page` refuses what the route refuses: its page has no form, and the log says so."""
    challenge = Challenge(action, "cGFSZXE=", "1", datetime.now(UTC))

    reply = redirect_page(challenge, term_url="https://shop.example/back", languages="en")

    assert reply.headers["Transfer-Page"] == "closed"
    assert b"<form" not in reply.body
    assert "alert" not in reply.body.decode() + str(reply.headers)
    assert [vars(record)["event"] for record in caplog.records] == ["challenge.action_refused"]


@pytest.mark.parametrize(
    ("term_url", "name"),
    [
        ("http://127.0.0.1:8000/back", "challenge"),
        ("http://localhost/back", "challenge"),
        ("https://shop.example/back", "closed"),
    ],
)
def test_only_a_term_url_on_this_machine_may_go_with_a_plain_http_bank_on_it(term_url: str, name: str) -> None:
    """A development web tier and the sandbox: nothing that the world can reach."""
    challenge = Challenge("http://127.0.0.1:8801/acs", "cGFSZXE=", "1", datetime.now(UTC))

    assert redirect_page(challenge, term_url=term_url).headers["Transfer-Page"] == name


TERM_URLS = [
    *("http://shop.example/back", "http://127.0.0.1@shop.example/back", "https://u:p@shop.example/", "http://["),
    *("javascript:alert(1)", "ftp://shop.example/", "//shop.example/", "/back", "", "https://shop.example:0/"),
]


@pytest.mark.parametrize("term_url", TERM_URLS)
@pytest.mark.parametrize("action", ["https://acs.example/pareq", "http://127.0.0.1:8801/acs"])
def test_a_term_url_that_no_client_may_be_sent_to_is_a_wrong_call(term_url: str, action: str) -> None:
    """A client would bring the answer there, or nowhere: the sentence names the argument and no value."""
    challenge = Challenge(action, "cGFSZXE=", "1", datetime.now(UTC))

    with pytest.raises(WrongCall, match=r"^term_url: must be a whole https:// address") as caught:
        redirect_page(challenge, term_url=term_url)

    assert "alert" not in str(caught.value)


def test_a_development_web_tier_may_send_to_a_bank_on_this_machine() -> None:
    visitor, receipt = parked_at("http://127.0.0.1:8801/acs")
    web = Web(visitor.web.transfers, Places("http://127.0.0.1:8000"))

    reply = web.answer("pay", receipt.handle, Request("GET"))

    assert b'action="http://127.0.0.1:8801/acs"' in reply.body
    assert "form-action https: http://127.0.0.1:8801;" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("host", "name"), [("acs.example", "challenge"), ("other.example", "closed")])
def test_where_hosts_are_named_clients_are_sent_to_no_other(host: str, name: str) -> None:
    visitor, receipt = parked_at(f"https://{host}/pareq", acs_hosts=["acs.example"])

    assert visitor.get("pay", receipt.handle).headers["Transfer-Page"] == name


@pytest.mark.parametrize("named", ["acs.example", "ACS.Example"])
@pytest.mark.parametrize("host", ["acs.example", "Acs.EXAMPLE"])
def test_the_letters_of_a_host_do_not_matter(named: str, host: str) -> None:
    """A browser reads them all as small ones."""
    visitor, receipt = parked_at(f"https://{host}/pareq", acs_hosts=[named])

    assert visitor.get("pay", receipt.handle).headers["Transfer-Page"] == "challenge"


NO_HOSTS = ["acs.example", ["acs.example:443"], ["https://acs.example"], ["acs.example/"], [""], ["a b"], ["*.x"], [1]]


@pytest.mark.parametrize("hosts", NO_HOSTS)
def test_what_can_be_no_host_is_a_wrong_call(hosts: Any) -> None:
    """A text alone is letters, of which none is a host: each client would be refused."""
    challenge = Challenge("https://acs.example/pareq", "cGFSZXE=", "1", datetime.now(UTC))

    with pytest.raises(WrongCall, match=r"^acs_hosts: must be a list of host names"):
        redirect_page(challenge, term_url="https://shop.example/back", acs_hosts=hosts)
    with pytest.raises(WrongCall, match=r"^acs_hosts: must be a list of host names"):
        parked_at("https://acs.example/pareq", acs_hosts=hosts)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b", "text/plain", ""])
def test_a_return_that_is_not_urlencoded_is_415(content_type: str) -> None:
    visitor, receipt = parked_at("https://acs.example/pareq")

    assert (
        visitor.post("3ds", receipt.handle, urlencode({"PaRes": PA_RES, "MD": "1"}).encode(), content_type).status
        == 415
    )
    assert visitor.web.transfers.get(receipt.key).state is State.PARKED


def test_a_notification_that_is_multipart_is_400() -> None:
    """As the document says."""
    visitor, _ = parked_at("https://acs.example/pareq")
    body = b'--B\r\nContent-Disposition: form-data; name="invoiceId"\r\n\r\n261128000017\r\n--B--\r\n'

    assert visitor.post("notify", SECRET, body, "multipart/form-data; boundary=B").status == 400


def test_a_huge_body_is_413_and_was_not_read() -> None:
    visitor, receipt = parked_at("https://acs.example/pareq")

    assert visitor.post("3ds", receipt.handle, None).status == 413
    assert visitor.post("notify", SECRET, None).status == 400
    assert BODY_BYTES == 64 * 1024


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"PaRes": PA_RES},
        {"MD": "1"},
        {"PaRes": "<xml>", "MD": "1"},
        {"PaRes": "", "MD": "1"},
        {"PaRes": PA_RES, "MD": ""},
    ],
)
def test_a_return_without_its_two_fields_is_400_with_a_way_back(fields: dict[str, str]) -> None:
    visitor, receipt = parked_at("https://acs.example/pareq")

    reply = visitor.comes_back(receipt, **fields)

    assert reply.status == 400
    assert f'href="{BASE}/pay/{receipt.handle}"'.encode() in reply.body
    assert visitor.web.transfers.get(receipt.key).state is State.PARKED


def test_no_pa_res_is_in_a_page_a_log_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    visitor, receipt = parked_at("https://acs.example/pareq")
    secret = "SECRETPARES" + "A" * 41
    for md in ("1", "foreign"):
        for pa_res in (secret, secret + "!", f"{secret}{secret}"):
            assert secret.encode() not in visitor.comes_back(receipt, PaRes=pa_res, MD=md).body

    said = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert said
    assert not [line for line in said if "SECRETPARES" in line]
