"""`transfers reconcile` on the real servers: the ledger beside the sandbox bank's statement, and beside its word."""

import csv
import io
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
import redis

from epay_transfers import sandbox
from epay_transfers.ledger.invoice import ALMATY
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.reconcile import reading, statement
from epay_transfers.ops.reconcile.mapping import Mapping
from epay_transfers.ops.reconcile.statement import Day, Moved
from epay_transfers.sandbox.directives import Directives
from epay_transfers.sandbox.options import PUBLIC_TEST
from epay_transfers.sandbox.server import RunningSandbox
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.ops.conftest import Into
from tests.support.command_line import Cli, Said

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
MAPPING = EXAMPLES / "statement.toml"

PAID = StatusReport(StatusWord.PAID, status_name="CHARGE")
NOT_FOUND = StatusReport(StatusWord.NOT_FOUND)

PAN = "4405639704015096"


@pytest.fixture
def bank() -> Iterator[RunningSandbox]:
    with sandbox.running() as running:
        yield running


@dataclass
class Desk:
    """An operator with the bank's statement of today."""

    bank: RunningSandbox
    transfers: Cli
    folder: Path
    day: str = field(default_factory=lambda: f"{datetime.now(ALMATY):%Y-%m-%d}")

    def execute(self, invoice_id: str, amount: str = "15000", *, state: str = "", times: int = 1) -> None:
        """The bank moves the money, whatever the ledger says."""
        order = self.bank.book.receive(PUBLIC_TEST, invoice_id, Directives(), time.time())
        order.amount, order.currency, order.terminal = Decimal(amount), "KZT", PUBLIC_TEST.terminals[0]
        order.directives.state = state
        for _ in range(times):
            order.execute(Decimal(amount), time.time())

    def statement(self) -> Path:
        """As the bank writes it, of today."""
        with urllib.request.urlopen(f"{self.bank.url}/statement?day={self.day}") as answer:  # noqa: S310 - our sandbox
            return self.put(answer.read().decode())

    def put(self, text: str) -> Path:
        path = self.folder / "statement.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def reconcile(self, *more: str, path: Path | None = None, day: str = "") -> Said:
        path = path or self.statement()
        return self.transfers(
            "reconcile", "--day", day or self.day, "--statement", str(path), "--mapping", str(MAPPING), *more
        )

    def found(self, *more: str) -> dict[str, list[str | None]]:
        """Kind → keys."""
        told = self.reconcile("--json", *more).json
        kinds: dict[str, list[str | None]] = {}
        for finding in told["statement"]["findings"]:
            kinds.setdefault(finding["kind"], []).append(finding["key"] or finding["bank_reference"])
        return kinds


@pytest.fixture
def desk(bank: RunningSandbox, transfers: Cli, tmp_path: Path) -> Desk:
    return Desk(bank, transfers, tmp_path)


def invoice(record: Record) -> str:
    return record.key


# What the two say of each transfer.


def archived(ledger: Ledger, record: Record) -> None:
    """Its details are in a file, as after a year."""
    exported = cast("dict[str, str]", ledger.client.hgetall(redis_keys.record(record.key)))
    before_ms = ledger.now_ms() + 1000
    assert Archived(ledger.client).reduce(exported, before_ms=before_ms, file="transfers-1.jsonl", actor="a") is None


def test_an_archived_transfer_is_compared_as_any_other_and_a_finding_says_where_its_details_are(
    desk: Desk, into: Into, ledger: Ledger
) -> None:
    paid, declined = into(State.PAID, "payout-1"), into(State.DECLINED, "payout-2")
    for record in (paid, declined):
        archived(ledger, record)
        desk.execute(record.key)

    assert desk.found() == {"not_paid_here": [declined.key]}
    said = desk.reconcile()
    assert "Matched: 1 with" in said.out
    assert "its details are in transfers-1.jsonl" in said.out


