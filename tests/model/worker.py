"""What a worker does with a transfer: claim, take, look at its lease, send, record.

After each step the process may stop, sleep or die, and any step of any other actor may come before its next one. The
look at the lease and the take are one step: between that look and the send the worker can sleep all the same.
"""

from collections.abc import Iterator
from typing import Final

from tests.model import ledger, vault
from tests.model.ledger import MOVES, may, name_of, to
from tests.model.world import (
    CONFIRM,
    CONFIRMING,
    EXECUTED,
    IDLE,
    IN_DOUBT,
    MAYBE_SENT,
    NEEDS_REVIEW,
    NOT_SENT,
    OPEN,
    QUEUED,
    REJECTED,
    RESUMED,
    SEND,
    SENDING,
    UNFINISHED,
    UNKNOWN,
    Bank,
    Place,
    Record,
    Rules,
    Scope,
    Step,
    Worker,
    World,
)

CLAIMED: Final = "claimed"
HAS_CARD: Final = "has the card, saw its lease stand"
WAITING: Final = "waiting for the bank"
GOT_PAID: Final = "heard paid"
GOT_DECLINED: Final = "heard not paid"
GOT_CHALLENGE: Final = "heard 3-D Secure"
SENT_NOTHING: Final = "sent nothing, has the card"
PUT_BACK: Final = "put the card back"
CARD_LOST: Final = "sent nothing, card lost"
BURNT_NOTHING: Final = "taken nothing"
BURNT_BY_ME: Final = "its take's reply was lost"
BURNT_BY_ANOTHER: Final = "another taken"

_LAST_COUNT: Final = 7
_SECOND_LIFE: Final = 64  #: added to the nonces of claims after the ledger went back


def steps(world: World, rules: Rules, scope: Scope) -> Iterator[Step]:
    """Of two workers at the same step the first alone moves: they are alike."""
    for number, worker in enumerate(world.workers):
        if worker in world.workers[:number]:
            continue
        for label, after, mine, must_come in _of(world, worker, rules, scope):
            others = world.workers[:number] + world.workers[number + 1 :]
            yield f"worker: {label}", after._replace(workers=tuple(sorted((*others, mine)))), must_come


_Made = tuple[str, World, Worker, bool]


def _of(world: World, worker: Worker, rules: Rules, scope: Scope) -> Iterator[_Made]:
    step = worker.step
    if not step:
        if world.record.state in {QUEUED, RESUMED}:
            yield _claim(world)
        return
    if scope.can_crash:
        yield "dies", (_under_way(world, worker) if step == WAITING else world), IDLE, False
    if step == CLAIMED:
        yield from _take(world, worker, rules, scope)
    elif step == HAS_CARD:
        yield from _send(world, worker, rules)
    elif step == WAITING:
        yield from _hear(world, worker, rules, scope)
    elif step in {GOT_PAID, GOT_DECLINED, GOT_CHALLENGE}:
        yield from _record(world, worker, rules, scope)
    elif step == SENT_NOTHING:
        yield _unburn(world, worker, rules, scope)
    elif step == PUT_BACK:
        yield from _requeue(world, worker, rules, scope)
    elif step == CARD_LOST:
        yield _die(world, worker, rules)
    else:
        evidence = NOT_SENT
        if step == BURNT_BY_ANOTHER or (step == BURNT_BY_ME and not rules.burnt_by_me_is_not_sent):
            evidence = MAYBE_SENT
        elif not rules.silence_is_no_proof:
            evidence = ""
        yield f"records in_doubt, {evidence or 'no evidence'}", _doubt(world, worker, rules, evidence), IDLE, True


def _claim(world: World) -> _Made:
    record = world.record
    nonce = record.epoch + (_SECOND_LIFE if world.past.ledger_state == "back" else 0)
    phase = SEND if record.state == QUEUED else CONFIRM
    claimed = Worker(CLAIMED, phase, record.epoch, nonce, writes=world.past.known_writes)
    return f"claims, {phase}", to(world, "claim", phase=phase, nonce=nonce), claimed, True


