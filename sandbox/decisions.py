"""The sandbox bank's decisions about tokens, transfers, confirms and inquiries. No HTTP, no faults, no waiting.

One thread calls it (the server's loop), and nothing here awaits, so every call is atomic.
"""

import uuid
from collections.abc import Mapping

from epay_transfers.sandbox import answers, contract
from epay_transfers.sandbox.acs import CANCELLED, WRONG_ANSWER, AskedChallenge, Challenges
from epay_transfers.sandbox.answers import SYSTEM_ERROR, Answer
from epay_transfers.sandbox.book import UNKNOWN, Book, BookedOrder
from epay_transfers.sandbox.cards import Cards
from epay_transfers.sandbox.contract import TransferRequest
from epay_transfers.sandbox.directives import Directives, read
from epay_transfers.sandbox.fields import FieldError
from epay_transfers.sandbox.options import Options
from epay_transfers.sandbox.tokens import Grant, TokenError, Tokens


class Decisions:
    """The bank's whole memory, and what it decides."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.book = Book(options.merchants[0])
        self.cards = Cards()
        self.challenges = Challenges()
        self.tokens = Tokens(options.merchants, options.currencies, options.token_ttl_s)
        self._by_terminal = {terminal: merchant for merchant in options.merchants for terminal in merchant.terminals}

    def now(self) -> float:
        return self.options.clock()

    def token(self, form: Mapping[str, str] | TokenError) -> tuple[str, str] | TokenError:
        """A token and its scope (contract, section 1). An unreadable form is passed as the `TokenError` about it."""
        try:
            if not isinstance(form, TokenError):
                return self.tokens.issue(form, self.now()), form["scope"]
        except TokenError as error:
            form = error
        self.book.refused += 1
        return form

    def received(self, terminal: str, invoice: str, description: str) -> BookedOrder | None:
        """The order that a transfer call names, before the call is checked."""
        merchant = self._by_terminal.get(terminal, self.options.merchants[0])
        if not contract.INVOICE.fullmatch(invoice):
            return None
        directives = read(description) if self.options.directives else Directives()
        directives.false_not_found = max(directives.false_not_found, self.options.false_not_found)
        return self.book.receive(merchant, invoice, directives, self.now())

    def named(self, invoice: str) -> BookedOrder | None:
        """The order with this number, of any merchant."""
        found = (self.book.find(merchant, invoice) for merchant in self.options.merchants)
        return next((order for order in found if order), self.book.get(invoice))

    def transfer(self, authorization: str, body: object, invoice: str, acs_address: str) -> Answer:
        """The answer to a transfer call (contract, section 2)."""
        grant = self.tokens.find(authorization, "transfer", self.now())
        if isinstance(grant, str):
            return self._refuse(401, SYSTEM_ERROR, f"Authorization: {grant}", invoice)
        try:
            request = contract.read_transfer(body, terminals=self._by_terminal, currencies=self.options.currencies)
            _must_match(grant, request)
        except FieldError as error:
            return self._refuse(400, error.code, str(error), invoice)
        order = self.book.receive(grant.merchant, request.invoice, Directives(), self.now())
        if why := self._duplicate(order, grant):
            order.duplicates += 1
            return self._refuse(400, self.options.duplicate_code, f"order.id: {why}", invoice)
        grant.used_for = "transfer"
        self._accept(order, request, grant)
        return self._decide(order, request, acs_address)

    def confirm(self, authorization: str, body: object) -> Answer:
        """The answer to a confirm call (contract, section 4)."""
        try:
            request = contract.read_confirm(body)
        except FieldError as error:
            return self._refuse(400, error.code, str(error), "")
        challenge = self.challenges.get(request.md)
        if challenge is None or challenge.bank_id != request.bank_id:
            name = "MD" if challenge is None else "ID"
            return self._refuse(400, SYSTEM_ERROR, f"{name}: no such challenge", "")
        order = challenge.order
        if self.options.confirm_auth == "bearer" and (why := self._may_confirm(authorization, order)):
            return self._refuse(401, SYSTEM_ERROR, f"Authorization: {why}", order.invoice)
        if challenge.state == "executed":
            order.repeated_confirms += 1
            return answers.confirmed(challenge)
        if challenge.state == "waiting" and not self._decline_code(challenge, request.pa_res):
            order.execute(challenge.amount, self.now())
            challenge.state = "executed"
            answer = answers.confirmed(challenge)
            answer.notification = answers.notification(order, 0)
            return answer
        return answers.not_confirmed(order, challenge.code)

    def status(self, authorization: str, invoice: str) -> Answer:
        """The answer to a status inquiry (contract, section 5)."""
        grant = self.tokens.find(authorization, "status", self.now())
        if isinstance(grant, str):
            return answers.status_result(401, 106, f"Authorization: {grant}")
        if not contract.INVOICE.fullmatch(invoice):
            return answers.status_result(400, 101, f"invoiceID: {contract.INVOICE_RULE}")
        order = self.book.find(grant.merchant, invoice)
        if order is None or order.state == UNKNOWN or self._not_yet(order):
            return answers.status_result(400, 102, "not found")
        if order.terminal != grant.terminal:
            return answers.status_result(400, 109, "terminal: the order is another terminal's")
        return answers.status_found(order, order.word(self.now()))

    def clear(self) -> None:
        """Forget every order. Tokens and faults stay."""
        self.book.clear()
        self.challenges.clear()
        self.cards = Cards()

    def _decide(self, order: BookedOrder, request: TransferRequest, acs_address: str) -> Answer:
        code = (
            order.directives.decline
            or self.cards.judge_sender(request.sender)
            or self.cards.judge_receiver(request.receiver)
        )
        # At a careless bank a repeated call is another operation, with another id.
        bank_id = order.bank_id = order.bank_id if order.transfers_received <= 1 else str(uuid.uuid4())
        if code:
            order.end("REJECT", code)
            answer = answers.failure(400, code, answers.message(code), invoice=order.invoice, bank_id=bank_id)
            answer.notification = answers.notification(order, code)
            return answer
        if order.directives.secure:
            until = self.now() + self.options.challenge_ttl_s
            return answers.wants_secure(self.challenges.ask(order, bank_id, request.amount, until), acs_address)
        order.execute(request.amount, self.now())
        return answers.success(order, request.amount, bank_id)

    def _duplicate(self, order: BookedOrder, grant: Grant) -> str:
        """Why the bank refuses this order; a careless bank checks only the last six digits."""
        if not self.book.claim(order):
            return "its last six digits are those of another order"
        again = order.state != UNKNOWN or grant.used_for == "transfer"
        return "this order was there before" if again and self.options.refuse_duplicates else ""

    def _accept(self, order: BookedOrder, request: TransferRequest, grant: Grant) -> None:
        order.amount, order.currency, order.description = request.amount, request.currency, request.description
        order.terminal, order.email, order.secret_hash = request.terminal, request.email, grant.secret_hash
        order.back_link, order.failure_back_link = request.back_link, request.failure_back_link
        order.post_link, order.failure_post_link = request.post_link, request.failure_post_link
        order.sender, order.receiver = self.cards.show(request.sender), self.cards.show(request.receiver)
        order.sender_card_id = self.cards.save(request.sender)
        order.receiver_card_id = self.cards.save(request.receiver)

    def _may_confirm(self, authorization: str, order: BookedOrder) -> str:
        grant = self.tokens.find(authorization, "transfer", self.now())
        if isinstance(grant, str):
            return grant
        if grant.used_for:
            return f"this token was used for a {grant.used_for}: each operation takes a fresh one"
        asked = (grant.invoice, grant.amount, grant.currency, grant.terminal)
        if asked != (order.invoice, order.amount, order.currency, order.terminal):
            return "this token is for another transfer"
        grant.used_for = "confirm"
        return ""

    def _decline_code(self, challenge: AskedChallenge, pa_res: str) -> int:
        """0 if the client confirmed in time; else the code of the decline, and the challenge has ended."""
        order, answer = challenge.order, self.challenges.read(pa_res, challenge.md)
        late = self.now() >= challenge.expires_at
        code = order.directives.confirm_decline or 0
        if late or answer in {None, "no"}:
            code = WRONG_ANSWER
        elif answer == "cancel":
            code = CANCELLED
        if code:
            challenge.state, challenge.code = "declined", code
            order.end("FAILED" if late else "REJECT", code)
        return code

    def _not_yet(self, order: BookedOrder) -> bool:
        """Does the status inquiry not know the order yet? It lags, or a directive makes it wrong."""
        if self.now() < order.created_at + max(self.options.lag_s, order.directives.lag_s):
            return True
        order.false_not_found -= 1
        return order.false_not_found >= 0

    def _refuse(self, status: int, code: int, why: str, invoice: str) -> Answer:
        self.book.refused += 1
        return answers.failure(status, code, why, invoice=invoice)


def _must_match(grant: Grant, request: TransferRequest) -> None:
    """Refuse a transfer whose values differ from the token's: a token is for one transfer."""
    for name, mine, theirs in (
        ("id", request.invoice, grant.invoice),
        ("amount", request.amount, grant.amount),
        ("currency", request.currency, grant.currency),
        ("terminalId", request.terminal, grant.terminal),
    ):
        if mine != theirs:
            raise FieldError(f"order.{name}", "is not what the token was asked for", SYSTEM_ERROR)
    if grant.used_for == "confirm":
        raise FieldError("Authorization", "this token was used for a confirm", SYSTEM_ERROR)
