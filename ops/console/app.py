"""The console as an ASGI app: its routes, each under the guard."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from epay_transfers.ops.console import acts, health, live, static_files
from epay_transfers.ops.console.guard import Guard, in_a_sentence
from epay_transfers.ops.console.identity import identity_of
from epay_transfers.ops.console.looks import Looks
from epay_transfers.ops.console.pages import (
    dead,
    doubt,
    operator_acts,
    outcomes,
    overview,
    parked,
    pauses,
    plans,
    queue,
    search,
    servers,
    transfer,
    transfers,
    workers,
)
from epay_transfers.ops.console.people import People
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.console.visit import Console
from epay_transfers.ops.context import Context

_PAGES = (
    overview,
    transfers,
    transfer,
    search,
    doubt,
    dead,
    parked,
    plans,
    pauses,
    operator_acts,
    workers,
    queue,
    outcomes,
    servers,
)


def create_app(settings: ConsoleSettings, context: Context, own_origins: frozenset[str]) -> Starlette:
    """`own_origins`: of the address where it listens. Raises `Misconfigured`."""
    origins = frozenset({settings.console_origin}) if settings.console_origin else own_origins
    guard = Middleware(
        Guard,
        identity=identity_of(settings),
        people=People.of(settings),
        origins=origins,
        is_secure=all(origin.startswith("https://") for origin in origins),
    )
    routes = [
        *(route for page in _PAGES for route in page.ROUTES),
        *acts.ROUTES,
        *live.ROUTES,
        *health.ROUTES,
        Route("/static/{digest}/{name}", static_files.serve),
    ]
    app = Starlette(routes=routes, middleware=[guard], exception_handlers={HTTPException: in_a_sentence})
    app.state.console = Console(settings, context, Looks(context))
    return app
