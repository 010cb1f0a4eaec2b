"""The Django app in a project of its own, as `manage.py` runs it: one that has an app called `ledger`, too."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.producers import ProducerSettings, Transfers
from epay_transfers.runtime import embedded_servers
from tests.support.intents import payout
from tests.support.waiting import until

SETTINGS = """
import json, os
SECRET_KEY = "x" * 50
USE_TZ = True
INSTALLED_APPS = ["ledger", "epay_transfers.producers.django"]
ROOT_URLCONF = "routes"
DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
DATABASES = {"default": DATABASE | json.loads(os.environ["DATABASE"])}
TRANSFERS = json.loads(os.environ["TRANSFERS"])
"""

ROUTES = """
from django.urls import include, path
from epay_transfers.producers.django import urls
urlpatterns = [path("transfers/", include(urls()))]
"""

ENVIRONMENT = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "VAULT_URL": "redis://127.0.0.1:2/0",
    "VAULT_PUBLIC_KEY": generate().public,
    "FINGERPRINT_KEYS": fingerprint_keys.generate().reveal(),
    "WEB_BASE_URL": "https://shop.example/transfers",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project.py").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "routes.py").write_text(ROUTES, encoding="utf-8")
    (tmp_path / "handlers.py").write_text("def take(outcome): pass\nname = 'no function'\n", encoding="utf-8")
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "__init__.py").touch()
    return tmp_path


def manage(
    project: Path, *words: str, transfers: object = None, database: object = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    given = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "project",
        "TRANSFERS": json.dumps({} if transfers is None else transfers),
        "DATABASE": json.dumps(database or {}),
    }
    return subprocess.run(  # noqa: S603 - a project of this test
        [sys.executable, "-m", "django", *words],
        cwd=project,
        env=given | ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_right_project_passes_the_checks_without_a_server(project: Path) -> None:
    """Beside an app of its own called `ledger`."""
    look = {"name": "Shop", "colour": "#5b21b6"}
    done = manage(
        project,
        "check",
        transfers={"HOME": "/", "LOOK": look, "OUTCOMES_HANDLER": "handlers.take", "ACS_HOSTS": ["a.kz"]},
    )

    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


@pytest.mark.parametrize(
    ("transfers", "sentence"),
    [
        ([], "(transfers.E001) TRANSFERS: must be a dict"),
        ({"HOMES": "/"}, "(transfers.E001) TRANSFERS: 'HOMES' is none of SETTINGS, ENV_FILE"),
        ({"HOME": 1}, "(transfers.E001) TRANSFERS['HOME']: must be an address or a path"),
        ({"HOME": "javascript:alert(1)"}, "(transfers.E004) home: must be an http address"),
        ({"LOOK": {"colour": "green"}}, "(transfers.E004) TRANSFERS['LOOK']: colour: must be like #08703f"),
        ({"LOOK": {"color": "#000000"}}, "(transfers.E004) TRANSFERS['LOOK']: takes name, logo, colour"),
        ({"ACS_HOSTS": ["https://a.kz/"]}, "(transfers.E004) acs_hosts: must be a list of host names"),
        ({"OUTCOMES_HANDLER": "handlers.name"}, "(transfers.E005) TRANSFERS['OUTCOMES_HANDLER']: handlers.name is no"),
        ({"OUTCOMES_HANDLER": "handlers.gone"}, "(transfers.E005) TRANSFERS['OUTCOMES_HANDLER']: Module"),
        ({"SETTINGS": {"CARD_TTL": "x"}}, "(transfers.E002) CARD_TTL"),
        (
            {"SETTINGS": {"WEB_BASE_URL": "https://shop.example/pay"}},
            "(transfers.E003) WEB_BASE_URL: its path must end",
        ),
    ],
)
def test_what_is_wrong_is_an_error_of_the_check_with_its_name(project: Path, transfers: object, sentence: str) -> None:
    done = manage(project, "check", transfers=transfers)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_setting_is_named_and_a_secret_one_is_not_shown(project: Path) -> None:
    done = manage(project, "check", VAULT_PUBLIC_KEY="", FINGERPRINT_KEYS="no-key-at-all")

    assert "(transfers.E002) VAULT_PUBLIC_KEY" in done.stderr
    assert "(transfers.E002) FINGERPRINT_KEYS" in done.stderr
    assert "no-key-at-all" not in done.stderr


def test_a_request_that_is_one_transaction_is_warned_of(project: Path) -> None:
    """What such a view enqueues is paid, though the view is rolled back."""
    done = manage(project, "check", database={"ATOMIC_REQUESTS": True})

    assert done.returncode == 0
    assert "(transfers.W002) ATOMIC_REQUESTS is on" in done.stderr


def test_a_backend_without_routes_says_so_or_is_warned(project: Path) -> None:
    (project / "routes.py").write_text("urlpatterns = []\n", encoding="utf-8")

    assert "(transfers.W001) the web tier's routes are mounted nowhere" in manage(project, "check").stderr
    assert manage(project, "check", transfers={"WEB": False}, WEB_BASE_URL="").stderr == ""


def test_the_command_for_outcomes_without_a_handler_says_which_one_it_needs(project: Path) -> None:
    done = manage(project, "transfers_outcomes")

    assert done.returncode == 78
    assert "name the function that takes an outcome in 'OUTCOMES_HANDLER'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("transfers", "environment", "sentence"),
    [
        ({}, {"VAULT_PUBLIC_KEY": ""}, "VAULT_PUBLIC_KEY: is not set"),
        ({"HOMES": "/"}, {}, "TRANSFERS: 'HOMES' is none of"),
        ({"LOOK": {"colour": "green"}}, {}, "TRANSFERS['LOOK']: colour: must be like"),
        ({"OUTCOMES_HANDLER": "handlers.gone"}, {}, "TRANSFERS['OUTCOMES_HANDLER']: Module"),
    ],
)
def test_the_command_for_outcomes_ends_with_78_for_each_wrong_setting(
    project: Path, transfers: dict[str, object], environment: dict[str, str], sentence: str
) -> None:
    """Also for one that the checks name, too: else a supervisor starts it over and over."""
    given = {"OUTCOMES_HANDLER": "handlers.take"} | transfers
    done = manage(project, "transfers_outcomes", transfers=given, **environment)

    assert (done.returncode, sentence in done.stderr) == (78, True), done.stderr
    assert "Traceback" not in done.stderr


CALLED_IN_A_TEST = """
import signal
import django; django.setup()
from django.core.management import call_command
from epay_transfers.producers.django import transfers
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers import Receiver, SavedCard, TransferIntent
intent = TransferIntent(reference="a", amount=1, description="a", sender=SavedCard(card_id="a"),
                        receiver=Receiver(card_id="b"))