def all_late(world: World) -> tuple[Worker, ...]:
    """Every worker that has not sent yet, after so long that its lease is over."""
    return tuple(sorted(w._replace(is_late=True) if w.step in {CLAIMED, HAS_CARD} else w for w in world.workers))


def place_of(world: World, phase: str) -> Place:
    return world.vault.card if phase == SEND else world.vault.pares


def placed(world: World, phase: str, place: Place) -> World:
    """The world in which this stands in the vault; a script that wrote is counted where a copy makes that matter."""
    if place == place_of(world, phase):
        return world
    was = world.vault
    writes = min(was.writes + 1, _LAST_COUNT) if world.past.vault_state else 0
    now = was._replace(card=place, writes=writes) if phase == SEND else was._replace(pares=place, writes=writes)
    return world._replace(vault=now)


def is_behind(world: World, writes: int, scope: Scope) -> bool:
    """Did the ledger hear of more writes than this run of the vault has made?"""
    known = max(writes, world.past.known_writes) if scope.counts_are_fresh else writes
    return world.past.vault_state == "back" and world.vault.writes < known


def is_warned(world: World, writes: int, rules: Rules, scope: Scope) -> bool:
    """A script that would write is given the known count too, so that a vault that went back does not outgrow it."""
    return rules.writes_are_compared and rules.writers_are_compared_too and is_behind(world, writes, scope)


def told(world: World, writes: int) -> World:
    """A claim or a result brings the vault's count to the ledger."""
    if writes <= world.past.known_writes:
        return world
    return world._replace(past=world.past._replace(known_writes=writes))


def _take(world: World, worker: Worker, rules: Rules, scope: Scope) -> Iterator[_Made]:
    phase = worker.phase
    if is_warned(world, worker.writes, rules, scope):
        yield "vault.take: behind", world, worker._replace(step=BURNT_NOTHING, is_late=False), True
        return
    compares = rules.take_compares_epoch or phase == CONFIRM
    place, reply = vault.take(place_of(world, phase), worker.epoch, worker.nonce, rules, compares=compares)
    if reply == vault.OK:
        after = placed(world, phase, place)
        after = after._replace(past=after.past._replace(burnt_at=after.vault.writes))
        is_wrong = place_of(world, phase).is_wrong
        holds = worker._replace(step=HAS_CARD, is_wrong=is_wrong, writes=after.vault.writes)
        if rules.own_claim_is_compared and world.past.ledger_state == "back" and worker.nonce < _SECOND_LIFE:
            yield "vault.take: ok, the ledger is behind its claim", after, worker._replace(step=BURNT_BY_ME), True
            return
        yield "vault.take: ok", after, holds, True
        if scope.can_repeat:
            yield "vault.take: ok, reply lost", after, worker._replace(step=BURNT_BY_ME, writes=0, is_late=False), False
    elif reply == vault.LATER:
        if rules.fenced_confirm_is_requeued and phase == CONFIRM:
            yield "vault.take: later, the confirm goes on", world, worker._replace(step=PUT_BACK, is_late=False), True
        elif rules.worker_says_it_was_fenced:
            yield "vault.take: later", world, worker._replace(step=BURNT_NOTHING, is_late=False), True
        else:
            yield "vault.take: later, drops the job", world, IDLE, True
    elif reply == vault.EMPTY and not rules.nothing_is_no_proof:
        yield "vault.take: nothing (taken as proof)", world, worker._replace(step=CARD_LOST, is_late=False), True
    else:
        then = {vault.EMPTY: BURNT_NOTHING, vault.MINE: BURNT_BY_ME, vault.OTHER: BURNT_BY_ANOTHER}[reply]
        if reply == vault.OTHER and not rules.tombstones_name_their_claim:
            then = BURNT_BY_ME
        yield f"vault.take: refused, {reply}", world, worker._replace(step=then, is_late=False), True