def test_a_day_that_agrees_is_well(desk: Desk, into: Into) -> None:
    """Paid here and executed there, once, with the same amount: count and sum, and exit status 0."""
    for number in range(3):
        desk.execute(into(State.PAID, f"payout-{number}").key)
    reversed_one = into(State.REVERSED, "payout-9")
    desk.execute(reversed_one.key, state="REFUND")

    said = desk.reconcile()

    assert said.status == 0, said.out
    assert "WELL: all that the statement of" in said.out
    assert "Matched: 4 with 60 000.00 KZT, of 5 rows" in said.out


def test_what_the_bank_executed_and_the_ledger_lacks_is_the_gravest(desk: Desk, into: Into) -> None:
    desk.execute(into(State.PAID).key)
    desk.execute("261128777777", "700.50")

    said = desk.reconcile()

    assert said.status == 20
    assert said.out.startswith("ACT: 1 with 700.50 KZT moved at the bank, and the ledger does not know it")
    assert "261128777777, 700.50 KZT; executed, row 3" in said.out
    assert desk.found() == {"bank_only": ["261128777777"]}


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.DEAD, State.PARKED, State.DECLINED, State.EXPIRED, State.CANCELLED]
)
def test_so_is_what_it_executed_and_the_ledger_says_did_not_move(desk: Desk, into: Into, state: State) -> None:
    record = into(state)
    desk.execute(record.key)

    said = desk.reconcile()

    assert said.status == 20
    assert "do not pay it another way" in said.out
    assert f"transfers ask {record.key}" in said.out
    assert desk.found() == {"not_paid_here": [record.key]}


def test_what_was_executed_twice_is_told_whatever_the_ledger_says(desk: Desk, into: Into) -> None:
    record = into(State.PAID)
    desk.execute(record.key, times=2)

    said = desk.reconcile()

    assert (said.status, desk.found()) == (20, {"executed_twice": [record.key]})
    assert "30 000.00 KZT" in said.out


def test_amounts_that_differ(desk: Desk, into: Into) -> None:
    """A tiyn is enough. Neither is called the right one."""
    record = into(State.PAID)
    desk.execute(record.key, "14999.99")

    said = desk.reconcile()

    assert (said.status, desk.found()) == (10, {"amounts_differ": [record.key]})
    assert "14 999.99 KZT" in said.out
    assert "15 000.00 KZT" in said.out


def test_ends_that_differ(desk: Desk, into: Into) -> None:
    """Paid here, and given back there."""
    record = into(State.PAID)
    desk.execute(record.key, state="REFUND")

    assert (desk.reconcile().status, desk.found()) == (10, {"states_differ": [record.key]})


def test_what_was_given_back_after_the_statements_day_agrees(desk: Desk, into: Into) -> None:
    """Yesterday's statement has the execution, and the ledger knows today that it was given back."""
    record = into(State.REVERSED)
    desk.execute(record.key)
    order = desk.bank.book.find(PUBLIC_TEST, record.key)
    assert order is not None
    order.executed[:] = [(order.executed[0][0] - 86_400, Decimal(15000))]
    desk.day = f"{datetime.now(ALMATY) - timedelta(days=1):%Y-%m-%d}"

    assert (desk.reconcile().status, desk.found()) == (0, {})


def test_paid_here_and_not_there(desk: Desk, into: Into, ledger: Ledger) -> None:
    """In the middle of the day nothing explains it. Near its border the other day's statement may have it."""
    plain, late = into(State.PAID, "plain"), into(State.PAID, "late")
    day = Day.of(desk.day, ALMATY)
    ends_at(ledger, plain, day.begins_ms + 12 * 3_600_000)
    ends_at(ledger, late, day.ends_ms - 60_000)

    said = desk.reconcile()

    assert (said.status, desk.found()) == (10, {"ledger_only": [plain.key], "other_day": [late.key]})
    assert "look in that of the day before and after" in said.out


def test_what_an_inquiry_settled_a_day_later_may_stand_in_the_day_before(
    desk: Desk, into: Into, ledger: Ledger
) -> None:
    """It was created yesterday, and paid by today's word: the bank may have executed it then."""
    record = into(State.PAID)
    day = Day.of(desk.day, ALMATY)
    ends_at(ledger, record, day.begins_ms + 12 * 3_600_000, created_ms=day.begins_ms - 3_600_000)

    assert (desk.reconcile().status, desk.found()) == (0, {"other_day": [record.key]})


