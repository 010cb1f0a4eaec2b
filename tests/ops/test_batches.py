"""`transfers enqueue --csv` and `--jsonl`: the whole input is checked first, and the same command again goes on."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError, VaultUnavailable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.batches import reading, results, sending
from epay_transfers.producers import Receipt, TransferIntent, Transfers
from tests.support import waiting
from tests.support.command_line import Cli, Said

SENDER = "88481433-595e-4c01-941f-34569db2426e"
RECEIVER = "86496cb0-bb5d-4791-bb49-cc27a0f660ce"
NUMBER = "5522042705066736"

NAMES = "reference,amount,description,sender.card_id,receiver.card_id"


def line(reference: str, amount: str = "15000", description: str = "Payout", receiver: str = RECEIVER) -> str:
    return f"{reference},{amount},{description},{SENDER},{receiver}"


def batch(*lines: str, names: str = NAMES) -> str:
    return "".join(f"{each}\n" for each in (names, *lines))


def as_json(reference: str, **bent: Any) -> dict[str, Any]:
    whole = {"reference": reference, "amount": "15000", "description": "Payout"}
    return whole | {"sender": {"card_id": SENDER}, "receiver": {"card_id": RECEIVER}} | bent


@pytest.fixture
def given(transfers: Cli) -> Callable[..., Said]:
    """The command with this as its file."""

    def run(text: str | bytes, *options: str, form: str = "csv") -> Said:
        Path("payouts").write_bytes(text if isinstance(text, bytes) else text.encode())
        return transfers("enqueue", f"--{form}", "payouts", *options)

    return run


Given = Callable[..., Said]


def rows_of(path: str = "results") -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


# What is taken.


def test_each_row_is_a_transfer(given: Given, ledger: Ledger) -> None:
    said = given(batch(line("a"), line("b", "0.50"), line("c")), "--results", "results", "--json")

    assert said.status == 0, said.err
    assert said.json["sums"] == [{"terminal": "main", "count": 3, "amount": "30000.50", "currency": "KZT"}]
    assert (said.json["rows"], said.json["stored"], said.json["not_sent"]) == (3, 3, 0)
    written = rows_of()
    assert [(row["line"], row["reference"], row["result"]) for row in written] == [
        ("2", "a", "stored"),
        ("3", "b", "stored"),
        ("4", "c", "stored"),
    ]
    for row in written:
        record = ledger.by_reference(row["reference"])
        assert record is not None
        assert (record.key, record.handle) == (row["key"], row["handle"])
    assert Path("results").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + batch(line("a")),
        batch(line("a")).replace("\n", "\r\n"),
        batch(line("a")).replace(",", ";"),
        "\ufeff" + batch(line("a")).replace(",", ";").replace("\n", "\r\n") + "\r\n",
        batch(f"{line('a')},,", names=f"{NAMES},urgency,receiver.save"),
        batch(f"{line('a')},", names=f"{NAMES},"),
        batch(line("a")).replace("Payout", '"Payout, for ""November"""'),
        batch(line("a")).removesuffix("\n"),
    ],
)
def test_a_csv_is_taken_as_spreadsheets_write_it(given: Given, ledger: Ledger, text: str) -> None:
    """A byte-order mark, CRLF, a semicolon, empty cells, quotes, no line break at the end."""
    said = given(text)

    assert said.status == 0, said.err
    assert ledger.by_reference("a") is not None


def test_every_column_reaches_its_field(given: Given, transfers: Cli, ledger: Ledger) -> None:
    """A text of CSV becomes what the same text in JSON does."""
    names = "reference,amount,currency,description,urgency,foreign,sender.card_id,receiver.card_id"
    names += ",receiver.first_name,receiver.last_name,receiver.country_code"
    said = given(batch(f"a,10.5,usd,Payout,batch,TRUE,{SENDER},{RECEIVER},Ada,Lovelace,GB", names=names))

    same = as_json("a", amount="10.50", currency="USD", urgency="batch", foreign=True)
    same["receiver"] |= {"first_name": "Ada", "last_name": "Lovelace", "country_code": "GB"}
    again = transfers("enqueue", "--json", stdin=json.dumps(same))

    assert (said.status, again.status) == (0, 0), (said.err, again.err)
    assert again.json["replayed"]


