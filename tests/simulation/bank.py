"""The bank of a simulation: its own books, and no care at all. Sent twice, it executes twice.

What it promises is the contract's least: it answers truly about an order once the horizon of doubt has passed. Before
that it may not know it, tell an old word, or be silent; a request may be under way for long and arrive late.
"""

from collections.abc import Callable
from dataclasses import dataclass

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import CardData
from epay_transfers.worker.bank import (
    ChallengeRequired,
    CodeClass,
    ConfirmOutcome,
    Declined,
    Evidence,
    NotSent,
    Order,
    Paid,
    StatusReport,
    StatusWord,
    Terminal,
    Token,
    TokenRefused,
    TransferOutcome,
    Unclear,
)
from epay_transfers.worker.bank.calls import CallLog
from tests.simulation.world import Process, World

HORIZON_S = 10_800
CHALLENGE_S = 900
YES, NO = "eWVz", "bm8="

#: For so long after an order came in, the status may tell what is not so (any more).
_LAG_S = HORIZON_S * 0.4
_LATEST_S = HORIZON_S * 0.4
_DEADLINE_S = 45.0


@dataclass(slots=True)
class Account:
    """One order number, as the bank knows it."""

    invoice: str
    mood: str
    received_ms: int = 0
    word: str = "unheard"  #: open, paid, rejected, given_back
    open_until_ms: int = 0
    executions: int = 0
    sent: int = 0  #: transfers of which a byte left us
    confirmed: int = 0  #: the same, of confirms
    under_way: int = 0


class Books:
    def __init__(self, world: World, check: Callable[[], None]) -> None:
        self._world = world
        self._check = check
        self.accounts: dict[str, Account] = {}
        self.late: list[tuple[int, Account, str]] = []
        self.tokens_refused = 0  #: for the terminal's credentials (HTTP 401)

    def account(self, invoice: str) -> Account:
        if invoice not in self.accounts:
            mood = self._world.dice.choice(
                ("executes", "executes", "challenges", "challenges", "challenges", "rejects")
            )
            self.accounts[invoice] = Account(invoice, mood)
        return self.accounts[invoice]

    def receive(self, account: Account, pa_res: str, at_ms: int | None = None) -> str:
        """A transfer (without a PaRes) or a confirm arrives, or has arrived meanwhile. What the bank answers to it."""
        now = at_ms or self._world.clock.now_ms()
        account.under_way -= 1
        account.received_ms = now
        if not pa_res:
            word = {"executes": "paid", "challenges": "open", "rejects": "rejected"}[account.mood]
            account.open_until_ms = now + CHALLENGE_S * 1000
        else:
            is_open = account.word in {"open", "paid"} and now < account.open_until_ms
            word = "paid" if is_open and pa_res == YES else "rejected"
        account.executions += word == "paid"
        if account.executions == 0 or word == "paid":
            account.word = word
        self._world.tell(
            "BANK", account.invoice, "hears", pa_res or "transfer", "->", word, "executions", account.executions
        )
        self._check()
        return word

    def put_off(self, account: Account, pa_res: str) -> None:
        at = self._world.clock.now_ms() + int(
            self._world.dice.uniform(0, _LATEST_S) * self._world.dice.random() ** 2 * 1000
        )
        self.late.append((at, account, pa_res))

    def arrive(self) -> None:
        """What is late and whose time has come."""
        now = self._world.clock.now_ms()
        come = [late for late in self.late if late[0] <= now]
        self.late = [late for late in self.late if late[0] > now]
        for at, account, pa_res in sorted(come, key=lambda late: late[0]):
            self.receive(account, pa_res, at)
        for account in self.accounts.values():
            if account.word == "open" and now >= account.open_until_ms:
                account.word = "rejected"

    def of(self, name: str) -> list[Account]:
        """A transfer's: if the ledger forgot it, it may be made again with another day in its order number."""
        return [account for invoice, account in self.accounts.items() if invoice[-6:] == name[-6:]]

    def sum_of(self, name: str) -> Account:
        """What the bank was sent and what it did, under all of these."""
        sums = Account(name, "")
        for account in self.of(name):
            sums.executions += account.executions
            sums.sent += account.sent
            sums.confirmed += account.confirmed
            sums.under_way += account.under_way
        return sums

    def give_back(self) -> None:
        paid = [account for account in self.accounts.values() if account.word == "paid"]
        if paid:
            account = self._world.dice.choice(paid)
            account.word = "given_back"
            self._world.tell("BANK", account.invoice, "gives it back")

    def status(self, invoice: str) -> StatusWord:
        world, account = self._world, self.account(invoice)
        is_fresh = world.clock.now_ms() < account.received_ms + _LAG_S * 1000
        if is_fresh and account.word != "unheard" and world.chance(world.weather.silence):
            return world.dice.choice((StatusWord.NOT_FOUND, StatusWord.NOT_YET, StatusWord.CHALLENGE_OPEN))
        return {
            "unheard": StatusWord.NOT_FOUND,
            "open": StatusWord.CHALLENGE_OPEN,
            "paid": StatusWord.PAID,
            "rejected": StatusWord.NOT_PAID,
            "given_back": StatusWord.GIVEN_BACK,
        }[account.word]


