"""A call that does not fit the method is a `WrongCall` that names the argument, for each method of each face."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from epay_transfers.producers import AsyncTransfers, PanCard, TransferIntent, Transfers, WrongCall
from epay_transfers.producers.testing import FakeTransfers

#: Of a fake these two are plain Python functions, which say it themselves.
_PLAIN = {(FakeTransfers, "outcomes"), (FakeTransfers, "run_outcomes"), (FakeTransfers, "from_env")}

METHODS = [
    (face, name)
    for face in (Transfers, AsyncTransfers, FakeTransfers)
    for name, method in inspect.getmembers(face, callable)
    if not name.startswith("_") and hasattr(Transfers, name) and (face, name) not in _PLAIN
]


def made(face: Any) -> Any:
    fake = FakeTransfers()
    if face is not Transfers:
        return AsyncTransfers(fake) if face is AsyncTransfers else fake
    real = Transfers.__new__(Transfers)  # its methods are the real ones; its servers are dictionaries
    real.__dict__ = fake.__dict__
    return real


def call(method: Callable[..., Any], *args: object, **kwargs: object) -> None:
    answer = method(*args, **kwargs)
    if inspect.iscoroutine(answer):
        asyncio.run(answer)


@pytest.mark.parametrize(("face", "name"), METHODS, ids=lambda part: getattr(part, "__name__", part))
def test_an_argument_that_a_method_does_not_take_is_named(face: Any, name: str) -> None:
    needed = [each for each in inspect.signature(getattr(face, name)).parameters.values() if each.default is each.empty]
    fitting = ["1" for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"]
    named = {each.name: "1" for each in needed if each.kind is each.KEYWORD_ONLY}
    with pytest.raises(WrongCall, match=rf"^(Async)?Transfers\.{name}: got an unexpected keyword argument 'timeot'$"):
        call(getattr(made(face), name), *fitting, **named, timeot="4405639704015096")


def test_an_argument_that_is_missing_is_named() -> None:
    with pytest.raises(WrongCall, match=r"^Transfers.enqueue: missing a required argument: 'intent'$"):
        call(FakeTransfers().enqueue)
    with pytest.raises(WrongCall, match="'group'"):
        call(AsyncTransfers(FakeTransfers()).run_outcomes, print)


def test_what_stands_in_a_names_place_is_not_repeated() -> None:
    """It may be a card's number."""
    with pytest.raises(WrongCall) as refused:
        call(FakeTransfers().get, **{"4405639704015096": "1"})
    assert "4405" not in str(refused.value)
    for model in (PanCard, TransferIntent):
        with pytest.raises(WrongCall, match=rf"^{model.__name__}: too many positional arguments") as refused:
            call(model, "4405639704015096")
        assert "4405" not in str(refused.value)
