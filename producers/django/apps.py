"""Where Django finds the app: its label is taken by no app of a project, and its checks begin with it."""

from django.apps import AppConfig
from django.core import checks


class TransfersConfig(AppConfig):  # type: ignore[misc]  # Django has no types
    """Its label is the package's, so that a project may have an app of its own called `ledger` or `transfers`."""

    name = "epay_transfers.producers.django"
    label = "epay_transfers"
    verbose_name = "ePay transfers"

    def ready(self) -> None:
        from epay_transfers.producers.django.system_checks import check  # noqa: PLC0415 - after the settings

        checks.register(check, "transfers")
