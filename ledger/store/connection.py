"""How the three servers are reached: the ledger's, the vault's, the queue's.

No client here repeats a command by itself. A script whose reply was lost may have been carried out, and only the
ledger's states and the vault's epochs know what a second run would mean.
"""

from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.tracebacks import clear_frames_on_error

#: Seconds. A durable move takes under a millisecond: a server that takes this long is gone.
SOCKET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 2.0


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
        redis.Redis.from_url(url).connection_pool.make_connection()  # it connects to nothing
    except Exception:  # noqa: BLE001 - whatever the library makes of it, its words may hold the password
        raise AddressUnreadable from None
    if is_cut:  # the client would take the beginning of the password for the host, and name it in its errors
        raise AddressUnreadable


@clear_frames_on_error
def connect(url: str, *, text: bool = True) -> redis.Redis:
    """A client that connects when it is first used. `redis://`, `rediss://` (verified) and `unix://` addresses.

    `text=False` is for who consumes a queue: Dramatiq decodes its messages itself, and loses those that are text.
    Raises `AddressUnreadable`.
    """
    check_address(url)
    return redis.Redis.from_url(
        url,
        decode_responses=text,
        encoding_errors="backslashreplace" if text else "strict",  # what a thief wrote is shown, and breaks no reader
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
        max_connections=1024,
        driver_info=None,  # skip CLIENT SETINFO: our ACL users may not run it, and the server logs each refusal
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
