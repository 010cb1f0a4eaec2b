"""`transfers first-contact`: the bank's test environment is called once with its public test merchant and test cards.

No real money can move: production's addresses, another merchant than the public one, and an environment that does not
say `test` are refused before anything is sent. It has no ledger and no vault, since what it sends is no transfer of
ours. The answers are kept without secrets and cards, and compared with `docs/bank.md`.
"""

import argparse
import functools
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.safe_urls import LOOPBACK
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.transfer import moment
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard, SenderCard
from epay_transfers.runtime import hardening, output
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong
from epay_transfers.worker import client_answer
from epay_transfers.worker.bank import (
    PRESETS,
    Addresses,
    Bank,
    ChallengeRequired,
    Declined,
    NotSent,
    Order,
    Paid,
    StatusReport,
    Terminal,
    Token,
    TokenRefused,
    Unclear,
)
from epay_transfers.worker.first_answers import Exchange, Kept, Recorder, differences, sample, unknown_fields
from epay_transfers.worker.first_questions import OPEN, Observed, answered
from epay_transfers.worker.settings import WorkerSettings

#: The bank's public test merchant, as its page gives it: no secret.
TERMINAL_ID = "40a348cb-68a3-45d5-9002-a4836d79c3b5"
CLIENT_ID = "test"
CLIENT_SECRET = "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG"  # noqa: S105 - the bank's public test value

#: The bank's public test cards: number, month, year, CVC. Each is a sender once.
CARDS = (
    ("4405639704015096", "01", "25", "815"),
    ("5522042705066736", "01", "25", "525"),
    ("377514500004820", "01", "25", "4169"),
    ("4003032704547597", "09", "20", "170"),
    ("5578342710750560", "09", "20", "254"),
)

#: In tiyn: the page's own 100, and one with tiyn, whose spelling is our reading.
_AMOUNTS = (10_000, 10_050)

_NOT_USED = "http://127.0.0.1:9/"

EX_TEMPFAIL = 75
_USAGE = 2

#: 128 and SIGINT, as a shell has it.
INTERRUPTED = 130


class NotKept(Exception):
    """An answer could not be written to its file."""


class NotAllowed(Exception):
    """Something of the settings could reach a real merchant or a real card: nothing was sent."""


