"""The Django app in a project of its own, as `manage.py` runs it: one that has an app called `ledger`, too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.vault.sealing import generate

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


def test_the_routes_answer_in_the_merchants_look_also_where_no_server_does(project: Path) -> None:
    """They are the app's own: no line of the project makes a `Web`."""
    ask = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "answer = Client(headers={'host': 'localhost'}).get('/transfers/pay/' + 'A' * 22)\n"
        "print(answer.status_code, 'Alma' in answer.content.decode())\n"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "project", "DATABASE": "{}", "TRANSFERS": '{"LOOK": {"name": "Alma"}}'}
    done = subprocess.run(  # noqa: S603 - as above
        [sys.executable, "-c", ask],
        cwd=project,
        env={"PATH": os.environ["PATH"]} | environment | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout == "503 True\n", done.stderr
