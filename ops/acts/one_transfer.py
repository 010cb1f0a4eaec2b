"""What an operator may do with one transfer: it is looked at, a worker is asked, and what came of it is said.

Each raises `Refusal` for what can't be done, `NotYet` where no worker came in time or a second operator is needed, and
`LedgerUnavailable`. A worker looks again before it does anything.
"""

from collections.abc import Collection
from dataclasses import replace

from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import acting, decisions, requests, screen, typed
from epay_transfers.ops.acts.possible import CORRECTS, SETTLES
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import checked

#: A question needs no other reason.
WHY_ASKED = "asked by hand"

_SETTLED = frozenset({Verb.INQUIRY_PAID, Verb.INQUIRY_DECLINED, Verb.INQUIRY_REVERSED, Verb.NOTIFICATION_PAID})

_TOO_LATE = {
    State.SENDING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.RESUMED: "the client has answered, and it is being confirmed: it is too late",
    State.CONFIRMING: "it may be on the wire, so it is too late; wait for what the bank says",
    State.IN_DOUBT: "it was sent, so it is too late; the bank is being asked what became of it",
    State.NEEDS_REVIEW: "it was sent, so it is too late; find out at the bank, then `{transfers} settle`",
}


def ask(context: Context, name: str, wish: Wish) -> None:
    """The bank's word is said beside the record's. It is possible in every state, so no move makes it too late."""
    record = _named(context, name, wish)
    answer = requests.ask(
        context,
        Kind.ASK,
        {"key": record.key, "why": checked(wish.reason, "reason")},
        subject=record.key,
        wait_s=wish.wait_s,
        entry_id=wish.entry_id,
    )
    if answer is None:
        screen.say(f"{record.key}: asked; a worker does it")
        return
    told = answer.fields
    fresh = context.ledger.get(record.key)
    if fresh is None:
        raise Refusal("there is no transfer with this key or reference")
    screen.say(f"{record.key}: the bank says: {told.get('bank_said') or 'nothing'}")
    by_it = ", by this word of the bank" if told.get("verb") in _SETTLED else ""
    screen.say(f"{record.key}: the record says: {fresh.state} ({screen.MONEY_WORDS[fresh.state.money]}){by_it}")


def cancel(context: Context, name: str, wish: Wish) -> None:
    """A worker does it: of a parked and a dead one it asks the bank first, of a queued one it locks the card away."""
    wish = _checked(wish)
    record = _find(context, name, {State.PARKED, State.DEAD, State.QUEUED}, wish, lambda found: _too_late(found.state))
    _submit(context, Kind.CANCEL, record, wish)


def requeue(context: Context, name: str, wish: Wish) -> None:
    """Queue a dead one again. The bank is asked first, and it is refused if the bank says anything but "not found"."""
    wish = _checked(wish)
    record = _find(context, name, {State.DEAD}, wish, _only_dead)
    if record.reason in {Reason.CARD_LOST, Reason.CARD_UNREADABLE}:
        raise Refusal(f"{record.key}: its card is gone; discard it, and pay it under a new reference")
    _submit(context, Kind.REQUEST, record, wish, what=RequestedAction.REQUEUE)


def discard(context: Context, name: str, wish: Wish) -> None:
    """End a dead one as cancelled: no money moved, and none will."""
    wish = _checked(wish)
    record = _find(context, name, {State.DEAD}, wish, _only_dead)
    _submit(context, Kind.REQUEST, record, wish, what=RequestedAction.DISCARD)


def settle(context: Context, name: str, verb: Verb, *, evidence: str, wish: Wish, is_typed: bool = True) -> None:
    """Say how a transfer in review ended. The bank is asked; where it does not agree, a second operator is needed.

    `verb`: one of `SETTLES`. `is_typed`: a second operator is told what to type.
    """
    _decide(context, name, verb, "settle", evidence=evidence, wish=wish, is_typed=is_typed)


