"""Commands of several threads in one round trip to a server, each with its own answer.

A durable server syncs its file once for all that it reads at once; that sync, and the system calls around a command,
cost more than the command. So while one round trip is under way, the commands of other threads wait for its end, and
then go together. A command that comes alone goes at once.

No thread is started for it: of the threads that wait, one carries the commands of all.

What if the connection is lost? Each command that has no answer gets the error, as if it had gone alone: whether the
server carried it out is not known, and nothing here sends it again.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

#: Sends packed commands in one write. Returns each one's answer, or its error; raises where none was answered.
Carry = Callable[[Sequence[bytes]], Sequence[Any]]


class SharedTrips:
    """The round trips of one client, for all threads of a process. A copy of the process (fork) can't go on with it."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []  #: for the next round trip
        self._is_under_way = False

    def run(self, packed: bytes) -> Any:
        """The answer to one command. Raises the error that it was answered with, or that kept an answer away."""
        call = _Call(packed)
        with self._lock:
            self._waiting.append(call)
            is_first, self._is_under_way = not self._is_under_way, True
        if is_first or call.wait():
            self._carry_all(call)
        if isinstance(call.answer, BaseException):
            raise _copy_of(call.answer)
        return call.answer

    def _carry_all(self, own: "_Call") -> None:
        with self._lock:
            calls, self._waiting = self._waiting, []
        try:
            for call, answer in zip(calls, self._carry([call.packed for call in calls]), strict=True):
                call.answer = answer
        except BaseException as error:  # noqa: BLE001 - each thread raises it; none may wait for ever
            for call in calls:
                call.answer = error
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._is_under_way = following is not None
        if following:
            following.wake(to_carry=True)
        for call in calls:
            if call is not own:
                call.wake()


class _Call:
    """One command, and its answer once there is one."""

    __slots__ = ("_carries", "_woken", "answer", "packed")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.answer: Any = None
        self._carries = False
        self._woken = threading.Lock()
        self._woken.acquire()

    def wait(self) -> bool:
        """Until it has an answer. True: until its thread is to carry what waits."""
        self._woken.acquire()
        return self._carries

    def wake(self, *, to_carry: bool = False) -> None:
        self._carries = to_carry
        self._woken.release()


def _copy_of(error: BaseException) -> BaseException:
    """For this thread alone: to an error that several threads raise each adds lines of its own."""
    other = copy.copy(error).with_traceback(error.__traceback__)
    other.__cause__ = error.__cause__
    return other
