"""`manage.py check`: is `TRANSFERS` as it must be? No server is asked."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Doubt
from django.urls import NoReverseMatch, reverse

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.producers.django.configuration import NAME, Configuration
from epay_transfers.producers.web.pages import host_names
from epay_transfers.producers.web.tier import check_home
from epay_transfers.runtime.settings import SettingsWrong

_A_HANDLE = "A" * 22


def check(app_configs: object = None, **_: object) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    try:
        configuration = Configuration.read()
    except WrongCall as error:
        return [Error(str(error), id="transfers.E001")]
    return [*_settings(configuration), *_page(configuration), *_outcomes(configuration), *_transactions()]


def _settings(configuration: Configuration) -> Iterator[CheckMessage]:
    try:
        if not configuration.has_web:
            configuration.load()
            return
        base_url = configuration.load_with_web().web_base_url
    except SettingsWrong as error:
        for line in error.lines:
            yield Error(line, hint=f"in the environment, or in {NAME}['SETTINGS']", id="transfers.E002")
        return
    try:
        mounted = reverse("transfers-pay", args=[_A_HANDLE]).removesuffix(f"/pay/{_A_HANDLE}")
    except NoReverseMatch:
        yield Doubt(
            "the web tier's routes are mounted nowhere",
            hint='path("transfers/", include(urls())) in urls.py; or "WEB": False, where this process has none',
            id="transfers.W001",
        )
        return
    if not urlsplit(base_url).path.rstrip("/").endswith(mounted):
        yield Error(
            f"WEB_BASE_URL: its path must end with {mounted}, where the routes are mounted: the bank's page sends the "
            "client's browser there",
            id="transfers.E003",
        )


def _page(configuration: Configuration) -> Iterator[CheckMessage]:
    for look_at in (
        configuration.look,
        lambda: host_names(configuration.acs_hosts),
        lambda: check_home(configuration.home),
    ):
        try:
            look_at()
        except WrongCall as error:
            yield Error(str(error), id="transfers.E004")


def _outcomes(configuration: Configuration) -> Iterator[CheckMessage]:
    if configuration.outcomes_handler:
        try:
            configuration.handler()
        except WrongCall as error:
            yield Error(str(error), id="transfers.E005")


def _transactions() -> Iterator[CheckMessage]:
    databases: dict[str, dict[str, Any]] = settings.DATABASES
    if any(database.get("ATOMIC_REQUESTS") for database in databases.values()):
        yield Doubt(
            "ATOMIC_REQUESTS is on: a view that enqueues and is rolled back afterwards has paid all the same",
            hint="enqueue in transaction.on_commit, or by an outbox: docs/transactions.md",
            id="transfers.W002",
        )
