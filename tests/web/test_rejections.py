"""A refused intent in a backend's own route: 422 with field and reason, in each framework, and never a value."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import flask
import pytest
from django.conf import settings as django_settings
from django.urls import path
from fastapi import Body, FastAPI
from pydantic import BaseModel, ValidationError

import epay_transfers.producers.web.fastapi
import epay_transfers.producers.web.flask
from epay_transfers.producers import IntentRejected, TransferIntent
from epay_transfers.producers.web.rejections import rejection
from tests.web.calling import Answer, Call, call_asgi, call_wsgi
from tests.web.test_frameworks import django_call

CARD = {"number": "4405639704015096", "expiry": "01/30", "cvc": "4169", "name": "Qanarius Holderov"}
INTENT: dict[str, Any] = {
    "reference": "order-1",
    "amount": "12000",
    "description": "A ticket",
    "sender": CARD,
    "receiver": {"number": "5522042705066736"},
}
VALUES = ("4405639704015096", "4405639704015091", "5522042705066736", "4169", "Qanarius")


class Order(BaseModel):
    """A backend's own model with an intent in it."""

    intent: TransferIntent
    note: int


def by_fastapi() -> Call:
    app = FastAPI()
    epay_transfers.producers.web.fastapi.answer_rejections(app)

    @app.post("/intent")
    async def take(intent: TransferIntent) -> str:
        return intent.reference

    @app.post("/order")
    async def order(order: Order) -> str:
        return order.intent.reference

    @app.post("/many")
    async def many(intents: Annotated[list[TransferIntent], Body()], note: Annotated[int, Body()]) -> int:
        return len(intents) + note

    return call_asgi(app)


def by_flask() -> Call:
    app = flask.Flask(__name__)
    epay_transfers.producers.web.flask.answer_rejections(app)

    @app.post("/intent")
    def take() -> str:
        return json.dumps(TransferIntent.model_validate_json(flask.request.get_data()).reference)

    return call_wsgi(app)


def by_rest_framework() -> Call:
    return django_call(lambda: [path("intent", _rest_view())])


def _rest_view() -> Callable[..., Any]:
    handler = "epay_transfers.producers.web.rest_framework.exception_handler"
    django_settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": handler, "UNAUTHENTICATED_USER": None}
    from rest_framework.parsers import JSONParser  # noqa: PLC0415 - it wants Django's settings first
    from rest_framework.renderers import JSONRenderer  # noqa: PLC0415
    from rest_framework.response import Response  # noqa: PLC0415
    from rest_framework.views import APIView  # noqa: PLC0415

    class Take(APIView):  # type: ignore[misc]  # it has no types
        authentication_classes = ()
        permission_classes = ()
        parser_classes = (JSONParser,)
        renderer_classes = (JSONRenderer,)

        def post(self, request: Any) -> Any:
            return Response(TransferIntent.model_validate(request.data).reference)

    view: Callable[..., Any] = Take.as_view()
    return view


APPS: dict[str, Callable[[], Call]] = {"fastapi": by_fastapi, "flask": by_flask, "rest_framework": by_rest_framework}


@pytest.fixture(params=APPS)
def call(request: pytest.FixtureRequest) -> Call:
    return APPS[request.param]()


def posted(call: Call, place: str, body: object) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call("POST", place, headers={"Content-Type": "application/json"}, body=text)


def assert_shows_nothing(answer: Answer) -> None:
    assert [value for value in VALUES if value.encode() in answer.body] == []


def test_an_intent_that_is_right_is_taken(call: Call) -> None:
    answer = posted(call, "/intent", INTENT)

    assert (answer.status, json.loads(answer.body)) == (200, "order-1")


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"sender": CARD | {"number": "4405639704015091"}}, "sender.number", "check digit"),
        ({"sender": CARD | {"cvc": "41694169"}}, "sender.cvc", "3 or 4 digits"),
        ({"sender": CARD | {"4405639704015096": "4169"}}, "sender.(a field)", "not a field that is known"),
        ({"sender": "4405639704015096"}, "sender.(all)", "should be a valid dictionary"),
        ({"reference": "4405639704015096"}, "reference", "looks like a card number"),
        ({"amount": "4405639704015096.001"}, "amount", ""),
        ({"receiver": {}}, "receiver.number", "exactly one of number and card_id"),
        ({"foreign": True}, "receiver.first_name", "is needed for a transfer abroad"),
    ],
)
def test_one_that_is_refused_is_422_with_its_field_and_the_reason(
    call: Call, wrong: dict[str, Any], field: str, reason: str
) -> None:
    answer = posted(call, "/intent", INTENT | wrong)

    assert answer.status == 422
    body = json.loads(answer.body)
    assert body.keys() == {"field", "reason"}
    assert body["field"] == field
    assert reason in body["reason"]
    assert_shows_nothing(answer)


