"""A machine that lets everybody at a few transfers, in any order, with any trouble: the scripts must do as the models.

`TRANSFERS_MACHINES` says how many runs (100), in parts that run on several cores, and `TRANSFERS_STEPS` how long each
is (40). `TRANSFERS_SEED` repeats so many of one seed.
"""

import inspect
import os
import random
from functools import partial

import pytest
import redis
from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.vault.vault import KEPT
from tests.ledger import actors, harness, troubles
from tests.ledger.actors import COMERS, Actor, Comer, archive, put_card
from tests.ledger.harness import Harness
from tests.ledger.model import TransferModel
from tests.support import parallel

MACHINES = int(os.environ.get("TRANSFERS_MACHINES", "100"))
STEPS = int(os.environ.get("TRANSFERS_STEPS", "40"))
SEED = os.environ.get("TRANSFERS_SEED")

TRANSFERS = 2  #: at once
CALM = 4
WHICH = st.integers(0, 11)
MOODS = ("challenges", "executes", "challenges", "rejects", "gets lost")  #: what becomes of a transfer, mostly
WHO = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 4, 5])  #: mostly who brings it on
ANYBODY = st.integers(0, 5)
TWO = st.one_of(st.just((0, 0)), st.tuples(ANYBODY, ANYBODY))  #: mostly two of those who bring it on
HOW = st.sampled_from([0] * 10 + [1, 2, 3])  #: mostly the good way: else few transfers would get far
ODD = st.sampled_from([0, 0, 0, 1, 2, 3])  #: in a race the good way alone shows little
HOWS = st.lists(HOW, max_size=8)


class Machine(RuleBasedStateMachine):
    ledger_client: redis.Redis
    vault_client: redis.Redis

    @initialize(mood=st.sampled_from(MOODS), hows=HOWS)
    def begin(self, mood: str, hows: list[int]) -> None:
        self.harness = Harness(self.ledger_client, self.vault_client)
        self.actors: list[Actor] = []
        self.harness.is_under_way = self._is_under_way
        self.calm = 0  #: steps since the last trouble: with more of it no transfer gets anywhere
        self.create(100, mood, hows)

    @precondition(lambda self: len(self._open()) < TRANSFERS)
    @rule(amount=st.integers(1, 10**13), mood=st.sampled_from(MOODS), hows=HOWS)
    def create(self, amount: int, mood: str, hows: list[int]) -> None:
        """A producer brings an intent, and mostly puts its card in."""
        record = self.harness.create(f"payout-{len(self.harness.models)}", amount, ["KZT", "USD"][amount % 2], mood)
        self._go_on(self._enter(Actor("producer", record), put_card), hows or [0])

    @precondition(lambda self: self._open())
    @rule(which=WHICH, who=WHO, hows=HOWS)
    def somebody_comes(self, which: int, who: int, hows: list[int]) -> None:
        self._go_on(self._come(which, who), hows)

    @precondition(lambda self: self._open())
    @rule(which=WHICH, whos=TWO, race=st.lists(st.tuples(st.booleans(), ODD), min_size=3, max_size=16))
    def two_come_at_once(self, which: int, whos: tuple[int, int], race: list[tuple[bool, int]]) -> None:
        """Both have read the same, and go on by turns."""
        two = [self._come(which, who) for who in whos]
        for is_second, how in race:
            self._go_on(two[is_second], [how])

    @precondition(lambda self: self.actors)
    @rule(which=WHICH, hows=HOWS)
    def somebody_goes_on(self, which: int, hows: list[int]) -> None:
        self._go_on(self.actors[which % len(self.actors)], hows or [0] * 9)

    @precondition(lambda self: self._ended())
    @rule(which=WHICH)
    def an_operator_archives(self, which: int) -> None:
        """The record keeps its end alone; a worker that is at it still goes on, and no law is broken."""
        ended = self._ended()
        model = ended[which % len(ended)]
        self._go_on(self._enter(Actor("archive", self.harness.peek(model.key)), archive), [0, 0])

    @precondition(lambda self: self.calm > CALM and self._troubles())
    @rule(which=st.integers(0, 60))
    def trouble_comes(self, which: int) -> None:
        found = self._troubles()
        name, strike = found[which % len(found)]
        note(f"trouble: {name}")
        strike()
        self.calm = 0
        self._no_wrong()

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self, "harness"):
            self.harness.check()

    def _no_wrong(self) -> None:
        """Between two steps of one actor: what needs no server to be seen."""
        for model in self.harness.models.values():
            assert model.wrongs() == [], model
            is_said_unsent = model.state in {"queued", "dead", "expired", "cancelled"}
            assert not (is_said_unsent and self._is_under_way(model)), f"{model.state}, but it may be sent still"

    # Actors.

    def _open(self) -> list[TransferModel]:
        """Those to whom anybody may come."""
        return [
            model
            for model in self.harness.models.values()
            if not model.is_final or (model.state == "paid" and model.bank.word == "given_back")
        ]

    def _ended(self) -> list[TransferModel]:
        return [model for model in self.harness.models.values() if model.is_final]

    def _come(self, which: int, who: int) -> Actor:
        model = self._open()[which % len(self._open())]
        comers = COMERS[model.state]
        comer = comers[who % len(comers)]
        return self._enter(Actor(comer.__qualname__.partition(".")[0], self.harness.peek(model.key)), comer)

    def _enter(self, actor: Actor, way: Comer) -> Actor:
        note(f"{actor.name} comes to {actor.key}, {actor.record.state} under {actor.record.epoch}")
        actor.way = way(self.harness, actor)
        self.actors.append(actor)
        self._resume(actor, None)
        return actor

    def _go_on(self, actor: Actor, hows: list[int]) -> None:
        """As many steps as are said, each as it is said, or to its end."""
        for how in hows:
            if actor in self.actors:
                self.harness.clock.advance(1)
                self.calm += 1
                option = actor.options[how % len(actor.options)]
                note(f"{actor.name} at {actor.key} goes on: {option}")
                self._resume(actor, option)
                self._no_wrong()

    def _resume(self, actor: Actor, option: str | None) -> None:
        assert actor.way is not None
        try:
            actor.options = next(actor.way) if option is None else actor.way.send(option)
        except StopIteration:
            self.actors.remove(actor)

    def _leave(self, actor: Actor) -> None:
        """It dies. What it sent is under way still."""
        note(f"{actor.name} at {actor.key} dies")
        self.actors.remove(actor)
        bank = self.harness.models[actor.key].bank
        if actor.on_wire:
            bank.late.append(actor.on_wire)

    # Trouble.

    def _troubles(self) -> list[troubles.Trouble]:
        found = troubles.possible(self.harness)
        found += [(f"{actor.name} at {actor.key} dies", partial(self._leave, actor)) for actor in self.actors]
        for model in self.harness.models.values():
            if self._may_age(model):
                found.append((f"the horizon of {model.key} passes", partial(self._age, model)))
        return found

    def _may_age(self, model: TransferModel) -> bool:
        """The horizon is far beyond every lease and every request: nobody holds a card that long."""
        return model.state == "in_doubt" and not model.is_aged and not self._is_under_way(model)

    def _is_under_way(self, model: TransferModel) -> bool:
        """Somebody holds its card, or has sent a request that the bank may not have heard yet."""
        those = [actor for actor in self.actors if actor.key == model.key]
        return bool(model.bank.late) or any(actor.on_wire or actor.stage == "holding" for actor in those)

    def _age(self, model: TransferModel) -> None:
        """What was sealed has timed out by then, and nobody puts a card in after its deadline."""
        model.is_aged = True
        for purpose in KEPT:
            self.harness.time_out(purpose, model.key)
        for actor in [one for one in self.actors if one.key == model.key and one.stage == "putting"]:
            self._leave(actor)


