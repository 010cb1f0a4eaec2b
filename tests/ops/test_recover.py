"""`transfers recover` on the real servers: a ledger that went back, beside the bank's statement."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from tests.ops.conftest import Into
from tests.support.command_line import Cli, Said

MAPPING = """
currency = "KZT"
[columns]
invoice_id = "id"
bank_reference = "rrn"
amount = "amount"
state = "what"
[values]
executed = ["OK"]
refunded = ["BACK"]
"""
WHY = ("--apply", "--reason", "the ledger went back")


@pytest.fixture
def recover(transfers: Cli, tmp_path: Path, ledger: Ledger) -> "Recover":
    return Recover(transfers, tmp_path, Pauses(ledger.client))


class Recover:
    """With a statement by which the bank executed these, while both lanes are paused."""

    def __init__(self, transfers: Cli, folder: Path, pauses: Pauses) -> None:
        self._transfers = transfers
        self._folder = folder
        self._pauses = pauses
        self.is_paused = True

    def __call__(self, executed: Sequence[Record | str], *more: str) -> Said:
        for lane in (Lane.SEND, Lane.CONFIRM) if self.is_paused else ():
            self._pauses.pause(lane, ALL, actor="worker", reason="the ledger went back", cause=Cause.LEDGER_BACK)
        statement, mapping = self._folder / "s.csv", self._folder / "m.toml"
        keys = [each if isinstance(each, str) else each.key for each in executed]
        statement.write_text("id,rrn,amount,what\n" + "".join(f"{key},,15000,OK\n" for key in keys))
        mapping.write_text(MAPPING)
        return self._transfers("recover", "--statement", str(statement), "--mapping", str(mapping), *more)


@pytest.mark.parametrize("state", [State.QUEUED, State.DEAD, State.PARKED, State.RESUMED])
def test_what_the_bank_executed_and_may_be_sent_again_is_put_in_doubt(
    recover: Recover, into: Into, ledger: Ledger, state: State
) -> None:
    """Only by --apply; the vault remembers nothing of it. The operator, the reason and the proof stay in the record."""
    record, other = into(state), into(State.QUEUED, "another")

    dry = recover([record])

    assert dry.status == 20
    assert "Unsent here: 1; --apply --reason ... puts them in doubt" in dry.out
    assert ledger.get_many([record.key])[0].state is state

    done = recover([record], *WHY)

    assert done.status == 0, done.out
    fresh, untouched = ledger.get_many([record.key, other.key])
    assert (fresh.state, fresh.reason) == (State.IN_DOUBT, "statement_has_it")
    assert '"by":"aigul","why":"the ledger went back","proof":"the bank\'s statement: files whose SHA-256' in (
        fresh.decisions
    )
    assert untouched.state is State.QUEUED


def test_it_ends_no_pause_and_may_be_done_twice(recover: Recover, into: Into, ledger: Ledger) -> None:
    """Sending stays paused until a person ends it."""
    record = into(State.QUEUED)

    recover([record], *WHY)
    again = recover([record], *WHY)

    assert again.status == 0
    assert "In doubt or in review, so that the bank is asked: 1" in again.out
    standing = Pauses(ledger.client).standing()
    assert {(pause.lane, pause.cause) for pause in standing} == {
        (Lane.SEND, Cause.LEDGER_BACK), (Lane.CONFIRM, Cause.LEDGER_BACK),
    }  # fmt: skip


def test_nothing_is_done_while_a_worker_may_send(recover: Recover, into: Into, ledger: Ledger) -> None:
    """A pause of one terminal, one that ends by itself, and one that is tried, keep back too little."""
    record = into(State.QUEUED)
    recover.is_paused = False
    pauses = Pauses(ledger.client)
    pauses.pause(Lane.CONFIRM, ALL, actor="ops", reason="a test")
    pauses.pause(Lane.SEND, "main", actor="ops", reason="a test")
    pauses.pause(Lane.SEND, ALL, actor="ops", reason="a test", until_ms=ledger.now_ms() + 3_600_000)

    said = recover([record], *WHY)

    assert said.status == 1
    assert "send: not paused for all terminals until a person ends it" in said.err
    assert ledger.get_many([record.key])[0].state is State.QUEUED
    assert "send: NOT PAUSED" in recover([record]).out


def test_what_is_absent_is_listed_with_its_suffix(recover: Recover, into: Into, ledger: Ledger) -> None:
    """And with the transfer that has its last six digits by now; what has ended is for two operators."""
    ended = into(State.CANCELLED, "ended")
    other = into(State.QUEUED, "other")
    lost = f"991231{other.key[-6:]}"

    said = recover(["261128000017", lost, ended])

    assert said.status == 20
    assert said.out.startswith("ACT: the bank executed 3 that this ledger lacks")
    assert "261128000017, 15 000.00 KZT, row 2; suffix 000017" in said.out
    assert f"{lost}, 15 000.00 KZT, row 3; suffix {lost[-6:]}, which {other.key} has here by now" in said.out
    assert f"transfers correct {ended.key} --paid" in said.out
    closing = [line.strip() for line in said.out.splitlines() if "redis-cli" in line]
    assert closing == [
        "redis-cli -u \"$REDIS_URL\" SETBIT 'transfers:{t}:suffixes:main' 17 1",
        "redis-cli -u \"$REDIS_URL\" HSET 'transfers:{t}:lost' main:17 '261128000017'",
    ], "the other's suffix is used already"
    told = recover(["261128000017", lost, ended], "--json").json
    assert [each["suffix_held_by"] for each in told["absent"]] == [None, other.key]
    assert [each["name"] for each in told["ended_here"]] == [ended.key]


def test_what_the_ledger_knows_is_well(recover: Recover, into: Into) -> None:
    paid, doubted = into(State.PAID), into(State.IN_DOUBT, "doubted")

    said = recover([paid, doubted])

    assert said.status == 0
    assert said.out.startswith("WELL: this ledger knows all that the statement has.")
    assert "Known here, too: 1. In doubt or in review, so that the bank is asked: 1." in said.out


def test_a_record_that_can_not_be_read_is_neither_absent_nor_well(recover: Recover, into: Into, ledger: Ledger) -> None:
    record = into(State.PAID)
    ledger.client.hset(redis_keys.record(record.key), "state", "a later version's")

    said = recover([record])

    assert (said.status, "Absent" in said.out, "Not compared" in said.out) == (20, False, True)


def test_apply_needs_a_reason(recover: Recover) -> None:
    assert recover(["261128000017"], "--apply").status == 2


def test_a_card_number_shows_with_stars(recover: Recover) -> None:
    amex = "377514500004820"

    for said in (recover([amex]), recover([amex], "--json")):
        assert (said.status, amex in said.out + said.err) == (20, False)