def ends_at(ledger: Ledger, record: Record, at_ms: int, *, created_ms: int = 0) -> None:
    """As if it had ended then: the test's ledger goes by the true clock."""
    name = redis_keys.record(record.key)
    fresh = ledger.get(record.key)
    assert fresh is not None
    place = f"{fresh.state}:{fresh.terminal}"
    ledger.client.hset(name, mapping={"state_since": at_ms, "created_at": created_ms or at_ms - 1_000})
    ledger.client.zrem(redis_keys.BY_STATE, f"{place}:{fresh.state_since}:{fresh.key}")
    ledger.client.zadd(redis_keys.BY_STATE, {f"{place}:{at_ms}:{fresh.key}": 0})


def test_what_is_unknown_and_not_in_the_statement_stays_unknown(desk: Desk, into: Into, ledger: Ledger) -> None:
    """Nothing is called unpaid because a file lacks it."""
    held, doubted = into(State.NEEDS_REVIEW, "held"), into(State.IN_DOUBT, "doubted")

    said = desk.reconcile()

    assert (said.status, desk.found()) == (0, {"unknown": [held.key, doubted.key]})
    assert "they stay unknown, for this proves nothing" in said.out
    assert [fresh.state for fresh in ledger.get_many([held.key, doubted.key])] == [State.NEEDS_REVIEW, State.IN_DOUBT]


def test_only_the_named_terminals_are_expected_in_the_statement(desk: Desk, into: Into, ledger: Ledger) -> None:
    kiosk = into(State.PAID, "kiosk", terminal="kiosk")
    ends_at(ledger, kiosk, Day.of(desk.day, ALMATY).begins_ms + 12 * 3_600_000)

    assert desk.found() == {"ledger_only": [kiosk.key]}
    assert desk.found("--terminal", "main") == {}


def test_a_row_without_an_invoice_id_is_named_by_the_banks_reference(desk: Desk, into: Into, ledger: Ledger) -> None:
    """The ledger knows the reference of what the bank answered; another may be one that is in doubt here."""
    record = into(State.SENDING)
    ledger.move(record, Verb.PAY, Change(fields={"bank_reference": "204978430339"}), actor="worker")
    head = "Order;RRN;Terminal;Operation;Amount;Currency;Time\n"
    rows = ";{};t;TRANSFER;15 000,00;KZT;28.11.2026 09:12:41\n"
    path = desk.put(head + rows.format("204978430339") + rows.format("204978430340"))

    told = desk.reconcile("--json", path=path).json["statement"]

    assert told["matched"] == [{"count": 1, "amount": "15000.00", "currency": "KZT"}]
    assert [(each["kind"], each["bank_reference"]) for each in told["findings"]] == [("bank_only", "204978430340")]


def test_a_reference_of_several_transfers_is_left_to_a_person(desk: Desk, into: Into, ledger: Ledger) -> None:
    for number in range(2):
        record = into(State.SENDING, f"payout-{number}")
        ledger.move(record, Verb.PAY, Change(fields={"bank_reference": "204978430339"}), actor="worker")
    head = "Order;RRN;Terminal;Operation;Amount;Currency;Time\n"
    path = desk.put(f"{head};204978430339;t;TRANSFER;15 000,00;KZT;28.11.2026 09:12:41\n")

    told = desk.reconcile("--json", path=path).json["statement"]["findings"]

    assert [each["kind"] for each in told if each["kind"] != "other_day"][:1] == ["ambiguous"]


def test_a_record_that_can_not_be_read_is_not_called_absent(desk: Desk, into: Into, ledger: Ledger) -> None:
    record = into(State.PAID)
    desk.execute(record.key)
    ledger.client.hset(redis_keys.record(record.key), "state", "a later version's")

    said = desk.reconcile()

    assert said.status == 10
    assert "Not compared" in said.out
    assert desk.found() == {}


# What the statement settles becomes a plan.