@pytest.mark.parametrize("missing", ["reference", "amount", "sender", "receiver"])
def test_one_that_lacks_a_field_is_422(call: Call, missing: str) -> None:
    answer = posted(call, "/intent", {name: value for name, value in INTENT.items() if name != missing})

    assert (answer.status, json.loads(answer.body)) == (422, {"field": missing, "reason": "is missing"})


@pytest.mark.parametrize(
    "body", [b"", b'{"number": "4405639704015096"', b'"4405639704015096"', b'["4405639704015096"]']
)
def test_what_is_no_intent_at_all_is_no_server_error(call: Call, body: bytes) -> None:
    answer = posted(call, "/intent", body)

    assert answer.status in {400, 422}
    assert_shows_nothing(answer)


@pytest.mark.parametrize(
    ("place", "body", "field"),
    [
        ("/order", {"intent": INTENT}, "note"),
        ("/order", INTENT, "intent"),
        ("/order", {"intent": INTENT, "note": "4405639704015096x"}, "note"),
        ("/order", [INTENT], "(all)"),
        ("/order", {"intent": INTENT | {"amount": "x"}, "note": 1}, "amount"),
        ("/many", {"intents": INTENT, "note": 1}, "intents"),
        ("/many", {"intents": [INTENT]}, "note"),
        ("/many", {"intents": [INTENT, CARD], "note": 1}, "reference"),
    ],
)
def test_in_fastapi_a_model_around_the_intent_shows_nothing_of_it(place: str, body: object, field: str) -> None:
    """FastAPI's own 422 repeats the whole body where a field beside the intent is missing."""
    answer = posted(by_fastapi(), place, body)

    assert (answer.status, json.loads(answer.body)["field"]) == (422, field)
    assert_shows_nothing(answer)


def test_without_the_helper_fastapi_shows_the_card() -> None:
    """The control: what is refused above is refused, and the search has eyes."""
    app = FastAPI()

    @app.post("/order")
    async def order(order: Order) -> str:
        return order.intent.reference

    answer = posted(call_asgi(app), "/order", {"intent": INTENT})

    assert answer.status == 422
    assert b"4405639704015096" in answer.body
    with pytest.raises(IntentRejected):
        posted(call_asgi(app), "/order", {"intent": INTENT | {"amount": "x"}, "note": 1})


def test_a_name_in_the_body_is_told_only_if_it_is_one() -> None:
    """Of pydantic's own errors nothing is told but the kind: its words may repeat the input."""

    class Kinds(BaseModel):
        model_config = {"extra": "forbid"}
        counts: dict[str, int] = {}

    for bad in ({"counts": {"4405639704015096": "x"}}, {"4405639704015096": 1}):
        with pytest.raises(ValidationError) as caught:
            Kinds.model_validate(bad)
        status, body = rejection(caught.value)

        assert status == 422
        assert "(a field)" in body["field"]
        assert "4405639704015096" not in json.dumps(body)


def test_a_field_that_is_given_twice_is_refused_by_the_reader_of_the_text_alone() -> None:
    """As the document says: FastAPI and a model around the intent have parsed it before us, and taken the last."""
    text = json.dumps(INTENT).replace('"reference"', '"reference": "order-0", "reference"', 1)

    with pytest.raises(IntentRejected, match="gives reference twice"):
        TransferIntent.model_validate_json(text)
    taken = by_fastapi()("POST", "/intent", headers={"Content-Type": "application/json"}, body=text.encode())
    assert (taken.status, json.loads(taken.body)) == (200, "order-1")
    assert Order.model_validate_json(f'{{"intent": {text}, "note": 1}}').intent.reference == "order-1"
