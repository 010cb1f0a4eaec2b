"""Servers and keys: what each server is, what is wrong and what to do, keys by their ids, invoice ids by space.

It says what `doctor`, `keys` and `overview` say. No key is shown, and no address with a password.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.examination import OwnKeys, examined, key_rows
from epay_transfers.ops.overview.server_rows import server_rows, suffix_rows


def servers(visit: Visit) -> Response:
    facts, own = visit.look.facts, _own_keys()
    return visit.page(
        "servers.html", "Servers and keys",
        servers=list(zip(server_rows(facts), (facts.ledger, facts.vault, facts.queue), strict=True)),
        findings=examined(visit.context, facts, visit.look.judgements, own),
        keys=key_rows(visit.context, facts, own),
        suffixes=suffix_rows(facts), of=SUFFIXES, transfers_of=_transfers_by_space(visit),
    )  # fmt: skip


def _transfers_by_space(visit: Visit) -> Mapping[str, Sequence[tuple[str, int]]] | None:
    """By space, its terminals, and how many transfers each has: an invoice id was used for each of them.

    Those of terminals that the settings have no more are under an empty name. None: unknown.
    """
    totals, settings = visit.look.facts.totals, visit.context.settings
    if totals is None:
        return None
    found: dict[str, list[tuple[str, int]]] = {}
    for terminal in dict.fromkeys(("main", *settings.epay_terminals, *totals.terminals)):
        if count := totals.of(terminal=terminal).count:
            found.setdefault(settings.space_of(terminal) or "", []).append((terminal, count))
    return found


@cache
def _own_keys() -> OwnKeys:
    """The environment of a process does not change."""
    return OwnKeys.load()


ROUTES = [Route("/servers", page(servers))]
