"""No frame of a traceback that leaves a public call leads to a card, a CVC, a PaRes or a secret, whatever was raised.

A table has every public name of `producers`: a new one without a row fails. Each call is made with canaries, and breaks
by an error of ours, by one of a library with canaries in its text and its frames, and by an interrupt.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from io import BytesIO
from typing import Any, NoReturn, cast

import pydantic.type_adapter
import pytest
import redis
from django.core.handlers.wsgi import WSGIRequest
from flask import Flask
from pydantic import TypeAdapter
from pydantic_settings import BaseSettings
from starlette.requests import Request as Incoming
from starlette.routing import Route

import epay_transfers.producers
import epay_transfers.producers.web
from epay_transfers.ledger import key_text
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import InternalError, LedgerUnavailable, TransfersError, WrongCall
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.server_problems import Server, ServerReason, problem_of
from epay_transfers.ledger.vault import sealing
from epay_transfers.producers import (
    AsyncTransfers,
    Challenge,
    IntentRejected,
    PanCard,
    Receiver,
    SavedCard,
    TransferIntent,
    Transfers,
)
from epay_transfers.producers.model import StrictModel
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import ROUTES, Request, Web, django, flask, redirect_page, starlette
from epay_transfers.runtime.web_addresses import Places
from tests.security import canaries
from tests.security.frames import held, links
from tests.web.test_frameworks import django_call

SECRETS = {
    "sender's PAN": canaries.PAN,
    "receiver's PAN": canaries.RECEIVER_PAN,
    "CVC": canaries.CVC,
    "holder": canaries.HOLDER,
    "e-mail": canaries.EMAIL,
    "PaRes": canaries.PA_RES[:40],
    "notify secret": canaries.NOTIFY_SECRET,
    "hash": canaries.HASH,
    "password": canaries.PASSWORD,
}
KEY = "251124000001"

PAN_CARD: dict[str, Any] = {
    "number": canaries.PAN,
    "expiry": "01/30",
    "cvc": canaries.CVC,
    "name": canaries.HOLDER,
}
RECEIVER: dict[str, Any] = {"number": canaries.RECEIVER_PAN, "first_name": canaries.FIRST_NAME}
INTENT: dict[str, Any] = {
    "reference": "payout-1",
    "amount": "100",
    "description": "Payout",
    "sender": PAN_CARD,
    "receiver": RECEIVER,
    "sender_email": canaries.EMAIL,
}

#: One that may wait in a database, but for its schema.
WAITING: dict[str, Any] = INTENT | {
    "schema": 1,
    "sender": {"card_id": canaries.CARD_ID},
    "receiver": {"card_id": canaries.CARD_ID},
    "deadline": "2036-01-01T00:00:00+00:00",
}


def found_in(error: BaseException) -> dict[str, list[str]]:
    return held(error, SECRETS, {__file__})


def intent() -> TransferIntent:
    return TransferIntent.model_validate(INTENT)


def _library_breaks() -> NoReturn:
    card, pa_res = canaries.PAN, canaries.PA_RES
    try:
        raise KeyError(card, canaries.CVC)  # noqa: TRY301 - the break itself
    except KeyError as error:
        raise ValueError(f"{card} {pa_res} {canaries.HASH}") from error


def _ledger_is_away() -> NoReturn:
    card = canaries.PAN
    try:
        raise OSError(card)  # noqa: TRY301 - the break itself
    except OSError:
        raise LedgerUnavailable from None


def _server_is_unusable() -> NoReturn:
    card, password = canaries.PAN, canaries.PASSWORD
    with redis_errors_as(LedgerUnavailable):
        error = redis.AuthenticationError(f"{card} {password}")
        error.__cause__ = problem_of(ServerReason.WRONG_PASSWORD, Server("REDIS_URL", "127.0.0.1:6379"))
        raise error
    raise AssertionError


def _task_is_interrupted() -> NoReturn:
    card = [canaries.PAN, canaries.PA_RES]
    raise KeyboardInterrupt(len(card))


def _time_is_over() -> NoReturn:
    card = [canaries.PAN, canaries.PA_RES]
    raise TimeoutError if card else AssertionError


BREAKS: dict[str, Callable[[], NoReturn]] = {
    "a library": _library_breaks,
    "the ledger": _ledger_is_away,
    "a server": _server_is_unusable,
    "an interrupt": _task_is_interrupted,
    "a time limit": _time_is_over,
}


class Broken:
    """A part whose every method breaks. What it was called with is in its frames."""

    def __init__(self, how: Callable[[], NoReturn], *sound: str) -> None:
        self._how = how
        self._sound = sound

    def __getattr__(self, name: str) -> Callable[..., object]:
        def method(*args: object, **kwargs: object) -> object:
            return None if name in self._sound else self._how()

        return method


def broken_transfers(how: Callable[[], NoReturn]) -> Transfers:
    """Each of its servers breaks when it is first asked."""
    server: Any = Broken(how)
    chosen: Any = FakeTransfers()._context.settings
    return Transfers(
        ledger=server,
        vault=server,
        sealer=server,
        wakeups=server,
        clock=SystemClock(),
        settings=chosen,
        inboxes=server,
        feed=cast("Any", Broken(how, "join")),
        owned=[server],
    )


Call = Callable[[Transfers], object]

#: Method → how it is called.
TRANSFERS: dict[str, list[Call]] = {
    "enqueue": [lambda t: t.enqueue(intent()), lambda t: t.enqueue(cast("Any", INTENT))],
    "enqueue_json": [
        lambda t: t.enqueue_json(json.dumps({"schema": 1} | INTENT)),
        lambda t: t.enqueue_json(json.dumps(INTENT)),
        lambda t: t.enqueue_json(json.dumps(INTENT)[1:]),
        lambda t: t.enqueue_json(cast("Any", INTENT)),
        lambda t: t.enqueue_json(json.dumps(WAITING)),
    ],
    "enqueue_many": [
        lambda t: t.enqueue_many([intent()]),
        lambda t: t.enqueue_many(cast("Any", [INTENT])),
        lambda t: t.enqueue_many(cast("Any", intent())),
    ],
    "get": [lambda t: t.get(KEY), lambda t: t.get(reference="payout-1"), lambda t: t.get(canaries.PAN)],
    "outcomes": [
        lambda t: list(t.outcomes(group="payouts", idle=0)),
        lambda t: t.outcomes(group=f"{canaries.PAN} of {canaries.HOLDER}"),
    ],
    "find": [lambda t: t.find(KEY), lambda t: t.find("payout-1"), lambda t: t.find(cast("Any", [canaries.PAN]))],
    "list": [
        lambda t: t.list(),
        lambda t: t.list(cast("Any", canaries.PAN)),
        lambda t: t.list(cursor=canaries.PAN),
        lambda t: t.list(terminal=canaries.PAN),
    ],
    "wait": [lambda t: t.wait(KEY), lambda t: t.wait(canaries.PAN)],
    "cancel": [
        lambda t: t.cancel(KEY, reason="a mistake"),
        lambda t: t.cancel(KEY, reason=f"card {canaries.PAN}"),
    ],
    "challenge": [lambda t: t.challenge("A" * 22), lambda t: t.challenge(cast("Any", {"PaRes": canaries.PA_RES}))],
    "confirm": [
        lambda t: t.confirm(md="MD-1", pa_res=canaries.PA_RES, handle="A" * 22),
        lambda t: t.confirm(md="MD-1", pa_res=f"<{canaries.PA_RES}>"),
        lambda t: t.confirm(md=canaries.PAN, pa_res=canaries.PA_RES, handle=cast("Any", 1)),
        lambda t: t.confirm(**cast("Any", {"MD": "MD-1", "PaRes": canaries.PA_RES})),
    ],
    "visit": [lambda t: t.visit("A" * 22), lambda t: t.visit(cast("Any", {"PaRes": canaries.PA_RES}))],
    "notify": [
        lambda t: t.notify({"invoiceId": KEY, "secret_hash": canaries.HASH, "pan": canaries.PAN}),
        lambda t: t.notify(cast("Any", [canaries.HASH])),
    ],
    "is_guessing": [lambda t: t.is_guessing()],
    "three_ds2_returned": [lambda t: t.three_ds2_returned("A" * 22, {"cres": 12})],
    "close": [lambda t: t.close()],
    "from_env": [
        lambda t: (
            type(t).from_env(cast("Any", _settings(redis_url=f"redis://:{canaries.PASSWORD}@127.0.0.1:port/0"))).check()
        ),
    ],
    "check": [lambda t: t.check()],
    "run_outcomes": [
        lambda t: t.run_outcomes(_made_or_raised, group="payouts", idle=0),
        lambda t: t.run_outcomes(_made_or_raised, group=f"{canaries.PAN} of {canaries.HOLDER}"),
    ],
}


def _settings(**changed: str) -> Any:
    return FakeTransfers()._context.settings.model_copy(update={name: Secret(text) for name, text in changed.items()})


def public(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_") and callable(getattr(of, name))}


def test_every_public_method_of_transfers_has_a_row() -> None:
    assert public(Transfers) == TRANSFERS.keys()


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize(("name", "at"), [(name, at) for name, calls in TRANSFERS.items() for at in range(len(calls))])
def test_no_frame_of_an_error_that_leaves_transfers_leads_to_a_canary(name: str, at: int, how: str) -> None:
    """Whether its arguments are refused, its servers are away or a library breaks."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - each kind has its own
        _made_or_raised(TRANSFERS[name][at](broken_transfers(BREAKS[how])))

    assert found_in(caught.value) == {}


