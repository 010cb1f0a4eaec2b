"""`transfers provision`: a folder of secrets for each process of a new installation, with no more than it needs."""

import hashlib
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from epay_transfers.ops import server_users
from epay_transfers.ops.console.people import People, Role
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.producers.settings import ProducerSettings, WebSettings
from epay_transfers.runtime.settings import SettingsWrong
from epay_transfers.worker.settings import WorkerSettings
from tests.support.command_line import Cli

FOLDER = Path("secrets")
LEDGER, VAULT = "rediss://ledger:6379/0", "rediss://vault:6380/0"

#: What stands in each folder.
HELD = {
    "ledger": {"users.acl"},
    "vault": {"users.acl"},
    "worker": {"REDIS_URL", "VAULT_URL", "VAULT_PRIVATE_KEYS"},
    "producer": {"REDIS_URL", "VAULT_URL", "VAULT_PUBLIC_KEY", "FINGERPRINT_KEYS"},
    "web": {"REDIS_URL", "VAULT_URL", "VAULT_PUBLIC_KEY"},
    "backend": {"REDIS_URL", "VAULT_URL", "VAULT_PUBLIC_KEY", "FINGERPRINT_KEYS"},
    "exporter": {"REDIS_URL", "VAULT_URL"},
    "follower": {"REDIS_URL"},
    "console": {"REDIS_URL", "VAULT_URL"},
    "console-people": {"people.toml", "ops-aigul", "ops-Bolat"},
    "ops-aigul": {"REDIS_URL", "VAULT_URL"},
    "ops-Bolat": {"REDIS_URL", "VAULT_URL"},
    "admin": {"REDIS_URL", "VAULT_URL"},
    "repair": {"REDIS_URL"},
    "archive": {"REDIS_URL"},
    "replica": {"REDIS_URL"},
    "sentinel": {"REDIS_URL"},
}


@pytest.fixture
def provided(transfers: Cli, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the command wrote; and nothing of the settings is in the environment any more."""
    operators = ("--operator", "aigul", "--operator", "Bolat")
    said = transfers("provision", str(FOLDER), *operators, "--redis-url", LEDGER, "--vault-url", VAULT)
    assert said.status == 0, said.err
    for name in environment:
        monkeypatch.delenv(name)
    return FOLDER


def test_each_process_has_a_folder_with_what_it_needs_and_no_more(provided: Path) -> None:
    """The private keys are the worker's alone, a producer's keys are the producers' alone."""
    assert {path.name: {file.name for file in path.iterdir()} for path in provided.iterdir()} == HELD


def test_only_their_owner_reads_them(provided: Path) -> None:
    for path in provided.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


def test_each_password_is_its_users_own_and_opens_that_user_alone(provided: Path) -> None:
    """The servers' files hold digests, no password, and no placeholder is left."""
    opened: dict[str, str] = {}
    for server, setting in (("ledger", "REDIS_URL"), ("vault", "VAULT_URL")):
        text = (provided / server / "users.acl").read_text()
        assert "SHA256-OF" not in text
        digests = dict(re.findall(r"^user (\S+) (?:on|off) #([0-9a-f]{64}) ", text, re.MULTILINE))
        assert digests.keys() == set(server_users.users(server, ["aigul", "Bolat"]))
        for name, digest in digests.items():
            parts = urlsplit((provided / name / setting).read_text().strip())
            assert parts.password is not None
            assert (parts.username, hashlib.sha256(parts.password.encode()).hexdigest()) == (name, digest)
            assert parts.password not in text
            opened[name] = parts.password
    assert len(set(opened.values())) == len(opened)


@pytest.mark.parametrize(
    ("room", "settings"),
    [("producer", ProducerSettings), ("web", WebSettings), ("backend", ProducerSettings), ("ops-aigul", OpsSettings),
     ("exporter", OpsSettings), ("follower", OpsSettings), ("console", ConsoleSettings)],
)  # fmt: skip
def test_a_process_starts_from_its_folder_in_production(
    provided: Path, room: str, settings: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(provided / room))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "production")
    monkeypatch.setenv("WEB_BASE_URL", "https://shop.example/transfers")

    assert urlsplit(settings.load().redis_url.reveal()).username == room  # type: ignore[attr-defined]  # of each class


