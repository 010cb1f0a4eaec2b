"""`Play`: the stories of the demo, all at once. A story is a generator that yields the condition it waits for.

The demo acts as backend, web tier, operator and the bank's client, by the same calls as those.
"""

from collections.abc import Callable, Iterator

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.record import RequestedAction
from epay_transfers.ledger.states import FINAL, State
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context
from epay_transfers.ops.demo import scenes
from epay_transfers.ops.demo.board import Board, BoardRow
from epay_transfers.ops.demo.interruption import Interruption
from epay_transfers.ops.demo.sandbox_client import SandboxClient
from epay_transfers.ops.demo.scenes import Scene
from epay_transfers.ops.demo.stage import Stage
from epay_transfers.producers import Receipt, SuffixTaken, TransferIntent, Transfers

Condition = Callable[[], bool]
Story = Iterator[Condition]

#: A play that has not ended by then has failed.
LONGEST_S = 60.0

#: How long a person takes to type a password, or to notice a dead transfer.
_PERSON_S = 1.5

_BLOCK_MS = 100


class Play:
    def __init__(
        self,
        *,
        stage: Stage,
        bank: SandboxClient,
        board: Board,
        backend: Transfers,
        web: Transfers,
        context: Context,
        clock: Clock,
        interruption: Interruption,
    ) -> None:
        self._stage = stage
        self._bank = bank
        self._board = board
        self._backend = backend
        self._web = web
        self._context = context
        self._clock = clock
        self._interruption = interruption

    def run(self) -> list[str]:
        """Run until every story has ended, or a signal came. Returns what went wrong, a sentence each."""
        stories = [self._plain(), self._secure(), self._no_token(), self._twice(), self._killed(), self._dead()]
        waiting = {story: next(story) for story in stories}
        for batch in self._context.events.follow("0", block_ms=_BLOCK_MS):
            self._interruption.obey()
            for event in batch:
                self._board.happened(event)
            for story in [story for story, condition in waiting.items() if condition()]:
                condition = next(story, None)
                if condition is None:
                    del waiting[story]
                else:
                    waiting[story] = condition
            if not waiting:
                return []
            if not self._stage.worker_runs():
                return ["the worker has ended by itself"]
            if self._board.seconds() > LONGEST_S:
                return self._unfinished()
        raise AssertionError("following never ends by itself")

    # The stories.

    def _plain(self) -> Story:
        """Three usual transfers, and one that enqueue refuses."""
        paid, _ = self._enqueue(scenes.PAYOUT)
        self._enqueue(scenes.BY_CARD)
        self._enqueue(scenes.DECLINED)
        yield lambda: bool(paid.state)
        self._collide(paid)
        yield self._all_ended

    def _collide(self, other: BoardRow) -> None:
        """Another invoice id, with the last six digits of one that is known."""
        row = self._board.enter(scenes.COLLISION, "999999" + other.invoice_id[-6:])
        try:
            self._backend.enqueue(self._intent(scenes.COLLISION, row.invoice_id))
        except SuffixTaken:
            self._board.note(row, "refused: SuffixTaken; nothing was stored", f"refused: {SuffixTaken()}", refused=True)

    def _secure(self) -> Story:
        row, receipt = self._enqueue(scenes.SECURE)
        yield self._in_state_for(row, State.PARKED, _PERSON_S)
        challenge = self._web.challenge(receipt.handle)
        if challenge is None:
            raise AssertionError("a parked transfer has a challenge")
        pa_res = self._bank.client_answers(challenge.md)
        self._web.confirm(md=challenge.md, pa_res=pa_res, handle=receipt.handle)
        yield self._ended(row)

    def _no_token(self) -> Story:
        self._bank.refuse_tokens(self._invoice_id(scenes.NO_TOKEN), times=2)
        row, _ = self._enqueue(scenes.NO_TOKEN)
        yield self._ended(row)

    def _twice(self) -> Story:
        row, first = self._enqueue(scenes.TWICE)
        yield lambda: bool(row.state)
        again = self._backend.enqueue(self._intent(scenes.TWICE, row.invoice_id))
        if again.replayed and again.key == first.key:
            self._board.note(row, "enqueued again: same receipt", "enqueued again: the same receipt, nothing new made")
        yield self._ended(row)

    def _killed(self) -> Story:
        """Begins after the others: the killed worker's other calls would come into doubt."""
        yield self._all_ended
        row, _ = self._enqueue(scenes.KILLED)
        yield lambda: row.state == State.SENDING and self._bank.has_executed(row.invoice_id)
        pid = self._stage.kill_worker()
        self._board.note(row, "worker killed", f"the bank has executed it, and the worker (process {pid}) is killed")
        self._stage.start_worker()
        yield self._ended(row)

    def _dead(self) -> Story:
        """Begins after the kill, while the killed worker's lease runs out."""
        yield lambda: any(row.scene is scenes.KILLED and "worker killed" in row.steps for row in self._rows())
        self._bank.refuse_tokens(self._invoice_id(scenes.DEAD), times=None)
        row, _ = self._enqueue(scenes.DEAD)
        yield self._in_state_for(row, State.DEAD, _PERSON_S)
        self._bank.mend()
        dead = self._context.find(row.invoice_id)
        requests.put_action(self._context, dead, RequestedAction.REQUEUE, "the bank gives tokens again")
        yield self._ended(row)

    # What they wait for.

    def _all_ended(self) -> bool:
        """Have all transfers of the first part ended?"""
        early = [row for row in self._rows() if row.scene not in scenes.LATER]
        return bool(early) and all(row.state in FINAL or row.state == "refused" for row in early)

    def _ended(self, row: BoardRow) -> Condition:
        return lambda: row.state in FINAL

    def _in_state_for(self, row: BoardRow, state: State, seconds: float) -> Condition:
        since: list[float] = []

        def condition() -> bool:
            if row.state == state and not since:
                since.append(self._clock.monotonic())
            return bool(since) and self._clock.monotonic() - since[0] >= seconds

        return condition

    def _rows(self) -> list[BoardRow]:
        return list(self._board.rows.values())

    def _unfinished(self) -> list[str]:
        return [
            f"{row.invoice_id} ({row.scene.shows}) is still {row.state or 'not there'} after {LONGEST_S:g} s"
            for row in self._rows()
            if row.state not in FINAL and row.state != "refused"
        ]

    # What they do.

    def _enqueue(self, scene: Scene) -> tuple[BoardRow, Receipt]:
        row = self._board.enter(scene, self._invoice_id(scene))
        return row, self._backend.enqueue(self._intent(scene, row.invoice_id))

    def _intent(self, scene: Scene, invoice_id: str) -> TransferIntent:
        return TransferIntent.model_validate(scene.intent(invoice_id))

    def _invoice_id(self, scene: Scene) -> str:
        return scene.invoice_id(self._clock.now_ms())