def test_a_column_of_metadata_is_one_of_them_by_its_name(given: Given, transfers: Cli, ledger: Ledger) -> None:
    """An empty cell is left out; and the same in JSON lines is the same intent."""
    names = f"{NAMES},metadata.user,metadata.shop.order_2"
    said = given(batch(f"{line('a')},1001,x 7", f"{line('b')},1002,", f"{line('c')},,", names=names))

    assert said.status == 0, said.err
    kept = {name: transfers("status", name, "--json").json["metadata"] for name in "abc"}
    assert kept == {"a": {"shop.order_2": "x 7", "user": "1001"}, "b": {"user": "1002"}, "c": {}}
    same = [as_json("a", metadata={"user": "1001", "shop.order_2": "x 7"}), as_json("b", metadata={"user": "1002"})]
    again = given("".join(f"{json.dumps(each)}\n" for each in same), "--json", form="jsonl")
    assert (again.status, again.json["replayed"]) == (0, 2), again.err


def test_a_batch_that_comes_again_with_other_metadata_pays_nothing_twice(given: Given, ledger: Ledger) -> None:
    """A row whose metadata differ is refused, and its payout is there; a column that is added later is no new batch."""
    given(batch(line("a"), line("b")))

    said = given(batch(f"{line('a')},1001", f"{line('b')},", names=f"{NAMES},metadata.user"), "--results", "results")

    assert said.status == 1
    assert [(row["reference"], row["result"]) for row in rows_of()] == [("a", "refused"), ("b", "replayed")]
    assert "it is the same payment" in rows_of()[0]["why"]
    assert ledger.totals().of(State.QUEUED).count == 2


def test_json_lines_are_taken(given: Given, ledger: Ledger) -> None:
    text = "\ufeff" + "".join(f"{json.dumps(as_json(name))}\r\n\r\n" for name in ("a", "b"))

    said = given(text, "--json", form="jsonl")

    assert (said.status, said.json["stored"]) == (0, 2), said.err
    assert ledger.totals().of(State.QUEUED).count == 2


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_card_number_is_taken_from_a_pipe_alone(transfers: Cli, given: Given, ledger: Ledger, form: str) -> None:
    names = NAMES.replace("receiver.card_id", "receiver.number")
    text = batch(line("a", receiver=NUMBER), names=names)
    if form == "jsonl":
        text = json.dumps(as_json("a", receiver={"number": NUMBER}))

    in_file = given(text, form=form)
    assert (in_file.status, ledger.counters()) == (1, {})
    assert f"line {2 if form == 'csv' else 1}, receiver.number: is or holds a card number, and none" in in_file.err

    said = transfers("enqueue", f"--{form}", "-", "--results", "results", stdin=text)
    assert said.status == 0, said.err
    assert NUMBER not in Path("results").read_text()
    record = ledger.by_reference("a")
    assert record is not None
    assert record.receiver_card == "552204******6736"


def test_a_redirected_file_is_a_file(environment: dict[str, str]) -> None:
    """`< payouts.csv` leaves the number waiting on the disk as well."""
    names = NAMES.replace("receiver.card_id", "receiver.number")
    Path("payouts").write_text(batch(line("a", receiver=NUMBER), names=names))
    command = [sys.executable, "-m", "epay_transfers", "enqueue", "--csv", "-", "--dry-run"]

    with Path("payouts").open() as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own command

    assert done.returncode == 1
    assert "line 2, receiver.number: is or holds a card number" in done.stderr


# What is refused: nothing is sent then.


