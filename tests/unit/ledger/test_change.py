"""A change: what can't be built, and what the ledger clears by the record's own declaration."""

import json
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from epay_transfers.ledger.record import CLEARED, Lifetime, Record, cleared_with, kept_as
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import replies
from epay_transfers.ledger.store.change import NOTHING_ELSE, Change, RecordFields, RecordTimes, script_argument

#: What the ledger alone writes, and what a producer says once.
NOT_TO_BE_MOVED = {
    "key", "state", "schema", "phase", "epoch", "version", "state_since", "created_at", "reference", "handle", "space",
    "terminal", "amount", "currency", "urgency", "related", "order_details", "fingerprints", "deadline_at",
    "metadata", "history", "archived_at", "archive",
}  # fmt: skip

OPEN = {
    each.name: 7 if isinstance(each.default, int) else "x"
    for each in fields(Record)
    if each.name not in NOT_TO_BE_MOVED
}


def argument(record: Record, verb: Verb, change: Change) -> dict[str, Any]:
    text, _ = script_argument(record, verb, change, actor="t", test_time="1", vault=None)
    move: dict[str, Any] = json.loads(text)
    return move


def left_out(move: dict[str, Any]) -> set[str]:
    """The fields that go with the move, by their names in the hash."""
    gone: set[str] = {*move.get("unset", ()), *CLEARED[: move.get("clears", 0)]}
    return gone - {*move["set"], *move.get("set_in", ())}


def record(state: State) -> Record:
    return Record(key="251124000001", state=state, **{**OPEN, "notification": "1:9"})  # type: ignore[arg-type]  # by its own defaults


def test_a_move_may_set_every_field_that_is_not_the_ledgers_or_the_intents() -> None:
    hints = get_type_hints(Record)

    assert get_type_hints(RecordFields) == {name: kind for name, kind in hints.items() if name not in NOT_TO_BE_MOVED}
    assert set(get_type_hints(RecordTimes)) <= {name for name in get_type_hints(RecordFields) if hints[name] is int}


@pytest.mark.parametrize(
    "wrong",
    [{"fields": {"nxet": 3}}, {"times_in": {"amount": 3}}, {"event": {"why_not": "x"}}, {"increments": ("amount",)}],
)
def test_an_unknown_name_can_not_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="a move can't change"):
        Change(**wrong)


@pytest.mark.parametrize("wrong", [{"due_in": 1, "due_at": 2}, {"look_again_in": 1, "due_in": 1}])
def test_two_times_to_look_again_can_not_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one time"):
        Change(**wrong)


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb.row.ends])
def test_what_ends_a_transfer_clears_what_only_an_unfinished_one_has(verb: Verb) -> None:
    """The ledger clears it for every caller: none can forget it."""
    start = next(iter(sorted(verb.row.moves, key=lambda state: state.final)))

    move = argument(record(start), verb, Change(fields={"reason": "r"}))

    gone = cleared_with(Lifetime.STATE, Lifetime.DOUBT, Lifetime.UNFINISHED)
    assert left_out(move) == {*gone, *map(kept_as, gone)}
    assert {"next_attempt_at", "lease_until", "claim_nonce", "requested_action", "notification"} <= left_out(move)


@pytest.mark.parametrize("verb", [Verb.DOUBT, Verb.FOUND_TAKEN, Verb.FOUND_TAKEN_CONFIRM])
def test_a_doubt_begins_with_no_inquiry_and_at_a_time(verb: Verb) -> None:
    move = argument(record(next(iter(verb.row.moves))), verb, Change(look_again_in=5))

    assert {"inquiries", "agreeing_reads", "last_read", "requested_action", "wakeups"} <= left_out(move)
    assert move["set_in"] == {"in_doubt_since": 0, "next_attempt_at": 5}
    assert move["due_in"] == 5


def test_a_transfer_in_review_keeps_what_was_asked_so_far() -> None:
    move = argument(record(State.IN_DOUBT), Verb.SEND_TO_REVIEW, Change(look_again_in=5))

    assert left_out(move) == {"wakeups", "woken_at", "requested_action", "request_id"}


def test_when_it_is_looked_at_again_stands_in_due_and_in_the_record() -> None:
    at = argument(record(State.DEAD), Verb.LOOK_LATER, Change(look_again_at=9))
    alone = argument(record(State.QUEUED), Verb.LOOK_LATER, Change(due_at=9))

    assert (at["due"], at["set"]) == ("9", {"next_attempt_at": "9"})
    assert (alone["due"], alone["set"]) == ("9", {})


def test_no_reply_has_a_truth_value() -> None:
    """A refused move was taken for a made one once: mypy refuses `if reply` where no class says what it would mean."""
    kinds = [kind for kind in vars(replies).values() if isinstance(kind, type) and kind.__module__ == replies.__name__]

    assert len(kinds) > 10
    assert not [kind.__name__ for kind in kinds if hasattr(kind, "__bool__") or hasattr(kind, "__len__")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"look_again_in": 5, "fields": {"next_attempt_at": 99}},
        {"look_again_at": 5, "times_in": {"next_attempt_at": 900}},
        {"fields": {"parked_until": 1}, "times_in": {"parked_until": 2}},
    ],
)
def test_two_values_for_one_field_can_not_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="two values"):
        Change(**wrong)


def test_nothing_is_added_to_a_change_that_is_built() -> None:
    change = Change(fields={"reason": "r"})

    with pytest.raises(TypeError):
        change.fields["code"] = "455"
    with pytest.raises(TypeError):
        NOTHING_ELSE.fields["reason"] = "x"


def test_each_field_says_how_long_it_is_kept() -> None:
    """A field that is kept for ever without need is found here: most new ones are not."""
    kept = {
        "attempts", "pares_digest", "code", "reason", "message", "evidence", "bank_id", "bank_reference",
        "int_reference", "sender_card", "receiver_card", "sender_card_id", "receiver_card_id", "not_before_at",
        "question_id", "decisions", "watch_at", "watches",
    }  # fmt: skip

    assert set(cleared_with(Lifetime.EVER)) == kept | (NOT_TO_BE_MOVED - {"order_details", "urgency"})
