"""The bank's notification (contract, section 6): posted in the background, to this machine only, once, best effort."""

import asyncio
import http.client
from urllib.parse import urlsplit

from epay_transfers.sandbox.answers import Notification, encode
from epay_transfers.sandbox.contract import LOOPBACK

_TIMEOUT_S = 5


class Notifier:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, notification: Notification) -> None:
        """Post it in the background. A link to another machine, or not in plain HTTP, is ignored."""
        parts = urlsplit(notification.link)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            return
        task = asyncio.create_task(asyncio.to_thread(_post, notification))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _post(notification: Notification) -> None:
    parts = urlsplit(notification.link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_S)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request("POST", path, encode(notification.document).encode(), {"Content-Type": "application/json"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return  # nothing listens there: a notification of the bank may be lost
    finally:
        connection.close()
