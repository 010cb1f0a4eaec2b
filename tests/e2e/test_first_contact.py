"""`transfers first-contact`, against the sandbox: what is sent, what is kept, what is told; and what it refuses."""

import html
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests

from epay_transfers.sandbox import PUBLIC_TEST, Options, RunningSandbox, running
from epay_transfers.worker import first_contact
from epay_transfers.worker.bank import Response
from epay_transfers.worker.first_answers import KNOWN, Exchange, differences, sample, shape, unknown_fields
from epay_transfers.worker.first_questions import OPEN
from tests.support.environment import environment_of

ROOT = Path(__file__).parents[2]
BANK_PAGE = (ROOT / "docs/bank.md").read_text()
COMMAND = [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()", "first-contact"]


@pytest.fixture(scope="module")
def bank() -> Iterator[RunningSandbox]:
    with running(Options()) as sandbox:
        yield sandbox


@pytest.fixture
def env(bank: RunningSandbox) -> dict[str, str]:
    """The bank's settings alone: no server, no key."""
    made = environment_of(bank.addresses)
    return {
        name: text for name, text in made.items() if name.startswith("EPAY_") or not name.isupper() or name == "PATH"
    }


def contact(
    env: Mapping[str, str], folder: Path, *options: str, screen: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """`screen`: a file for what it says, to be read meanwhile."""
    with screen.open("w") if screen else nullcontext(subprocess.PIPE) as out:
        return subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, "--folder", "answers", *options],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )


def kept(folder: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text()) for path in sorted((folder / "answers").iterdir())}


def test_each_test_card_is_sent_once_and_the_answers_are_kept_without_secrets_and_cards(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path
) -> None:
    """It needs no ledger, no vault and no key. The bank's books say what came."""
    before = {order.key for order in bank.book}
    said = contact(env, tmp_path, "--yes")

    assert said.returncode in {0, 1}, said.stderr
    assert said.stderr == ""
    new = [order for order in bank.book if order.key not in before]
    assert sorted(order.transfers_received for order in new) == [1] * 5
    assert not bank.totals()["executed_twice"]
    files = kept(tmp_path)
    assert [name.partition("-")[2] for name in files][:5] == [
        "token.json",
        "transfer.json",
        "token.json",
        "status.json",
        "token.json",
    ]
    assert {(tmp_path / "answers" / name).stat().st_mode & 0o777 for name in files} == {0o600}
    text = said.stdout + json.dumps(files)
    for number, _, _, cvc in first_contact.CARDS:
        assert number not in text
        assert f'"{cvc}"' not in text
    assert PUBLIC_TEST.client_secret not in text
    assert not re.search(r'"access_token": "(?![aA9._ -]+(\.\.\. \d+ characters)?")', json.dumps(files))
    assert files["02-transfer.json"]["body"]["status"] == "AUTH"


def test_it_says_first_what_it_will_send_and_sends_nothing_without_a_yes(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path
) -> None:
    before = len(list(bank.book))

    said = contact(env, tmp_path, "--cards", "2")

    assert (said.returncode, said.stderr) == (2, "Nothing was sent. Say --yes, or answer yes.\n")
    assert "token, transfer and status for the card 440563******5096" in said.stdout
    assert "token, transfer and status for the card 552204******6736" in said.stdout
    assert "377514" not in said.stdout
    assert len(list(bank.book)) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bent", "word"),
    [
        ({"EPAY_ENVIRONMENT": "production"}, "EPAY_"),
        ({"EPAY_ENVIRONMENT": ""}, "EPAY_ENVIRONMENT"),
        ({"EPAY_TERMINAL_ID": "6c0fbb4b-0b1e-4f2e-8a5e-1d3f3a5d7c11"}, "EPAY_TERMINAL_ID"),
        ({"EPAY_CLIENT_ID": "SHOP"}, "EPAY_CLIENT_ID"),
        ({"EPAY_CLIENT_SECRET": "another-secret"}, "EPAY_CLIENT_SECRET"),
        ({"EPAY_TRANSFER_URL": "https://epay-api.homebank.kz/p2p/transfer"}, "EPAY_TRANSFER_URL"),
        ({"EPAY_TRANSFER_URL": "https://bank.example/p2p/transfer"}, "EPAY_TRANSFER_URL"),
        ({"EPAY_TOKEN_URL": "https://bank.example/oauth2/token"}, "EPAY_TOKEN_URL"),
    ],
)
def test_what_could_be_real_is_refused_before_anything_is_sent(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path, bent: dict[str, str], word: str
) -> None:
    """Another merchant than the public one may have real money behind it, and production always has."""
    before = len(list(bank.book))

    said = contact({name: text for name, text in (env | bent).items() if text}, tmp_path, "--yes")

    assert said.returncode == 78
    assert word in said.stderr
    assert said.stdout == ""
    assert "another-secret" not in said.stderr
    assert len(list(bank.book)) == before
    assert not (tmp_path / "answers").exists()


