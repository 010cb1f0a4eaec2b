"""`transfers enqueue`: enqueues intents from standard input, or a batch; never from arguments, which all can read."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.strict_json import read_json
from epay_transfers.ops import screen, typed
from epay_transfers.ops.batches import page
from epay_transfers.ops.batches.checking import Checked, check
from epay_transfers.ops.batches.reading import STDIN, Batch, Form, read
from epay_transfers.ops.batches.results import Results
from epay_transfers.ops.batches.sending import Sent, send
from epay_transfers.ops.exit_status import ExitStatus, NotYet, Refusal, status_of
from epay_transfers.ops.options import AsJson
from epay_transfers.producers import ProducerSettings, Receipt, TransferIntent, Transfers
from epay_transfers.runtime import logs
from epay_transfers.runtime.health import Examination
from epay_transfers.runtime.setting_sources import ENV_FILE

app = typer.Typer()

_EXAMPLE = """\
Give an intent, or a list of them, as JSON on standard input, for example:

{transfers} enqueue <<'INTENT'
{"reference": "payout-42", "amount": "15000", "description": "Payout 42",
 "sender": {"card_id": "88481433-595e-4c01-941f-34569db2426e"},
 "receiver": {"card_id": "86496cb0-bb5d-4791-bb49-cc27a0f660ce"}}
INTENT"""


@app.command()
def enqueue(
    *,
    csv_from: Annotated[
        str | None, typer.Option("--csv", metavar="FILE|-", help="Many intents: CSV, of a file or standard input.")
    ] = None,
    jsonl_from: Annotated[
        str | None, typer.Option("--jsonl", metavar="FILE|-", help="Many intents: a JSON object a line.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all rows, show their sums, send nothing.")] = False,
    results: Annotated[
        str | None, typer.Option("--results", metavar="FILE", help="Write there what became of each row, as CSV.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue intents: from JSON on standard input, or many from CSV or JSON lines. A reference is never paid twice.

    Many are checked first, all of them; where one is wrong nothing is sent. What a batch takes: docs/batches.md.
    """
    if csv_from is not None or jsonl_from is not None:
        _enqueue_batch(csv_from, jsonl_from, dry_run=dry_run, results=results, as_json=as_json)
    elif dry_run or results is not None:
        raise typer.BadParameter("--dry-run and --results are for a batch: give --csv or --jsonl")
    else:
        _enqueue_given(as_json=as_json)


def _enqueue_given(*, as_json: bool) -> None:
    if sys.stdin is None or is_person():
        if as_json:
            raise typer.BadParameter("give an intent, or a list of them, as JSON on standard input")
        typer.echo(_EXAMPLE.replace("{transfers}", typed.command()), err=True)
        raise typer.Exit(2)
    try:
        text = sys.stdin.buffer.read()
    except OSError as error:
        raise Refusal(f"standard input can't be read: {error.strerror}") from None
    data = _read(text)
    many = isinstance(data, list)
    answers = _enqueue(data if isinstance(data, list) else [data])
    if as_json:
        shown = [_as_dict(answer) for answer in answers]
        screen.say_json(shown if many else shown[0])
    else:
        for at, answer in enumerate(answers):
            _say(answer, f"{at + 1}: " if many else "")
    failed = [answer for answer in answers if isinstance(answer, TransfersError)]
    if failed:
        raise typer.Exit(max(status_of(error) for error in failed))


