"""Commands of several threads in one round trip to a server, each with its own answer.

A durable server syncs its file once for all that it reads at once; that sync, and the system calls around a command,
cost more than the command. So while one round trip is under way, the commands of other threads wait for its end, and
then go together. A command that comes alone goes at once.

No thread is started for it: of the threads that wait, one carries the commands of all. A command that was not sent
after a second, since another one's round trip hangs, goes alone.

What if the connection is lost? Each command that has no answer gets an error of its own: whether the server carried it
out is not known, and nothing here sends it again.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import redis

#: Sends packed commands in one write. Returns each one's answer, or its error. Raises where it has none for any.
Carry = Callable[[Sequence[bytes]], Sequence[Any]]

#: Seconds that a command waits for the round trip of others.
_PATIENCE_S = 1.0


class SharedTrips:
    """The round trips of one client, for all threads of a process.

    A copy of the process (fork) can't go on with it, and nothing may interrupt a thread that waits here: a thread that
    never comes to carry what it should would keep all others waiting.
    """

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._lock = threading.Lock()  #: guards what follows, and who carries
        self._waiting: list[_Call] = []  #: for the next round trip
        self._is_under_way = False

    def run(self, packed: bytes) -> Any:
        """The answer to one command. Raises the error that it was answered with, or that kept an answer away."""
        call = _Call(packed)
        with self._lock:
            self._waiting.append(call)
            call.carries, self._is_under_way = not self._is_under_way, True
        if not call.carries and not call.woken.acquire(timeout=_PATIENCE_S):
            if self._leave(call):
                (call.answer,) = self._carry([packed])
            else:
                call.woken.acquire()
        if call.carries:
            self._carry_all(call)
        if call.answer is _NONE:  # what may have been sent is not sent again
            raise _lost()
        if isinstance(call.answer, BaseException):
            raise call.answer
        return call.answer

    def _leave(self, call: "_Call") -> bool:
        """Its patience is over. False: it is being sent by another thread, or it is its own turn to carry."""
        with self._lock:
            is_waiting = call in self._waiting and not call.carries
            if is_waiting:
                self._waiting.remove(call)
            return is_waiting

    def _carry_all(self, own: "_Call") -> None:
        with self._lock:
            calls, self._waiting = self._waiting, []
        try:
            for call, answer in zip(calls, self._carry([call.packed for call in calls]), strict=True):
                call.answer = _for_another(answer) if isinstance(answer, BaseException) else answer
        except BaseException as error:
            for call in calls:
                call.answer = _for_another(error)
            raise
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_under_way = following is not None
                if following:
                    following.carries = True
            woken = [*calls, following] if following else calls
            for call in woken:
                if call is not own:
                    call.woken.release()


#: The answer of a command that has none.
_NONE = object()


class _Call:
    """One command, and its answer once there is one."""

    __slots__ = ("answer", "carries", "packed", "woken")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.answer: Any = _NONE
        self.carries = False  #: its thread carries what waits
        self.woken = threading.Lock()  #: is released once it has an answer, or is to carry
        self.woken.acquire()


def _for_another(error: BaseException) -> BaseException:
    """Of an error, what a thread is told whose command another one carried.

    An error that several threads raise would show the lines of all of them, and hold what these had in hand. What is no
    error of the server's is the carrier's own: for the others the connection is lost, also where no copy can be made.
    """
    if not isinstance(error, redis.RedisError):
        return _lost()
    try:
        other = copy.copy(error).with_traceback(None)
    except Exception:  # noqa: BLE001 - a class of errors may want more than its text
        return _lost()
    other.__cause__ = error.__cause__
    return other


def _lost() -> redis.ConnectionError:
    return redis.ConnectionError("the thread that carried this command did not come back")