def test_held_ones_that_the_statement_settles_become_plans(desk: Desk, into: Into, ledger: Ledger) -> None:
    """One of what was executed, one of what was given back; nothing is settled by it, and no file is overwritten."""
    held, doubted, back = into(State.NEEDS_REVIEW, "a"), into(State.IN_DOUBT, "b"), into(State.NEEDS_REVIEW, "c")
    sending = into(State.SENDING, "d")
    desk.execute(held.key)
    desk.execute(doubted.key)
    desk.execute(sending.key)
    desk.execute(back.key, state="REFUND")
    path = desk.folder / "plan.json"

    said = desk.reconcile("--plan", str(path))

    assert said.status == 10
    assert (
        "Unknown here, and the statement has it: `--plan FILE` writes them as a plan: 4 with 60 000.00 KZT" in said.out
    )
    made, given_back = (plans.read((desk.folder / name).read_text()) for name in ("plan.json", "plan-reversed.json"))
    assert {item.key for item in made.items} == {held.key, doubted.key}, "a worker is at the one that is sending"
    assert [item.key for item in given_back.items] == [back.key]
    assert (made.how, given_back.how) == (plans.How.PAID, plans.How.REVERSED)
    assert f"statement of {desk.day}" in made.evidence
    assert [each.state for each in ledger.get_many([held.key, back.key])] == [State.NEEDS_REVIEW] * 2

    again = desk.reconcile("--plan", str(path))
    assert again.status == 1
    assert "is there already" in again.err


def test_such_a_plan_is_applied_as_any_other(
    desk: Desk, into: Into, ledger: Ledger, bank_says: Callable[[StatusReport], None]
) -> None:
    """The bank is asked about each: its word settles it, and not the statement."""
    held, doubted = into(State.NEEDS_REVIEW, "a"), into(State.NEEDS_REVIEW, "b")
    desk.execute(held.key)
    desk.execute(doubted.key)
    path = desk.folder / "plan.json"
    desk.reconcile("--plan", str(path))

    bank_says(NOT_FOUND)
    alone = desk.transfers("apply", str(path), "--reason", "the statement has them")
    assert alone.status == 75, "a second operator is needed"
    assert {each.state for each in ledger.get_many([held.key, doubted.key])} == {State.NEEDS_REVIEW}

    bank_says(PAID)
    again = desk.transfers("reconcile", "--day", desk.day, "--ask", "all")
    assert again.status == 0
    assert {each.state for each in ledger.get_many([held.key, doubted.key])} == {State.PAID}


def test_an_amount_that_differs_settles_nothing(desk: Desk, into: Into) -> None:
    held = into(State.NEEDS_REVIEW)
    desk.execute(held.key, "15000.01")
    path = desk.folder / "plan.json"

    said = desk.reconcile("--plan", str(path))

    assert "there is nothing that the statement settles" in said.out
    assert not path.exists()


# The bank is asked.


def test_ask_puts_the_banks_word_beside_the_record(
    desk: Desk, into: Into, bank_says: Callable[[StatusReport], None]
) -> None:
    """Without a statement: those that ended on the day. That money moved where the ledger says none is the gravest."""
    paid, declined = into(State.PAID, "a"), into(State.DECLINED, "b")
    bank_says(PAID)

    said = desk.transfers("reconcile", "--day", desk.day, "--ask", "all")

    assert said.status == 20
    assert "Asked: 2 of 2; 1 agree." in said.out
    assert f"{declined.key}, 15 000.00 KZT: declined here; the bank: paid CHARGE" in said.out
    assert f"{paid.key}, " not in said.out


