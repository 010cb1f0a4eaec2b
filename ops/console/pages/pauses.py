"""Terminals and pauses: invoice ids that are left, what pauses which lane and why, the money behind each.

A pause is ended by its id and by since when it stands, as the page showed it: one that stands anew is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.store.pauses import PEOPLES_CAUSES, TOO_MANY, Cause, Lane, Pause
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops import pausing, screen
from epay_transfers.ops.behind import behind, states_behind, terminal_of
from epay_transfers.ops.console import links
from epay_transfers.ops.console.acts import ACTS, WAIT_S, Act, Form, new_request_id
from epay_transfers.ops.console.people import Role
from epay_transfers.ops.console.typed_values import as_refusals, whole_number
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import checked
from epay_transfers.ops.overview.judge_transfers import lasts
from epay_transfers.ops.terminals import TerminalUse
from epay_transfers.ops.terminals import terminals as uses

#: More pauses than this are not on the page; the scripts hold every lane before that.
_MOST = 200

_LONGEST_SINCE = 10**15

#: Why a worker paused, for people; a person's cause is the word itself.
CAUSES = {
    Cause.SETUP_CODE: "the bank's codes blame the terminal's set-up",
    Cause.CREDENTIALS: "the bank refuses the terminal's credentials",
    Cause.TERMINAL_LIMIT: "the bank's limit for the terminal is reached",
    Cause.MONEY_LIMIT: "a limit of EPAY_LIMITS is reached",
    Cause.LEDGER_BACK: "the ledger lost what it had confirmed",
    Cause.FAILOVER: "another server took the ledger's place",
}


#: The ledger may have forgotten what the bank executed: no single transfer shows whether that is over.
_LOST = frozenset({Cause.LEDGER_BACK, Cause.FAILOVER})

_RISK = "where no other pause holds the lane, all that is behind it goes on at once"
_RISK_TRY = f"{_RISK}. One real transfer shows first whether the cause is over"
_RISK_LOST = (
    f"{_RISK}, and what the ledger forgot would be paid twice: end it when `transfers recover` finds nothing absent "
    "any more (the runbook has the order)"
)


@dataclass(frozen=True, slots=True)
class ShownPause:
    """`count` and `sums`: of what waits behind it; None: it is not known. `address`: the list of exactly these."""

    pause: Pause
    count: int | None
    sums: Sequence[str]
    address: str
    tried: str
    may_be_ended: bool
    may_be_tried: bool
    risk: str


@dataclass(frozen=True, slots=True)
class ShownTerminal:
    """`count`: the transfers of it that the ledger has, by `address`."""

    use: TerminalUse
    lasts: str
    count: int
    address: str


def pauses(visit: Visit) -> Response:
    facts = visit.look.facts
    standing = visit.context.pauses.standing()
    totals, counters = facts.totals, facts.counters
    terminals = [] if counters is None else [
        ShownTerminal(
            use, lasts(facts, use.space), Totals.of_counters(counters).of(terminal=use.name).count,
            links.transfers((), terminal=use.name),
        )
        for use in uses(visit.context.settings, counters, standing)
    ]  # fmt: skip
    groups: dict[Cause, list[ShownPause]] = {}
    for each in standing[:_MOST]:
        groups.setdefault(each.cause, []).append(_shown(each, totals))
    return visit.page(
        "pauses.html", "Terminals and pauses",
        terminals=None if counters is None else terminals, limit=SUFFIXES,
        groups=groups, words=CAUSES,
        of=len(standing), left_out=len(standing[_MOST:]), role=Role.OPERATOR, request_id=new_request_id,
        lanes=Lane, causes=PEOPLES_CAUSES, names=[use.use.name for use in terminals], where=pausing.shown,
    )  # fmt: skip


def _shown(pause: Pause, totals: Totals | None) -> ShownPause:
    those = None if totals is None else behind(pause, totals)
    return ShownPause(
        pause,
        None if those is None else those.count,
        [] if those is None else [screen.amount(each.amount_minor, each.currency) for each in screen.sums(those)],
        links.transfers(states_behind(pause), terminal=terminal_of(pause)),
        pausing.tried(pause),
        not pause.id.startswith(TOO_MANY),
        pause.cause not in _LOST,
        _RISK_LOST if pause.cause in _LOST else _RISK_TRY,
    )


def _pause(context: Context, form: Form) -> None:
    why = checked(form.get("reason", ""), "reason")
    lane = _one_of(Lane, form, "lane")
    cause = _one_of(Cause, form, "cause")
    with as_refusals():
        added = pausing.pause(
            context, lane, form.get("terminal", "").strip() or None, cause, form.get("until", "").strip() or None, why
        )
    screen.say(f"{lane} is paused for {pausing.shown(added.terminal)}: pause {added.id}")


def _unpause(context: Context, form: Form) -> None:
    why = checked(form.get("reason", ""), "reason")
    since_ms = whole_number("since", form.get("since", ""), least=0, most=_LONGEST_SINCE)
    tries = whole_number("tries", form["tries"], least=1, most=100) if form.get("tries") else None
    lane, left = pausing.unpause(
        context, form.get("pause", ""), tries, why, wait_s=WAIT_S, since_ms=since_ms, entry_id=form["request"]
    )
    if left:
        screen.say(f"{lane} stays paused, by {', '.join(left)}")


Choice = TypeVar("Choice", Lane, Cause)


def _one_of(kind: type[Choice], form: Form, name: str) -> Choice:
    found = next((each for each in kind if each == form.get(name)), None)
    if found is None:
        raise Refusal(f"{name}: give one of {', '.join(kind)}")
    return found


ACTS["pause"] = Act(Role.OPERATOR, _pause, lambda _form: "/pauses")
ACTS["unpause"] = Act(Role.OPERATOR, _unpause, lambda _form: "/pauses")

ROUTES = [Route("/pauses", page(pauses))]