def test_a_challenge_is_confirmed_only_if_a_person_allows_it(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path
) -> None:
    said = contact(env, tmp_path, "--yes", "--cards", "1", "--description", "[3ds]")

    assert "3-D Secure is wanted" in said.stdout
    assert "Not confirmed." in said.stdout
    assert [name for name in kept(tmp_path) if "confirm" in name] == []


def test_with_a_person_at_a_browser_it_is_confirmed_and_says_what_that_answers(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path
) -> None:
    screen = tmp_path / "screen"
    browser = threading.Thread(target=_answer_the_page, args=(screen, bank.url))
    browser.start()
    contact(env, tmp_path, "--yes", "--cards", "1", "--description", "[3ds]", "--confirm", screen=screen)
    browser.join()
    said = screen.read_text()

    assert "confirm: paid" in said
    told = said.partition("Questions for the bank")[2].partition("Still open:")
    assert "The confirm's address in test\n    it answers at 127.0.0.1" in told[0]
    assert "Does the status inquiry exist for P2P, and where?" in told[0]
    assert "How long does an MD live?" in told[2]
    assert not list(tmp_path.rglob("*.html"))
    files = json.dumps(kept(tmp_path))
    assert '"paReq": "' not in re.sub(r'"paReq": "[aA9+/=]+\.\.\. \d+ characters"', "", files)


def _answer_the_page(screen: Path, url: str) -> None:
    end = time.monotonic() + 90
    while not (screen.exists() and (at := re.search(r"open (http://\S+) in a browser", screen.read_text()))):
        assert time.monotonic() < end
        time.sleep(0.05)
    page = requests.get(at[1], timeout=30).text
    fields = {name: html.unescape(text) for name, text in re.findall(r'name="(\w+)" value="([^"]*)"', page)}
    answer = requests.post(f"{url}/acs/answer", json={"md": fields["MD"], "password": "secret"}, timeout=30).json()
    term_url = fields["TermUrl"]
    assert requests.get(term_url, timeout=30).status_code == 404
    assert requests.post(f"{term_url}x", data={"PaRes": "YQ==", "MD": answer["MD"]}, timeout=30).status_code == 400
    assert requests.post(term_url, data={"PaRes": "YQ==", "MD": "another"}, timeout=30).status_code == 400
    assert requests.post(term_url, data={"PaRes": answer["PaRes"], "MD": answer["MD"]}, timeout=30).status_code == 200


def test_it_reads_the_settings_of_the_working_directory(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path
) -> None:
    """As `transfers init` writes them, and as the worker reads them."""
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={text}\n" for name, text in env.items() if name.startswith("EPAY_")))
    file.chmod(0o600)

    said = contact({"PATH": env["PATH"]}, tmp_path, "--cards", "1")

    assert (said.returncode, said.stderr) == (2, "Nothing was sent. Say --yes, or answer yes.\n")
    assert bank.addresses.transfer in said.stdout


def test_a_full_disk_is_a_sentence_and_nothing_was_sent(
    env: dict[str, str], bank: RunningSandbox, tmp_path: Path
) -> None:
    before = len(list(bank.book))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, "--yes"], cwd=tmp_path, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode == 74
    assert done.stderr.startswith("Standard output can't be written: No space left on device.")
    assert len(list(bank.book)) == before


