"""Where Sentinels say that a server is. They are asked anew for each connection, and nothing of an answer is kept.

An address names them: `redis://user:...@NAME/0?sentinels=HOST:PORT,HOST:PORT`. NAME is what they call the server
that they watch (`sentinel monitor NAME ...`). `sentinel_username`, `sentinel_password` and `sentinel_ssl=true` are for
the Sentinels alone: they have users of their own. By TLS they are asked with the files that the address names.

A Sentinel may be wrong, and no money rests on its word. Where it names a replica, a write is refused there, and the
next connection asks again. Where it names a server whose place another has taken, that one has a replica less, so that
`LEDGER_REPLICAS` keeps a worker from sending, if it is the number of the replicas. And of any other server than before,
workers compare the ledger with the vault first (`worker/failover.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from epay_transfers.ledger.store.server_problems import ServerReason, reason_of

#: The options behind the `?` of an address.
OPTION = "sentinels"
USER, PASSWORD, TLS = "sentinel_username", "sentinel_password", "sentinel_ssl"
OF_THEIR_OWN = (USER, PASSWORD, TLS)

#: What else an address says of TLS is said of the Sentinels as well.
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password")

#: Seconds, for each of them: one that is away holds up a connection for no longer.
_TIMEOUT_S = 0.5

Place = tuple[str, int]


class NoneSaysWhere(redis.ConnectionError):
    """No Sentinel answers, or none of them knows the name. `reason`: why, as far as one of them shows it."""

    def __init__(self, reason: ServerReason = ServerReason.NO_PRIMARY) -> None:
        super().__init__()
        self.reason = reason


#: Where each of them refuses, or none agrees on TLS, that is no outage: to wait does not help, and a person reads why.
#: One that is merely away may answer yet.
_REFUSED = MappingProxyType(
    {
        ServerReason.NO_PASSWORD: ServerReason.SENTINELS_REFUSE,
        ServerReason.WRONG_PASSWORD: ServerReason.SENTINELS_REFUSE,
        ServerReason.NOT_PERMITTED: ServerReason.SENTINELS_REFUSE,
        ServerReason.CERTIFICATE: ServerReason.SENTINELS_TLS,
        ServerReason.HAS_NO_TLS: ServerReason.SENTINELS_TLS,
        ServerReason.TLS_FAILED: ServerReason.SENTINELS_TLS,
    }
)


@dataclass(slots=True)
class Sentinels:
    name: str
    places: Sequence[Place]
    options: Mapping[str, str] = field(default_factory=dict, repr=False)  #: the address' own of them, and of TLS
    _first: list[Place] = field(default_factory=list)  #: the one that answered last

    def primary(self) -> Place:
        """Raises `NoneSaysWhere`."""
        reasons: set[ServerReason] = set()
        for place in dict.fromkeys((*self._first, *self.places)):
            try:
                found = self._asked(place)
            except (redis.RedisError, OSError, ValueError, TypeError) as error:
                reasons.add(_REFUSED.get(reason_of(error), ServerReason.NO_PRIMARY))
            else:
                self._first = [place]
                return found
        raise NoneSaysWhere(reasons.pop() if len(reasons) == 1 else ServerReason.NO_PRIMARY)

    def _asked(self, place: Place) -> Place:
        tls = {name: self.options[name] for name in _TLS_FILES if name in self.options}
        client = redis.Redis(
            *place,
            username=self.options.get(USER),
            password=self.options.get(PASSWORD),
            **({"ssl": True, **tls} if TLS in self.options else {}),  # type: ignore[arg-type]  # texts, all of them
            decode_responses=True,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        try:
            found = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)  # type: ignore[no-untyped-call]  # redis-py does not type it
            host, port = found
            return str(host), int(port)
        finally:
            client.close()


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
    others = [(name, value) for name, value in query if name not in {OPTION, *OF_THEIR_OWN}]
    rest = url.partition("?")[0] + (f"?{urlencode(others, safe='/')}" if others else "")
    options = {name: value for name, value in query if name in {*OF_THEIR_OWN, *_TLS_FILES}}
    return rest, Sentinels(unquote(parts.hostname or ""), places_of(",".join(given)), options)