def _send(world: World, worker: Worker, rules: Rules) -> Iterator[_Made]:
    if worker.is_late and rules.deadline_from_lease:
        yield "is too late for a first byte", world, worker._replace(step=SENT_NOTHING, is_late=False), True
        return
    if worker.phase == SEND:
        after = world._replace(sent=min(world.sent + 1, 2))
    else:
        after = world._replace(confirmed=min(world.confirmed + 1, 2))
    yield f"sends, {worker.phase}", after, worker._replace(step=WAITING, is_late=False), True
    yield "no connection: sent nothing", world, worker._replace(step=SENT_NOTHING, is_late=False), False


def executed(bank: Bank) -> Bank:
    return bank._replace(word=EXECUTED, executions=min(bank.executions + 1, 2))


def _hear(world: World, worker: Worker, rules: Rules, scope: Scope) -> Iterator[_Made]:
    bank = world.bank

    def answer(now: Bank, step: str, label: str) -> _Made:
        return f"the bank {label}", world._replace(bank=now), worker._replace(step=step), True

    if worker.phase == SEND:
        yield answer(executed(bank), GOT_PAID, "executes the transfer")
        if bank.word == UNKNOWN:
            yield answer(bank._replace(word=REJECTED), GOT_DECLINED, "rejects the transfer")
            if scope.has_3ds:
                yield answer(bank._replace(word=OPEN), GOT_CHALLENGE, "wants 3-D Secure")
    elif bank.word == OPEN:
        if not worker.is_wrong:
            yield answer(executed(bank), GOT_PAID, "executes the confirm")
        yield answer(bank._replace(word=REJECTED), GOT_DECLINED, "rejects the confirm")
    elif bank.word == REJECTED:
        yield answer(bank, GOT_DECLINED, "rejects the confirm")
    elif bank.word == EXECUTED:
        yield answer(bank, GOT_PAID, "says paid to a confirm again")
    if scope.can_time_out:
        after = _doubt(_under_way(world, worker), worker, rules, MAYBE_SENT)
        yield "time-out, records in_doubt; the request is under way", after, IDLE, False


def _is_claim_of(record: Record, worker: Worker, rules: Rules) -> bool:
    """A worker's own proof is about its own claim: after a ledger went back, another claim has the same epoch."""
    return record.nonce == worker.nonce or worker.phase == CONFIRM or not rules.proof_names_its_claim


def _under_way(world: World, worker: Worker) -> World:
    bank = world.bank
    if worker.phase == SEND:
        return world._replace(bank=bank._replace(late_sends=min(bank.late_sends + 1, 2)))
    if worker.is_wrong:
        return world._replace(bank=bank._replace(late_wrong_confirms=min(bank.late_wrong_confirms + 1, 2)))
    return world._replace(bank=bank._replace(late_confirms=min(bank.late_confirms + 1, 2)))


def _doubt(world: World, worker: Worker, rules: Rules, evidence: str) -> World:
    """In doubt, with what the worker knows; where a sweeper came first, the worker adds that a request may be out."""
    record = world.record
    if worker.phase == CONFIRM:
        evidence = ""
    state = SENDING if worker.phase == SEND else CONFIRMING
    if record.state == state and (record.epoch == worker.epoch or not rules.results_compare_epoch):
        if evidence == NOT_SENT and not _is_claim_of(record, worker, rules):
            return world  # the claim that the record tells of is another worker's
        return told(to(world, "doubt", evidence=evidence), worker.writes)
    if record.state in {IN_DOUBT, NEEDS_REVIEW} and record.epoch == worker.epoch and evidence:
        is_heard = evidence == MAYBE_SENT or (rules.late_not_sent_counts and record.nonce == worker.nonce)
        if is_heard:
            return told(world._replace(record=record._replace(evidence=evidence)), worker.writes)
    return world


