"""How the three servers are reached: the ledger's, the vault's, the queue's.

No client here repeats a command by itself. A script whose reply was lost may have been carried out, and only the
ledger's states and the vault's epochs know what a second run would mean.

An error that a connection raises has the `ServerProblem` as its `__cause__`: which server it was, and why.
"""

import os
import select
import socket
import ssl
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.connection import (
    AbstractConnection,
    Connection,
    HiredisRespSerializer,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.store import sentinels
from epay_transfers.ledger.store.server_problems import Server, ServerReason, known_problem, problem_of, reason_of
from epay_transfers.ledger.store.shared_trips import SharedTrips
from epay_transfers.ledger.tracebacks import clear_frames_on_error

#: Seconds. A durable move takes under a millisecond: a server that takes this long is gone.
SOCKET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 2.0

#: Seconds between two commands of a connection within which it needs no look before the next. No server is started anew
#: in so short a time: one that ended the connection meanwhile would not have answered on another one either.
_MOMENT_S = 0.01

#: A connection that rested for so long is asked with a PING first.
_PING_AFTER_S = 15

#: A connection that no thread needed for so long is closed: what a burst of work opened does not stay open.
_UNNEEDED_S = 60

#: Of the one look at a server that ended a connection without a word.
_LOOK_TIMEOUT = 1.0

#: How long a port that speaks no TLS is not asked for it again, and until when each: by host and port.
_NO_TLS_S = 5.0
_CLOCK: Clock = SystemClock()
_NO_TLS_UNTIL: dict[tuple[str, int], float] = {}

#: How Redis and Valkey begin an answer to what is no command, and to PING.
_ERROR_OR_STATUS = (b"-", b"+")

#: What a connection says of a server. The last two are of an answer that is none, or of a host that can't be asked for.
_TOLD = (redis.RedisError, ValueError, OverflowError)

#: Records of TLS with which a server answers the greeting: a handshake, or an alert.
_TLS_ANSWERS = (b"\x16", b"\x15")


class AddressUnreadable(TransfersError):
    """A server's address can't be read. The library's own error may repeat a part of the password."""

    def __init__(self) -> None:
        super().__init__(
            "a server's address can't be read; give redis://host:port/database, with the user and the password before "
            "the host, and each of @ : / ? # % in them percent-encoded (@ as %40)"
        )


@clear_frames_on_error
def check_address(url: str) -> None:
    """Raises `AddressUnreadable` for what the client would not read, or read otherwise than it was meant."""
    try:
        parts = urlsplit(url)
        is_cut = "#" in url or "@" in parts.path + parts.query  # by a sign of the password that is not encoded
        redis.ConnectionPool.from_url(sentinels.split(url)[0]).make_connection()  # it connects to nothing
    except Exception:  # noqa: BLE001 - whatever the library makes of it, its words may hold the password
        raise AddressUnreadable from None
    if is_cut:  # the client would take the beginning of the password for the host, and name it in its errors
        raise AddressUnreadable


@clear_frames_on_error
def connect(
    url: str, setting: str = "", *, text: bool = True, timeout_s: float = SOCKET_TIMEOUT, shared: bool = False
) -> redis.Redis:
    """A client that connects when it is first used. `redis://`, `rediss://` (verified) and `unix://` addresses.

    With `?sentinels=` in the address, the host is the name that these know the server by (`sentinels`).

    `setting`: the name of the setting that the address is from, for the sentences of its errors. `text=False` is for
    a consumer of a queue: Dramatiq decodes its messages itself, and loses those that are text. `timeout_s`: a shorter
    one, for a look that a person waits for. `shared`: scripts, and reads of one key, that threads send at the same time
    go in one round trip; `SharedTrips` says what its process must not do then.
    Raises `AddressUnreadable`.
    """
    check_address(url)
    url, found_by = sentinels.split(url)
    pool = _Pool.from_url(
        url,
        connection_class=_CONNECTIONS.get(url.partition("://")[0], _PlainConnection),
        address=_Address(setting, found_by),
        decode_responses=text,
        encoding_errors="backslashreplace" if text else "strict",  # what a thief wrote is shown, and breaks no reader
        socket_timeout=timeout_s,
        socket_connect_timeout=min(CONNECT_TIMEOUT, timeout_s),
        health_check_interval=_PING_AFTER_S,
        retry=Retry(NoBackoff(), 0),
        max_connections=1024,
        command_packer=_PACKER,
        driver_info=None,  # skip CLIENT SETINFO: our ACL users may not run it, and the server logs each refusal
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    client = _Client(connection_pool=pool)
    if shared:
        client.trips = SharedTrips(lambda packed: _sent_together(pool, packed))
    client.auto_close_connection_pool = True  # it is no other client's
    return client


def server_of(client: redis.Redis) -> Server:
    """What may be shown of the address of a client that `connect` made. It connects to nothing."""
    pool = client.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)  # which the pool does not count as one of its own
    return connection.server() if isinstance(connection, _Explains) else Server("", "an unknown place")


def disconnect(client: redis.Redis) -> None:
    """Its next connection is made, and what is wrong with it explained, as the first one of a new client."""
    pool = client.connection_pool
    pool.disconnect()
    pool.reset()  # a connection that Sentinels led to keeps where that was
    pool.connection_kwargs["address"].has_answered = False


def in_one_write(client: redis.Redis, commands: Sequence[Sequence[str | int]]) -> list[Any]:
    """All commands in one write on one connection; each one's answer, or the client's error, in their order.

    Where the connection is lost after the first answers these are kept: what they say was done was done.
    """
    return _sent_together(client.connection_pool, [b"".join(_PACKER.pack(*command)) for command in commands])


def _sent_together(pool: redis.ConnectionPool, packed: Sequence[bytes]) -> list[Any]:
    """As `in_one_write`, of commands that are packed."""
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command([b"".join(packed)])
        answers: list[Any] = []
        for _ in packed:
            try:
                answers.append(connection.read_response())
            except redis.ResponseError as error:
                answers.append(error.with_traceback(None))  # which holds all answers, and these the error
            except redis.RedisError as error:
                if not answers:
                    raise
                connection.disconnect()
                return answers + [error.with_traceback(None)] * (len(packed) - len(answers))
        connection.is_settled = True
        return answers
    finally:
        pool.release(connection)


_LIBRARYS_PACKER: Any = HiredisRespSerializer()


class _Packer:
    """A command as bytes. The library's own asks each argument for types that no command of ours has.

    What this can't pack that one does, or says why not.
    """

    def pack(self, *args: Any) -> Any:
        name = args[0]
        if type(name) is str and " " not in name:  # not two words, as in `SCRIPT LOAD`
            try:
                return [hiredis.pack_command(args)]
            except TypeError:
                pass
        return _LIBRARYS_PACKER.pack(*args)


_PACKER = _Packer()

#: What several threads may send together. None of them waits at the server, or needs another on its connection.
_SHARED = frozenset({"EVALSHA", "GET", "HGETALL"})


class _Client(redis.Redis):
    """Each command is sent once, and nothing is measured: the library's repetition and its own counts are left out.

    They cost as much as the command. A connection that breaks closes itself, as its pool expects.
    """

    trips: SharedTrips | None = None  #: of a client whose threads share them

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.trips and args[0] in _SHARED:
            answer = self.trips.run(b"".join(_PACKER.pack(*args)))
            return self.response_callbacks[args[0]](answer) if args[0] in self.response_callbacks else answer
        pool = self.connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.send_command(*args, **options)
            try:
                answer = _answer(self, connection, args, options)
            except redis.ResponseError:
                connection.is_settled = True
                raise
            connection.is_settled = True
            return answer
        finally:
            pool.release(connection)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        """Without a transaction it is one of ours."""
        kind = Pipeline if transaction else _Pipeline
        return kind(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    """Commands that are sent together, once, as the client sends each: the library's own costs twice as much."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        commands, self.command_stack = self.command_stack, []
        if not commands:
            return []
        pool = self.connection_pool
        connection: Any = pool.get_connection()
        answers: list[Any] = []
        try:
            connection.send_packed_command(connection.pack_commands([args for args, _ in commands]))
            for args, options in commands:
                try:
                    answers.append(_answer(self, connection, args, options))
                except redis.ResponseError as error:
                    answers.append(error)
            connection.is_settled = True
        finally:
            pool.release(connection)
        if raise_on_error:
            self.raise_first_error(commands, answers)  # type: ignore[no-untyped-call]  # redis-py does not type it
        return answers


def _answer(client: redis.Redis, connection: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    if args[0] == "EVALSHA" and not options:  # what a script replies has no form of the library's
        return connection.read_response()
    return client.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]  # redis-py does not type it


class _Pool(redis.ConnectionPool):
    """Gives the connection that was used last, as it is where that was a moment ago, and closes those not needed.

    The library looks each time: as many system calls again as the command needs, and with many threads each of them
    costs more than itself, since the interpreter goes to another thread. One that rested is looked at here, in one
    call; what is not as it was left is the library's to mend.
    """

    def get_connection(self, *_args: object, **_options: object) -> Any:
        if self.pid == os.getpid():  # else a copy of a process, whose connections are its parent's
            with self._lock:
                connection = self._available_connections[-1] if self._available_connections else None
                if isinstance(connection, _Explains) and (connection.is_fresh() or connection.is_quiet()):
                    self._available_connections.pop()
                    self._in_use_connections.add(connection)
                    return connection
        return super().get_connection()

    def release(self, connection: Any) -> None:
        """Where its user was interrupted an answer may be unread, which is no other command's: it is closed."""
        if not connection.is_settled and not isinstance(sys.exc_info()[1], redis.ResponseError | None):
            connection.disconnect()
        if self.pid == connection.pid == os.getpid() and not connection.should_reconnect():
            with self._lock:
                if connection in self._in_use_connections:
                    self._in_use_connections.remove(connection)
                    self._available_connections.append(connection)
                unneeded = self._unneeded()
            if unneeded:
                unneeded.disconnect()  # type: ignore[no-untyped-call]  # redis-py does not type it
        else:
            super().release(connection)

    def _unneeded(self) -> "_Explains | None":
        """The one that rested longest, taken out, if that is too long: the last used is the first given again."""
        oldest = self._available_connections[0] if len(self._available_connections) > 1 else None
        if not isinstance(oldest, _Explains) or oldest.used_at() > _CLOCK.monotonic() - _UNNEEDED_S:
            return None
        self._created_connections -= 1
        return cast("_Explains", self._available_connections.pop(0))


@dataclass(slots=True)
class _Address:
    """What all connections of a client share."""

    setting: str  #: the name of the setting; "" if it is not known
    found_by: sentinels.Sentinels | None = None  #: which say where it is
    has_answered: bool = False  #: so what it speaks is known, and nothing more is asked about that


class _Explains(AbstractConnection):
    """A connection of the client's whose errors say which server it was, and why, in our own words.

    They are raised out of a list, since a variable would keep the error, and the error its frame.
    """

    def __init__(self, *args: Any, address: _Address, **kwargs: Any) -> None:
        self._address = address
        super().__init__(*args, **kwargs)
        parser: Any = self._parser
        parser.set_pubsub_push_handler(_unasked)  # the library's is the parser's, which would keep itself in memory

    is_settled = False  #: the answer of its last command was read, and nothing else was sent

    def is_fresh(self) -> bool:
        """Was it used a moment ago, and is nothing left on it?"""
        is_connected = cast("socket.socket | None", self._sock) is not None
        return self.is_settled and is_connected and _CLOCK.monotonic() < self.used_at() + _MOMENT_S

    def used_at(self) -> float:
        """When its last answer was read (s, monotonic)."""
        return float(self.next_health_check - _PING_AFTER_S)

    def is_quiet(self) -> bool:
        """Is nothing left on it, and has its server neither ended it nor said anything? TLS is asked elsewhere."""
        link, make = cast("socket.socket | None", self._sock), getattr(select, "poll", None)
        if not self.is_settled or link is None or isinstance(link, ssl.SSLSocket) or make is None:
            return False  # libraries of green threads take `poll` away
        look = make()
        look.register(link, select.POLLIN)  # an end and an error are told of too
        return not look.poll(0)

    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        outside = sys.exc_info()[1]
        try:
            super().connect_check_health(*args, **kwargs)
        except _TOLD as error:
            failed = [self._explained(error, outside)]
        else:
            return
        raise failed.pop()

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        self.is_settled = False
        outside = sys.exc_info()[1]
        try:
            super().send_packed_command(*args, **kwargs)  # type: ignore[no-untyped-call]  # redis-py does not type it
        except _TOLD as error:
            failed = [self._explained(error, outside)]
        else:
            return
        raise failed.pop()

    def can_read(self, *args: Any, **kwargs: Any) -> bool:
        outside = sys.exc_info()[1]
        try:
            return super().can_read(*args, **kwargs)
        except _TOLD as error:
            failed = [self._explained(error, outside)]
        raise failed.pop()

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        outside = sys.exc_info()[1]
        try:
            answer = super().read_response(*args, **kwargs)
        except _TOLD as error:
            failed = [self._explained(error, outside)]
        else:
            self._address.has_answered = True
            return answer
        raise failed.pop()

    def _find(self) -> None:
        """Before it connects: the place is asked for anew, since another server may have taken it."""
        if self._address.found_by is not None:
            self.host, self.port = self._address.found_by.primary()

    def _explained(self, error: Exception, outside: BaseException | None) -> Exception:
        """The error with its cause. What the client can't read, or not even ask for, is the loss of the connection."""
        if isinstance(error, redis.ReadOnlyError) and self._address.found_by is not None:
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]  # as below; another may be the primary by now
        if isinstance(error.__context__, BlockingIOError):  # the kernel's word for a timeout that it kept
            error = redis.TimeoutError(str(ServerReason.TIMEOUT))
        if isinstance(error, redis.RedisError):
            self._address.has_answered |= isinstance(error, redis.ResponseError)
            if known_problem(error) is None:
                error.__cause__ = problem_of(self._reason(error, outside), self.server())
            return error
        self.disconnect()  # type: ignore[no-untyped-call]  # as above
        is_name = isinstance(error, UnicodeError) and not self._address.has_answered
        reason = ServerReason.UNKNOWN_HOST if is_name else ServerReason.NO_REDIS
        unreadable = redis.ConnectionError(str(reason))
        unreadable.__cause__ = problem_of(reason, self.server())
        return unreadable

    def server(self) -> Server:
        """Where it leads."""
        return Server(self._address.setting, self._place(), int(self.db or 0))

    def _place(self) -> str:
        return str(getattr(self, "path", ""))

    def _reason(self, error: redis.RedisError, outside: BaseException | None) -> ServerReason:
        reason = error.reason if isinstance(error, sentinels.NoneSaysWhere) else reason_of(error, outside)
        is_first = not self._address.has_answered
        return self._other_way() or reason if is_first and reason in self._SILENT else reason

    _SILENT: ClassVar = {ServerReason.LOST}  #: what a server may mean by it that speaks something else

    def _other_way(self) -> ServerReason | None:
        """Of a server that has not answered a word: what does it speak?"""
        return None


def _unasked(pushed: object) -> object:
    """What a server says that nothing was asked for. No command of ours leads to that."""
    return pushed


class _PlainConnection(_Explains, Connection):
    def _connect(self) -> socket.socket:
        self._find()
        return _timed_by_kernel(super()._connect())  # type: ignore[no-untyped-call]  # redis-py does not type it

    def _place(self) -> str:
        return _host_and_port(self)

    def _other_way(self) -> ServerReason | None:
        greeting = ssl.MemoryBIO()
        hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), greeting, server_hostname=self.host)
        with suppress(ssl.SSLWantReadError):
            hello.do_handshake()
        if _first_answer(self.host, int(self.port), greeting.read()) in _TLS_ANSWERS:
            return ServerReason.WANTS_TLS
        answer = _first_answer(self.host, int(self.port), b"HEAD / HTTP/1.0\r\n\r\n")
        return ServerReason.NO_REDIS if answer and answer not in _ERROR_OR_STATUS else None


