"""The forms about one transfer: each asks a worker for what a command would, by the same function.

A form names the transfer by its key, as its page showed it: its state, since when, and its version. Asking, cancelling,
requeueing and discarding is an operator's; how a transfer ended is an approver's to say.
"""

from collections.abc import Callable, Mapping

from epay_transfers.ledger.states import Verb
from epay_transfers.ops.acts import one_transfer, possible
from epay_transfers.ops.acts.wish import Seen, Wish
from epay_transfers.ops.console import links
from epay_transfers.ops.console.acts import ACTS, WAIT_S, Act, Form
from epay_transfers.ops.console.people import Role
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal

#: By the form's name, the role that it needs.
ROLES: Mapping[possible.Act, Role] = {
    possible.Act.ASK: Role.OPERATOR,
    possible.Act.CANCEL: Role.OPERATOR,
    possible.Act.REQUEUE: Role.OPERATOR,
    possible.Act.DISCARD: Role.OPERATOR,
    possible.Act.SETTLE: Role.APPROVER,
    possible.Act.CORRECT: Role.APPROVER,
    possible.Act.TAKE_BACK: Role.APPROVER,
}


def _wish(form: Form, reason: str = "") -> Wish:
    seen = Seen(form.get("state", ""), form.get("since", ""), form.get("version", ""))
    return Wish(reason or form.get("reason", ""), WAIT_S, form["request"], seen)


def _ask(context: Context, form: Form) -> None:
    one_transfer.ask(context, _key(form), _wish(form, one_transfer.WHY_ASKED))


def _cancel(context: Context, form: Form) -> None:
    one_transfer.cancel(context, _key(form), _wish(form))


def _requeue(context: Context, form: Form) -> None:
    one_transfer.requeue(context, _key(form), _wish(form))


def _discard(context: Context, form: Form) -> None:
    one_transfer.discard(context, _key(form), _wish(form))


def _settle(context: Context, form: Form) -> None:
    verb = _verb(form, possible.SETTLES)
    one_transfer.settle(context, _key(form), verb, evidence=_evidence(form), wish=_wish(form), is_typed=False)


def _correct(context: Context, form: Form) -> None:
    verb = _verb(form, possible.CORRECTS)
    one_transfer.correct(context, _key(form), verb, evidence=_evidence(form), wish=_wish(form), is_typed=False)


def _take_back(context: Context, form: Form) -> None:
    one_transfer.take_back(context, _key(form), _wish(form), form.get("decision", ""))


def _verb(form: Form, words: Mapping[Verb, str]) -> Verb:
    found = next((verb for verb, word in words.items() if word == form.get("how", "")), None)
    if found is None:
        raise Refusal(f"say how it ended: {', '.join(words.values())}. Nothing was done")
    return found


def _key(form: Form) -> str:
    return form.get("key", "")


def _evidence(form: Form) -> str:
    return form.get("evidence", "")


def _back(form: Form) -> str:
    return links.transfer(_key(form))


_RUNS: Mapping[possible.Act, Callable[[Context, Form], None]] = {
    possible.Act.ASK: _ask,
    possible.Act.CANCEL: _cancel,
    possible.Act.REQUEUE: _requeue,
    possible.Act.DISCARD: _discard,
    possible.Act.SETTLE: _settle,
    possible.Act.CORRECT: _correct,
    possible.Act.TAKE_BACK: _take_back,
}

for _name, _run in _RUNS.items():
    ACTS[str(_name)] = Act(ROLES[_name], _run, _back)
