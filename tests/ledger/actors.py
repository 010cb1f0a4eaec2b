"""Who is at a transfer: workers, sweepers, inquiries, producers, the web tier, operators. Each is a generator.

Between two `yield`s an actor runs one script or speaks to the bank; at a `yield` everybody else may run, or it may die.
It yields what may happen next, the good way first, and is told which. The order of the steps is the journey's.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.vault.sealing import Purpose
from tests.ledger.harness import Harness
from tests.ledger.model import Request

Way = Generator[tuple[str, ...], str, None]
Comer = Callable[["Harness", "Actor"], Way]

_SAID = {"paid": Verb.PAY, "rejected": Verb.DECLINE, "challenge": Verb.PARK}
_LEARNT = {"paid": Verb.INQUIRY_PAID, "rejected": Verb.INQUIRY_DECLINED, "given_back": Verb.INQUIRY_REVERSED}
#: What a worker makes of a notified decline, by the state that the transfer is in: a person decides.
_REVIEWED = {State.PARKED: (Verb.FOUND_TAKEN_CONFIRM, "answered"), State.IN_DOUBT: (Verb.SEND_TO_REVIEW, "")}


@dataclass
class Actor:
    """`stage`: what it has in hand, for what time may do to it. `on_wire`: what it has sent, and waits to hear of."""

    name: str
    record: Record
    stage: str = ""
    on_wire: Request | None = None
    options: tuple[str, ...] = ()
    way: Way | None = None

    @property
    def key(self) -> str:
        return self.record.key


def work(harness: Harness, me: Actor) -> Way:
    """A worker with a queued or a resumed transfer: token, claim, take, send, record."""
    record = me.record
    is_card = record.state is State.QUEUED
    told = yield ("token", "no token", "no token, and no try is left")
    if told == "no token":
        harness.move(record, Verb.DEFER)
        return
    if told != "token":
        harness.move(record, Verb.FAIL_QUEUED if is_card else Verb.DOUBT, evidence="" if is_card else "not_sent")
        return
    claim = harness.claim(record)
    if claim is None:
        return
    yield ("take",)
    purpose = Purpose.CARD if is_card else Purpose.PARES
    taken = harness.take(purpose, record, claim)
    if taken == "later":
        return  # fenced off
    if taken != "taken":
        yield ("doubt",)
        evidence = "maybe_sent" if taken == "tombstone" else "not_sent"
        yield from _doubt(harness, record, evidence, claim.claim_nonce)
        return
    me.stage = "holding"
    how = yield ("send", "prove that nothing was sent")
    if how == "send":
        answer = yield from _send(harness, me, "transfer" if is_card else "confirm")
        if answer == "unclear":
            yield from _doubt(harness, record, "maybe_sent", claim.claim_nonce)
        else:
            yield from _say(harness, record, _SAID[answer])
    else:
        me.stage = ""
        yield from _give_back(harness, record, purpose)


def _send(harness: Harness, me: Actor, request: Request) -> Generator[tuple[str, ...], str, str]:
    bank = harness.models[me.key].bank
    bank.sent[request] += 1
    me.stage, me.on_wire = "", request
    moods = (bank.mood, "executes", "rejects") if request == "transfer" else ("executes", "rejects")
    how = yield (*moods, "times out", "gets lost")
    me.on_wire = None
    if how == "times out":
        bank.late.append(request)
    if how in {"times out", "gets lost"}:
        return "unclear"
    answer = bank.receive(request, how)
    read = yield ("read", "unreadable")
    return answer if read == "read" else "unclear"


def _give_back(harness: Harness, record: Record, purpose: Purpose) -> Way:
    word = harness.put_back(purpose, record)
    is_card = purpose is Purpose.CARD
    if word == "OTHER":
        return
    how = yield ("again", "no try is left")
    if word == "NOTHING" or how != "again":
        yield from _say(harness, record, Verb.FAIL_CLAIMED if is_card else Verb.DOUBT, evidence="not_sent")
    else:
        yield from _say(harness, record, Verb.REQUEUE if is_card else Verb.REQUEUE_CONFIRM)


def _say(harness: Harness, record: Record, verb: Verb, pares: str = "", evidence: str = "") -> Way:
    """A move whose reply may be lost, and which is said again then."""
    harness.move(record, verb, pares=pares, evidence=evidence)
    heard = yield ("heard", "not heard")
    if heard != "heard":
        harness.move(record, verb, pares=pares, evidence=evidence)


def _doubt(harness: Harness, record: Record, evidence: str, nonce: str) -> Way:
    """A worker's doubt about its own try; where a sweeper came first, its evidence is added to that."""
    is_made = harness.move(record, Verb.DOUBT, evidence=evidence)
    yield ("go on",)
    there = harness.peek(record.key)
    if is_made or there.epoch != record.epoch or there.state not in {State.IN_DOUBT, State.NEEDS_REVIEW}:
        return
    if evidence == "not_sent" and there.claim_nonce != nonce:
        return
    yield ("add it",)
    yield from _say(harness, there, Verb.ADD_EVIDENCE, evidence=evidence)