@pytest.mark.parametrize(
    ("state", "report", "says", "status"),
    [
        (State.PAID, NOT_FOUND, "differs", 10),
        (State.DECLINED, NOT_FOUND, None, 0),
        (State.DECLINED, StatusReport(StatusWord.NOT_YET, status_name="AUTH"), "differs", 10),
        (State.CANCELLED, PAID, "moved_at_bank", 20),
        (State.REVERSED, StatusReport(StatusWord.GIVEN_BACK, status_name="REFUND"), None, 0),
        (State.PAID, StatusReport(StatusWord.UNANSWERED, why="timeout"), "unknown", 10),
        (State.NEEDS_REVIEW, NOT_FOUND, "unknown", 10),
        (State.NEEDS_REVIEW, PAID, "settled", 0),
    ],
)
def test_what_the_banks_word_means(
    desk: Desk,
    into: Into,
    bank_says: Callable[[StatusReport], None],
    state: State,
    report: StatusReport,
    says: str | None,
    status: int,
) -> None:
    """A silent bank, and one that says no end, leave it unknown. Its final word settles what is in review."""
    into(state)
    bank_says(report)

    said = desk.transfers("reconcile", "--day", desk.day, "--ask", "all", "--json")

    assert [each["says"] for each in said.json["asked"]["answers"]] == ([says] if says else [])
    assert said.status == status


def test_a_sample_asks_about_so_many(desk: Desk, into: Into, bank_says: Callable[[StatusReport], None]) -> None:
    for number in range(30):
        into(State.PAID, f"payout-{number}")
    bank_says(PAID)

    told = desk.transfers("reconcile", "--day", desk.day, "--ask", "25", "--json").json["asked"]

    assert (told["of"], told["asked"], told["agree"]) == (30, 25, 25)


def test_with_a_statement_the_bank_is_asked_about_what_differs(
    desk: Desk, into: Into, bank_says: Callable[[StatusReport], None]
) -> None:
    """And its verdict goes into the plan."""
    fine, held = into(State.PAID, "fine"), into(State.NEEDS_REVIEW, "held")
    desk.execute(fine.key)
    desk.execute(held.key)
    bank_says(NOT_FOUND)
    path = desk.folder / "plan.json"

    told = desk.reconcile("--ask", "all", "--plan", str(path), "--json").json["asked"]

    assert [(each["key"], each["says"]) for each in told["answers"]] == [(held.key, "unknown")]
    assert [item.verdict for item in plans.read(path.read_text()).items] == ["not_found"]


# The statement and its mapping.


def read(text: str | bytes, tmp_path: Path, **more: object) -> tuple[statement.Row, ...]:
    path = tmp_path / "s.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return statement.read(path, mapping(**more))


def mapping(**more: object) -> Mapping:
    plain = {
        "columns": {"invoice_id": "id", "amount": "amount", "state": "what", "at": "at"},
        "values": {"executed": ["OK"], "refunded": ["BACK"], "ignored": ["NO"]},
        "currency": "KZT",
    }
    return Mapping.model_validate(plain | more)


def test_the_example_of_the_documents_is_read() -> None:
    rows = statement.read(EXAMPLES / "statement.csv", Mapping.read(MAPPING))

    assert [(row.invoice_id, row.amount, row.moved) for row in rows] == [
        ("261128000017", 1_500_000, Moved.EXECUTED),
        ("261128000018", 450_050, Moved.EXECUTED),
        ("261128000018", 450_050, Moved.REFUNDED),
    ]
    assert datetime.fromtimestamp(int(rows[0].at_ms or 0) / 1000, UTC).isoformat() == "2026-11-28T04:12:41+00:00"


def test_the_documents_show_that_mapping_as_it_is() -> None:
    assert f"```toml\n{MAPPING.read_text()}```" in (EXAMPLES.parent / "reconcile.md").read_text()


def test_amounts_times_and_encodings_are_read_as_the_mapping_says(tmp_path: Path) -> None:
    windows = "id;amount;what;at\n123456;1\u00a0234\u00a0567,5;Исполнено;28.11.26 23:30\n".encode("windows-1251")
    rows = read(
        windows,
        tmp_path,
        delimiter=";",
        encoding="windows-1251",
        decimal=",",
        thousands=" ",
        values={"executed": ["Исполнено"]},
        date_format="%d.%m.%y %H:%M",
        zone="UTC",
    )

    assert [(row.amount, row.at_ms) for row in rows] == [(123_456_750, 1_795_908_600_000)]


