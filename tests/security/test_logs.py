"""The log's filter: on the day on which somebody logs a card, it is stars in every handler; our own ids never are."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.runtime import logs
from tests.security.canaries import CVC, HOLDER, PAN, RECEIVER_PAN, Search, dresses

KEY = "251124000001"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What a worker's log would hold, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(logs.without_cards)
    handler.setFormatter(logs.JsonFormatter())
    root = logging.getLogger()
    level, kept = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = kept
    root.setLevel(level)


@pytest.mark.parametrize("pan", [*dresses(PAN), *dresses(RECEIVER_PAN)])
def test_a_card_number_is_starred_wherever_it_stands_in_a_record(said: io.StringIO, pan: str) -> None:
    """In the message, an argument, a field, an object's text, and as a number."""
    log = logging.getLogger("epay_transfers.worker.somewhere")
    log.info(f"card {pan}")  # noqa: G004 - so careless as it gets
    log.info("card %s and %r", pan, {"pan": pan})
    log.info("%(card)s", {"card": pan})
    log.info("a.field", extra={"key": KEY, "why": pan, "more": [pan]})
    log.info("a.number", extra={"number": int("".join(filter(str.isdigit, pan)))})
    log.info(pan)

    assert Search().hits(said.getvalue()) == {}
    assert said.getvalue().count("\n") == 6
    assert "**" in said.getvalue()


def test_a_text_of_another_class_is_read_as_it_would_be_shown(said: io.StringIO) -> None:
    class Shown(str):
        __slots__ = ()

        def __str__(self) -> str:
            return PAN

    logging.getLogger("epay_transfers.worker.x").info("a field: %s", Shown("plain"), extra={"why": Shown("plain")})

    assert PAN not in said.getvalue()
    assert "**" in said.getvalue()


def test_our_own_invoice_id_is_never_starred(said: io.StringIO) -> None:
    """Though it may have fifteen digits and pass the check digit: the record's own key says that it is ours."""
    log = logging.getLogger("epay_transfers.worker.somewhere")
    log.info("enqueue.accepted", extra={"key": PAN, "why": f"asked for {PAN}, and {RECEIVER_PAN}"})
    log.info("enqueue.accepted", extra={"key": f"kiosk:{PAN}"})

    first, second = (json.loads(line) for line in said.getvalue().splitlines())
    assert (first["key"], second["key"]) == (PAN, f"kiosk:{PAN}")
    assert first["why"] == f"asked for {PAN}, and {'*' * 16}"


def test_ordinary_lines_stay_as_they_are(said: io.StringIO) -> None:
    extra = {"key": KEY, "threads": 16, "ok": True, "why": "busy"}
    logging.getLogger("epay_transfers.worker.x").info("sweeper.later", extra=extra)

    line = json.loads(said.getvalue())
    assert (line["event"], line["key"], line["threads"], line["ok"], line["why"]) == (
        "sweeper.later", KEY, 16, True, "busy",
    )  # fmt: skip


def test_what_an_exception_says_stays_out_and_where_it_came_from_stays_in(said: io.StringIO) -> None:
    """A CVC or a name has no check digit: so no words of an exception but our own, and the whole chain of places."""
    try:
        try:
            raise KeyError(f"{HOLDER} {CVC}")  # noqa: TRY301 - it is to be caught here
        except KeyError as error:
            raise ValueError(f"no number: '{PAN}'") from error
    except ValueError:
        logging.getLogger("epay_transfers.worker.x").exception("actor.broke", extra={"key": KEY})

    line = json.loads(said.getvalue())
    assert Search().hits(said.getvalue()) == {}
    assert "builtins.ValueError" in line["trace"]
    assert "builtins.KeyError" in line["trace"]
    assert "test_logs.py" in line["trace"]


def test_our_own_errors_may_speak(said: io.StringIO) -> None:
    try:
        raise TransfersError("the key abcd1234 is missing")  # noqa: TRY301 - it is to be caught here
    except TransfersError as error:
        logging.getLogger("epay_transfers.worker.x").exception("a.b: %s", error)  # noqa: TRY401 - one may

    line = json.loads(said.getvalue())
    assert line["event"] == "a.b: the key abcd1234 is missing"
    first = "epay_transfers.ledger.errors.TransfersError: the key abcd1234 is missing"
    assert line["trace"].splitlines()[0] == first


def test_a_library_brings_no_fields_no_arguments_of_a_message_and_no_words_of_an_exception(said: io.StringIO) -> None:
    """Dramatiq logs messages whole, and fields of any library are unknown."""
    message: dramatiq.Message[object] = dramatiq.Message(
        queue_name="q", actor_name="a", args=(HOLDER, CVC), kwargs={"x": PAN}, options={}
    )
    log = logging.getLogger("dramatiq.worker")
    log.error("Failed to process message %s: %s", message, ValueError(HOLDER), extra={"input": HOLDER})

    assert Search().hits(said.getvalue()) == {}
    assert message.message_id in said.getvalue()
    assert "ValueError" in said.getvalue()


def test_every_handler_after_it_sees_the_stars_too(said: io.StringIO) -> None:
    """It works on the record itself, for others read the arguments before anybody formats them."""
    seen: list[logging.LogRecord] = []

    class Later(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logging.getLogger().addHandler(Later())
    logging.getLogger("epay_transfers.worker.x").info("card %s", PAN, extra={"why": PAN})

    assert PAN not in repr(vars(seen[0]))


def test_what_nobody_catches_is_logged_without_its_words() -> None:
    """In the main thread and in any other: Python's own last words would show the value."""
    script = (
        "import threading\nfrom epay_transfers.runtime import logs\nlogs.set_up('INFO')\nlogs.catch_the_rest()\n"
        f"def breaks():\n    raise KeyError('{HOLDER} {PAN}')\n"
        "thread = threading.Thread(target=breaks)\nthread.start()\nthread.join()\nbreaks()\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert done.stderr.count("process.broke") == 2
    assert done.stderr.count("builtins.KeyError") == 2
    assert Search().hits(done.stderr) == {}


def test_debug_is_not_for_libraries_that_say_what_they_send() -> None:
    script = (
        "import logging\nfrom epay_transfers.runtime import logs\nlogs.set_up('DEBUG')\n"
        "print([logging.getLogger(name).getEffectiveLevel() for name in"
        " ('urllib3.connectionpool', 'dramatiq.worker', 'requests', 'epay_transfers.worker.x')])"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[20, 20, 20, 10]"