def correct(context: Context, name: str, verb: Verb, *, evidence: str, wish: Wish, is_typed: bool = True) -> None:
    """Say that a transfer ended otherwise. Always two operators; what the bank proves can't be undone.

    `verb`: one of `CORRECTS`.
    """
    _decide(context, name, verb, "correct", evidence=evidence, wish=wish, is_typed=is_typed)


def take_back(context: Context, name: str, wish: Wish, decision: str = "") -> None:
    """The operator's own decision does not stand any more. `decision`: the id of the one that its operator saw."""
    wish = _checked(wish)
    decisions.take_back(context, _named(context, name, wish), wish, decision)


def _decide(
    context: Context, name: str, verb: Verb, command: str, *, evidence: str, wish: Wish, is_typed: bool
) -> None:
    wish, proof = _checked(wish), checked(evidence, "evidence")
    words = SETTLES if verb in SETTLES else CORRECTS
    otherwise = _not_settled if verb in SETTLES else _not_corrected
    record = _find(context, name, verb.row.moves, wish, otherwise)
    if wish.seen and wish.seen.version != str(record.version):
        raise Refusal(f"{record.key}: it has changed since this page was shown, so nothing was done. Look at it again")

    def again(key: str) -> str:
        typed_again = f": `{typed.command()} {command} {key} --{words[verb]} --evidence ... --reason ...`"
        return typed_again if is_typed else " on this page, with evidence and a reason of their own"

    decisions.submit(context, record, verb, evidence=proof, wish=wish, again=again)


def _checked(wish: Wish) -> Wish:
    return replace(wish, reason=checked(wish.reason, "reason"))


def _named(context: Context, name: str, wish: Wish) -> Record:
    """By any of its names for a command; a page names it by its key alone, which is no other's reference then."""
    if wish.seen is None:
        return context.find(name)
    record = context.ledger.get(name) if is_key(name) else None
    if record is None:
        raise Refusal("there is no transfer with this key")
    return record


def _find(context: Context, name: str, states: Collection[State], wish: Wish, otherwise: acting.Otherwise) -> Record:
    record = _named(context, name, wish)
    if wish.seen is not None and (record.state, str(record.state_since)) != (wish.seen.state, wish.seen.since):
        raise Refusal(
            f"{record.key} is {record.state}: it has moved since this page was shown, so nothing was done. "
            "Look at it again"
        )
    return acting.must_be_in(record, states, otherwise)


def _submit(context: Context, kind: Kind, record: Record, wish: Wish, **more: str) -> None:
    fields = {"key": record.key, **more, "why": wish.reason}
    if wish.seen is not None:  # the worker refuses what has moved by then
        fields |= {"state": wish.seen.state, "since": wish.seen.since}
    requests.submit(context, kind, fields, subject=record.key, wait_s=wish.wait_s, entry_id=wish.entry_id)


def _too_late(state: State) -> str:
    return _TOO_LATE.get(state, "it has ended").format(transfers=typed.command())


def _only_dead(_record: Record) -> str:
    status_command = f"`{typed.command()} status`"
    return f"only a dead transfer is requeued or discarded; {status_command} says what comes next for this one"


def _not_settled(record: Record) -> str:
    possible = [f"--{word}" for each, word in SETTLES.items() if record.state in each.row.moves]
    if possible:
        return f"only {' or '.join(possible)} is possible now"
    if record.state is State.DEAD:
        return f"it is proved not sent; `{typed.command()} dead discard` ends it"
    if record.state.final:
        return f"it has ended; where that is wrong, two operators correct it: `{typed.command()} correct`"
    return "only a transfer in review is settled by hand; the bank is still being asked, or was not reached yet"


def _not_corrected(record: Record) -> str:
    if not record.state.final:
        return "only what has ended is corrected"
    possible = [f"--{word}" for each, word in CORRECTS.items() if record.state in each.row.moves]
    if record.state is State.PAID:
        return f"only {' or '.join(possible)} is possible; `{typed.command()} settle` --reversed says it was given back"
    return f"only {' or '.join(possible)} is possible"