def test_a_sign_tells_what_a_row_is_where_no_column_does(tmp_path: Path) -> None:
    columns = {"invoice_id": "id", "amount": "amount"}
    rows = read(
        "id,amount\n123456,-15.5\n123457,+3\n\n123458,4\n", tmp_path, columns=columns, values=None, executed_sign="-"
    )

    assert [(row.amount, row.moved) for row in rows] == [
        (1550, Moved.EXECUTED), (300, Moved.REFUNDED), (400, Moved.REFUNDED),
    ]  # fmt: skip


HEAD = "id,amount,what,at\n"
FINE = "123456,15.50,OK,2026-11-28T10:00:00\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + FINE + f"{PAN},15,OK,2026-11-28T10:00:00\n", "row 3, column id: is no invoice id"),
        (HEAD + FINE + "1.23E+05,15,OK,2026-11-28T10:00:00\n", "row 3, column id: is no invoice id"),
        (HEAD + FINE + ",15,OK,2026-11-28T10:00:00\n", "row 3, column id: is no invoice id"),
        (HEAD + FINE + "123457,1 500,OK,2026-11-28T10:00:00\n", "row 3, column amount: is no amount"),
        (HEAD + FINE + '123457,"1,500.00",OK,2026-11-28T10:00:00\n', "row 3, column amount: is no amount"),
        (HEAD + FINE + "123457,NaN,OK,2026-11-28T10:00:00\n", "row 3, column amount: is no amount"),
        (HEAD + FINE + "123457,1e3,OK,2026-11-28T10:00:00\n", "row 3, column amount: is no amount"),
        (HEAD + FINE + "123457,0,OK,2026-11-28T10:00:00\n", "row 3, column amount: must be more than 0"),
        (HEAD + FINE + "123457,15.505,OK,2026-11-28T10:00:00\n", "row 3, column amount: has more than 2 decimals"),
        (HEAD + FINE + "123457,-15,OK,2026-11-28T10:00:00\n", "row 3, column amount: has a sign"),
        (HEAD + FINE + "123457,15,ok,2026-11-28T10:00:00\n", "row 3, column what: has a value that is not in"),
        (HEAD + FINE + "123457,15,OK,28.11.2026\n", "row 3, column at: is no time"),
        (HEAD + FINE + "123457,15,OK\n", "row 3 has 3 cells, and the first row has 4"),
        (HEAD + FINE + "123457,15,OK,2026-11-28T10:00:00,\n", "row 3 has 5 cells, and the first row has 4"),
        (HEAD + FINE + '123457,"15,OK,2026-11-28T10:00:00\n', "row 3 is no CSV: a quote is open"),
        (HEAD + FINE + f"Total,{PAN},,\n", "row 3, column what: has a value that is not in"),
        ("id,amount,what\n", "the statement has the column at not"),
        ("id,amount,what,at,amount\n", "the statement has the column amount twice"),
        ("", "the statement has no row with the names of its columns"),
        (b"id,amount,what,at\n\xff\xfe", "the statement is not in utf-8-sig"),
    ],
)
def test_a_broken_row_refuses_the_whole_file_and_repeats_no_value(tmp_path: Path, text: str | bytes, says: str) -> None:
    """With the row's number and the column. Half a statement would call the other half unpaid."""
    with pytest.raises(Refusal) as refused:
        read(text, tmp_path)

    assert says in str(refused.value)
    assert PAN not in str(refused.value)


