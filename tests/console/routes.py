"""Every page of the console, by its own routes: what is added to the app is walked by the tests without being named.

A route with a place in it (`/transfer/{key}`) needs a value for that place here.
"""

import re
from collections.abc import Iterator, Mapping

from starlette.routing import Route

from epay_transfers.ledger.queue.messages import Where
from epay_transfers.ops.console import app

#: Of a plan that is not there: its page is a sentence.
NO_PLAN = "0" * 64

#: A queue, and a group of consumers: their pages are there whatever the ledger has.
_PLACES = {"name": "transfers.now", "group": "payouts"}

_PLACE = re.compile(r"\{(\w+)\}")


def pages(values: Mapping[str, str]) -> Iterator[str]:
    """The address of each page that a person opens. `values`: by the names of the places. Raises `KeyError`."""
    values = {**_PLACES, **values}
    for module in app._PAGES:
        for route in module.ROUTES:
            if isinstance(route, Route) and "GET" in (route.methods or ()):
                for where in Where if "{where}" in route.path else ("",):
                    yield _PLACE.sub(lambda found, at=where: (values | {"where": at})[found[1]], route.path)  # type: ignore[misc]