@dataclass
class Contact:
    """The calls, in their order, and what was seen. `say` shows a line to a person."""

    bank: Bank
    kept: Kept
    terminal: Terminal
    addresses: Addresses
    folder: Path
    say: Callable[[str], None]
    clock: Clock
    description: str
    confirms: bool
    observed: Observed = field(default_factory=Observed)
    found: dict[str, list[str]] = field(default_factory=dict)  #: difference → the files in which it is
    _written: int = 0

    def run(self, cards: Sequence[tuple[str, str, str, str]]) -> bool:
        """All calls. False: the bank could not be reached at all."""
        for at, card in enumerate(cards):
            amount = _AMOUNTS[1] if at == 1 else _AMOUNTS[0]
            if not self._transfer(card, self._order(amount), is_first=at == 0):
                return False
        unsent = self._order(_AMOUNTS[0])
        self.say("The status of an order that was never sent")
        self.observed.never_sent = self._status(unsent)
        return True

    def _transfer(self, card: tuple[str, str, str, str], order: Order, *, is_first: bool) -> bool:
        shown = f"{card[0][:6]}******{card[0][-4:]}"
        self.say(f"Order {order.invoice_id}: {order.amount_minor / 100:.2f} KZT from the test card {shown}")
        self.kept.call = "token"
        token = self.bank.token(self.terminal, order=order)
        self._keep(order, "token" if isinstance(token, Token) else "")
        if isinstance(token, TokenRefused):
            self._tell(f"no token: {token.why}")
            self.observed.refused_tokens += 1
            return not is_first
        self.kept.call = "transfer"
        outcome = self.bank.transfer(
            self.terminal, token, order=order, cards=_cards(card), lease_ends_at=self.clock.monotonic() + 120
        )
        forms = {Paid: "paid", Declined: "declined", ChallengeRequired: "challenge"}
        self._keep(order, forms.get(type(outcome), ""))
        self._tell(_words(outcome))
        self.observed.transfers.append((shown, order.amount_minor, outcome))
        if isinstance(outcome, ChallengeRequired):
            self._confirm(order, outcome)
        if not isinstance(outcome, NotSent):
            self.observed.statuses.append((outcome, self._status(order)))
        return True

    def _confirm(self, order: Order, challenge: ChallengeRequired) -> None:
        """Only if a person allows it, and answers the challenge in a browser."""
        if not self.confirms:
            self.say("  The bank wants 3-D Secure; --confirm goes on with it, with you at a browser. Not confirmed.")
            return
        pa_res = client_answer.wait_for(challenge, self.say, self.clock)
        if pa_res is None:
            self.say("  No answer came from a browser: not confirmed.")
            return
        self.kept.call = "token"
        token = self.bank.token(self.terminal, order=order)
        self._keep(order, "token" if isinstance(token, Token) else "")
        if isinstance(token, TokenRefused):
            self._tell(f"no token for the confirm: {token.why}")
            return
        self.kept.call = "confirm"
        confirmed = self.bank.confirm(
            token,
            order=order,
            bank_id=challenge.bank_id,
            pa_res=pa_res,
            md=challenge.md,
            lease_ends_at=self.clock.monotonic() + 120,
        )
        self._keep(order, "")
        self._tell(f"confirm: {_words(confirmed)}")
        self.observed.confirms.append(confirmed)

    def _status(self, order: Order) -> StatusReport | None:
        if not self.bank.has_status:
            return None
        self.kept.call = "status"
        report = self.bank.status(self.terminal, order=order)
        self._keep(order, "status" if report.result_code == "100" else "")
        self._tell(
            f"status: {report.word}, result {report.result_code or '-'}, {report.status_name or report.why or '-'}"
        )
        return report

    def _keep(self, order: Order, form: str) -> None:
        """Write the new answers to files, and compare them. `form`: which form of the documented ones the last has."""
        for exchange in self.kept.exchanges[self._written :]:
            self._written += 1
            name = f"{self._written:02}-{exchange.call}.json"
            _write(self.folder / name, json.dumps(sample(exchange, order.invoice_id), indent=1, ensure_ascii=False))
            is_last = self._written == len(self.kept.exchanges)
            its = form if is_last else ("token" if exchange.call == "token" else "")
            for text in self._compared(exchange, its):
                self.found.setdefault(text, []).append(name)

    def _compared(self, exchange: Exchange, form: str) -> Iterator[str]:
        yield from differences(exchange, form)
        for name in unknown_fields(exchange):
            yield f"our parser does not know the field {name}"

    def _tell(self, text: str) -> None:
        self.say(f"  {text}")
        if text.startswith("unclear"):
            self.found.setdefault(f"our parser does not believe the answer: {text}", []).append(f"{self._written:02}")

    def _order(self, amount_minor: int) -> Order:
        day = moment(self.clock.now_ms()).strftime("%y%m%d")
        return Order(
            invoice_id=f"{day}{secrets.randbelow(1_000_000):06}",
            amount_minor=amount_minor,
            currency="KZT",
            description=self.description,
        )


def main(arguments: Sequence[str]) -> int:
    hardening.harden()
    parser = argparse.ArgumentParser(prog="transfers first-contact")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--confirm", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("first-contact"))
    parser.add_argument("--cards", type=int, default=len(CARDS), choices=range(1, len(CARDS) + 1))
    parser.add_argument("--description", default="First contact")
    given = parser.parse_args(arguments)
    try:
        settings = _settings(confirms=given.confirm)
        refuse_what_is_real(settings)
    except SettingsWrong as error:
        return _end(str(error), EX_CONFIG)
    except NotAllowed as error:
        return _end(f"{error}. Nothing was sent.", EX_CONFIG)
    cards = CARDS[: given.cards]
    for line in _plan(settings, cards, given.folder):
        _say(line)
    if not given.yes and not _is_allowed():
        return _end("Nothing was sent. Say --yes, or answer yes.", _USAGE)
    try:
        given.folder.mkdir(mode=0o700, parents=True, exist_ok=False)
    except OSError as error:
        return _end(f"--folder: can't be made: {error.strerror}. Nothing was sent.", 1)
    kept, clock = Kept(), SystemClock()
    contact = Contact(
        bank=Bank(settings.bank, clock, functools.partial(Recorder, kept)),
        kept=kept,
        terminal=settings.terminals["main"],
        addresses=settings.bank.addresses,
        folder=given.folder,
        say=_say,
        clock=clock,
        description=given.description,
        confirms=given.confirm,
    )
    if not contact.run(cards):
        return _end("The bank gave no token to the first card, so no transfer was sent.", EX_TEMPFAIL)
    return _report(contact)


