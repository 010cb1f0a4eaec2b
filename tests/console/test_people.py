"""The console's settings and its people's file: off by default, closed by default, each mistake a sentence."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ops.console.people import People, Person, Role
from epay_transfers.ops.console.server import origins_of
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.exit_status import Misconfigured
from epay_transfers.runtime.settings import SettingsWrong

LEDGER = "redis://console:hunter22@127.0.0.1:6379/0"

#: What each way to prove a person needs.
BY_HEADER = {
    "console_identity": "header",
    "console_origin": "https://console.example.kz",
    "console_people": "people.toml",
    "console_identity_header": "X-Person",
    "console_identity_keys": "keys.json",
    "console_identity_issuer": "https://proxy.example.kz",
    "console_identity_audience": "console",
}
BY_CERTIFICATE = {
    "console_identity": "certificate",
    "console_origin": "https://console.example.kz",
    "console_people": "people.toml",
    "console_certificate": "server.pem",
    "console_key": "server.key",
    "console_client_ca": "ca.pem",
}


def settings(**given: str) -> ConsoleSettings:
    told: dict[str, Any] = {"redis_url": LEDGER} | given
    return ConsoleSettings(**told)


def wrong(**given: str) -> list[str]:
    with pytest.raises(SettingsWrong) as caught:
        settings(**given)
    return [line.partition(":")[0] for line in caught.value.lines]


def test_it_is_off_where_no_address_is_set(tmp_path: Path) -> None:
    """It ends with 1 and says what to set; it listens nowhere, and asks no server."""
    env = {"PATH": "/usr/bin:/bin", "REDIS_URL": "redis://127.0.0.1:1/0", "EPAY_ENVIRONMENT": "test"}
    done = subprocess.run(
        [sys.executable, "-m", "epay_transfers", "console"],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CONSOLE_ADDRESS: is not set, so the console is off; give HOST:PORT")


def test_without_a_proof_of_people_it_is_for_this_machine_alone() -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert settings(console_address=f"{host}:9480").is_on_loopback
    for host in ("0.0.0.0", "[::]", "10.0.0.7", "console.example.kz"):  # noqa: S104 - what is refused
        assert wrong(console_address=f"{host}:9480") == ["CONSOLE_IDENTITY"]
        assert not settings(console_address=f"{host}:9480", **BY_HEADER).is_on_loopback


@pytest.mark.parametrize("needed", [BY_HEADER, BY_CERTIFICATE], ids=["header", "certificate"])
def test_a_proof_of_people_needs_all_of_its_settings(needed: dict[str, str]) -> None:
    """Each that lacks is named; where the console is off, none is."""
    proof = {"console_identity": needed["console_identity"]}

    assert settings(console_address="127.0.0.1:9480", **needed).console_identity == needed["console_identity"]
    assert set(wrong(console_address="127.0.0.1:9480", **proof)) == {
        name.upper() for name in needed.keys() - {"console_identity"}
    }
    assert settings(**proof).console_address == ""


@pytest.mark.parametrize(
    "origin",
    ["http://console.example.kz", "https://console.example.kz/path", "https://a@console.example.kz",
     "console.example.kz", "https://console.example.kz?x", "ftp://127.0.0.1", "https://", "https://console.example.kz#x"],
)  # fmt: skip
def test_an_origin_is_one_of_https_or_of_this_machine(origin: str) -> None:
    assert wrong(console_origin=origin) == ["CONSOLE_ORIGIN"]


@pytest.mark.parametrize(
    ("given", "origin"),
    [("https://Console.Example.KZ:443/", "https://console.example.kz"), ("http://127.0.0.1:9480", "http://127.0.0.1:9480"),
     ("https://console.example.kz:8443", "https://console.example.kz:8443"), ("http://localhost:80", "http://localhost")],
)  # fmt: skip
def test_an_origin_is_taken_as_a_browser_says_it(given: str, origin: str) -> None:
    assert settings(console_origin=given).console_origin == origin


@pytest.mark.parametrize("name", ["X Person", "X-Person:", "X_Person", "Ä", "X-Person\r\nX-More"])
def test_a_header_has_a_header_s_name(name: str) -> None:
    assert wrong(console_identity_header=name) == ["CONSOLE_IDENTITY_HEADER"]


def test_on_loopback_each_name_of_this_machine_is_an_origin_and_else_the_address_alone() -> None:
    here = settings(console_address="127.0.0.1:9480")
    there = settings(console_address="10.0.0.7:9480", **BY_HEADER)

    assert origins_of(here, "http://127.0.0.1:9480") == {
        "http://127.0.0.1:9480", "http://localhost:9480", "http://[::1]:9480"
    }  # fmt: skip
    assert origins_of(there, "http://10.0.0.7:9480") == {"http://10.0.0.7:9480"}


# The people's file.


def people(folder: Path, text: str, address: str = LEDGER, **urls: str) -> People:
    """Of a file with this text; `urls`: the files beside it."""
    (folder / "people.toml").write_text(text, encoding="utf-8")
    for name, url in urls.items():
        (folder / name).write_text(f"{url}\n", encoding="utf-8")
        (folder / name).chmod(0o400)
    return People.of(settings(redis_url=address, console_people=str(folder / "people.toml")))


def one(role: str, file: str = "") -> str:
    named = f'\nredis_url_file = "{file}"' if file else ""
    return f'[people."aigul@example.kz"]\nrole = "{role}"{named}\n'


AIGUL = "redis://ops-aigul:hunter22@127.0.0.1:6379/0"


def test_each_role_may_what_those_before_it_may_and_acts_under_its_own_server_user(tmp_path: Path) -> None:
    """The name of the server user is the actor; the person's name is the label beside it."""
    for at, role in enumerate(Role):
        folder = tmp_path / role.word
        folder.mkdir()
        [person] = people(folder, one(role.word, "aigul"), aigul=AIGUL).by_name.values()
        assert [person.may(each) for each in Role] == [at >= other for other in range(len(Role))]
        assert (person.operator, person.name) == ("aigul", "aigul@example.kz")
        assert person.context is not None
        assert person.context.settings.operator == "aigul@example.kz"
        assert person.context.settings.vault_url is None


