"""Nothing of what was refused is in the refusal: not in its text, not in its repr, not in what it came from."""

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from epay_transfers.producers import IntentRejected, TransferIntent

#: The bank's public test cards, and what else is nobody's business.
CANARIES = ("4405639704015096", "5522042705066736", "377514500004820", "4169", "Sergey Frolov", "armanali@epay.kz")

GOOD: dict[str, Any] = {
    "reference": "order-1123",
    "amount": "100.50",
    "description": "TEST p2p",
    "sender": {"number": "4405639704015096", "expiry": "01/25", "cvc": "4169", "name": "Sergey Frolov"},
    "receiver": {"number": "5522042705066736"},
    "sender_email": "armanali@epay.kz",
}

BENT: list[dict[str, Any]] = [
    {"reference": "4405639704015096"},
    {"description": "to 4405639704015096 with thanks"},
    {"amount": "4405639704015096.001"},
    {"currency": "4405639704015096"},
    {"sender": "4405639704015096"},
    {"sender": GOOD["sender"] | {"number": "4405639704015096x"}},
    {"sender": GOOD["sender"] | {"expiry": "4405639704015096"}},
    {"sender": GOOD["sender"] | {"4405639704015096": "x"}},
    {"receiver": {"number": "377514500004820", "card_id": "377514500004820"}},
    {"receiver": {"number": ["377514500004820"]}},
    {"invoice_id": "4405639704015096"},
    {"deadline": "4405639704015096"},
    {"urgency": "4405639704015096"},
    {"sender_ip": "4405639704015096"},
    {"sender_email": "armanali@epay.kz@epay.kz"},
    {"back_link": "http://shop.kz/4405639704015096"},
    {"save": "4405639704015096"},
    {"4405639704015096": 1},
    {"foreign": True},
    {"foreign": "4405639704015096"},
]

WAYS: dict[str, Callable[[dict[str, Any]], TransferIntent]] = {
    "constructor": lambda fields: TransferIntent(**fields),
    "dict": TransferIntent.model_validate,
    "json": lambda fields: TransferIntent.model_validate_json(json.dumps(fields)),
}


def everything_about(error: BaseException) -> str:
    """Its text, its fields, and all that it was raised from or while handling."""
    texts = []
    known: BaseException | None = error
    while known is not None:
        texts += [str(known), repr(known), repr(known.args), repr(vars(known))]
        errors = getattr(known, "errors", None)
        texts.append(repr(errors()) if callable(errors) else "")
        known = known.__context__ or known.__cause__
    return "\n".join(texts) + "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize("bent", BENT)
@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)
def test_a_refusal_holds_no_value_however_the_intent_was_made(
    bent: dict[str, Any], make: Callable[[dict[str, Any]], TransferIntent]
) -> None:
    with pytest.raises(IntentRejected) as caught:
        make(GOOD | bent)

    assert caught.value.__context__ is None
    assert not [canary for canary in CANARIES if canary in everything_about(caught.value)]


@pytest.mark.parametrize("text", ['{"number": "4405639704015096"', '"4405639704015096"', "4405639704015096"])
def test_nor_does_the_refusal_of_what_is_no_json(text: str) -> None:
    with pytest.raises(IntentRejected) as caught:
        TransferIntent.model_validate_json(text)

    assert not [canary for canary in CANARIES if canary in everything_about(caught.value)]


def test_an_intent_shows_nothing_of_its_cards() -> None:
    intent = TransferIntent(**GOOD)

    shown = (
        repr(intent)
        + str(intent)
        + intent.model_dump_json()
        + repr(intent.card_data())
        + intent.order_details().to_json()
    )

    assert "order-1123" in shown
    assert not [canary for canary in CANARIES if canary in shown]