def sweep(harness: Harness, me: Actor) -> Way:
    """A lease is thought to be over, or a deadline."""
    record = me.record
    yield ("look",)
    match record.state:
        case State.QUEUED:
            yield from _end_unsent(harness, record, Verb.EXPIRE)
        case State.SENDING:
            is_fenced = harness.refence(record)
            yield from _back(harness, record, is_fenced=is_fenced)
        case _:
            yield from _say(harness, record, Verb.DOUBT, evidence="maybe_sent")


def _back(harness: Harness, record: Record, *, is_fenced: bool) -> Way:
    how = yield ("again", "no try is left")
    if not is_fenced:
        yield from _say(harness, record, Verb.DOUBT, evidence="maybe_sent")
    else:
        yield from _say(harness, record, Verb.REQUEUE if how == "again" else Verb.FAIL_CLAIMED)


def _end_unsent(harness: Harness, record: Record, verb: Verb) -> Way:
    """Whatever ends a transfer that was never sent closes the vault first."""
    is_closed = harness.close(record)
    yield ("go on",)
    if not is_closed:
        yield from _say(harness, record, Verb.FOUND_TAKEN, evidence="maybe_sent")
        return
    is_made = harness.move(record, verb)
    yield ("go on",)
    if is_made:
        harness.drop(record.key)


def inquire(harness: Harness, me: Actor) -> Way:
    """In doubt, held, or parked past its time: the vault is looked at, the bank is asked, its word is written down."""
    record, model = me.record, harness.models[me.key]
    yield ("look",)
    may_be_unsent = record.phase is Phase.SEND and record.evidence == "not_sent"
    if record.state is State.IN_DOUBT and may_be_unsent and harness.refence(record):
        yield from _back(harness, record, is_fenced=True)
        return
    how = yield ("answered", "answered with an old word", "not answered")
    is_late = model.is_aged and record.state is State.IN_DOUBT
    word: str = model.bank.word if how != "not answered" else "silence"
    if how == "answered with an old word" and not is_late:
        word = "open" if word != "unheard" else "unheard"
    yield ("hear",)
    if word in _LEARNT:
        yield from _say(harness, record, _LEARNT[word])
    elif record.state is State.PARKED:
        yield from _end_parked(harness, record, word)
    elif not is_late or word == "silence":
        harness.move(record, Verb.INQUIRY_INCONCLUSIVE)
    elif word == "open":  # sent, and its confirm unknown: a person must look
        yield from _say(harness, record, Verb.CHALLENGE_EXPIRED if record.phase is Phase.SEND else Verb.SEND_TO_REVIEW)
    else:
        is_sent = not may_be_unsent or harness.was_taken_by_another(record)
        yield ("go on",)
        yield from _say(harness, record, Verb.SEND_TO_REVIEW if is_sent else Verb.LOSE_CARD)


def _end_parked(harness: Harness, record: Record, word: str) -> Way:
    if word == "silence":
        harness.move(record, Verb.INQUIRY_INCONCLUSIVE)
        return
    was_burnt = harness.look(Purpose.PARES, record.key) == "tombstone"
    how = yield ("expire", "cancel")
    verb = Verb.EXPIRE if how == "expire" else Verb.CANCEL
    if was_burnt:
        yield from _say(harness, record, Verb.FOUND_TAKEN_CONFIRM, evidence="maybe_sent")
    else:
        yield from _say(harness, record, verb)


def put_card(harness: Harness, me: Actor) -> Way:
    """The producer that has created it: now the card."""
    me.stage = "putting"
    yield ("put",)
    harness.put(Purpose.CARD, me.key, me.record.epoch)


def bring_again(harness: Harness, me: Actor) -> Way:
    """The same reference again: where the vault has nothing, a new generation of the card."""
    record = me.record
    if harness.look(Purpose.CARD, me.key) not in {"nothing", "stale"}:
        return
    yield ("replace_card",)
    if harness.move(record, Verb.REPLACE_CARD):
        me.stage = "putting"
        yield ("put",)
        harness.put(Purpose.CARD, me.key, record.next_generation)


def answer_challenge(tag: str) -> Comer:
    """The web tier: the PaRes into the vault first, then the ledger."""

    def way(harness: Harness, me: Actor) -> Way:
        me.stage = "putting"
        yield ("put",)
        me.stage = ""
        if harness.put(Purpose.PARES, me.key, me.record.epoch + 1, tag):
            yield ("resume",)
            yield from _say(harness, me.record, Verb.RESUME, pares=tag)

    return way