WRONG = [
    (batch(line("a", "-1")), "line 2, amount: must be more than 0"),
    (batch(line("a"), line("b", "15000,50").replace("15000,50", '"15000,50"')), "line 3, amount: must be a number"),
    (batch(line("a"), line("b"), line("a")), "line 4, reference: stands in line 2 already: give each transfer its own"),
    (batch(line("a", receiver="")), "line 2, receiver.number: give exactly one of number and card_id"),
    (batch(line("a").replace(SENDER, "")), "line 2, sender.card_id: is missing"),
    (batch(f"{line('a')},kiosk", names=f"{NAMES},terminal"), "line 2, terminal: is not known here; it is `main`"),
    (batch(f"{line('a')},2999-01-01T00:00:00Z", names=f"{NAMES},deadline"), "line 2, deadline: may be at most 30 days"),
    (batch(f"{line('a')},x"), "line 2: has 6 cells, and the line with the names has 5"),
    (batch(f"{line('a')},x", names=f"{NAMES},"), "line 2, column 6: has no name in the line with the names"),
    (batch(line("a", description='"one\ntwo"')), "line 2, description: must be one line of text"),
    (batch(line("a", description='"open')), "line 2: is no CSV: a quote is open"),
    (batch(line("a"), names=NAMES.replace("amount", "sum")), "line 1, sum: is not known here: give one of reference, "),
    (batch(line("a"), names=NAMES.replace("amount", "sum")), "line 1, amount: this column is needed"),
    (batch(line("a"), names=NAMES.replace("description", "amount")), "line 1, amount: stands there twice"),
    (batch(f"{line('a')},815", names=f"{NAMES},sender.cvc"), "line 1, sender.cvc: a CVC may not be kept"),
    (batch(f"{line('a')},815", names=f"{NAMES},CVC"), "line 1, CVC: a CVC may not be kept"),
    (batch(f"{line('a')},01/29", names=f"{NAMES},sender.expiry"), "line 1, sender.expiry: the card that pays is given"),
    (batch(f"{line('a')},x", names=f"{NAMES},4405639704015096"), "line 1, column 6: is not known here"),
    (batch(f"{line('a')},{NUMBER}", names=f"{NAMES},receiver.last_name"), "line 2, receiver.last_name: is or"),
    (batch(f"{line('a')},{NUMBER}", names=f"{NAMES},metadata.user"), "line 2, metadata.user: looks like a card number"),
    (batch(f"{line('a')},x", names=f"{NAMES},metadata.a{NUMBER}"), "line 1, column 6: is no name of metadata: give 1"),
    (batch(f"{line('a')},x", names=f"{NAMES},metadata.User"), "line 1, metadata.User: is no name of metadata: give 1"),
    (batch(f"{line('a')},x", names=f"{NAMES},metadata"), "line 1, metadata: is not known here: give one of"),
    (batch(f"{line('a')},815", names=f"{NAMES},metadata.cvc"), "line 2, metadata.cvc: a CVC and a PIN may be kept"),
    (batch(f"{line('a')},1,1", names=f"{NAMES},metadata.a,metadata.a"), "line 1, metadata.a: stands there twice"),
    (batch(line("a", description="Кофе")).encode("cp1251"), "line 2: is not in UTF-8 (windows-1251, perhaps)"),
    (batch(line("a")).encode("utf-16"), "line 1: is not in UTF-8"),
    ("", "line 1: the input has no line with the names of its columns"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_is_wrong_with_a_csv_is_said_with_line_and_column(
    given: Given, ledger: Ledger, text: str | bytes, sentence: str
) -> None:
    """And nothing is sent, of the right rows neither."""
    said = given(text, "--results", "results")

    assert (said.status, said.out) == (1, "")
    assert any(each.startswith(sentence) for each in said.err.splitlines()), said.err
    assert "Nothing was sent: " in said.err
    assert ledger.counters() == {}
    assert not Path("results").exists()


WRONG_JSON: list[tuple[Any, str]] = [
    (as_json("a", amount=1.5), "line 2, amount: must be a Decimal, an int or a string"),
    (as_json("a", sender={"card_id": SENDER, "cvc": "815"}), "line 2, sender.cvc: a CVC may not be kept"),
    (as_json("a", sender={"card_id": SENDER, "cvc": None}), "line 2, sender.cvc: a CVC may not be kept"),
    (as_json("a", sender={"number": NUMBER}), "line 2, sender.number: the card that pays is given by its id"),
    (as_json("a", sender={"card_id": SENDER, NUMBER: 1}), "line 2, sender: has a field that is not known here"),
    (as_json("a", sender={}), "line 2, sender.card_id: is missing"),
    (as_json("a", sender=SENDER), "line 2, sender"),
    (as_json("a", receiver=None), "line 2, receiver"),
    (as_json("a", description=NUMBER), "line 2, description: is or holds a card number"),
    (as_json("a", receiver={"card_id": RECEIVER, "last_name": [NUMBER]}), "line 2, receiver.last_name: is or"),
    (as_json("a", metadata={"user": NUMBER}), "line 2, metadata.user: looks like a card number"),
    (as_json("a", metadata={"user": 1001}), "line 2, metadata.user: must be a text"),
    (as_json("a", metadata={NUMBER: "x"}), "line 2, metadata: has a name that is none"),
    (as_json("a", metadata="user"), "line 2, metadata: must be a few names"),
    (as_json("a", **{NUMBER: 1}), "line 2, (a field): is not a field that is known here"),
    ([as_json("a")], "line 2: is no intent: give a JSON object"),
    ("x", "line 2: is no intent: give a JSON object"),
]  # fmt: skip


@pytest.mark.parametrize(("second", "sentence"), WRONG_JSON)
def test_what_is_wrong_with_json_lines_is_said_with_line_and_field(
    given: Given, ledger: Ledger, second: Any, sentence: str
) -> None:
    said = given(f"{json.dumps(as_json('right'))}\n{json.dumps(second)}\n", form="jsonl")

    assert (said.status, said.out) == (1, "")
    assert any(each.startswith(sentence) for each in said.err.splitlines()), said.err
    assert ledger.counters() == {}


@pytest.mark.parametrize(("text", "why"), [("{", "is not JSON"), ('{"a": 1, "a": 2}', "gives a twice in one object")])
def test_a_line_that_is_no_json_is_said(given: Given, text: str, why: str) -> None:
    said = given(f"{json.dumps(as_json('right'))}\n{text}\n", form="jsonl")

    assert said.status == 1
    assert said.err.startswith(f"line 2: {why}; a line is one intent\n")


def test_all_that_is_wrong_with_a_row_is_said_at_once(given: Given) -> None:
    """A person who mends a file runs the check twice, and not once for each cell."""
    said = given(batch(line("b ad", "x", "", receiver="?")), "--json")

    assert said.status == 1
    assert {(error["line"], error["column"]) for error in said.json["errors"]} == {
        (2, "reference"),
        (2, "amount"),
        (2, "description"),
        (2, "receiver.card_id"),
    }


def test_a_hundred_errors_are_shown_and_the_others_counted(given: Given) -> None:
    said = given(batch(*[line(f"a{number}", "0") for number in range(250)]))

    *shown, last = said.err.splitlines()
    assert len(shown) == 100
    assert last == "Nothing was sent: 250 errors. 150 of them are not shown."
    told = given(batch(*[line(f"a{number}", "0") for number in range(250)]), "--json").json
    assert (len(told["errors"]), told["more_errors"], told["not_sent"]) == (100, 150, 250)


def test_a_batch_has_a_largest_size(given: Given, monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 2)
    assert "line 4: a batch has at most 2 rows" in given(batch(line("a"), line("b"), line("c"))).err
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    assert given(batch(line("a"))).status == 1
    assert ledger.counters() == {}


def test_wrong_usage_is_2(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert transfers("enqueue", "--csv", "a", "--jsonl", "b").status == 2
    assert transfers("enqueue", "--dry-run", stdin="[]").status == 2
    assert transfers("enqueue", "--results", "r", stdin="[]").status == 2
    assert transfers("enqueue", "--csv", "no-such-file").status == 1
    monkeypatch.setattr("epay_transfers.ops.commands.enqueue.is_person", lambda: True)
    assert transfers("enqueue", "--csv", "-").status == 2


# A dry run.


def test_a_dry_run_counts_and_sums_by_terminal_and_currency_and_asks_no_server(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("EPAY_TERMINALS", '{"kiosk": {}}')
    lines = [f"{line(name, '10.5')},{more}" for name, more in (("a", "main,USD"), ("b", "kiosk,"), ("c", "kiosk,KZT"))]
    text = batch(*lines, names=f"{NAMES},terminal,currency")

    said = given(text, "--dry-run", "--json")

    assert said.status == 0, said.err
    assert said.json["sums"] == [
        {"terminal": "kiosk", "count": 2, "amount": "21.00", "currency": "KZT"},
        {"terminal": "main", "count": 1, "amount": "10.50", "currency": "USD"},
    ]
    assert (said.json["dry_run"], said.json["stored"], said.json["not_sent"]) == (True, 0, 3)
    shown = given(text, "--dry-run")
    assert "21.00 KZT" in shown.out
    assert shown.out.endswith("Dry run: 3 rows, each as it must be. Nothing was sent.\n")


def test_a_past_deadline_is_counted_before_and_refused_by_row(given: Given, ledger: Ledger) -> None:
    """It is no error of the batch: one that is given again may have been sent in time."""
    text = batch(f"{line('a')},2020-01-01T00:00:00Z", f"{line('b')},", names=f"{NAMES},deadline")

    assert "The deadline of 1 row is past" in given(text, "--dry-run").out
    said = given(text)

    assert said.status == 1
    assert said.err.startswith("line 2, a: refused: deadline: has passed already")
    assert "2 rows: 1 stored, 0 replayed, 1 refused, 0 unknown, 0 not sent." in said.out
    assert ledger.by_reference("b") is not None


def test_a_batch_without_rows_is_nothing_to_do(given: Given) -> None:
    said = given(batch())

    assert (said.status, said.out) == (0, "Nothing was sent: there are no rows.\n")
    assert given("", form="jsonl").status == 0


# Going on.


FIVE = batch(*[line(name) for name in "abcde"])


@pytest.fixture
def by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ROUND", 2)


Enqueue = Callable[[Transfers, Sequence[TransferIntent]], list[Receipt | TransfersError]]


@pytest.fixture
def second_round(monkeypatch: pytest.MonkeyPatch, by_two: None) -> Callable[[Callable[..., Any]], None]:
    """What happens in the second round of enqueueing, in the place of the real call, which it is given."""

    def is_so(happens: Callable[[Callable[[], Any]], Any]) -> None:
        real: Enqueue = Transfers.enqueue_many
        rounds = []

        def enqueue_many(self: Transfers, intents: Sequence[TransferIntent]) -> Any:
            rounds.append(len(intents))
            return happens(lambda: real(self, intents)) if len(rounds) == 2 else real(self, intents)

        monkeypatch.setattr(Transfers, "enqueue_many", enqueue_many)

    return is_so


SecondRound = Callable[[Callable[..., Any]], None]


def must_end_well(given: Given, ledger: Ledger, *, replayed: int) -> None:
    """The same command again: five transfers, each once in the ledger and once in the file."""
    said = given(FIVE, "--results", "results", "--json")
    assert (said.status, said.json["replayed"], said.json["stored"]) == (0, replayed, 5 - replayed), said.err
    assert ledger.totals().of(State.QUEUED).count == 5
    ended = [row["line"] for row in rows_of() if row["result"] in {"stored", "replayed"}]
    assert sorted(ended) == ["2", "3", "4", "5", "6"]


def test_after_ctrl_c_the_same_command_goes_on(given: Given, ledger: Ledger, second_round: SecondRound) -> None:
    def interrupted(enqueue: Callable[[], Any]) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return enqueue()

    second_round(interrupted)
    said = given(FIVE, "--results", "results")

    assert said.status == 130
    assert "5 rows: 4 stored, 0 replayed, 0 refused, 0 unknown, 1 not sent." in said.out
    assert "Interrupted: type the same command again" in said.err
    assert [row["reference"] for row in rows_of()] == ["a", "b", "c", "d"], "what was on its way is known"
    must_end_well(given, ledger, replayed=4)


def test_ctrl_c_during_the_check_sends_nothing(given: Given, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_row: reading.Row) -> Any:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("epay_transfers.ops.batches.checking._of_sender", interrupted)
    said = given(FIVE, "--results", "results")

    assert (said.status, said.err) == (130, "Interrupted: nothing was sent.\n")
    assert (ledger.counters(), Path("results").exists()) == ({}, False)


def test_after_a_lost_server_the_same_command_goes_on(given: Given, ledger: Ledger, second_round: SecondRound) -> None:
    """Its reply was lost: the rows are unknown, never refused, and nothing more is sent."""

    def lost(enqueue: Callable[[], Any]) -> Any:
        return [LedgerUnavailable()] * len(enqueue())

    second_round(lost)
    said = given(FIVE, "--results", "results", "--json")

    assert (said.status, said.json["unknown"], said.json["not_sent"]) == (75, 2, 1)
    assert said.json["stopped"].startswith("the ledger did not answer")
    assert [row["result"] for row in rows_of()] == ["stored", "stored", "unknown", "unknown"]
    must_end_well(given, ledger, replayed=4)


def test_a_lost_vault_is_unknown_with_the_key(given: Given, ledger: Ledger, second_round: SecondRound) -> None:
    """The transfer is stored, and its card may be missing until the same command is given again."""
    second_round(lambda enqueue: [VaultUnavailable(receipt) for receipt in enqueue()])

    said = given(FIVE, "--results", "results")

    assert said.status == 75
    third = rows_of()[2]
    record = ledger.by_reference("c")
    assert record is not None
    assert (third["result"], third["key"]) == ("unknown", record.key)
    must_end_well(given, ledger, replayed=4)


class _Died(BaseException):
    """The process ends here."""


def test_after_a_death_at_any_write_of_the_file_the_same_command_goes_on(
    given: Given, ledger: Ledger, vault_client: redis.Redis, by_two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each flush to the disk, and in the middle of each write."""
    left = 0

    def dying(call: Callable[..., int | None], *, torn: bool = False) -> Callable[..., int | None]:
        def one(*arguments: Any) -> int | None:
            nonlocal left
            left -= 1
            if left == 0:
                if torn:
                    call(arguments[0], arguments[1][:-9])
                raise _Died
            return call(*arguments)

        return one

    disk = {"write": dying(os.write, torn=True), "fsync": dying(os.fsync)}
    monkeypatch.setattr(results, "os", SimpleNamespace(**vars(os) | disk))
    deaths = 0
    for point in range(1, 100):
        left = point
        ledger.client.flushall()
        vault_client.flushall()
        Path("results").unlink(missing_ok=True)
        try:
            given(FIVE, "--results", "results")
        except _Died:
            deaths += 1
        else:
            break
        left = 0
        before = ledger.totals().of(State.QUEUED).count
        must_end_well(given, ledger, replayed=before)
    assert deaths > 6


def test_after_a_kill_the_same_command_goes_on(given: Given, ledger: Ledger, environment: dict[str, str]) -> None:
    """A real process, killed once its first rows are in the file: each of the transfers is there once at the end."""
    text = batch(*[line(f"payout-{number}") for number in range(1500)])
    Path("payouts").write_text(text)
    command = [sys.executable, "-m", "epay_transfers", "enqueue", "--csv", "payouts", "--results", "results"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
        waiting.until(lambda: Path("results").exists() and len(Path("results").read_text().splitlines()) > 2)
        process.kill()

    said = given(text, "--results", "results", "--json")

    assert (said.status, said.json["replayed"] + said.json["stored"]) == (0, 1500)
    assert said.json["replayed"] >= 500, "a round was on the disk before the next was sent"
    assert ledger.totals().of(State.QUEUED).count == 1500
    assert [row["line"] for row in rows_of()] == [str(number) for number in range(2, 1502)]


def test_a_full_disk_stops_it(given: Given, ledger: Ledger, by_two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []

    def full(file: int, data: bytes) -> int:
        writes.append(data)
        if len(writes) == 3:
            raise OSError(28, "No space left on device")
        return os.write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(results, "os", SimpleNamespace(**vars(os) | {"write": full}))
        said = given(FIVE, "--results", "results")

    assert (said.status, ledger.totals().of(State.QUEUED).count) == (1, 4)
    assert "results: can't be written any more: No space left on device" in said.err
    must_end_well(given, ledger, replayed=4)


# The result file.


@pytest.mark.parametrize("text", ["notes of mine\n", "line,reference\n", "", batch(line("a"))])
def test_another_file_is_never_overwritten(given: Given, ledger: Ledger, text: str) -> None:
    Path("mine").write_text(text or "x")
    before = Path("mine").read_bytes()

    said = given(batch(line("a")), "--results", "mine")

    assert (said.status, ledger.counters()) == (1, {})
    assert said.err == "mine: is there already, and is no result file: give the name of a new one\n"
    assert Path("mine").read_bytes() == before


@pytest.mark.parametrize("other", [batch(line("b")), batch(line("b"), line("a")), batch("", line("a"))])
def test_the_results_of_another_batch_are_not_gone_on_with(given: Given, ledger: Ledger, other: str) -> None:
    """Another reference at a line, or the same one at another line."""
    given(batch(line("a")), "--results", "results")
    before = Path("results").read_bytes()

    said = given(other, "--results", "results")

    assert said.status == 1
    assert said.err == "results: has the results of another batch: give the name of a new one\n"
    assert Path("results").read_bytes() == before
    assert ledger.by_reference("b") is None


def test_what_stands_as_stored_is_never_said_to_be_refused(given: Given) -> None:
    """A payer who reads the file by its last rows would pay it another way."""
    given(batch(line("a")), "--results", "results")

    said = given(batch(line("a", "1")), "--results", "results")

    assert said.status == 1
    assert "line 2, a: refused: this reference or invoice id is known with another intent" in said.err
    assert [row["result"] for row in rows_of()] == ["stored"]


@pytest.mark.parametrize("place", ["no/such/folder", ".", "/dev/null"])
def test_nothing_is_sent_where_the_results_can_not_be_written(given: Given, ledger: Ledger, place: str) -> None:
    said = given(batch(line("a")), "--results", place)

    assert (said.status, ledger.counters()) == (1, {})
    assert said.err.startswith(f"{place}: ")


# How a row ends, and the run.


def test_a_row_that_is_refused_holds_up_no_other(given: Given, ledger: Ledger) -> None:
    given(batch(line("a")))

    said = given(batch(line("a", "1"), line("b")), "--json")

    assert (said.status, said.json["refused"], said.json["stored"]) == (1, 1, 1)
    (problem,) = said.json["problems"]
    assert (problem["line"], problem["reference"], problem["result"]) == (2, "a", "refused")
    assert "what differs: amount" in problem["why"]


def test_a_full_queue_is_for_later(given: Given, monkeypatch: pytest.MonkeyPatch, by_two: None) -> None:
    monkeypatch.setenv("QUEUE_LIMIT", "2")

    said = given(FIVE, "--json")

    assert (said.status, said.json["stored"], said.json["refused"], said.json["not_sent"]) == (75, 2, 2, 1)
    assert "too many transfers are waiting" in said.json["stopped"]


def test_a_server_that_is_away_is_75_before_anything_is_written(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_URL", "redis://127.0.0.1:1/0")

    said = given(FIVE, "--results", "results")

    assert said.status == 75
    assert "VAULT_URL: the server at 127.0.0.1:1 refused the connection" in said.err
    assert not Path("results").exists()


def test_the_bar_is_for_a_terminal(given: Given, environment: dict[str, str]) -> None:
    """On a pipe and in a log nothing but the result is printed."""
    assert given(FIVE).err == ""
    command = [sys.executable, "-m", "epay_transfers", "enqueue", "--csv", "payouts"]
    ours, its = pty.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=its, timeout=60, check=False)  # noqa: S603 - our own command
    os.close(its)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)

    assert done.returncode == 0
    assert "Enqueuing" in seen
    assert b"5 rows: 0 stored, 5 replayed" in done.stdout