def test_answers_that_can_not_be_kept_are_a_sentence_and_74(env: dict[str, str], tmp_path: Path) -> None:
    """`ulimit -f 0`, as a full disk: what was sent stands on the screen, and no half of an answer in a file."""
    shell = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *COMMAND, "--folder", "answers", "--yes"]
    done = subprocess.run(shell, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own

    assert (done.returncode, done.stderr) == (
        74,
        "--folder: an answer can't be kept there: File too large. What is printed above was sent.\n",
    )
    assert list((tmp_path / "answers").iterdir()) == []


def test_ctrl_c_is_a_sentence_and_130(env: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env |= {"EPAY_TOKEN_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/oauth2/token"}
        command = [sys.executable, "-P", "-m", "epay_transfers.worker.first_contact", "--yes"]
        contacting = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own
        with contacting, silent.accept()[0] as asked:
            asked.recv(1)
            contacting.send_signal(signal.SIGINT)
            _, told = contacting.communicate(timeout=60)

    assert (contacting.returncode, told) == (
        130,
        "Interrupted. What is printed above was sent, or may have been.\n",
    )


def test_without_standard_input_it_sends_nothing(env: dict[str, str], bank: RunningSandbox, tmp_path: Path) -> None:
    before = len(list(bank.book))
    shell = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND]
    done = subprocess.run(shell, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own

    assert (done.returncode, done.stderr) == (2, "Nothing was sent. Say --yes, or answer yes.\n")
    assert len(list(bank.book)) == before


def test_a_bank_that_is_away_is_a_sentence_and_75(env: dict[str, str], tmp_path: Path) -> None:
    away = dict.fromkeys(("EPAY_TOKEN_URL",), "http://127.0.0.1:1/oauth2/token")

    said = contact(env | away, tmp_path, "--yes")

    assert (said.returncode, said.stderr) == (
        75,
        "The bank gave no token to the first card, so no transfer was sent.\n",
    )


def test_the_questions_are_those_of_the_document() -> None:
    table = BANK_PAGE.partition("## Questions for the bank")[2]

    assert list(OPEN) == [
        row for row in re.findall(r"^\| (.+?) \|", table, re.MULTILINE) if row not in {"question", "---"}
    ]


def test_the_merchant_and_the_cards_are_those_of_the_banks_page() -> None:
    assert (PUBLIC_TEST.client_id, PUBLIC_TEST.client_secret) == (first_contact.CLIENT_ID, first_contact.CLIENT_SECRET)
    assert PUBLIC_TEST.terminals == (first_contact.TERMINAL_ID,)
    for number, month, year, cvc in first_contact.CARDS:
        assert f"| {number} | {month}/{year} | {cvc} |" in BANK_PAGE


def exchange(call: str, body: dict[str, Any], status: int = 200) -> Exchange:
    return Exchange(call, "https://bank.example/", Response(status, body=json.dumps(body).encode()))


PAID: dict[str, Any] = {
    "id": "1b", "accountId": "", "amount": 100, "code": 0, "currency": "KZT", "orderID": "261128000001",
    "intReference": "ab", "message": "", "reference": "12", "status": "AUTH", "terminalID": "9", "senderCardID": "x",
    "senderCardPAN": "440563...5096", "receiverCardID": "y", "receiverCardPAN": "552204...6736",
}  # fmt: skip


def test_what_differs_from_the_document_is_a_sentence_each() -> None:
    assert differences(exchange("transfer", PAID), "paid") == []
    assert differences(exchange("transfer", PAID, 201), "paid") == ["HTTP 201; the page shows 200"]
    assert differences(exchange("transfer", PAID | {"amount": "100"}), "paid") == [
        "amount is text; the page shows a number"
    ]
    without = {name: value for name, value in PAID.items() if name != "intReference"}
    assert differences(exchange("transfer", without), "paid") == ["the field intReference is not there"]
    unread = Exchange("token", "", Response(200, body=b"<html>"))
    assert differences(unread, "") == ["the answer is no JSON object: html"]


def test_a_field_that_the_parser_does_not_know_is_named_and_no_value_of_it_is_kept() -> None:
    strange = exchange("transfer", PAID | {"cardToken": "secret-4405639704015096", "4405639704015096": 1})

    assert unknown_fields(strange) == ["cardToken", "9" * 16]
    written = json.dumps(sample(strange, "261128000001"))
    assert "secret" not in written
    assert "4405639704015096" not in written.replace('"4405639704015096"', "")


def test_a_card_number_is_kept_nowhere_in_an_answer() -> None:
    """Not in the value of a harmless name, not in the name of a field, not in an address, in no dress."""
    card = "4405639704015096"
    body: dict[str, Any] = {
        "error": f"card {card} blocked", "status": "tok_9f8e7d6c5b4a", "code": card, "orderID": card,
        "amount": int(card), "message": f"x {card}", card: {"a": 1}, "cards": {card: "x"}, "senderPAN": card,
        "scope": "4405 6397 0401 5096",
        "currency": "\u0664\u0664\u0660\u0665", "a4405b6397c0401d5096": 1, "reasonCode": 44056397040.15096,
    }  # fmt: skip
    made = Response(
        302, body=json.dumps(body).encode(), location=f"https://bank.example/pay/{card}?{card}=1&code={card}"
    )

    written = json.dumps(sample(Exchange("transfer", "", made), "261128000001"), ensure_ascii=False)

    digits = re.sub(r"[^0-9]", "", written.replace("440563******5096", ""))
    assert "05639" not in written
    assert "970401" not in digits
    assert "6397" not in digits
    assert "tok_" not in written
    assert "\u0664" not in written
    assert unknown_fields(Exchange("transfer", "", made))


@pytest.mark.parametrize(
    ("name", "value", "is_kept"),
    [
        ("status", "AUTH", True),
        ("error", "invalid_client", True),
        ("code", "0", True),
        ("code", 457, True),
        ("reasonCode", "-19", True),
        ("amount", 100.5, True),
        ("orderID", "261128000001", True),
        ("orderID", "261128000002", False),
        ("status", "eyJhbGciOi", False),
        ("token_type", "Bearer", True),
        ("id", "AUTH", False),
    ],
)
def test_a_harmless_value_is_kept_if_it_is_a_few_digits_or_plain_words(name: str, value: Any, *, is_kept: bool) -> None:
    body = sample(exchange("transfer", {name: value}), "261128000001")["body"]

    assert (body[name] == value) is is_kept


def test_a_shape_shows_no_letter_and_no_digit() -> None:
    assert shape("48246139-b31c Ж") == "99999999-a99a A"
    assert shape("x" * 100).endswith("... 100 characters")
    assert set(KNOWN) == {"token", "transfer", "confirm", "status"}