def cancel(harness: Harness, me: Actor) -> Way:
    """A producer takes it back, or an operator discards it."""
    yield ("go on",)
    yield from _end_unsent(harness, me.record, Verb.CANCEL)


def requeue(harness: Harness, me: Actor) -> Way:
    """An operator's requeue of a dead transfer; the bank said "not found", which may be false."""
    yield ("go on",)
    if harness.refence(me.record):
        yield ("go on",)
        yield from _say(harness, me.record, Verb.REQUEUE_DEAD)


def settle(harness: Harness, me: Actor) -> Way:
    """An operator with evidence, which is never wrong here: what is under way still is no evidence.

    Nor is anything before a worker that holds the card has sent it or can't any more: its lease is over long before.
    """
    model = harness.models[me.key]
    bank = model.bank
    yield ("go on",)
    if bank.word == "given_back":
        yield from _say(harness, me.record, Verb.OPERATOR_REVERSED)
    elif bank.word == "paid":
        yield from _say(harness, me.record, Verb.OPERATOR_PAID)
    elif bank.word in {"unheard", "rejected"} and not harness.is_under_way(model):
        yield from _say(harness, me.record, Verb.OPERATOR_NOT_PAID)


def notice(harness: Harness, me: Actor) -> Way:
    """A notification with the bank's proof, where the bank can't be asked. The web tier may say the contrary.

    It says "paid" here only where the bank paid: a false one moves no money, and this model compares the books.
    """
    record, bank = me.record, harness.models[me.key].bank
    how = yield ("pass it on", "say that it was declined")
    if how == "pass it on" and bank.word not in {"paid", "rejected"}:
        return  # the bank notifies of an end alone
    if how == "pass it on" and bank.word == "paid":
        yield from _say(harness, record, Verb.NOTIFICATION_PAID)
    elif record.state in _REVIEWED:
        verb, evidence = _REVIEWED[record.state]
        yield from _say(harness, record, verb, evidence=evidence)
    else:
        harness.move(record, Verb.INQUIRY_INCONCLUSIVE)


def notice_early(harness: Harness, me: Actor) -> Way:
    """The same while a worker is at it: it is kept."""
    yield ("note it",)
    if harness.models[me.key].bank.word == "paid":
        harness.move(me.record, Verb.KEEP_NOTIFICATION)


def ask(harness: Harness, me: Actor) -> Way:
    """A person, or a producer, asks for what only a worker can do; a worker finds that it can't be done."""
    yield ("write it down",)
    if harness.move(me.record, Verb.REQUEST):
        asked = harness.peek(me.key)
        yield ("drop",)
        yield from _say(harness, asked, Verb.REFUSE_REQUEST)


def question(harness: Harness, me: Actor) -> Way:
    """An operator has the bank asked, in whatever state it is; a worker answers, and changes nothing."""
    yield ("write it down",)
    if harness.move(me.record, Verb.ASK):
        asked = harness.peek(me.key)
        yield ("answer",)
        yield from _say(harness, asked, Verb.ANSWER)


def decide(harness: Harness, me: Actor) -> Way:
    """An operator decides alone, which ends nothing, and takes it back."""
    yield ("write it down",)
    if harness.move(me.record, Verb.DECIDE):
        decided = harness.peek(me.key)
        yield ("take it back",)
        yield from _say(harness, decided, Verb.TAKE_BACK)


def propose(harness: Harness, me: Actor) -> Way:
    """An operator beyond the limit of the day decides what a second one is to ask for as well."""
    yield ("write it down",)
    harness.move(me.record, Verb.DECIDE)


def archive(harness: Harness, me: Actor) -> Way:
    """An operator archives what ended long ago, and its reference leads there all the same."""
    yield ("go on",)
    if harness.archive(me.record):
        yield ("look",)
        assert harness.leads_to(me.key)


def ring(harness: Harness, me: Actor) -> Way:
    """The sweeper rang, on what it saw a moment ago."""
    yield ("write it down",)
    harness.move(me.record, Verb.SCHEDULE_WAKEUP, quiet=True)


#: Who may come to a transfer in which state.
COMERS: dict[str, list[Comer]] = {
    "queued": [work, sweep, bring_again, cancel, ring, question, propose],
    "sending": [sweep, ring, notice_early, question],
    "parked": [answer_challenge("A"), inquire, answer_challenge("B"), notice, ring, ask],
    "resumed": [work, ring],
    "confirming": [sweep, ring, notice_early],
    "in_doubt": [inquire, notice, ring, ask],
    "needs_review": [inquire, settle, notice, ring, ask, decide],
    "dead": [requeue, cancel, inquire, ask, propose],
    "paid": [settle, archive],
    "reversed": [archive],
    "declined": [archive],
    "expired": [archive],
    "cancelled": [archive],
}