numbers = signal.SIGTERM, signal.SIGINT
before = [signal.getsignal(number) for number in numbers]
with FakeTransfers().in_place_of(transfers()) as fake:
    transfers().enqueue(intent)
    fake.decline("a")
    call_command("transfers_outcomes", verbosity=0)
    call_command("transfers_outcomes", group="more")
print([signal.getsignal(number) for number in numbers] == before)
"""

SAYS = "def take(outcome): print(outcome.reference, outcome.state)\n"


def test_a_projects_test_calls_the_command_which_ends_and_leaves_signals_as_they_were(project: Path) -> None:
    """In a process without routes: `"WEB": False`."""
    (project / "handlers.py").write_text(SAYS, encoding="utf-8")
    given = {"WEB": False, "OUTCOMES_HANDLER": "handlers.take"}
    done = run(project, CALLED_IN_A_TEST, {"TRANSFERS": json.dumps(given)})

    said = ["a queued", "a declined"]
    begins = "Outcomes go to handlers.take, as those of the group more."
    assert done.stdout.splitlines() == [*said, begins, *said, "True"], done.stderr


def test_the_routes_answer_in_the_merchants_look_also_where_no_server_does(project: Path) -> None:
    """They are the app's own: no line of the project makes a `Web`."""
    ask = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "answer = Client(headers={'host': 'localhost'}).get('/transfers/pay/' + 'A' * 22)\n"
        "print(answer.status_code, 'Alma' in answer.content.decode())\n"
    )
    done = run(project, ask, ENVIRONMENT | {"TRANSFERS": '{"LOOK": {"name": "Alma"}}'})

    assert done.stdout == "503 True\n", done.stderr


