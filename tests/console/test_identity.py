"""Who gets in: by the token that a proxy signed, or by a client's certificate; all else is refused in a sentence."""

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from epay_transfers.runtime.embedded_servers import EmbeddedServer
from tests.console.authority import Authority
from tests.console.conftest import AUDIENCE, HEADER, ISSUER, RunningConsole, public_keys
from tests.console.running import settled_console
from tests.support.servers import free_port

KID = "of-the-tests"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("console")


@pytest.fixture(scope="module")
def running(folder: Path, ledger_server: EmbeddedServer, vault_server: EmbeddedServer) -> Iterator[RunningConsole]:
    with settled_console(folder, ledger_server, vault_server) as console:
        yield console


def claims(**others: object) -> dict[str, object]:
    told = {"email": "vera@test", "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60} | others
    return {name: value for name, value in told.items() if value is not None}


def signed(console: RunningConsole, header: dict[str, Any] | None = None, **others: object) -> str:
    return jwt.encode(claims(**others), console.key, algorithm="ES256", headers={"kid": KID} | (header or {}))


def with_shared_secret(secret: bytes) -> str:
    """By hand: the library itself refuses to take a public key as a secret."""
    parts = [json.dumps({"alg": "HS256", "typ": "JWT", "kid": KID}), json.dumps(claims())]
    text = b".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in parts)
    mac = hmac.new(secret, text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


#: What proves no person.
FORGED: dict[str, Callable[[RunningConsole], str]] = {
    "a signature of another key": lambda _: jwt.encode(
        claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": KID}
    ),
    "a signature by another algorithm's key": lambda _: jwt.encode(
        claims(), rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": KID}
    ),
    "no signature": lambda _: jwt.encode(claims(), "", algorithm="none", headers={"kid": KID}),
    "the public key as a secret": lambda console: with_shared_secret(
        console.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "the key file as a secret": lambda console: with_shared_secret(public_keys(console.key).encode()),
    "an empty secret": lambda _: with_shared_secret(b""),
    "another issuer": lambda console: signed(console, iss="https://other.test"),
    "no issuer": lambda console: signed(console, iss=None),
    "another audience": lambda console: signed(console, aud="another console"),
    "no audience": lambda console: signed(console, aud=None),
    "no end": lambda console: signed(console, exp=None),
    "it has ended": lambda console: signed(console, exp=time.time() - 60),
    "it begins tomorrow": lambda console: signed(console, nbf=time.time() + 86_400),
    "what must be understood": lambda console: signed(console, {"crit": ["b64"], "b64": True}),
    "no name": lambda console: signed(console, email=None),
    "an empty name": lambda console: signed(console, email=""),
    "a name that is no text": lambda console: signed(console, email=["vera@test"]),
    "an address that is not verified": lambda console: signed(console, email_verified=False),
    "a changed text": lambda console: signed(console)[:-4] + "AAAA",
    "a part of it": lambda console: signed(console).rpartition(".")[0],
    "no token": lambda _: "vera@test",
    "too long": lambda console: signed(console, more="x" * 9000),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_proves_no_person_is_refused(running: RunningConsole, what: str) -> None:
    """With 401 and a sentence; nothing of the token comes back, and no cookie is set."""
    token = FORGED[what](running)
    answer = requests.get(f"{running.url}/", headers={HEADER: token}, timeout=10)

    assert (answer.status_code, "You are not known here: " in answer.text) == (401, True), answer.text
    assert token not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_token_that_is_good_lets_in(running: RunningConsole) -> None:
    """The control: the same token without a fault, with `Bearer` before it, and for several audiences."""
    for token in (signed(running), f"Bearer {signed(running)}", signed(running, aud=[AUDIENCE, "others"])):
        answer = requests.get(f"{running.url}/", headers={HEADER: token}, timeout=10)
        assert (answer.status_code, "vera@test" in answer.text) == (200, True)


def test_without_the_proxy_s_header_or_with_two_of_them_no_person_is_there(running: RunningConsole) -> None:
    """Of two headers one may be the browser's own."""
    assert requests.get(f"{running.url}/", timeout=10).status_code == 401
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", "/")
    for _ in range(2):
        connection.putheader(HEADER, signed(running))
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("name", ["mallory@test", "Vera@test", "vera@test ", ""])
def test_a_person_that_the_file_does_not_name_sees_nothing(running: RunningConsole, name: str) -> None:
    """To the letter. The sentence names no person of the file."""
    answer = requests.get(f"{running.url}/transfers", headers={HEADER: signed(running, email=name)}, timeout=10)

    assert answer.status_code in {401, 403}
    assert "vera@test" not in answer.text.replace(name, "")
    assert "queued" not in answer.text


def test_a_proxy_changes_its_keys_while_the_console_runs(running: RunningConsole, folder: Path) -> None:
    """Old and new key beside each other, then the new one alone; a file that is spoilt proves no person."""
    file, new = folder / "proxy.json", ec.generate_private_key(ec.SECP256R1())
    old_keys = json.loads(public_keys(running.key))["keys"]
    new_keys = [key | {"kid": "new"} for key in json.loads(public_keys(new))["keys"]]
    tokens = {
        "old": signed(running),
        "new": jwt.encode(claims(), new, algorithm="ES256", headers={"kid": "new"}),
        "without id": jwt.encode(claims(), new, algorithm="ES256"),
        "with the other's id": jwt.encode(claims(), new, algorithm="ES256", headers={"kid": KID}),
    }

    def let_in() -> set[str]:
        return {
            name
            for name, token in tokens.items()
            if requests.get(f"{running.url}/", headers={HEADER: token}, timeout=10).status_code == 200
        }

    assert let_in() == {"old"}
    file.write_text(json.dumps({"keys": [*old_keys, *new_keys]}), encoding="utf-8")
    assert let_in() == {"old", "new"}
    file.write_text(json.dumps({"keys": new_keys}), encoding="utf-8")
    assert let_in() == {"new", "without id", "with the other's id"}  # one key alone needs no id
    file.write_text("{", encoding="utf-8")
    assert let_in() == set()
    assert "console.keys_unread" in running.log.read_text(encoding="utf-8")
    file.write_text(json.dumps({"keys": old_keys}), encoding="utf-8")
    assert let_in() == {"old"}


def test_the_log_has_no_token_and_no_name_of_a_card(running: RunningConsole) -> None:
    """After all of the above: no part of a signed text, and no address of a server with a password."""
    text = running.log.read_text(encoding="utf-8")

    assert "eyJ" not in text
    assert "redis://" not in text


# Mutual TLS.


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("People of the tests")


@pytest.fixture(scope="module")
def by_certificate(
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    ledger_server: EmbeddedServer,
    vault_server: EmbeddedServer,
) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("by-certificate")
    servers, port = Authority("Servers of the tests"), free_port()
    certificate, key = servers.write(folder, "server", host="127.0.0.1")
    (folder / "people.pem").write_bytes(authority.pem)
    (folder / "servers.pem").write_bytes(servers.pem)
    settings = {
        "CONSOLE_ADDRESS": f"127.0.0.1:{port}",
        "CONSOLE_ORIGIN": f"https://127.0.0.1:{port}",
        "CONSOLE_IDENTITY": "certificate",
        "CONSOLE_CERTIFICATE": str(certificate),
        "CONSOLE_KEY": str(key),
        "CONSOLE_CLIENT_CA": str(folder / "people.pem"),
    }
    with settled_console(folder, ledger_server, vault_server, **settings):
        yield f"https://127.0.0.1:{port}", folder


def test_a_certificate_names_the_person(by_certificate: tuple[str, Path], authority: Authority, tmp_path: Path) -> None:
    """Its common name; the cookie is of this host alone, and by https alone."""
    url, folder = by_certificate
    pair = _pair(authority, tmp_path, ["olga@test"])
    answer = requests.get(url, cert=pair, verify=str(folder / "servers.pem"), timeout=10)

    assert answer.status_code == 200
    assert "olga@test" in answer.text
    assert answer.headers["Set-Cookie"].startswith("__Host-transfers-console=")
    assert "; Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("names", "status"), [(["olga@test", "anna@test"], 401), ([], 401), (["mallory@test"], 403)], ids=str
)
def test_a_certificate_that_names_no_one_known_person_is_refused(
    by_certificate: tuple[str, Path], authority: Authority, tmp_path: Path, names: list[str], status: int
) -> None:
    url, folder = by_certificate
    answer = requests.get(url, cert=_pair(authority, tmp_path, names), verify=str(folder / "servers.pem"), timeout=10)

    assert answer.status_code == status
    assert "anna@test" not in answer.text


def test_another_authority_no_certificate_and_one_that_has_ended_do_not_come_to_a_request(
    by_certificate: tuple[str, Path], authority: Authority, tmp_path: Path
) -> None:
    """Nor does a server's certificate of the right authority. The handshake ends."""
    url, folder = by_certificate
    other = Authority("People of the tests")  # of the same name, too
    pairs = {
        "another authority": _pair(other, tmp_path, ["olga@test"]),
        "none": None,
        "it has ended": _pair(authority, tmp_path, ["olga@test"], days=-1),
        "a server's": _pair(authority, tmp_path, ["olga@test"], host="127.0.0.1"),
    }
    for what, pair in pairs.items():
        assert not _answers(url, pair, folder), what


def test_a_header_is_no_proof_where_certificates_are(
    by_certificate: tuple[str, Path], running: RunningConsole, authority: Authority, tmp_path: Path
) -> None:
    """The certificate's name counts."""
    url, folder = by_certificate
    answer = requests.get(
        url, headers={HEADER: signed(running, email="anna@test")}, cert=_pair(authority, tmp_path, ["vera@test"]),
        verify=str(folder / "servers.pem"), timeout=10,
    )  # fmt: skip

    assert "vera@test" in answer.text
    assert "anna@test" not in answer.text


def _answers(url: str, pair: tuple[str, str] | None, folder: Path) -> bool:
    try:
        requests.get(url, cert=pair, verify=str(folder / "servers.pem"), timeout=10)
    except (requests.exceptions.ConnectionError, ssl.SSLError):
        return False
    return True


def _pair(authority: Authority, folder: Path, names: list[str], *, days: int = 1, host: str = "") -> tuple[str, str]:
    return authority.write(folder, f"client-{time.monotonic_ns()}", names=names, days=days, host=host)
