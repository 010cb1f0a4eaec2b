"""An operator's requests: entries in the operator's own inbox, which a worker reads, checks and does.

The command changes no transfer itself. It waits for the answer, which is an event with the id of the entry.
"""

import secrets
from collections.abc import Mapping

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.ledger.store.server_problems import ServerReason
from epay_transfers.ops import answers, descriptions, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal

#: The events of these verbs say that a request was taken, and not yet what came of it.
_NO_ANSWER = frozenset({Verb.REQUEST, Verb.ASK, Verb.DECIDE})

#: What an operator reads whose limit of the day is reached.
BEYOND_LIMIT = (
    "it is beyond what you alone may do today (OPERATOR_LIMITS of the workers). Your decision stands in its record for "
    "a day, and nothing has changed yet: a second operator, with a server user of their own, types the same"
)

#: The answers that say no.
REFUSALS = frozenset({Verb.REFUSE_REQUEST, Verb.FOUND_TAKEN, Alarm.REQUEST_REFUSED})

_BLOCK_MS = 500


def submit(
    context: Context, kind: Kind, fields: Mapping[str, str], *, subject: str, wait_s: float, entry_id: str = ""
) -> None:
    """Ask, and say what came of it. `subject` opens the sentence: a transfer's key, a lane. Raises what `ask` does."""
    answer = ask(context, kind, fields, subject=subject, wait_s=wait_s, entry_id=entry_id)
    if answer and needs_second(answer):
        raise NotYet(f"{subject}: {BEYOND_LIMIT}")
    screen.say(f"{subject}: {descriptions.happened(answer)}" if answer else f"{subject}: asked; a worker does it")


def ask(
    context: Context, kind: Kind, fields: Mapping[str, str], *, subject: str, wait_s: float, entry_id: str = ""
) -> Event | None:
    """Put the request into the inbox, and wait for its answer; None for a caller that does not wait.

    `entry_id`: the caller's own; put in again with it, what concerns one transfer is done once. Raises `Refusal` for
    what can't be done, `NotYet` if no worker came in time, `LedgerUnavailable`.
    """
    before = context.events.newest(1)
    entry_id = put(context, kind, fields, entry_id)
    if wait_s <= 0:
        answers.heard(None)
        return None
    answer = _answer_to(context, entry_id, fields.get("key", ""), before[-1].id if before else "0", wait_s)
    if isinstance(answer, LedgerUnavailable):
        raise LedgerUnavailable(answer.problem)  # it was asked already, so it may be done
    if answer is None:
        raise NotYet(f"{subject}: no worker has done it in {wait_s:g} s; it stays asked. Does a worker run?")
    if answer.fields.get("verb") in REFUSALS:
        raise Refusal(f"{subject}: {descriptions.happened(answer)}")
    answers.heard(answer)
    return answer


def put(context: Context, kind: Kind, fields: Mapping[str, str], entry_id: str = "") -> str:
    """Into the operator's inbox, with the label where that is another than the name; the entry's id.

    A full server says so, and has stored nothing: that is certain, other than where it does not answer.
    """
    why = ""
    try:
        entry_id = context.inboxes.put(context.sender, kind, {**fields, **label(context)}, entry_id)
    except LedgerUnavailable as error:
        if error.problem is None or error.problem.reason != ServerReason.FULL:
            raise
        why = error.why
    if why:
        raise NotYet(f"nothing was asked, and nothing has changed: {why}. Ask again when there is room")
    answers.asked(entry_id, kind, fields)
    return entry_id


def pause(context: Context, lane: Lane, terminal: str, cause: Cause, until_ms: int, why: str) -> str:
    """Pause a lane, and ask a worker to write down by whom and why; the pause's id. On a full ledger, too."""
    entry_id, fields = secrets.token_hex(12), {"why": why, **label(context)}
    pause_id = context.pauses.add(
        lane, terminal, cause, until_ms, inboxes=context.inboxes, sender=context.sender, fields=fields,
        entry_id=entry_id,
    )  # fmt: skip
    answers.asked(entry_id, Kind.PAUSED, {"pause": pause_id, "why": why})
    return pause_id


def label(context: Context) -> dict[str, str]:
    return {"label": context.settings.operator} if context.settings.operator != context.operator else {}


def put_action(context: Context, record: Record, what: RequestedAction, why: str) -> str:
    """As `put`: that a worker does this with the transfer, once it has asked the bank."""
    return put(context, Kind.REQUEST, {"key": record.key, "what": what, "why": why})


def needs_second(event: Event) -> bool:
    """Is nothing done before a second operator asks for the same?"""
    return bool(event.fields.get("second"))


def answered_by(event: Event, name: str, key: str) -> list[str]:
    """The ids of this operator's entries about this transfer that the event answers: an inquiry may answer two at once.

    `key`: empty for an entry about no transfer.
    """
    return event.fields.get("request", "").split() if _is_answer(event, name, key) else []


def _is_answer(event: Event, name: str, key: str) -> bool:
    """About this transfer, in this operator's name, or a worker's.

    Another operator may have put in an entry with the id of this one, about this transfer or another one.
    """
    if event.fields.get("key", "") != key:
        return False
    actor = event.fields.get("actor", "")
    is_ours = actor == f"operator {name}" or not actor.startswith("operator ")
    return is_ours and (event.fields.get("verb") not in _NO_ANSWER or needs_second(event))


def _answer_to(
    context: Context, entry_id: str, key: str, place: str, wait_s: float
) -> Event | LedgerUnavailable | None:
    end = context.clock.monotonic() + wait_s
    try:
        for batch in context.events.follow(place, block_ms=_BLOCK_MS):
            for event in batch:
                if entry_id in answered_by(event, context.operator, key):
                    return event
            if context.clock.monotonic() >= end:
                break
    except LedgerUnavailable as error:
        return error
    return None
