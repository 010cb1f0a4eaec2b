"""Enqueues a batch that was checked, some hundred rows at a time, and writes down what became of each.

What if we die here? Between two rounds nothing is open. Within one, rows may be stored of which the result file does
not tell: the same batch again finds each by its reference, and makes nothing twice. So a round that a server did not
answer is not repeated here; it ends the run, and its rows are unknown.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice

from epay_transfers.ledger.errors import (
    InternalError,
    LedgerWentBack,
    RecordUnreadable,
    ReferenceLost,
    ServerUnavailable,
    TransfersError,
    VaultUnavailable,
)
from epay_transfers.ops.batches.checking import MOST_SHOWN, intent_of
from epay_transfers.ops.batches.reading import Batch, Row, rows
from epay_transfers.ops.batches.results import Became, Result, Results
from epay_transfers.producers import QueueFull, Receipt, Transfers

#: So many rows are sent before the next look whether to go on.
ROUND = 500

Answer = Receipt | TransfersError | InternalError


@dataclass(slots=True)
class Sent:
    """`stopped`: why no more was sent, where rows are left. `problems`: the first rows that are not stored."""

    counts: dict[Became, int] = field(default_factory=lambda: dict.fromkeys(Became, 0))
    problems: list[Result] = field(default_factory=list)
    more_problems: int = 0
    stopped: TransfersError | InternalError | None = None
    is_interrupted: bool = False

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    def add(self, results: Sequence[Result]) -> None:
        for result in results:
            self.counts[result.became] += 1
            if not result.became.is_stored and len(self.problems) < MOST_SHOWN:
                self.problems.append(result)
            elif not result.became.is_stored:
                self.more_problems += 1


def send(
    batch: Batch,
    transfers: Transfers,
    results: Results | None,
    is_interrupted: Callable[[], bool],
    tell_done: Callable[[int], None],
) -> Sent:
    """`tell_done` is told how many rows were answered. Raises `SettingsWrong`, and `Refusal` for a full disk."""
    sent = Sent()
    with results or nullcontext():
        for some in _rounds(batch):
            if is_interrupted():
                sent.is_interrupted = True
                break
            answers = _enqueue(transfers, some)
            became = [_result(row, answer) for row, answer in zip(some, answers, strict=True)]
            if results is not None:
                results.add(became)
            sent.add(became)
            tell_done(sent.done)
            sent.stopped = _end_of_run(answers)
            if sent.stopped is not None:
                break
    return sent


def _rounds(batch: Batch) -> Iterator[list[Row]]:
    all_rows = (row for row in rows(batch) if isinstance(row, Row))
    while some := list(islice(all_rows, ROUND)):
        yield some


def _enqueue(transfers: Transfers, some: Sequence[Row]) -> Sequence[Answer]:
    try:
        return transfers.enqueue_many([intent_of(row) for row in some])
    except InternalError as error:  # what no code expected, at any point of it
        return [error] * len(some)


def _result(row: Row, answer: Answer) -> Result:
    reference = str(row.data["reference"])
    receipt = answer.receipt if isinstance(answer, VaultUnavailable) else answer
    key, handle = (receipt.key, receipt.handle) if isinstance(receipt, Receipt) else ("", "")
    why = "" if isinstance(answer, Receipt) else str(answer)
    return Result(line=row.line, reference=reference, became=_became(answer), key=key, handle=handle, why=why)


def _became(answer: Answer) -> Became:
    match answer:
        case Receipt():
            return Became.REPLAYED if answer.replayed else Became.STORED
        case ServerUnavailable() | LedgerWentBack() | RecordUnreadable() | InternalError():
            return Became.UNKNOWN
        case _:
            return Became.REFUSED


def _end_of_run(answers: Sequence[Answer]) -> TransfersError | InternalError | None:
    """The first answer that the next rows would get, too."""
    for answer in answers:
        if isinstance(answer, (ServerUnavailable, LedgerWentBack, QueueFull, InternalError)) and not isinstance(
            answer, ReferenceLost
        ):
            return answer
    return None
