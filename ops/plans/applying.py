"""How a plan is applied: one entry for each transfer into the operator's own inbox. Workers decide and do.

What if this process dies? What it put in is done all the same. Applied again, it leaves alone what the journal has, and
of the others it looks at the record and the history first: there is the answer to its own id, or it asks again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from epay_transfers.ledger import decisions
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import descriptions, requests, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.decisions import BY_THE_BANK
from epay_transfers.ops.exit_status import NotYet
from epay_transfers.ops.options import checked
from epay_transfers.ops.plans.answers import Answers
from epay_transfers.ops.plans.draft import Caps
from epay_transfers.ops.plans.journal import Became, Journal, Line
from epay_transfers.ops.plans.plan import Item, Plan, What, request_id

#: So many entries wait for their answers at a time.
AT_ONCE = 50

_DONE = {What.REQUEUE: {Verb.REQUEUE_DEAD}, What.DISCARD: {Verb.CANCEL}, What.CANCEL: {Verb.CANCEL}}

_ACTIONS = {What.REQUEUE: RequestedAction.REQUEUE, What.DISCARD: RequestedAction.DISCARD}


def check(plan: Plan, caps: Caps) -> None:
    """Before anything is asked for. Raises `Refusal`."""
    caps.check(plan.count, plan.sums)
    if plan.evidence:
        checked(plan.evidence, "the plan's evidence")


@dataclass(slots=True)
class Applying:
    context: Context
    plan: Plan
    journal: Journal  #: the caller closes it
    reason: str  #: checked
    wait_s: float
    say: Callable[[str], None]

    def run(self) -> None:
        """Raises `NotYet` where no worker answers any more."""
        todo = [item for item in self.plan.items if not self.journal.is_finished(item.key)]
        if len(todo) < self.plan.count:
            self.say(f"{self.plan.count - len(todo)} of {self.plan.count} were finished before")
        answers = Answers(self.context, self.wait_s)
        for start in range(0, len(todo), AT_ONCE):
            self._apply(todo[start : start + AT_ONCE], answers)
            self.say(f"{min(start + AT_ONCE, len(todo))} of {len(todo)}: {self.counts()}")

    def counts(self) -> str:
        counts = Counter(self.journal.lines[item.key].became for item in self._looked_at())
        return ", ".join(f"{counts[became]} {became}" for became in Became if counts[became]) or "none yet"

    def _looked_at(self) -> list[Item]:
        return [item for item in self.plan.items if item.key in self.journal.lines]

    def _apply(self, items: Sequence[Item], answers: Answers) -> None:
        unreadable: list[RecordUnreadable] = []
        records = {
            record.key: record
            for record in self.context.ledger.get_many([item.key for item in items], unreadable.append)
        }
        waiting: dict[str, Item] = {}
        for item in items:
            record = records.get(item.key)
            if record is None:
                self._note(item, Became.REFUSED, "there is no such transfer, or its record can't be read")
            elif line := self._what_became(item, record):
                self._note(item, *line)
            else:
                entry_id = self._id(item)
                if not self._is_under_way(record, entry_id):
                    self._put(item, record, entry_id)
                waiting[entry_id] = item
        answered = False
        for entry_id, event in answers.to({entry_id: item.key for entry_id, item in waiting.items()}):
            answered = True
            self._note(waiting.pop(entry_id), *self._read(event), state=event.fields.get("state", ""))
        for item in waiting.values():
            self._note(item, Became.UNANSWERED, "no worker has done it in time; it stays asked")
        if waiting and not answered:
            raise NotYet(f"no worker has done anything in {self.wait_s:g} s. What was asked stays asked")

    def _what_became(self, item: Item, record: Record) -> tuple[Became, str] | None:
        """Without asking: it has moved, or the answer to an entry of a run before is in its history."""
        has_moved = item.has_moved(record)
        is_decided = self.plan.what is What.SETTLE and self._is_decided(record, self._id(item))
        answer = self._answer(item, record) if has_moved or is_decided else None
        line = self._read(answer) if answer else None
        if has_moved and not (line and line[0].is_final):
            return Became.MOVED, f"it has moved since the plan was made, and is {record.state}"
        return line

    def _answer(self, item: Item, record: Record) -> Event | None:
        """The last one, since a refusal or a wait for a second operator may be followed by more."""
        ours = [
            event
            for event in self.context.events.of(record).events
            if self._id(item) in requests.answered_by(event, self.context.operator, item.key)
        ]
        return ours[-1] if ours else None

    def _is_decided(self, record: Record, entry_id: str) -> bool:
        by = self.context.operator
        return any((each.request, each.by) == (entry_id, by) for each in decisions.read(record.decisions))

    def _is_under_way(self, record: Record, entry_id: str) -> bool:
        """Does a worker do it now, for an entry of a run before? Its answer is yet to come."""
        is_requested = bool(record.requested_action) and record.request_id == entry_id
        return is_requested or record.question_id == entry_id

    def _put(self, item: Item, record: Record, entry_id: str) -> None:
        fields = {"key": item.key, "why": self.reason, "state": str(item.state), "since": str(item.state_since)}
        kind = Kind.CANCEL
        if self.plan.what in _ACTIONS:
            kind = Kind.REQUEST
            fields["what"] = _ACTIONS[self.plan.what]
        elif self.plan.what is What.SETTLE and record.state is State.IN_DOUBT:
            kind = Kind.ASK  # no operator settles it yet: the bank's own word may
        elif self.plan.how is not None:
            kind = Kind.SETTLE
            fields |= {"verb": self.plan.how.verb.value, "proof": self.plan.evidence, "version": str(record.version)}
        requests.put(self.context, kind, fields, entry_id)

    def _read(self, answer: Event) -> tuple[Became, str]:
        verb, says = answer.fields.get("verb", ""), descriptions.happened(answer)
        how = self.plan.how
        done = _DONE.get(self.plan.what, set()) if how is None else {how.verb, *BY_THE_BANK[how.verb]}
        if requests.needs_second(answer):
            became = Became.SECOND_NEEDED
        elif verb in requests.REFUSALS:
            became = Became.REFUSED
        elif verb in done:
            became = Became.DONE
        elif verb == Verb.ANSWER:
            became = Became.UNSETTLED
        else:
            became = Became.OTHERWISE
        return became, says

    def _note(self, item: Item, became: Became, says: str, *, state: str = "") -> None:
        at = screen.iso(self.context.clock.now_ms()) or ""
        self.journal.add(Line(key=item.key, became=became, says=says, state=state), at, self._id(item))

    def _id(self, item: Item) -> str:
        return request_id(self.plan, item.key, self.context.operator)
