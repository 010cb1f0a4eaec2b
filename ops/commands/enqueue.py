"""`transfers enqueue`: enqueues intents from standard input; never from arguments, which every process can read."""

import sys
from typing import Any

import typer

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.strict_json import read_json
from epay_transfers.ops import screen, typed
from epay_transfers.ops.exit_status import NotYet, Refusal, status_of
from epay_transfers.ops.options import AsJson
from epay_transfers.producers import ProducerSettings, Receipt, TransferIntent, Transfers
from epay_transfers.runtime import logs
from epay_transfers.runtime.health import examine
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
def enqueue(*, as_json: AsJson = False) -> None:
    """Enqueue an intent, or a list of them, from JSON on standard input. A reference is never paid twice."""
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


def _servers_must_answer(settings: ProducerSettings) -> None:
    """Raise `NotYet` if a server is away: that may end by itself."""
    logs.set_up(settings.log_level)
    findings = examine(settings, SystemClock())
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
