"""How the three servers are reached: the ledger's, the vault's, the queue's.

No client here repeats a command by itself. A script whose reply was lost may have been carried out, and only the
ledger's states and the vault's epochs know what a second run would mean.
"""

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

#: Seconds. A durable move takes under a millisecond: a server that takes this long is gone.
SOCKET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 2.0


def connect(url: str, *, text: bool = True) -> redis.Redis:
    """A client that connects when it is first used. `redis://`, `rediss://` (verified) and `unix://` addresses.

    `text=False` is for who consumes a queue: Dramatiq decodes its messages itself, and loses those that are text.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=text,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
        max_connections=1024,
        driver_info=None,  # skip CLIENT SETINFO: our ACL users may not run it, and the server logs each refusal
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