def test_a_card_number_in_a_statement_is_never_printed(desk: Desk) -> None:
    """15 digits of an Amex card look like an invoice id. Its column was taken for another, and it shows as stars."""
    amex = "377514500004820"
    head = "Order;RRN;Terminal;Operation;Amount;Currency;Time\n"
    path = desk.put(
        f"{head}{amex};;{PAN};TRANSFER;15 000,00;KZT;28.11.2026 09:12:41\n"
        f";{PAN};{PAN};TRANSFER;15 000,00;KZT;28.11.2026 09:12:41\n"
    )

    for said in (desk.reconcile(path=path), desk.reconcile("--json", path=path)):
        assert said.status == 20
        assert amex not in said.out + said.err
        assert PAN not in said.out + said.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("columns = 3", "columns"),
        ("[columns]\namount = 'a'", "give invoice_id or bank_reference"),
        ("[columns]\ninvoice_id = 'i'\namount = 'a'\nstate = 's'", "columns.state and values: give both, or neither"),
        ("currency = 'KZT'\n[columns]\ninvoice_id = 'i'\namount = 'a'", "executed_sign: give it where"),
        ("executed_sign = '-'\n[columns]\ninvoice_id = 'i'\namount = 'a'", "currency: give it where"),
        ("currency = 'XYZ'\nexecuted_sign = '-'\n[columns]\ninvoice_id = 'i'\namount = 'a'", "currency: give one of"),
        ("zone = 'Asia/Nowhere'\n[columns]\ninvoice_id = 'i'\namount = 'a'", "zone: is no time zone"),
        ("encoding = 'utf-9'\n[columns]\ninvoice_id = 'i'\namount = 'a'", "encoding: is no encoding"),
        ("colums = 3\n[columns]\ninvoice_id = 'i'\namount = 'a'", "colums"),
        ("[columns", "the mapping is no TOML"),
    ],
)
def test_a_wrong_mapping_is_named_by_its_field(desk: Desk, text: str, says: str) -> None:
    path = desk.folder / "mapping.toml"
    path.write_text(text)

    said = desk.transfers("reconcile", "--day", desk.day, "--statement", str(desk.put(HEAD)), "--mapping", str(path))

    assert said.status == 1
    assert says in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--day", "2026-11-28"),
        ("--day", "2026-11-28", "--statement", "s.csv"),
        ("--day", "2026-11-28", "--ask", "some"),
        ("--day", "2026-11-28", "--ask", "all", "--plan", "p.json"),
    ],
)
def test_what_was_typed_wrong_is_refused_before_anything_is_done(transfers: Cli, arguments: tuple[str, ...]) -> None:
    assert transfers("reconcile", *arguments).status == 2


def test_the_sandbox_writes_a_statement_of_its_books(bank: RunningSandbox, desk: Desk) -> None:
    """Each execution is a row, and what was given back; of a day in the bank's time."""
    desk.execute("123456789012", "1234.5", state="REFUND")
    desk.execute("123456789013", times=2)

    rows = list(csv.DictReader(io.StringIO(desk.statement().read_text()), delimiter=";"))

    assert [(row["Order"], row["Operation"], row["Amount"]) for row in rows] == [
        ("123456789012", "TRANSFER", "1 234,50"),
        ("123456789012", "REFUND", "1 234,50"),
        ("123456789013", "TRANSFER", "15 000,00"),
        ("123456789013", "TRANSFER", "15 000,00"),
    ]
    with urllib.request.urlopen(f"{bank.url}/statement?day=2020-01-01") as answer:  # noqa: S310 - our sandbox
        assert answer.read().decode().splitlines() == ["Order;RRN;Terminal;Operation;Amount;Currency;Time"]


def test_a_day_of_many_rows_takes_few_round_trips(ledger: Ledger, into: Into, ledger_client: redis.Redis) -> None:
    """What is compared of each transfer, once, in pipelines; only one that differs from its row is read whole."""
    day = Day.of(f"{datetime.now(ALMATY):%Y-%m-%d}", ALMATY)
    records = [into(State.PAID, f"payout-{number}") for number in range(51)]
    rows = [
        statement.Row(n, record.key, "", record.amount + (n == 50), "KZT", Moved.EXECUTED, record.state_since)
        for n, record in enumerate(records)
    ]
    before = calls_of(ledger_client)

    found = reading.reconcile(ledger, rows, day, space="main", terminals=(), unreadable=[])

    assert found.matched == {"KZT": 50}
    assert to_decimal(found.matched_sums["KZT"], "KZT") == Decimal(750_000)
    assert [finding.record for finding in found.findings] == [ledger.get(records[50].key)]
    assert calls_of(ledger_client) - before == {"hmget": 51, "hgetall": 2}  # and one by this test
    assert json.dumps(found.matched)


def calls_of(client: redis.Redis) -> Counter[str]:
    told = client.info("commandstats")
    return Counter({name: told.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hmget", "hgetall")})