def test_a_person_without_a_server_user_looks_whatever_the_role_says(tmp_path: Path) -> None:
    [person] = people(tmp_path, one("approver")).by_name.values()

    assert [person.may(role) for role in Role] == [True, False, False]
    assert person == Person("aigul@example.kz", Role.APPROVER)


WRONG = {
    "no TOML": ("[people", {}, "is no TOML file"),
    "no people": ("", {}, "people: Field required"),
    "a role that is none": (one("root"), {}, "give one of viewer, operator, approver"),
    "a role that is a number": ('[people."a"]\nrole = 3\n', {}, "give one of viewer, operator, approver"),
    "a misspelt line": (one("viewer") + 'password = "x"\n', {}, "password: Extra inputs are not permitted"),
    "no name": ('[people.""]\nrole = "viewer"\n', {}, "a name has no blanks around it"),
    "a name with a card": ('[people."4405639704015096"]\nrole = "viewer"\n', {}, "looks like a card number"),
    "no such file": (one("operator", "nothing"), {}, "nothing is no file that can be read"),
    "no address": (one("operator", "a"), {"a": "hunter22"}, "is not a redis://, rediss:// or unix:// address"),
    "another ledger": (
        one("operator", "a"), {"a": "redis://ops-a:hunter22@127.0.0.1:6379/3"}, "is of another ledger than REDIS_URL",
    ),
    "the console's own user": (one("operator", "a"), {"a": LEDGER}, "is of no operator's user (ops-NAME)"),
    "the workers' user": (
        one("operator", "a"), {"a": "redis://worker:hunter22@127.0.0.1:6379/0"}, "is of no operator's user (ops-NAME)",
    ),
    "no user": (one("operator", "a"), {"a": "redis://127.0.0.1:6379/0"}, "is of no operator's user (ops-NAME)"),
    "one user for two": (
        one("operator", "a") + '[people."b"]\nrole = "approver"\nredis_url_file = "b"\n', {"a": AIGUL, "b": AIGUL},
        "two people have one server user",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_in_the_people_s_file_is_a_sentence_without_a_password(tmp_path: Path, what: str) -> None:
    """And the console does not start: a person with too much is worse than none."""
    text, urls, sentence = WRONG[what]
    with pytest.raises(Misconfigured) as caught:
        people(tmp_path, text, **urls)

    assert str(caught.value).startswith("CONSOLE_PEOPLE: ")
    assert sentence in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert "4405639704015096" not in str(caught.value)


def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"people\.toml can't be read: No such file"):
        People.of(settings(console_people=str(tmp_path / "people.toml")))


def test_an_address_that_every_user_may_read_or_that_is_in_clear_is_refused_but_in_test(tmp_path: Path) -> None:
    far = "rediss://ops-aigul:hunter22@ledger.example.kz:6379/0"
    people(tmp_path, one("operator", "aigul"), "rediss://console:x@ledger.example.kz:6379/0", aigul=far)
    (tmp_path / "aigul").chmod(0o644)
    given = {
        "redis_url": "rediss://console:x@ledger.example.kz:6379/0",
        "console_people": str(tmp_path / "people.toml"),
    }
    with pytest.raises(Misconfigured, match="every user of this machine may read"):
        People.of(settings(**given))
    People.of(settings(**given, epay_environment="test"))
    (tmp_path / "aigul").chmod(0o600)
    (tmp_path / "aigul").write_text(far.replace("rediss", "redis"), encoding="utf-8")
    with pytest.raises(Misconfigured, match="leads over the network without TLS"):
        People.of(settings(**given))


def test_where_the_servers_have_no_users_a_person_acts_by_name(tmp_path: Path) -> None:
    """As a command does there: the label is the name, and proves nothing."""
    bare = "redis://127.0.0.1:6379/0"
    [person] = people(tmp_path, one("operator", "a"), bare, a=bare).by_name.values()

    assert person.operator == "aigul-example.kz"