@pytest.mark.timeout(0)  # a failure is made smaller for minutes, and a long run is asked for by hand
@parallel.parts(1) if SEED else parallel.parts()
def test_whatever_happens_no_transfer_is_paid_twice_or_said_to_have_failed(
    ledger_client: redis.Redis, vault_client: redis.Redis, part: parallel.Part
) -> None:
    first, count = int(SEED) if SEED else random.SystemRandom().randrange(2**32), part.share(MACHINES)
    Machine.ledger_client, Machine.vault_client = ledger_client, vault_client
    # What repeats this run, if it fails:
    print(f"TRANSFERS_SEED={first} TRANSFERS_MACHINES={count} pytest tests/ledger/test_machine.py")  # noqa: T201

    run_state_machine_as_test(
        seed(first)(Machine),
        settings=settings(
            max_examples=count,
            stateful_step_count=STEPS,
            derandomize=False,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


#: No actor of the machine makes these moves, and why.
NOT_PLAYED = {
    Verb.CREATE: "the machine itself creates transfers",
    Verb.CORRECT_PAID: "each end that is reached here is the true one: the laws say so",
    Verb.CORRECT_NOT_PAID: "as above",
    Verb.CORRECT_REVERSED: "as above",
    Verb.LOOK_LATER: "it changes no state and no proof, and the machine looks at any time",
}


def test_every_verb_has_an_actor_that_makes_the_move() -> None:
    """A new verb that no actor of the machine plays is a verb that the laws were never tried on."""
    played = inspect.getsource(actors) + inspect.getsource(harness)

    assert {verb for verb in Verb if f"Verb.{verb.name}" not in played} == set(NOT_PLAYED)


def test_every_actor_comes() -> None:
    """One that the machine never calls plays nothing."""
    takes_part = [
        name
        for name, function in vars(actors).items()
        if inspect.isgeneratorfunction(function) and list(inspect.signature(function).parameters) == ["harness", "me"]
    ]

    assert {name for name in takes_part if not name.startswith("_")} <= {
        getattr(way, "__name__", "") for ways in COMERS.values() for way in ways
    } | {"put_card"}
