"""Errors that leave a public call: no frame of their tracebacks holds what the call was given.

A frame keeps its local variables as long as an error refers to it, and a backend's error reports show them: the card,
the CVC, the PaRes. So `clear_frames_on_error` lets an error out from a frame of its own, which holds nothing.
"""

import functools
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, ParamSpec, TypeVar

from epay_transfers.ledger.errors import InternalError, ServerProblem, TransfersError, WrongCall

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: These leave as they are: their sentences are ours, and hold no value.
_OURS = (TransfersError, WrongCall, InternalError)

#: Begins the note on an error that carries nothing else.
_RAISED_AT = "raised at: "


def clear_frames_on_error(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates a public call: its errors refer to no frame below the caller's, and to no other error.

    An error of another kind is a bug or a broken library, and its text may hold the value that it broke on: it leaves
    as an `InternalError` with its type and its places. One that carries nothing, like the interrupt that ends a
    backend's task after a time limit, stays what it is.
    """

    @functools.wraps(call)
    def cleared(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        outside = sys.exc_info()[1]
        try:
            return call(*args, **kwargs)
        except BaseException as caught:  # noqa: BLE001 - whatever leaves, leaves without frames
            error = _misfit(call, args, kwargs, caught) or _leaving(caught, outside)
        del args, kwargs, outside
        try:
            raise error
        finally:
            del error  # else the frame and the error would keep each other

    return cleared


def clear_frames_on_async_error(call: Callable[_P, Awaitable[_R]]) -> Callable[_P, Coroutine[Any, Any, _R]]:
    """The same for a coroutine function."""

    @functools.wraps(call)
    async def cleared(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        outside = sys.exc_info()[1]
        try:
            return await call(*args, **kwargs)
        except BaseException as caught:  # noqa: BLE001 - as above
            error = _misfit(call, args, kwargs, caught) or _leaving(caught, outside)
        del args, kwargs, outside
        try:
            raise error
        finally:
            del error

    return cleared


def clear_frames(error: BaseException, *, until: BaseException | None = None) -> None:
    """Forget the frames of an error, with their variables, and the errors that it came from.

    Why a server could not be used stays as its cause: those words are ours, and the error was raised nowhere.

    `until`: the error that the caller was handling, which is the caller's own.
    """
    for link in list(_chain(error, until)):
        traceback.clear_frames(link.__traceback__)  # for those that another reference keeps, a log's say
        kept = link.__cause__ if isinstance(link.__cause__, ServerProblem) else None
        link.__traceback__ = link.__cause__ = link.__context__ = None
        link.__cause__ = kept


def places_of(error: BaseException) -> tuple[str, ...]:
    """Where an error was raised, outermost first: `module:line function`, and no value."""
    return tuple(
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    )


def described(error: Exception) -> tuple[str, tuple[str, ...]]:
    """The type and the places of an error that is a bug, for a log."""
    if isinstance(error, InternalError):
        return error.kind, error.places
    return type(error).__qualname__, places_of(error)


def _misfit(
    call: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object], caught: BaseException
) -> WrongCall | None:
    """A call that was given other arguments than it takes never began, whatever frames were entered by then."""
    if not isinstance(caught, TypeError) or isinstance(caught, _OURS):
        return None
    try:
        inspect.signature(call).bind(*args, **kwargs)
    except TypeError as misfit:  # it names arguments, and no value; a name that is none may be anything, a card too
        why = str(misfit) if all(name.isidentifier() for name in kwargs) else "got an argument of an unknown name"
        name = type(args[0]).__name__ if call.__name__ == "__init__" else call.__qualname__
        return WrongCall(f"{name}: {why}")
    return None


def _leaving(caught: BaseException, outside: BaseException | None) -> BaseException:
    """What leaves in the place of an error that was caught; the frames of that one are cleared."""
    places = places_of(caught)[1:]
    clear_frames(caught, until=outside)
    if isinstance(caught, _OURS) or not isinstance(caught, Exception):
        return caught
    if _is_noted(caught):
        return caught
    if caught.args or vars(caught):
        return InternalError(type(caught).__qualname__, places)
    caught.add_note(_RAISED_AT + ", ".join(places))
    return caught


def _is_noted(error: BaseException) -> bool:
    """Does it carry nothing but the one note of ours? It has left a call of ours before, in a thread of another's."""
    notes = vars(error).get("__notes__", ())
    return not error.args and len(vars(error)) == len(notes) == 1 and str(notes[0]).startswith(_RAISED_AT)


def _chain(error: BaseException, until: BaseException | None) -> Iterator[BaseException]:
    """The error, and whatever it refers to as its cause or its context."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or link is until or any(link is other for other in seen):
            continue
        seen.append(link)
        yield link
        waiting += [link.__cause__, link.__context__]
