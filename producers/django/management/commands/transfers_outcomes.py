"""`manage.py transfers_outcomes`: give each outcome to the handler, until SIGTERM or Ctrl-C."""

import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from epay_transfers.ledger.errors import TransfersError, WrongCall
from epay_transfers.producers.django import transfers
from epay_transfers.producers.django.configuration import NAME, Configuration, Handler
from epay_transfers.producers.outcomes import Outcome
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    help = f"Give each outcome of a transfer to the function that {NAME}['OUTCOMES_HANDLER'] names."
    requires_system_checks = ()  # Django would end it with 1 for wrong settings: here they are 78

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--group", help=f"of readers; {NAME}['OUTCOMES_GROUP'] by default")
        parser.add_argument("--consumer", help="a name that stays over restarts, so that this one goes on where it was")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            configuration = Configuration.read()
            handler = _in_a_request_of_its_own(configuration.handler())
            group = options["group"] or configuration.outcomes_group
            if options["verbosity"]:
                self.stdout.write(f"Outcomes go to {configuration.outcomes_handler}, as those of the group {group}.")
                self.stdout.flush()  # a supervisor's log is no terminal
            with _until_signalled() as stop:
                transfers().run_outcomes(handler, group=group, consumer=options["consumer"], stop=stop)
        except (WrongCall, SettingsWrong) as error:
            raise CommandError(str(error), returncode=EX_CONFIG) from None
        except TransfersError as error:
            raise CommandError(str(error)) from None


@contextmanager
def _until_signalled() -> Iterator[threading.Event]:
    """It is set by SIGTERM and by Ctrl-C. Afterwards these do what they did before: a test calls the command, too."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_a_request_of_its_own(handler: Handler) -> Handler:
    """As a request does: a connection to the database that broke is not used for the next outcome."""

    def handle(outcome: Outcome) -> None:
        close_old_connections()
        try:
            handler(outcome)
        finally:
            close_old_connections()

    return handle
