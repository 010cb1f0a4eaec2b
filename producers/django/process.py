"""What this process has one of: its `Transfers`, its web tier and the routes of it, made when first asked for."""

import functools

from django.urls import URLPattern

from epay_transfers.producers.django.configuration import Configuration
from epay_transfers.producers.transfers import Transfers
from epay_transfers.producers.web.django import urls as urls_of
from epay_transfers.producers.web.tier import Web


def transfers() -> Transfers:
    """The process's own `Transfers`. It connects at its first call.

    Raises `WrongCall` for a wrong `TRANSFERS`; the first call raises what `Transfers.check` raises.
    """
    alone = _without_web()
    return web().transfers if alone is None else alone  # asked each time: a test may put a fake there


@functools.cache
def _without_web() -> Transfers | None:
    configuration = Configuration.read()
    return None if configuration.has_web else Transfers.from_env(configuration.load)


@functools.cache
def web() -> Web:
    """The process's own web tier. Raises `WrongCall` for a wrong `TRANSFERS`."""
    configuration = Configuration.read()
    return Web.from_env(
        configuration.load_with_web,
        acs_hosts=configuration.acs_hosts,
        home=configuration.home,
        look=configuration.look(),
    )


def urls() -> list[URLPattern]:
    """The web tier's routes: `path("transfers/", include(urls()))`. What is wrong with `TRANSFERS` the checks say."""
    return urls_of(web)
