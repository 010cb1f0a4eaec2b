"""What is raised where something foreign was caught carries nothing of it: theirs may hold the card in an attribute."""

import ast
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.producers import IntentRejected, PanCard, Receiver, TransferIntent
from tests.security.canaries import ADDRESS, CVC, FIRST_NAME, HOLDER, LAST_NAME, PAN, RECEIVER_PAN, Search, dresses

ROOT = Path(__file__).parents[2]
ROOMS = ("ledger", "producers", "worker", "ops")


def raises_in_handlers(source: str) -> Iterator[tuple[int, str]]:
    """Whatever is raised inside an `except`, but for the caught error itself, without `from None`."""
    for handler in ast.walk(ast.parse(source)):
        if isinstance(handler, ast.ExceptHandler):
            for node in ast.walk(handler):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    cause = node.cause
                    if not (isinstance(cause, ast.Constant) and cause.value is None):
                        yield node.lineno, ast.unparse(node)


def test_whatever_is_raised_in_a_handler_is_raised_from_none() -> None:
    found = [
        (str(path.relative_to(ROOT)), *raised)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for raised in raises_in_handlers(path.read_text())
    ]

    assert found == []


def test_the_search_sees_one_that_is_not() -> None:
    source = "try:\n    f()\nexcept E as error:\n    raise A\ntry:\n    f()\nexcept E:\n    raise B from None\n"

    assert list(raises_in_handlers(source)) == [(4, "raise A")]


GOOD: dict[str, Any] = {
    "reference": "payout-1",
    "amount": "100",
    "description": "Payout",
    "sender": {"number": PAN, "expiry": "01/25", "cvc": CVC, "name": HOLDER, "address": ADDRESS},
    "receiver": {"number": RECEIVER_PAN, "first_name": FIRST_NAME, "last_name": LAST_NAME},
}


def bent(**changes: Any) -> dict[str, Any]:
    return GOOD | changes


REFUSED = [
    bent(amount=PAN),
    bent(reference=PAN),
    bent(description=f"card {PAN}"),
    bent(currency=HOLDER),
    bent(sender=PAN),
    bent(sender=GOOD["sender"] | {"number": PAN[:-1] + "1"}),
    bent(sender=GOOD["sender"] | {"cvc": f"{CVC}{CVC}"}),
    bent(sender=GOOD["sender"] | {"expiry": PAN}),
    bent(sender=GOOD["sender"] | {PAN: HOLDER}),
    bent(receiver={"number": RECEIVER_PAN, "card_id": PAN}),
    bent(receiver=[RECEIVER_PAN]),
    bent(invoice_id=PAN + "0"),
    bent(sender_ip=HOLDER),
    bent(sender_email=PAN),
    bent(back_link=f"http://{PAN}"),
    bent(foreign=True),
    {"sender": GOOD["sender"]},
]


@pytest.mark.parametrize("intent", REFUSED, ids=lambda intent: "-".join(intent)[:40])
def test_a_refused_intents_error_holds_nothing_of_it(intent: dict[str, Any]) -> None:
    """Its text, its repr, its attributes, whatever it came from, and the locals of every frame that is ours."""
    with pytest.raises(IntentRejected) as caught:
        TransferIntent.model_validate(intent)

    told = list(_everything_of(caught.value))
    assert Search().hits("\n".join(told)) == {}


def test_the_look_into_frames_sees_locals() -> None:
    """The control: an ordinary error, and a card in a local variable."""
    card = dresses(PAN)[1]
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int(card)

    assert Search().hits("\n".join(_everything_of(caught.value, ours=str(Path(__file__).parent)))) != {}


def test_an_intent_shows_nothing_of_its_cards() -> None:
    """Printed, formatted, dumped, as JSON; and so do its parts."""
    made = TransferIntent.model_validate(GOOD)
    sender = made.sender
    assert isinstance(sender, PanCard)
    shown = [
        repr(made),
        str(made),
        f"{made}",
        made.model_dump_json(),
        str(made.model_dump()),
        repr(sender),
        str(vars(made)),
    ]
    shown += [repr(Receiver(number=RECEIVER_PAN)), repr(made.card_data()), f"{made.card_data().sender.cvc:>9}"]

    assert Search().hits("\n".join(shown)) == {}


def _everything_of(error: BaseException | None, ours: str = "") -> Iterator[str]:
    while error is not None:
        yield from (repr(error), str(error), repr(vars(error)), repr(error.args))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            place = frame.f_code.co_filename
            if place.startswith(ours or tuple(f"{ROOT / room}/" for room in ROOMS)):
                yield repr(frame.f_locals)
        error = error.__cause__ or error.__context__
