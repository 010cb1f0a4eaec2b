"""The wheel beside a Django project whose apps have the names of our folders: both work side by side."""

import sys
from pathlib import Path

import pytest

from epay_transfers.runtime.settings import EX_CONFIG
from tests.packaging.conftest import Environment

APPS = ("ledger", "ops", "producers", "runtime", "sandbox", "transfers", "worker")

SETTINGS = f"""
SECRET_KEY = "of a test"
INSTALLED_APPS = {list(APPS)!r}
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
DATABASES = {{}}
USE_TZ = True
"""

#: The web tier's routes, and one address of each app.
URLS = """
from django.http import HttpResponse
from django.urls import include, path

from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.django import urls
from epay_transfers.runtime.web_addresses import Places
import ledger.views, worker.views

web = Web(FakeTransfers(), Places("https://shop.example/transfers", None))
urlpatterns = [
    path("transfers/", include(urls(web))),
    path("ledger", ledger.views.index),
    path("worker", worker.views.index),
]
"""

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

#: Both in one process, from the project's root: each name is whose it is.
BOTH = f"""
import importlib, os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.test import Client
for app in {APPS!r}:
    importlib.import_module(app + ".views")
    if app != "transfers":
        ours, theirs = importlib.import_module("epay_transfers." + app), importlib.import_module(app)
        assert ours is not theirs and "site-packages" in ours.__file__ and "site-packages" not in theirs.__file__
places = ("/ledger", "/worker", "/transfers/pay/" + "a" * 22)
print([Client().get(place, HTTP_HOST="localhost").status_code for place in places])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for app in (*APPS, "shop"):
        (root / app).mkdir()
        (root / app / "__init__.py").touch()
        (root / app / "views.py").write_text(
            f"from django.http import HttpResponse\ndef index(request): return HttpResponse({app!r})\n"
        )
    (root / "shop/settings.py").write_text(SETTINGS + 'ALLOWED_HOSTS = ["localhost"]\n')
    (root / "shop/urls.py").write_text(URLS)
    (root / "manage.py").write_text(MANAGE)
    return root


def test_the_project_checks_itself_with_the_web_tier_mounted(environment: Environment, project: Path) -> None:
    done = environment.run(environment.python, "manage.py", "check", cwd=project)

    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_both_answer_in_one_process(environment: Environment, project: Path) -> None:
    """Every app and every part of ours imports; the apps' pages come, and the web tier's for an unknown handle."""
    done = environment.run(environment.python, "-c", BOTH, cwd=project)

    assert done.stdout.splitlines()[-1:] == ["[200, 200, 404]"], done.stderr


def test_the_command_runs_from_the_projects_root(environment: Environment, project: Path) -> None:
    """The worker too, which is a process of its own: it says what settings lack."""
    version = environment.run(environment.command, "--version", cwd=project)
    worker = environment.run(environment.command, "worker", "--check", cwd=project)

    assert (version.returncode, version.stdout) == (0, "0.1.0\n"), version.stderr
    assert worker.returncode == EX_CONFIG, worker.stderr
    assert "REDIS_URL: is not set" in worker.stderr


def test_the_worker_runs_from_there_where_python_puts_the_root_on_its_path(
    environment: Environment, project: Path
) -> None:
    """`python -m`, as some supervisors call it."""
    done = environment.run(environment.python, "-m", "epay_transfers", "worker", "--check", cwd=project)

    assert done.returncode == EX_CONFIG, done.stderr
    assert sys.prefix not in done.stderr