def _enqueue_batch(
    csv_from: str | None, jsonl_from: str | None, *, dry_run: bool, results: str | None, as_json: bool
) -> None:
    if csv_from is not None and jsonl_from is not None:
        raise typer.BadParameter("give either --csv or --jsonl")
    name, form = (csv_from, Form.CSV) if csv_from is not None else (str(jsonl_from), Form.JSONL)
    if name == STDIN and (sys.stdin is None or is_person()):
        raise typer.BadParameter("pipe the rows into standard input, or give a file in place of -")
    settings = ProducerSettings.load(env_file=ENV_FILE)
    batch = read(name, form)
    try:
        with page.progress("Checking", batch.raw.count(b"\n")) as tell:
            checked = check(batch, settings, SystemClock().now_ms(), tell)
    except KeyboardInterrupt:
        if as_json:
            raise
        typer.echo("Interrupted: nothing was sent.", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    path = None if results is None else Path(results)
    sent = None if checked.errors or dry_run or not checked.rows else _send(batch, checked, settings, path)
    if as_json:
        screen.say_json(page.as_dict(checked, sent, path, is_dry_run=dry_run))
    elif checked.errors:
        page.show_wrong(checked)
    elif sent is None:
        page.show_not_sent(checked, is_dry_run=dry_run)
    else:
        page.show_checked(checked)
        page.show_sent(checked, sent, path)
    if status := 1 if checked.errors else 0 if sent is None else page.status(sent):
        raise typer.Exit(status)


def _send(batch: Batch, checked: Checked, settings: ProducerSettings, path: Path | None) -> Sent:
    """The result file is begun before anything is sent."""
    _servers_must_answer(settings, most_told="WARNING")  # a line for each of so many would be in the bar's way
    results = None if path is None else Results(path, checked.lines)
    with (
        _interruptible() as is_interrupted,
        page.progress("Enqueuing", checked.rows) as tell,
        Transfers.from_env(settings) as transfers,
    ):
        return send(batch, transfers, results, is_interrupted, tell)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C ends the run after the rows that are on their way; the second ends it at once."""
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def is_person() -> bool:
    """Is standard input a terminal? Then the command shows an example instead of waiting for typed JSON."""
    return sys.stdin.isatty()


def _read(text: bytes) -> Any:
    """Parse the input. Errors do not repeat it: it may hold a card number."""
    why = ""
    try:
        return read_json(text)
    except ValueError as error:
        why = str(error)
    raise Refusal(f"standard input {why}; it must be an intent, or a list of intents, and give each name once")


def _enqueue(items: list[Any]) -> list[Receipt | TransfersError]:
    """An answer for each intent; the valid ones are enqueued together."""
    intents = [_intent(item) for item in items]
    valid = [intent for intent in intents if isinstance(intent, TransferIntent)]
    if not valid:
        return [intent for intent in intents if isinstance(intent, TransfersError)]
    settings = ProducerSettings.load(env_file=ENV_FILE)
    _servers_must_answer(settings)
    with Transfers.from_env(settings) as transfers:
        made = iter(transfers.enqueue_many(valid))
    return [next(made) if isinstance(intent, TransferIntent) else intent for intent in intents]


def _servers_must_answer(settings: ProducerSettings, *, most_told: str = "DEBUG") -> None:
    """Raise `NotYet` if a server is away: that may end by itself. What is less than `most_told` is not logged."""
    levels = logging.getLevelNamesMapping()
    logs.set_up(max(settings.log_level, most_told, key=lambda name: levels[name]))
    findings = Examination(settings, SystemClock()).look()
    if findings and all(finding.passing for finding in findings):
        raise NotYet("\n".join(map(str, findings)))


def _intent(item: Any) -> TransferIntent | TransfersError:
    try:
        return TransferIntent.model_validate(item)
    except TransfersError as error:
        return error


def _as_dict(answer: Receipt | TransfersError) -> dict[str, Any]:
    if isinstance(answer, TransfersError):
        return {"error": type(answer).__name__, "message": str(answer)}
    return {
        "key": answer.key,
        "invoice_id": answer.invoice_id,
        "handle": answer.handle,
        "state": answer.state,
        "replayed": answer.replayed,
    }


def _say(answer: Receipt | TransfersError, before: str) -> None:
    if isinstance(answer, TransfersError):
        typer.echo(f"{before}{answer}", err=True)
        return
    known = "  (known already: nothing new was made)" if answer.replayed else ""
    screen.say(f"{before}{answer.key}  {answer.state}  handle {answer.handle}{known}")
