"""DNS lookups with a time limit. The system's own lookup can take minutes, and nothing can interrupt it.

So each lookup runs in its own thread, one at a time for a name, and a caller waits no longer than for a connection.
There is no cache: a result goes to the callers that waited for it.
"""

import socket
import threading
from copy import copy


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"lookup {host}", daemon=True)
        self.addresses: list[str] = []
        self.error: OSError | UnicodeError | None = None
        self._of = (host, port)

    def run(self) -> None:
        host, port = self._of
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self.addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        except (OSError, UnicodeError) as error:
            self.error = error


_under_way: dict[tuple[str, int], _Lookup] = {}
_lock = threading.Lock()


def look_up(host: str, port: int, *, within_s: float | None) -> list[str]:
    """The addresses of a host, in the system's order; `within_s=None` has no limit.

    Raises `OSError`, or `UnicodeError` for a text that can't be a host's name.
    """
    with _lock:
        lookup = _under_way.get((host, port))
        if lookup is None or not lookup.is_alive():
            lookup = _under_way[host, port] = _Lookup(host, port)
            lookup.start()
    lookup.join(within_s)
    if lookup.is_alive():
        raise socket.gaierror(socket.EAI_AGAIN, "the name was not looked up in time")
    if lookup.error is not None:
        raise copy(lookup.error)  # a copy for each caller: a raised exception holds the frames of its request
    return lookup.addresses