class Teller:
    """One process' way to the bank: the surface of `worker.bank.Bank`."""

    def __init__(self, world: World, process: Process, books: Books, *, has_status: bool) -> None:
        self._world = world
        self._process = process
        self._books = books
        self.has_status = has_status
        self.calls = CallLog(process.clock)

    def token(self, terminal: Terminal, *, order: Order, secret_hash: str | None = None) -> Token | TokenRefused:  # noqa: ARG002 - the bank's form
        world = self._world
        world.before(self._process)
        refused = (
            TokenRefused("refused", Evidence.NOT_SENT),
            TokenRefused("timeout", Evidence.MAYBE_SENT),
            TokenRefused("http_401", Evidence.ANSWERED, 401),
        )
        answer = world.dice.choice(refused) if world.chance(world.weather.silence) else Token(Secret("t"), 7200)
        self._books.tokens_refused += isinstance(answer, TokenRefused) and answer.is_of_credentials
        world.after(self._process)
        return answer

    def transfer(
        self,
        terminal: Terminal,  # noqa: ARG002 - the bank's form
        token: Token,  # noqa: ARG002 - the bank's form
        *,
        order: Order,
        cards: CardData,  # noqa: ARG002 - the bank's form
        lease_ends_at: float,
    ) -> TransferOutcome:
        account = self._books.account(order.invoice_id)
        answer = self._send(account, "", lease_ends_at)
        if answer != "open":
            return _outcome(answer, order)
        return ChallengeRequired("cGFyZXE=", f"md-{order.invoice_id}", "https://acs.example/", _id(order))

    def confirm(
        self,
        token: Token | None,  # noqa: ARG002 - the bank's form
        *,
        order: Order,
        bank_id: str,
        pa_res: Secret,
        md: str,
        lease_ends_at: float,
    ) -> ConfirmOutcome:
        assert md == f"md-{order.invoice_id}", "the challenge is this order's"
        assert bank_id == _id(order)
        return _outcome(self._send(self._books.account(order.invoice_id), pa_res.reveal(), lease_ends_at), order)

    def _send(self, account: Account, pa_res: str, lease_ends_at: float) -> str:
        """A process may stand still between its look at the lease and the exchange: then it sends nothing."""
        world = self._world
        ends_at = min(world.clock.monotonic() + _DEADLINE_S, lease_ends_at)
        world.before(self._process)
        if world.clock.monotonic() >= ends_at:
            world.counts["exchanges that came too late: nothing sent"] += 1
            world.tell(self._process.name, "comes too late to send", account.invoice)
            return "too late"
        if world.chance(world.weather.silence):
            return "not sent"
        account.sent += not pa_res
        account.confirmed += bool(pa_res)
        account.under_way += 1
        world.tell(self._process.name, "SENDS", "confirm" if pa_res else "transfer", account.invoice)
        if world.chance(world.weather.silence):
            if world.chance(0.7):
                self._books.put_off(account, pa_res)
            else:
                account.under_way -= 1  # it is lost on its way
            world.pass_time(_DEADLINE_S)
            world.after(self._process)
            return "silence"
        answer = self._books.receive(account, pa_res)
        world.after(self._process)
        if world.chance(world.weather.silence):
            return world.dice.choice(("silence", "unreadable"))
        return answer

    def status(self, terminal: Terminal, *, order: Order) -> StatusReport:  # noqa: ARG002 - the bank's form
        world = self._world
        world.before(self._process)
        word = self._books.status(order.invoice_id)
        world.tell(self._process.name, "ASKS", order.invoice_id, "->", word)
        world.after(self._process)
        if world.chance(world.weather.silence):
            return StatusReport(StatusWord.UNANSWERED, why="timeout")
        is_known = word not in {StatusWord.NOT_FOUND, StatusWord.NOT_YET}
        return StatusReport(word, status_name=word, bank_id=_id(order) if is_known else "")

    def ask_harmless(self, host: str, terminal: Terminal) -> bool:  # noqa: ARG002 - the bank's form
        self._world.before(self._process)
        return not self._world.chance(self._world.weather.silence)


def _id(order: Order) -> str:
    """The bank's id of a transfer: each order has its own."""
    return f"id-{order.invoice_id}"


def _outcome(answer: str, order: Order) -> Paid | Declined | Unclear | NotSent:
    outcomes: dict[str, Paid | Declined | Unclear | NotSent] = {
        "paid": Paid(bank_id=_id(order), reference="r"),
        "rejected": Declined("484", "declined", CodeClass.DECLINED, bank_id=_id(order)),
        "open": Unclear("challenge_again", Evidence.ANSWERED),
        "not sent": NotSent("refused"),
        "too late": NotSent("deadline"),
        "silence": Unclear("timeout", Evidence.MAYBE_SENT),
        "unreadable": Unclear("http_502", Evidence.ANSWERED, http_status=502),
    }
    return outcomes[answer]
