"""Where Sentinels say that a server is. They are asked anew for each connection, and nothing of an answer is kept.

An address names them: `redis://user:...@NAME/0?sentinels=HOST:PORT,HOST:PORT`. NAME is what they call the server
that they watch (`sentinel monitor NAME ...`).

A Sentinel may be wrong, and no money rests on its word. Where it names a replica, a write is refused there, and the
next connection asks again. Where it names a server whose place another has taken, that one has a replica less, so that
`LEDGER_REPLICAS` keeps a worker from sending, if it is the number of the replicas. And of any other server than before,
workers compare the ledger with the vault first (`worker/failover.py`).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

#: The option behind the `?` of an address.
OPTION = "sentinels"

#: Seconds, for each of them: one that is away holds up a connection for no longer.
_TIMEOUT_S = 0.5

Place = tuple[str, int]


class NoneSaysWhere(redis.ConnectionError):
    """No Sentinel answers, or none of them knows the name."""


@dataclass(slots=True)
class Sentinels:
    name: str
    places: Sequence[Place]
    _first: list[Place] = field(default_factory=list)  #: the one that answered last

    def primary(self) -> Place:
        """Raises `NoneSaysWhere`."""
        for place in dict.fromkeys((*self._first, *self.places)):
            with suppress(redis.RedisError, OSError, ValueError, TypeError):
                found = _asked(place, self.name)
                self._first = [place]
                return found
        raise NoneSaysWhere


def places_of(text: str) -> list[Place]:
    """Raises `ValueError` for what is not HOST:PORT, and so on."""
    places = []
    for one in text.split(","):
        host, colon, port = one.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
            raise ValueError("no place of a Sentinel")
        places.append((host, int(port)))
    return places


def split(url: str) -> tuple[str, Sentinels | None]:
    """The address without them, and they; None where it names none. Raises `ValueError`."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = [value for name, value in query if name == OPTION]
    if not given:
        return url, None
    others = [(name, value) for name, value in query if name != OPTION]
    rest = url.partition("?")[0] + (f"?{urlencode(others, safe='/')}" if others else "")
    return rest, Sentinels(unquote(parts.hostname or ""), places_of(",".join(given)))


def _asked(place: Place, name: str) -> Place:
    client = redis.Redis(
        *place,
        decode_responses=True,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    try:
        host, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)  # type: ignore[no-untyped-call]  # redis-py does not type it
        return str(host), int(port)
    finally:
        client.close()