def _made_or_raised(answer: object) -> NoReturn:
    """`enqueue_many` gives back its errors."""
    if isinstance(answer, list) and answer and isinstance(answer[0], TransfersError):
        raise answer[0]
    raise AssertionError(f"nothing broke: {answer!r}")


def test_every_public_method_of_the_async_ones_has_a_row() -> None:
    assert public(AsyncTransfers) == TRANSFERS.keys()


#: The same calls; but these outcomes are iterated in a loop.
ASYNC: dict[str, list[Callable[[Any], Any]]] = {
    **TRANSFERS,
    "outcomes": [
        lambda t: anext(t.outcomes(group="payouts", idle=0)),
        lambda t: t.outcomes(group=f"{canaries.PAN} of {canaries.HOLDER}"),
    ],
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize(("name", "at"), [(name, at) for name, calls in ASYNC.items() for at in range(len(calls))])
def test_nor_of_one_that_leaves_the_async_ones(name: str, at: int, how: str) -> None:
    """A future brings it from its thread to the loop, and both have frames of their own."""

    async def called() -> None:
        _made_or_raised(await ASYNC[name][at](AsyncTransfers(broken_transfers(BREAKS[how]))))

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - each kind has its own
        asyncio.run(called())

    assert found_in(caught.value) == {}


def _nothing_is_said() -> NoReturn:
    raise LookupError


@pytest.mark.parametrize("how", [*BREAKS.values(), _nothing_is_said])
def test_an_error_that_leaves_by_two_calls_is_what_it_was_by_one(how: Callable[[], NoReturn]) -> None:
    """In the thread it leaves `Transfers`, and then `AsyncTransfers`: its type and its one note stay."""
    with pytest.raises(BaseException) as by_one:  # noqa: PT011 - each kind has its own
        broken_transfers(how).get(KEY)
    with pytest.raises(BaseException) as by_two:  # noqa: PT011 - as above
        asyncio.run(AsyncTransfers(broken_transfers(how)).get(KEY))

    assert type(by_two.value) is type(by_one.value)
    assert by_two.value.args == by_one.value.args
    assert len(getattr(by_two.value, "__notes__", [])) == len(getattr(by_one.value, "__notes__", []))


def test_no_frame_of_a_cancelled_enqueue_leads_to_a_canary() -> None:
    """It waits for a thread when it is cancelled: all frames hold the intent then."""

    async def cancelled() -> None:
        held = threading.Event()
        async_transfers = AsyncTransfers(FakeTransfers(), threads=1)
        holding = asyncio.create_task(async_transfers._in_thread(held.wait))
        await asyncio.sleep(0)
        task = asyncio.create_task(async_transfers.enqueue(intent()))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        finally:
            held.set()
            await holding

    with pytest.raises(asyncio.CancelledError) as caught:
        asyncio.run(cancelled())

    assert found_in(caught.value) == {}


@pytest.mark.parametrize("how", BREAKS)
def test_nor_does_one_that_comes_while_a_card_or_a_pa_res_is_open(how: str) -> None:
    """The sealer breaks: its frames hold the cleartext."""
    fake = FakeTransfers()
    receipt = fake.enqueue(intent())
    challenge = fake.park(receipt.key)
    fake._context = replace(fake._context, sealer=cast("Any", Broken(BREAKS[how])))
    calls: list[Callable[[], object]] = [
        lambda: fake.enqueue(intent().model_copy(update={"reference": "payout-2"})),
        lambda: fake.confirm(md=challenge.md, pa_res=canaries.PA_RES, handle=receipt.handle),
    ]

    for call in calls:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - as above
            call()
        assert found_in(caught.value) == {}


def test_an_error_that_is_none_of_ours_leaves_with_its_type_and_its_places_alone() -> None:
    """Not with its text; and it says what to do. Where nothing can be in it, it stays what it is."""
    with pytest.raises(InternalError, match=r"unexpected ValueError at tests\.security\.test_frames:") as caught:
        broken_transfers(_library_breaks).get(KEY)
    assert caught.value.kind == "ValueError"
    assert any(place.endswith(" _record") for place in caught.value.places)

    with pytest.raises(TimeoutError) as bare:
        broken_transfers(_time_is_over).get(KEY)
    assert "_time_is_over" in bare.value.__notes__[0]

    with pytest.raises(KeyboardInterrupt):
        broken_transfers(_task_is_interrupted).get(KEY)


def test_why_a_server_could_not_be_used_stays_as_the_cause() -> None:
    """It is in our words alone; what the client raised, and its text, are gone."""
    with pytest.raises(LedgerUnavailable) as caught:
        broken_transfers(_server_is_unusable).get(KEY)

    assert list(links(caught.value)) == [caught.value, caught.value.problem]
    assert str(caught.value).startswith("REDIS_URL: the server at 127.0.0.1:6379 refused the user or the password")


def test_what_the_caller_was_handling_stays_the_callers() -> None:
    """Its error keeps its frames, and is the context of ours."""
    own = LookupError("the backend's own")

    def call_while_handling() -> None:
        try:
            raise own
        except LookupError:
            broken_transfers(_library_breaks).get(KEY)

    with pytest.raises(InternalError) as caught:
        call_while_handling()

    assert list(links(caught.value)) == [caught.value, own]
    assert own.__traceback__ is not None


def test_the_look_into_frames_sees_what_a_call_that_clears_nothing_leaves() -> None:
    """The control: the same break, the same arguments, without the decorator."""
    bare = cast("Any", Transfers.confirm).__wrapped__
    with pytest.raises(ValueError, match=canaries.PAN) as caught:
        bare(broken_transfers(_library_breaks), md="MD-1", pa_res=canaries.PA_RES)
    assert {"sender's PAN", "CVC", "PaRes", "hash"} <= found_in(caught.value).keys()


# The models.

MODELS: dict[type[StrictModel], dict[str, Any]] = {
    PanCard: PAN_CARD,
    SavedCard: {"card_id": canaries.CARD_ID, "cvc": canaries.CVC},
    Receiver: RECEIVER,
    TransferIntent: INTENT,
}

#: Values that a field refuses: each has a canary in it.
WRONG: dict[type[StrictModel], list[dict[str, Any]]] = {
    PanCard: [
        {"number": canaries.PAN[:-1] + "1"},
        {"cvc": canaries.CVC * 2},
        {"expiry": canaries.PAN},
        {"save": canaries.PAN},
        {canaries.PAN: "x"},
        {"number": [canaries.PAN]},
    ],
    SavedCard: [{"card_id": canaries.PAN}, {"cvc": f"{canaries.CVC}x"}],
    Receiver: [{"card_id": canaries.PAN}, {"country_code": canaries.PAN}, {"number": None}],
    TransferIntent: [
        {"sender": canaries.PAN},
        {"sender": PAN_CARD | {"number": canaries.PAN + "0"}},
        {"receiver": RECEIVER | {"card_id": canaries.PAN}},
        {"amount": canaries.PAN + ".001"},
        {"reference": canaries.PAN},
        {"description": f"{canaries.PAN} {canaries.HOLDER}"},
        {"foreign": True},
        {"deadline": canaries.PAN},
    ],
}

Way = Callable[[type[StrictModel], dict[str, Any], dict[str, Any]], object]

#: Method → how it is given values, first good ones and then wrong ones.
WAYS: dict[str, Way] = {
    "(constructor)": lambda model, good, wrong: model(**good | wrong),
    "model_validate": lambda model, good, wrong: model.model_validate(good | wrong),
    "model_validate_json": lambda model, good, wrong: model.model_validate_json(json.dumps(good | wrong)),
    "model_validate_strings": lambda model, good, wrong: model.model_validate_strings(good | wrong),
    "model_copy": lambda model, good, wrong: model(**good).model_copy(update=wrong),
    "model_construct": lambda model, good, wrong: model.model_construct(**good | wrong),
    "construct": lambda model, good, wrong: cast("Any", model).construct(**good | wrong),
    "copy": lambda model, good, wrong: cast("Any", model(**good)).copy(update=wrong),
    "from_orm": lambda model, good, wrong: cast("Any", model).from_orm(good | wrong),
    "parse_file": lambda model, good, wrong: cast("Any", model).parse_file(json.dumps(good | wrong)),
    "parse_obj": lambda model, good, wrong: cast("Any", model).parse_obj(good | wrong),
    "parse_raw": lambda model, good, wrong: cast("Any", model).parse_raw(json.dumps(good | wrong)),
    "validate": lambda model, good, wrong: cast("Any", model).validate(good | wrong),
}

#: Public methods of the models that are given no value that could be refused.
TAKE_NOTHING = {
    "card_data", "dict", "for_vault", "json", "json_schema", "model_dump", "model_dump_json", "model_json_schema",
    "model_parametrized_name", "model_post_init", "model_rebuild", "order_details", "schema", "schema_json",
    "update_forward_refs", "whole",
}  # fmt: skip

#: Those of the intent alone: what may not wait in a database.
IN_A_DATABASE: dict[str, Callable[[], object]] = {
    "to_json": lambda: intent().to_json(),
    "from_json": lambda: TransferIntent.from_json(json.dumps({"schema": 1} | INTENT)),
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_public_method_of_a_model_has_a_row(model: type[StrictModel]) -> None:
    own = IN_A_DATABASE.keys() if model is TransferIntent else set()
    assert public(model) - TAKE_NOTHING == (WAYS.keys() | own) - {"(constructor)"}
    assert public(TransferIntent) | public(PanCard) >= TAKE_NOTHING


def _cases() -> Iterator[Any]:
    for way in WAYS:
        for model, wrongs in WRONG.items():
            for at, wrong in enumerate(wrongs):
                yield pytest.param(way, model, wrong, id=f"{way}-{model.__name__}-{at}")


@pytest.mark.parametrize(("way", "model", "wrong"), list(_cases()))
def test_no_frame_of_a_refused_model_leads_to_a_canary(
    way: str, model: type[StrictModel], wrong: dict[str, Any]
) -> None:
    with pytest.raises((IntentRejected, WrongCall)) as caught:
        WAYS[way](model, MODELS[model], wrong)

    assert found_in(caught.value) == {}


@pytest.mark.parametrize("way", IN_A_DATABASE)
def test_no_frame_of_an_intent_that_may_not_wait_leads_to_a_canary(way: str) -> None:
    with pytest.raises(IntentRejected, match="a card number can't wait in a database") as caught:
        IN_A_DATABASE[way]()

    assert found_in(caught.value) == {}


def test_what_would_make_a_model_unchecked_is_refused_though_all_is_right() -> None:
    """Pydantic's `model_construct` would keep a card as a plain text, which every repr shows."""
    for way in ("model_construct", "construct", "copy", "parse_obj"):
        with pytest.raises(WrongCall, match=r"give PanCard\(\.\.\.\)"):
            WAYS[way](PanCard, PAN_CARD, {})


def test_pydantic_makes_a_model_without_our_constructor() -> None:
    """Else each part of an intent would be checked twice."""
    assert [model.__name__ for model in MODELS if model.__pydantic_custom_init__] == []


def test_no_frame_of_a_refused_assignment_leads_to_a_canary() -> None:
    card = PanCard(**PAN_CARD)
    with pytest.raises(AttributeError, match="frozen") as caught:
        setattr(card, "number", canaries.RECEIVER_PAN)  # noqa: B010 - the claim is about what a type checker forbids

    assert found_in(caught.value) == {}


def test_no_frame_of_ours_in_anothers_model_leads_to_a_canary() -> None:
    """Where another's code has pydantic call us (a FastAPI body, say), pydantic's frames are the caller's."""
    with pytest.raises(IntentRejected) as caught:
        TypeAdapter(list[TransferIntent]).validate_python([INTENT | {"amount": canaries.PAN + ".001"}])

    frames = [place for places in found_in(caught.value).values() for place in places]
    assert {place.rpartition(":")[0] for place in frames} <= {pydantic.type_adapter.__file__}


# All that is public.

#: Public name → the rows that its methods have. Enums, errors and values without methods need none.
ROWS: Mapping[str, set[str]] = {
    "Transfers": set(TRANSFERS),
    "AsyncTransfers": set(TRANSFERS),
    "Web": {"answer", "from_env", "check"},
    "Places": {"fill", "notify", "pay", "result", "term_url"},  # addresses of addresses: they can't break
    "PanCard": WAYS.keys() | TAKE_NOTHING,
    "SavedCard": WAYS.keys() | TAKE_NOTHING,
    "Receiver": WAYS.keys() | TAKE_NOTHING,
    "TransferIntent": WAYS.keys() | TAKE_NOTHING | IN_A_DATABASE.keys(),
    "ProducerSettings": {"load", "name_of", "space_of"} | public(BaseSettings),  # pydantic's own read nothing
    "WebSettings": {"load", "name_of", "space_of"} | public(BaseSettings),
    "ProducerAndWebSettings": {"load", "name_of", "space_of"} | public(BaseSettings),
    "AnyOutcome": {"of"},
    "Outcome": {"ack", "of"},
    "AsyncOutcome": {"ack", "of"},
    "Receipt": {"of"},
    "Transfer": {"of", "to_json"},
    "Look": {"render"},  # of a page's values: what a merchant's template breaks at is caught
    "Reply": {"page", "to", "text", "without_body"},  # they make a value of values
    "Route": set(),
    "redirect_page": set(),
}


def test_every_public_name_has_its_rows() -> None:
    """A new class, function or method of `producers` or `producers.web` is looked at before it is public."""
    without = []
    for module in (epay_transfers.producers, epay_transfers.producers.web):
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, type) and not issubclass(thing, (Enum, BaseException)):
                without += [f"{name}.{method}" for method in public(thing) - ROWS.get(name, set())]
            elif callable(thing) and not isinstance(thing, type) and name not in ROWS:
                without.append(name)

    assert without == []


def test_no_frame_of_an_outcome_that_can_not_be_acknowledged_leads_to_a_canary() -> None:
    fake = FakeTransfers()
    fake.enqueue(intent())
    outcome = replace(next(fake.outcomes(group="payouts")), _acknowledge=_library_breaks)
    with pytest.raises(InternalError) as caught:
        outcome.ack()

    assert found_in(caught.value) == {}


def test_nor_of_an_async_one() -> None:
    async def acknowledged() -> None:
        async with AsyncTransfers(FakeTransfers()) as transfers:
            await transfers.enqueue(intent())
            outcome = await anext(transfers.outcomes(group="payouts"))
            await replace(outcome, _acknowledge=_library_breaks).ack()

    with pytest.raises(InternalError) as caught:
        asyncio.run(acknowledged())

    assert found_in(caught.value) == {}


def test_no_frame_of_a_seal_that_breaks_leads_to_a_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = sealing.Sealer(sealing.generate().public)
    monkeypatch.setattr(sealing, "_SUITE", Broken(_library_breaks))
    with pytest.raises(InternalError) as caught:
        sealer.seal(json.dumps(INTENT).encode(), sealing.Purpose.CARD, KEY)

    assert found_in(caught.value) == {}


def test_a_public_key_that_seals_nothing_is_refused_before_a_card_is_there() -> None:
    """A point of low order reads like a key; the library refuses it when a card is to be sealed."""
    for point in (b"\0" * 32, b"\1" + b"\0" * 31):
        with pytest.raises(ValueError, match="is a key without randomness"):
            sealing.Sealer(key_text.write(Kind.VAULT_PUBLIC, point))
    for text in (
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ):
        with pytest.raises(ValueError, match="seals nothing"):
            sealing.Sealer(key_text.write(Kind.VAULT_PUBLIC, bytes.fromhex(text)))


# The web tier.


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("route", ROUTES)
def test_no_frame_of_an_error_that_leaves_the_web_tier_leads_to_a_canary(route: Any, how: str) -> None:
    """But for an interrupt none leaves: it is answered, and nothing of the request is in the answer."""
    web = Web(broken_transfers(BREAKS[how]), Places("https://shop.example", Secret(canaries.NOTIFY_SECRET)))
    name = canaries.NOTIFY_SECRET if route == "notify" else "A" * 22
    body = json.dumps({"invoiceId": KEY, "secret_hash": canaries.HASH, "PaRes": canaries.PA_RES}).encode()
    method = "POST" if route in {"notify", "3ds"} else "GET"
    request = Request(method, "application/json", body=body)
    if how == "an interrupt":
        with pytest.raises(KeyboardInterrupt) as caught:
            web.answer(route, name, request)
        assert found_in(caught.value) == {}
    else:
        reply = web.answer(route, name, request)
        assert reply.status == (503 if how in {"the ledger", "a server"} else 500)
        assert not [name for name, canary in SECRETS.items() if canary.encode() in reply.body]


def test_no_frame_of_a_page_that_can_not_be_made_leads_to_a_canary() -> None:
    challenge = Challenge(action="https://bank.example", pa_req=canaries.PA_RES, md="1", expires_at=cast("Any", None))
    with pytest.raises(InternalError) as caught:
        redirect_page(challenge, term_url="https://shop.example", transfer=cast("Any", challenge))

    assert found_in(caught.value) == {}


class BreakingBody(BytesIO):
    """A request's body that breaks while it is read."""

    def read(self, *_: object) -> NoReturn:
        raise RuntimeError(canaries.PA_RES)

    readinto = readline = read


BROKEN_OFF: dict[str, Any] = {
    "REQUEST_METHOD": "POST",
    "CONTENT_LENGTH": "100",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "80",
    "wsgi.url_scheme": "http",
}


def by_starlette(web: Web) -> None:
    coming = iter([{"type": "http.request", "body": canaries.PA_RES.encode(), "more_body": True}])
    routes = starlette.router(web).routes
    endpoint: Any = next(route for route in routes if isinstance(route, Route) and route.path.startswith("/3ds"))
    scope = {"type": "http", "method": "POST", "headers": [], "path_params": {"name": "A" * 22}}

    async def receive() -> dict[str, Any]:
        return next(coming, None) or _library_breaks()

    async def send(_message: object) -> None:
        raise AssertionError("nothing was to be answered")

    asyncio.run(endpoint.endpoint(scope, receive, send))


def by_flask(web: Web) -> None:
    app = Flask(__name__)
    app.register_blueprint(flask.blueprint(web), url_prefix="/transfers")
    with app.request_context(BROKEN_OFF | {"wsgi.input": BreakingBody()}):
        app.view_functions["transfers.3ds"](name="A" * 22)


def by_django(web: Web) -> None:
    django_call(list)  # it has its settings then
    view = next(url for url in django.urls(web) if url.name == "transfers-3ds")
    view.callback(WSGIRequest(BROKEN_OFF | {"wsgi.input": BreakingBody()}), name="A" * 22)


@pytest.mark.parametrize("call", [by_starlette, by_flask, by_django])
def test_no_frame_of_a_body_that_breaks_off_leads_to_a_canary(call: Callable[[Web], None]) -> None:
    """A server's own error, while an adapter reads: it leaves to the framework, as every error of the framework's."""
    web = Web(FakeTransfers(), Places("https://shop.example", Secret(canaries.NOTIFY_SECRET)))
    with pytest.raises(InternalError) as caught:
        call(web)

    assert found_in(caught.value) == {}


def test_a_client_that_goes_while_it_sends_is_no_error() -> None:
    """Starlette says so in the middle of the body."""
    coming = iter([{"type": "http.request", "body": canaries.PA_RES.encode(), "more_body": True}])

    async def receive() -> dict[str, Any]:
        return next(coming, {"type": "http.disconnect"})

    assert asyncio.run(starlette._body(Incoming({"type": "http", "headers": []}, receive))) is None