def refuse_what_is_real(settings: WorkerSettings) -> None:
    """Raises `NotAllowed` unless every address is of the bank's test hosts, and the merchant is the public one."""
    if settings.epay_environment != "test":
        raise NotAllowed("EPAY_ENVIRONMENT: must say test; a first contact is never made with production")
    main = settings.terminals["main"]
    client_id = main.client_id.reveal() if isinstance(main.client_id, Secret) else main.client_id
    if (main.terminal_id, client_id, main.client_secret.reveal()) != (TERMINAL_ID, CLIENT_ID, CLIENT_SECRET):
        raise NotAllowed(
            "EPAY_TERMINAL_ID, EPAY_CLIENT_ID, EPAY_CLIENT_SECRET: are not the bank's public test merchant, the only "
            "one that a first contact speaks for (`transfers init` writes its values)"
        )
    allowed = LOOPBACK | {
        urlsplit(url).hostname or ""
        for name, preset in PRESETS.items()
        if name != "production"
        for url in (preset.token_url, preset.transfer_url, preset.confirm_url, preset.status_url)
        if url
    }
    at = settings.bank.addresses
    for name, url in (
        ("EPAY_TOKEN_URL", at.token_url),
        ("EPAY_TRANSFER_URL", at.transfer_url),
        ("EPAY_CONFIRM_URL", at.confirm_url),
        ("EPAY_STATUS_URL", at.status_url),
    ):
        if url and (urlsplit(url).hostname or "") not in allowed:
            raise NotAllowed(f"{name}: is neither a test host of the bank's pages nor this machine")


def _settings(*, confirms: bool) -> WorkerSettings:
    """The worker's own, with the same checks. Servers and keys are not used, so that none need be there."""
    unused = {
        "redis_url": "redis://127.0.0.1:6379/0",
        "vault_url": "redis://127.0.0.1:6380/0",
        "broker_url": None,
        "vault_private_keys": [sealing.generate().private],
        "vault_private_keys_file": None,
    }
    return WorkerSettings.load(env_file=ENV_FILE, **unused, **({} if confirms else {"epay_confirm_url": _NOT_USED}))


def _plan(settings: WorkerSettings, cards: Sequence[tuple[str, str, str, str]], folder: Path) -> Iterator[str]:
    at = settings.bank.addresses
    yield "This sends, as the bank's public test merchant and with its public test cards, once each:"
    for number, *_ in cards:
        yield f"  token, transfer and status for the card {number[:6]}******{number[-4:]}"
    yield "  the status of an order that was never sent"
    yield f"to {at.token_url}, {at.transfer_url}, {at.status_url or 'no status address'}"
    yield f"It keeps the answers, without secrets and cards, in {folder}. No ledger, no vault and no real card is used."


def _is_allowed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    _say("Type yes to send this:")
    return sys.stdin.buffer.readline().strip() == b"yes"


def _report(contact: Contact) -> int:
    _say("")
    _say("Differences from docs/bank.md:" if contact.found else "No difference from docs/bank.md.")
    for text, files in contact.found.items():
        _say(f"  {text} ({', '.join(files)})")
    _say("")
    _say("Questions for the bank (docs/bank.md) that these answers answer:")
    told = answered(contact.observed, contact.addresses)
    for question, answer in told.items():
        _say(f"  {question}\n    {answer}")
    _say("Still open:")
    for question in OPEN:
        if question not in told:
            _say(f"  {question}")
    _say("")
    _say(
        f"The answers are in {contact.folder}. For each difference: ask the bank, or change docs/bank.md and the code."
    )
    return 1 if contact.found else 0


def _cards(card: tuple[str, str, str, str]) -> CardData:
    number, month, year, cvc = card
    to = CARDS[0][0] if number == CARDS[1][0] else CARDS[1][0]
    sender = SenderCard(
        "TYPEPAN", Secret(number), month=Secret(month), year=Secret(year), cvc=Secret(cvc), name=Secret("TEST CARD")
    )
    return CardData(sender, ReceiverCard("TYPEPAN", Secret(to)))


def _words(outcome: Paid | Declined | ChallengeRequired | Unclear | NotSent) -> str:
    match outcome:
        case Paid():
            return "paid"
        case Declined(code, message):
            return f"declined with code {code}: {message}"
        case ChallengeRequired():
            return "3-D Secure is wanted"
        case Unclear(why, code=code, http_status=status):
            return f"unclear: {why}, code {code or '-'}, HTTP {status or '-'}"
        case NotSent(why):
            return f"not sent: {why}"


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        path.unlink(missing_ok=True)  # half of an answer would be taken for a whole one
        raise NotKept(error.strerror) from None


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a person's screen


def _end(text: str, status: int) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - as above
    return status


if __name__ == "__main__":
    with output.guarded():
        try:
            sys.exit(main(sys.argv[1:]))
        except NotKept as error:
            sentence = f"--folder: an answer can't be kept there: {error}. What is printed above was sent."
            sys.exit(_end(sentence, output.EX_IOERR))
        except KeyboardInterrupt:
            sys.exit(_end("Interrupted. What is printed above was sent, or may have been.", INTERRUPTED))
