"""Why a server could not be used: one table from what the client raised to a sentence, a cure and whether to wait.

All say it from here: commands, the worker's start, `transfers doctor` and the exceptions of a backend. What the server
itself said is read here and dropped: it may repeat what it was sent. A reason proves nothing about what was stored.
"""

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import redis
from redis.exceptions import (
    AskError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    MaxConnectionsError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)

from epay_transfers.ledger.errors import ServerProblem


class ServerReason(StrEnum):
    """Why a server could not be used."""

    NO_PASSWORD = "no_password"  # noqa: S105 - a reason
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    NOT_PERMITTED = "not_permitted"
    UNKNOWN_COMMAND = "unknown_command"
    NO_DATABASE = "no_database"
    PROTECTED = "protected"
    WANTS_TLS = "wants_tls"
    HAS_NO_TLS = "has_no_tls"
    CERTIFICATE = "certificate"
    TLS_FAILED = "tls_failed"
    NO_REDIS = "no_redis"
    UNKNOWN_HOST = "unknown_host"
    NAME_UNANSWERED = "name_unanswered"
    REFUSED = "refused"
    NO_SOCKET = "no_socket"
    NOT_A_SOCKET = "not_a_socket"
    NO_ACCESS = "no_access"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    LOST = "lost"
    LOADING = "loading"
    FULL = "full"
    READ_ONLY = "read_only"
    CANNOT_SAVE = "cannot_save"
    NO_REPLICAS = "no_replicas"
    NO_PRIMARY = "no_primary"
    SENTINELS_REFUSE = "sentinels_refuse"
    SENTINELS_TLS = "sentinels_tls"
    BUSY = "busy"
    CLUSTER = "cluster"
    TOO_MANY_CLIENTS = "too_many_clients"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a connection leads: what may be shown of its address. No user and no password is here."""

    setting: str  #: the name of the setting that holds the address; "" if its caller named none
    place: str  #: host and port, or the path of a socket
    database: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    problem: str  #: `{place}` and `{database}` are the server's
    cure: str  #: `{setting}` is the setting's name
    is_passing: bool = False


def _may_pass(problem: str, cure: str) -> _Row:
    """To wait may help."""
    return _Row(problem, cure, is_passing=True)


_START = "start it, or correct {setting}"

#: The one table of sentences.
TABLE: Mapping[ServerReason, _Row] = MappingProxyType(
    {
        ServerReason.NO_PASSWORD: _Row(
            "the server at {place} wants a user or a password", "put them into {setting}, before the host"
        ),
        ServerReason.WRONG_PASSWORD: _Row(
            "the server at {place} refused the user or the password", "correct them in {setting}"
        ),
        ServerReason.NOT_PERMITTED: _Row(
            "the server at {place} does not permit this user what was asked",
            "give {setting} this process's own user, and the server the ACL file that `transfers acl deploy` writes",
        ),
        ServerReason.UNKNOWN_COMMAND: _Row(
            "the server at {place} does not know a command that it was sent",
            "use Redis 7.0 or Valkey 8.0, or newer, and rename no command that a worker needs",
        ),
        ServerReason.NO_DATABASE: _Row(
            "the server at {place} has no database {database}",
            "raise `databases` in that server's configuration, or give another database in {setting}",
        ),
        ServerReason.PROTECTED: _Row(
            "the server at {place} is in protected mode and answers its own machine alone",
            "give the server users, as `deploy/` does",
        ),
        ServerReason.WANTS_TLS: _Row(
            "the server at {place} speaks TLS alone, and {setting} does not", "give a rediss:// address in {setting}"
        ),
        ServerReason.HAS_NO_TLS: _Row(
            "the server at {place} speaks no TLS, and {setting} does",
            "give the server's TLS port in {setting}, or a redis:// address for a server of this machine",
        ),
        ServerReason.CERTIFICATE: _Row(
            "the certificate of the server at {place} is not trusted, or is for another name",
            "name its authority with ssl_ca_certs in {setting}, or give the host that the certificate names",
        ),
        ServerReason.TLS_FAILED: _Row(
            "the server at {place} and this process agree on no TLS",
            "see that server's log; {setting} names the client's certificate, where it wants one",
        ),
        ServerReason.NO_REDIS: _Row(
            "what answers at {place} is neither Redis nor Valkey", "correct the host and the port in {setting}"
        ),
        ServerReason.UNKNOWN_HOST: _Row("there is no host of the name in {place}", "correct the host in {setting}"),
        ServerReason.NAME_UNANSWERED: _may_pass(
            "the host's name in {place} can't be looked up now", "see this machine's DNS, or correct {setting}"
        ),
        ServerReason.REFUSED: _may_pass("the server at {place} refused the connection", _START),
        ServerReason.NO_SOCKET: _may_pass("there is no socket at {place}", _START),
        ServerReason.NOT_A_SOCKET: _Row(
            "what is at {place} is no socket", "give the path of the server's socket in {setting}"
        ),
        ServerReason.NO_ACCESS: _Row(
            "this process may not use the socket at {place}", "give its user the right to, or correct {setting}"
        ),
        ServerReason.UNREACHABLE: _may_pass("no route leads to {place}", "see the network, or correct {setting}"),
        ServerReason.TIMEOUT: _may_pass("the server at {place} did not answer in time", _START),
        ServerReason.LOST: _may_pass(
            "the connection to {place} was lost", "see that server's log, or correct {setting}"
        ),
        ServerReason.LOADING: _may_pass("the server at {place} is still loading its data", "wait until it has"),
        ServerReason.FULL: _may_pass(
            "the server at {place} is full and takes no write", "give it more memory (`maxmemory`)"
        ),
        ServerReason.READ_ONLY: _Row(
            "the server at {place} is a replica and takes no write", "give the master's address in {setting}"
        ),
        ServerReason.CANNOT_SAVE: _may_pass(
            "the server at {place} can't write to its disk and takes no write", "see its log, and make room on its disk"
        ),
        ServerReason.NO_REPLICAS: _may_pass(
            "the server at {place} has too few replicas and takes no write",
            "start them, or lower `min-replicas-to-write`",
        ),
        ServerReason.NO_PRIMARY: _may_pass(
            "no Sentinel says where {place} is",
            "start the Sentinels, or correct their places or the name in {setting}",
        ),
        ServerReason.SENTINELS_REFUSE: _Row(
            "the Sentinels refuse this process, so none says where {place} is",
            "give the user and the password that they have for clients in {setting}, as sentinel_username and "
            "sentinel_password",
        ),
        ServerReason.SENTINELS_TLS: _Row(
            "this process and the Sentinels agree on no TLS, so none says where {place} is",
            "see {setting}: sentinel_ssl=true where they speak TLS, and by ssl_ca_certs the authority that signed them",
        ),
        ServerReason.BUSY: _may_pass("the server at {place} is busy with a script", "wait until it has ended"),
        ServerReason.CLUSTER: _Row(
            "the server at {place} is part of a cluster",
            "give a server of its own in {setting}: all keys share one slot",
        ),
        ServerReason.TOO_MANY_CLIENTS: _may_pass(
            "the server at {place} has too many clients", "raise `maxclients` in that server's configuration"
        ),
        ServerReason.TOO_MANY_CONNECTIONS: _may_pass(
            "this process has too many connections to {place}", "give it fewer threads"
        ),
        ServerReason.OTHER: _may_pass("the server at {place} answered with an error", "see that server's log"),
    }
)

#: An error of the operating system's → the reason. The first that fits, so the special before the general.
_OF_THE_SYSTEM: tuple[tuple[type[OSError], ServerReason], ...] = (
    (ssl.SSLCertVerificationError, ServerReason.CERTIFICATE),
    (ssl.SSLEOFError, ServerReason.LOST),
    (ssl.SSLZeroReturnError, ServerReason.LOST),
    (ssl.SSLError, ServerReason.TLS_FAILED),
    (socket.gaierror, ServerReason.UNKNOWN_HOST),
    (ConnectionRefusedError, ServerReason.REFUSED),
    (FileNotFoundError, ServerReason.NO_SOCKET),
    (NotADirectoryError, ServerReason.NOT_A_SOCKET),
    (PermissionError, ServerReason.NO_ACCESS),
    (TimeoutError, ServerReason.TIMEOUT),
    (ConnectionError, ServerReason.LOST),
)

#: What TLS calls an answer that is none of TLS.
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"}

_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}

#: What a resolver says that could not ask, or was told to come again.
_ASK_AGAIN = {socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM}

#: A class of the client's → the reason.
_OF_THE_CLIENT: tuple[tuple[type[redis.RedisError], ServerReason], ...] = (
    (AuthenticationWrongNumberOfArgsError, ServerReason.WRONG_PASSWORD),
    (redis.AuthenticationError, ServerReason.WRONG_PASSWORD),
    (NoPermissionError, ServerReason.NOT_PERMITTED),
    (BusyLoadingError, ServerReason.LOADING),
    (OutOfMemoryError, ServerReason.FULL),
    (ReadOnlyError, ServerReason.READ_ONLY),
    (MasterDownError, ServerReason.READ_ONLY),
    (TryAgainError, ServerReason.BUSY),
    (AskError, ServerReason.CLUSTER),
    (MovedError, ServerReason.CLUSTER),
    (ClusterDownError, ServerReason.CLUSTER),
    (ClusterCrossSlotError, ServerReason.CLUSTER),
    (InvalidResponse, ServerReason.NO_REDIS),
    (MaxConnectionsError, ServerReason.TOO_MANY_CONNECTIONS),
    (redis.TimeoutError, ServerReason.TIMEOUT),
)

#: How an answer begins → the reason. These come before the classes.
_BEGINNINGS: tuple[tuple[str, ServerReason], ...] = (
    ("authentication required", ServerReason.NO_PASSWORD),
    ("hello must be called with the client already authenticated", ServerReason.NO_PASSWORD),
    ("auth <password> called without any password", ServerReason.WRONG_PASSWORD),
    ("unknown command", ServerReason.UNKNOWN_COMMAND),
    ("unknown redis command", ServerReason.UNKNOWN_COMMAND),
    ("unknown subcommand", ServerReason.UNKNOWN_COMMAND),
    ("the user executing the script", ServerReason.NOT_PERMITTED),
    ("db index is out of range", ServerReason.NO_DATABASE),
    ("invalid db index", ServerReason.NO_DATABASE),
    ("select is not allowed in cluster", ServerReason.CLUSTER),
    ("denied redis is running in protected mode", ServerReason.PROTECTED),
    ("denied valkey is running in protected mode", ServerReason.PROTECTED),
    ("misconf ", ServerReason.CANNOT_SAVE),
    ("noreplicas ", ServerReason.NO_REPLICAS),
    ("busy ", ServerReason.BUSY),
    ("unkillable ", ServerReason.BUSY),
    ("max number of clients", ServerReason.TOO_MANY_CLIENTS),
    ("bad response from ping", ServerReason.NO_REDIS),
    ("protocol error", ServerReason.NO_REDIS),
)


def problem_of(reason: ServerReason, server: Server) -> ServerProblem:
    """The sentence of the table for this server."""
    row = TABLE[reason]
    names = {"place": server.place, "database": server.database, "setting": server.setting or "its address"}
    return ServerProblem(
        server.setting,
        row.problem.format_map(names),
        row.cure.format_map(names),
        reason=reason,
        is_passing=row.is_passing,
    )


def known_problem(error: BaseException) -> ServerProblem | None:
    """What the connection on which it was raised has said of it."""
    return error.__cause__ if isinstance(error.__cause__, ServerProblem) else None


def reason_of(error: BaseException, outside: BaseException | None = None) -> ServerReason:
    """By what the client raised. `outside`: what the caller was handling, which says nothing of the server."""
    for cause in _causes(error, outside):
        if isinstance(cause, UnicodeError):  # a name that can't even be asked for
            return ServerReason.UNKNOWN_HOST
        if isinstance(cause, OSError) and not isinstance(cause, redis.RedisError):
            return _of_the_system(cause)
    text = str(error).lower().removeprefix("err ")
    for beginning, reason in _BEGINNINGS:
        if text.startswith(beginning):
            return reason
    for kind, reason in _OF_THE_CLIENT:
        if isinstance(error, kind):
            return reason
    if isinstance(error, redis.ConnectionError):
        return ServerReason.LOST
    return ServerReason.OTHER


def _of_the_system(error: OSError) -> ServerReason:
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return ServerReason.HAS_NO_TLS
    if isinstance(error, socket.gaierror) and error.errno in _ASK_AGAIN:
        return ServerReason.NAME_UNANSWERED
    if error.errno in _NO_ROUTE:
        return ServerReason.UNREACHABLE
    return next((reason for kind, reason in _OF_THE_SYSTEM if isinstance(error, kind)), ServerReason.LOST)


def _causes(error: BaseException, outside: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised for, the nearest first."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link is not outside and not any(link is other for other in seen):
        seen.append(link)
        yield link
        link = link.__cause__ or link.__context__