def test_the_console_knows_each_operator_and_lets_none_act_before_a_person_says_so(
    provided: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with their own server user; the role is the first one."""
    monkeypatch.setenv("SECRETS_DIR", str(provided / "console"))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "production")
    settings = ConsoleSettings.load(console_people=provided / "console-people/people.toml")

    people = People.of(settings).by_name
    assert {name: (person.role, person.operator) for name, person in people.items()} == {
        "aigul": (Role.VIEWER, "aigul"), "Bolat": (Role.VIEWER, "Bolat"),
    }  # fmt: skip


def test_a_worker_lacks_what_the_bank_gives_and_no_more(provided: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(provided / "worker"))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "production")
    with pytest.raises(SettingsWrong) as caught:
        WorkerSettings.load()
    lacking = {line.partition(":")[0] for line in caught.value.lines}

    assert lacking == {"EPAY_TERMINAL_ID", "EPAY_CLIENT_ID", "EPAY_CLIENT_SECRET"}
    for name in lacking:
        (provided / "worker" / name).write_text("a given value\n")
        (provided / "worker" / name).chmod(0o400)
    assert WorkerSettings.load().vault_private_keys


def test_a_secret_of_a_cluster_is_read_as_it_is_mounted(
    provided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes mounts links to a folder that it exchanges; a mode that is open to all is refused, as docs say."""
    held = tmp_path / "mounted/..2026_11_29"
    held.mkdir(parents=True)
    for file in (provided / "exporter").iterdir():
        (held / file.name).write_bytes(file.read_bytes())
        (held / file.name).chmod(0o440)
        (held.parent / file.name).symlink_to(Path("..data") / file.name)
    (held.parent / "..data").symlink_to(held.name)
    monkeypatch.setenv("SECRETS_DIR", str(held.parent))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "production")

    assert urlsplit(OpsSettings.load().redis_url.reveal()).username == "exporter"
    (held / "REDIS_URL").chmod(0o644)
    with pytest.raises(SettingsWrong, match="REDIS_URL: is in a file of the secrets' folder that every user"):
        OpsSettings.load()


def test_an_authority_that_only_the_process_has_is_named_in_its_address(transfers: Cli) -> None:
    """The file is in the container, and not here. What is no option of an address is refused all the same."""
    options = ("secrets", "--operator", "aigul", "--redis-url")
    wrong = transfers("provision", *options, f"{LEDGER}?ssl_ca_cert=/etc/transfers/ca.crt")
    said = transfers("provision", *options, f"{LEDGER}?ssl_ca_certs=/etc/transfers/ca.crt")

    assert (wrong.status, wrong.err.startswith("--redis-url: ")) == (1, True)
    assert said.status == 0, said.err
    assert (FOLDER / "worker/REDIS_URL").read_text().endswith("@ledger:6379/0?ssl_ca_certs=/etc/transfers/ca.crt\n")


def test_what_is_there_stays_and_nothing_is_written_beside_it(transfers: Cli, tmp_path: Path) -> None:
    """Its keys may have sealed cards."""
    (tmp_path / "secrets/worker").mkdir(parents=True)
    said = transfers("provision", "secrets", "--operator", "aigul")

    assert said.status == 1
    assert said.err.startswith("worker is there already: ")
    assert [path.name for path in FOLDER.iterdir()] == ["worker"]


@pytest.mark.parametrize(
    ("option", "url"),
    [("--redis-url", "http://ledger"), ("--redis-url", "redis://user:hunter22@ledger:6379/0"),
     ("--vault-url", "unix:///run/vault"), ("--vault-url", "redis://vault:6380/0\nx")],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_a_word_of_it(transfers: Cli, option: str, url: str) -> None:
    said = transfers("provision", "secrets", "--operator", "aigul", option, url)

    assert said.status == 1
    assert said.err.startswith(f"{option}: ")
    assert "hunter22" not in said.err
    assert not FOLDER.exists()


def test_an_operators_name_is_one(transfers: Cli) -> None:
    said = transfers("provision", "secrets", "--operator", "a b")

    assert (said.status, "--operator: a name is" in said.err) == (1, True)
