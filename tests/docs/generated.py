"""The pieces of the documents that are made from the code. `python -m tests.docs.generated` writes them anew.

Each stands between `<!-- name -->` and `<!-- /name -->`; a test compares them.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from pydantic.fields import FieldInfo

from epay_transfers.ledger import state_tables
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ops import settings_table
from epay_transfers.ops.exit_status import ExitStatus
from epay_transfers.producers.cards import PanCard, Receiver, SavedCard
from epay_transfers.producers.intent import TransferIntent
from epay_transfers.producers.model import StrictModel, _docstrings
from epay_transfers.producers.outcomes import AnyOutcome
from epay_transfers.worker.bank import CATALOGUE, CodeClass, Consequence, Entry

ROOT = Path(__file__).parents[2]

#: What each consequence does, in the words of the code catalogue's table.
EFFECTS = {
    Consequence.WAIT_30_MIN: "the outcome says `not_before`: in 30 minutes",
    Consequence.RECEIVER_LIMIT: "the outcome says `not_before`: the next day in Almaty",
    Consequence.PAUSE_TERMINAL: "the terminal's send lane stops until the next day in Almaty; `not_before` says so too",
    Consequence.LEAVE_CARD: "the card is to be left alone: the producer reads it from the code",
}


def state_diagram() -> str:
    return f"```mermaid\n{state_tables.diagram()}\n```"


def settings() -> str:
    return "\n".join(settings_table.markdown_rows())


def code_catalogue() -> str:
    """A row for all codes of one meaning, in the catalogue's order."""
    rows = ["| code | meaning | class | and then |", "|---|---|---|---|"]
    for entry, codes in _meanings():
        then = EFFECTS[entry.consequence] if entry.consequence else ""
        if entry.code_class is CodeClass.SETUP:
            then = "three in a row stop the terminal's send lane"
        rows.append(f"| {', '.join(codes)} | {entry.meaning} | {_name(entry)} | {then} |")
    return "\n".join(rows)


def exit_statuses() -> str:
    rows = [f"| {int(status)} | {status.means} | {status.next} |" for status in ExitStatus]
    return "\n".join(["| status | it means | what to do |", "|---|---|---|", *rows])


def intent_fields() -> str:
    """A table for each model, as its docstrings have it: a new field is a new row."""
    return "\n\n".join(_model(model) for model in (TransferIntent, PanCard, SavedCard, Receiver))


def _model(model: type[StrictModel]) -> str:
    described = _docstrings(model)
    rows = [f"| `{name}` | {_default(field)} | {described[name]} |" for name, field in model.model_fields.items()]
    return "\n".join([f"### {model.__name__}", "", "| field | left out | what it is |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    given = field.get_default(call_default_factory=True)
    return "-" if given is None or isinstance(given, Secret) or given == "" else f"`{given}`"


#: What a backend tells its client of each state.
TELLS = {
    State.QUEUED: "it waits for its turn",
    State.SENDING: "the bank is being asked",
    State.PARKED: "your bank wants you to confirm it: a link to `/pay/{handle}`",
    State.RESUMED: "it waits for its turn, confirmed",
    State.CONFIRMING: "the bank is being asked",
    State.IN_DOUBT: "not known yet; do not pay again",
    State.NEEDS_REVIEW: "not known yet; do not pay again. Two operators find out",
    State.DEAD: "not sent yet; do not pay again. An operator may send it still",
    State.PAID: "paid",
    State.REVERSED: "paid, and given back",
    State.DECLINED: "the bank refused it; nothing was paid",
    State.EXPIRED: "it was too late; nothing was paid",
    State.CANCELLED: "taken back; nothing was paid",
}


def states_for_a_backend() -> str:
    rows = [f"| `{state}` | {'yes' if state.final else 'no'} | `{state.money}` | {TELLS[state]} |" for state in State]
    return "\n".join(["| state | `final` | `money` | what to tell the client |", "|---|---|---|---|", *rows])


def outcome_fields() -> str:
    """From what stands beside each field of `AnyOutcome`."""
    said = dict(re.findall(r"^    ([a-z]\w*): .*  #: (.*)$", inspect.getsource(AnyOutcome), re.MULTILINE))
    names = [field.name for field in dataclasses.fields(AnyOutcome) if not field.name.startswith("_")]
    return "\n".join(["| field | what it says |", "|---|---|", *(f"| `{name}` | {said[name]} |" for name in names)])


def _meanings() -> Iterator[tuple[Entry, list[str]]]:
    for entry, pairs in groupby(CATALOGUE.items(), key=lambda pair: pair[1]):
        yield entry, [code for code, _ in pairs]


def _name(entry: Entry) -> str:
    return "paid" if entry.code_class is CodeClass.PAID else str(entry.code_class)


#: Where each piece stands.
PIECES: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/settings.md", "settings"): settings,
    ("docs/design.md", "states"): state_diagram,
    ("docs/design.md", "verbs"): state_tables.verbs,
    ("docs/command-line.md", "exit statuses"): exit_statuses,
    ("docs/bank.md", "codes"): code_catalogue,
    ("docs/intent.md", "fields"): intent_fields,
    ("docs/web.md", "outcome states"): states_for_a_backend,
    ("docs/web.md", "outcome fields"): outcome_fields,
}


def piece_of(text: str, name: str) -> re.Match[str]:
    """The piece between its marks. A document without the marks is an error."""
    found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=\n<!-- /{name} -->)", text, re.DOTALL)
    if found is None:
        raise LookupError(f"no marks for {name}")
    return found


def main() -> None:
    for (place, name), make in PIECES.items():
        path = ROOT / place
        text = path.read_text()
        found = piece_of(text, name)
        path.write_text(text[: found.start()] + make() + text[found.end() :])


if __name__ == "__main__":
    main()