class _TlsConnection(_Explains, SSLConnection):
    _SILENT: ClassVar = {ServerReason.LOST, ServerReason.TIMEOUT}  # one without TLS waits for the end of a line
    _has_shaken_hands = False

    def _connect(self) -> Any:
        self._find()
        return super()._connect()  # type: ignore[no-untyped-call]  # as above

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> Any:
        """The handshake is a part of connecting, and gets no more time than that.

        A server without TLS answers it with silence, so one look at it serves for a while.
        """
        self._has_shaken_hands = False
        if _CLOCK.monotonic() < _NO_TLS_UNTIL.get((self.host, int(self.port)), 0):
            problem = problem_of(ServerReason.HAS_NO_TLS, self.server())
            raise redis.ConnectionError(str(problem.reason)) from problem
        sock.settimeout(self.socket_connect_timeout)
        wrapped = super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]  # redis-py does not type it
        wrapped.settimeout(self.socket_timeout)
        self._has_shaken_hands = True
        return wrapped

    def _reason(self, error: redis.RedisError, outside: BaseException | None) -> ServerReason:
        """A server that wants a client's certificate ends the connection after the handshake, often without a word."""
        reason = super()._reason(error, outside)
        if reason is ServerReason.HAS_NO_TLS:
            _NO_TLS_UNTIL[self.host, int(self.port)] = _CLOCK.monotonic() + _NO_TLS_S
        is_first = not self._address.has_answered
        return (
            ServerReason.TLS_FAILED if reason is ServerReason.LOST and is_first and self._has_shaken_hands else reason
        )

    def _place(self) -> str:
        return _host_and_port(self)

    def _other_way(self) -> ServerReason | None:
        answer = _first_answer(self.host, int(self.port), b"*1\r\n$4\r\nPING\r\n")
        return ServerReason.HAS_NO_TLS if answer and answer in _ERROR_OR_STATUS else None