def run(project: Path, script: str, more: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """A process of the project's that has no setting of ours but `more`."""
    environment = {"DJANGO_SETTINGS_MODULE": "project", "DATABASE": "{}", "TRANSFERS": "{}"} | (more or {})
    return subprocess.run(  # noqa: S603 - as above
        [sys.executable, "-c", script],
        cwd=project,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


ON_FAKE = """
import django; django.setup()
from django.test import Client
from epay_transfers.producers.django import transfers, web
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.testing.web import on_fake
from epay_transfers.producers import Receiver, SavedCard, TransferIntent
intent = TransferIntent(reference="a", amount=1, description="a", sender=SavedCard(card_id="a"),
                        receiver=Receiver(card_id="b"))
before = transfers()
for _ in range(2):
    with on_fake(web()) as fake:
        receipt = transfers().enqueue(intent)
        page = Client(headers={"host": "localhost"}).get("/transfers/pay/" + receipt.handle)
        print(transfers() is fake, receipt.replayed, page.status_code, fake.decline("a").state)
print(transfers() is before, isinstance(before, FakeTransfers))
"""


def test_in_a_projects_own_tests_the_fake_is_everywhere_and_only_as_long_as_it_is_asked_for(project: Path) -> None:
    """A `transfers()` that was kept from one test to the next would pay into another fake than the pages look at."""
    done = run(project, ON_FAKE)

    assert done.stdout.splitlines() == ["True False 200 declined"] * 2 + ["True False"], done.stderr


VIEW = """
import django; django.setup()
from django.db import connection, transaction
from django.shortcuts import redirect
from django.urls import reverse
from epay_transfers.producers.django import transfers, web
from epay_transfers.producers.testing.web import on_fake
from epay_transfers.producers import Receiver, SavedCard, TransferIntent
with on_fake(web()):
    with transaction.atomic(durable=True):
        connection.cursor().execute("create table payment (reference)")
        intent = TransferIntent(reference="a", amount=1, description="a", sender=SavedCard(card_id="a"),
                                receiver=Receiver(card_id="b"))
    answer = redirect("transfers-pay", transfers().enqueue(intent).handle)
    print(answer.status_code, answer.url == "/transfers/pay/" + transfers().enqueue(intent).handle)
print(*(reverse("transfers-" + name, args=["x"]) for name in ("pay", "3ds", "result", "notify")))
"""


def test_a_view_enqueues_after_its_commit_and_sends_the_client_on_by_the_routes_name(project: Path) -> None:
    """As docs/django.md has it."""
    done = run(project, VIEW)

    routes = "/transfers/pay/x /transfers/3ds/x /transfers/result/x /transfers/notify/x"
    assert done.stdout.splitlines() == ["302 True", routes], done.stderr


def test_where_there_are_no_secrets_the_check_of_settings_can_be_silenced(project: Path) -> None:
    """As docs/django.md has it for a build."""
    with (project / "project.py").open("a", encoding="utf-8") as file:
        file.write('SILENCED_SYSTEM_CHECKS = ["transfers.E002"]\n')

    assert manage(project, "check", REDIS_URL="", VAULT_URL="").returncode == 0


# `manage.py transfers_outcomes`, with real outcomes.

TAKES = """
import pathlib, time
from django.db import connection

def take(outcome):
    with connection.cursor() as cursor:  # a connection of the last outcome may be gone
        cursor.execute("select 1")
    if pathlib.Path("broken").exists():
        raise ValueError
    pathlib.Path("begun").touch()
    while pathlib.Path("hold").exists():
        time.sleep(0.01)
    with open("taken", "a") as file:
        file.write(f"{outcome.reference} {outcome.state} {outcome.version}\\n")
"""


@pytest.fixture
def servers(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    ledger_client: redis.Redis,
    vault_client: redis.Redis,
) -> dict[str, str]:
    return {"REDIS_URL": ledger_server.url, "VAULT_URL": vault_server.url}


@pytest.fixture
def backend(servers: dict[str, str]) -> Iterator[Transfers]:
    given = {name.lower(): value for name, value in (ENVIRONMENT | servers).items() if name != "WEB_BASE_URL"}
    with Transfers.from_env(ProducerSettings(**given)) as transfers:
        yield transfers


@contextmanager
def listening(project: Path, servers: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    (project / "handlers.py").write_text(TAKES, encoding="utf-8")
    given = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "project",
        "TRANSFERS": json.dumps({"OUTCOMES_HANDLER": "handlers.take", "OUTCOMES_GROUP": "shop"}),
        "DATABASE": json.dumps({"NAME": str(project / "db"), "CONN_MAX_AGE": 0}),
    }
    command = [sys.executable, "-m", "django", "transfers_outcomes", "--consumer", "one"]
    with subprocess.Popen(  # noqa: S603 - as above
        command, cwd=project, env=given | ENVIRONMENT | servers, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ends(process: "subprocess.Popen[str]", number: int) -> None:
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def taken(project: Path) -> list[str]:
    file = project / "taken"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_gives_each_outcome_to_the_handler_and_a_signal_lets_it_finish(
    project: Path, servers: dict[str, str], backend: Transfers, ledger_client: redis.Redis, number: int
) -> None:
    """What the handler returned from is acknowledged, and comes no more after a restart."""
    backend.enqueue(payout("payout-1"))
    (project / "hold").touch()
    with listening(project, servers) as process:
        until((project / "begun").exists)
        process.send_signal(number)
        (project / "hold").unlink()
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert taken(project) == ["payout-1 queued 1"]
    assert ledger_client.xpending(redis_keys.EVENTS, "shop")["pending"] == 0

    backend.enqueue(payout("payout-2"))
    with listening(project, servers) as process:
        until(lambda: len(taken(project)) == 2)
        ends(process, number)
    assert taken(project) == ["payout-1 queued 1", "payout-2 queued 1"]


def test_an_outcome_whose_handler_raises_stays_owed_and_comes_after_a_restart(
    project: Path, servers: dict[str, str], backend: Transfers
) -> None:
    backend.enqueue(payout("payout-1"))
    (project / "broken").touch()
    with listening(project, servers) as process:
        assert process.stderr is not None
        assert any("The handler of group shop failed at" in line for line in process.stderr)
        ends(process, signal.SIGTERM)
    assert taken(project) == []

    (project / "broken").unlink()
    with listening(project, servers) as process:
        until(lambda: taken(project) == ["payout-1 queued 1"])
        ends(process, signal.SIGTERM)


def test_the_command_says_in_a_sentence_that_the_ledger_is_away(project: Path) -> None:
    """Not 78: a supervisor starts it again."""
    done = manage(project, "transfers_outcomes", transfers={"OUTCOMES_HANDLER": "handlers.take"})

    assert done.returncode == 1
    assert "REDIS_URL: " in done.stderr
    assert "Traceback" not in done.stderr