def _record(world: World, worker: Worker, rules: Rules, scope: Scope) -> Iterator[_Made]:
    verb = {GOT_PAID: "pay", GOT_DECLINED: "decline", GOT_CHALLENGE: "park"}[worker.step]
    record = world.record
    if verb == "park":
        is_taken = may(record, verb, worker.epoch) if rules.results_compare_epoch else record.state in MOVES[verb]
        is_taken = is_taken and (record.state == SENDING or rules.late_answers_count)
        must_count = record.state in {SENDING, IN_DOUBT} and record.phase == SEND
    else:
        is_taken = record.state in UNFINISHED and worker.epoch >= record.epoch
        if not rules.late_answers_count:
            is_taken = record.state in {SENDING, CONFIRMING}
        if not rules.later_answers_count or not rules.late_answers_count:
            is_taken = is_taken and (record.epoch == worker.epoch or not rules.results_compare_epoch)
        must_count = record.state in UNFINISHED
    if is_taken:
        epoch = max(worker.epoch, record.epoch) if rules.results_compare_epoch else record.epoch
        after = told(to(world, verb, epoch=epoch), worker.writes)
        yield f"records {verb}", after, IDLE, True
        if scope.can_repeat:
            yield f"records {verb}, reply lost", after, worker, False
    else:
        if must_count and scope.ledger_goes_back == "":
            world = world._replace(record=record._replace(was_refused=True))
        yield f"records {verb}: refused", world, IDLE, True
    after = _doubt(world, worker, rules, MAYBE_SENT)
    yield "can't read the answer, records in_doubt", after, IDLE, True


def _unburn(world: World, worker: Worker, rules: Rules, scope: Scope) -> _Made:
    if is_warned(world, worker.writes, rules, scope):
        return "vault.put_back: behind", world, worker._replace(step=CARD_LOST), True
    place, reply = vault.put_back(
        place_of(world, worker.phase), worker.epoch, worker.nonce, rules, is_wrong=worker.is_wrong
    )
    then = {vault.OK: PUT_BACK, vault.EMPTY: CARD_LOST}.get(
        reply, BURNT_NOTHING if rules.worker_says_it_was_fenced else ""
    )
    after = placed(world, worker.phase, place)
    return f"vault.put_back: {reply}", after, worker._replace(step=then) if then else IDLE, True


def _requeue(world: World, worker: Worker, rules: Rules, scope: Scope) -> Iterator[_Made]:
    """The card is back. The tries may be used up, too."""
    record, epoch = world.record, worker.epoch
    verb = "requeue" if worker.phase == SEND else "requeue_confirm"
    is_mine = _is_claim_of(record, worker, rules) or not rules.requeue_compares_epoch
    if not is_mine or not may(record, verb, epoch, compares=rules.requeue_compares_epoch):
        yield f"{verb}: refused", world, IDLE, True
        return
    if worker.phase == SEND:
        yield "fail, tries used up", to(world, "fail_claimed"), IDLE, True
    if ledger.tries_of(epoch) < scope.tries:
        after = to(world, verb, epoch=record.epoch + 1)
    elif worker.phase == SEND:
        after = to(world, "fail_claimed")
    elif record.state == CONFIRMING:
        after = to(world, "doubt")
    else:
        after = world
    yield f"{verb} after {name_of(epoch)}", after, IDLE, True
    if scope.can_repeat:
        yield f"{verb} after {name_of(epoch)}, reply lost", after, worker, False


def _die(world: World, worker: Worker, rules: Rules) -> _Made:
    if (
        worker.phase == SEND
        and may(world.record, "fail_claimed", worker.epoch)
        and _is_claim_of(world.record, worker, rules)
    ):
        return "fail, card lost", to(world, "fail_claimed"), IDLE, True
    if worker.phase == CONFIRM and may(world.record, "doubt", worker.epoch):
        return "records in_doubt, PaRes lost", to(world, "doubt"), IDLE, True
    return "die: refused", world, IDLE, True