class _SocketConnection(_Explains, UnixDomainSocketConnection):
    def _connect(self) -> socket.socket:
        return _timed_by_kernel(super()._connect())  # type: ignore[no-untyped-call]  # redis-py does not type it

    def _reason(self, error: redis.RedisError, outside: BaseException | None) -> ServerReason:
        """A file refuses the connection as a server does that is stopped; but no start makes it a socket."""
        reason, path = super()._reason(error, outside), Path(self.path)
        return ServerReason.NOT_A_SOCKET if not self._address.has_answered and _is_other(path) else reason


def _timed_by_kernel(link: socket.socket) -> socket.socket:
    """The socket with its timeout in the kernel: Python's own is one more system call before each that it guards."""
    timeout = link.gettimeout()
    if timeout is not None:
        value = struct.pack("@ll", int(timeout), int(timeout % 1 * 1_000_000))  # a `timeval`
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
        link.settimeout(None)
        if not os.get_blocking(
            link.fileno()
        ):  # a library of green threads waits in its own way, and keeps its own time
            link.settimeout(timeout)
    return link


_CONNECTIONS: dict[str, type[_TlsConnection | _SocketConnection]] = {
    "rediss": _TlsConnection,
    "unix": _SocketConnection,
}


def _is_other(path: Path) -> bool:
    """Is there something, and no socket?"""
    try:
        return not path.is_socket() and path.exists()
    except (OSError, ValueError):
        return False


def _host_and_port(connection: _PlainConnection | _TlsConnection) -> str:
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    place = f"{host}:{connection.port}"
    found_by = connection._address.found_by  # noqa: SLF001 - of this module
    if found_by is None:
        return place
    is_found = connection.host != found_by.name
    return f"{place} (which Sentinels call {found_by.name})" if is_found else f"{found_by.name}, a name of Sentinels"


def _first_answer(host: str, port: int, greeting: bytes) -> bytes:
    """The first byte that a server answers to a greeting. Nothing else is sent, and no more is believed of it."""
    try:
        with socket.create_connection((host, port), timeout=_LOOK_TIMEOUT) as link:
            link.sendall(greeting)
            return link.recv(1)
    except (OSError, ValueError):
        return b""
