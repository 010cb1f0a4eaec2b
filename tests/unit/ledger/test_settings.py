"""What is wrong with the settings is said all at once, a line each, and never with a value."""

from pathlib import Path

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime.secret_files import SECRET_SETTINGS
from epay_transfers.runtime.settings import Durability, ServerSettings, SettingsWrong

GOOD = {"REDIS_URL": "redis://127.0.0.1:6379/0"}
PASSWORD = "hunter22"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in ServerSettings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for folder in ("SECRETS_DIR", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(folder, raising=False)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **values: str) -> ServerSettings:
    for name, value in (GOOD | values).items():
        monkeypatch.setenv(name, value)
    return ServerSettings.load()


def wrong(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    with pytest.raises(SettingsWrong) as caught:
        load(monkeypatch, **values)
    assert caught.value.__context__ is None  # the library's own error holds what it was given
    return caught.value.lines


def test_everything_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = wrong(
        monkeypatch,
        REDIS_URL=f"http://user:{PASSWORD}@ledger/0",
        VAULT_URL=PASSWORD,
        DURABILITY=PASSWORD,
        LOG_LEVEL=PASSWORD,
        EPAY_TERMINALS=f'{{"kiosk": {{"space": "{PASSWORD}!"}}}}',
    )

    assert [line.partition(":")[0] for line in lines] == [
        "DURABILITY",
        "EPAY_TERMINALS",
        "LOG_LEVEL",
        "REDIS_URL",
        "VAULT_URL",
    ]
    assert PASSWORD not in "".join(lines)


def test_each_line_says_what_mends_it() -> None:
    with pytest.raises(SettingsWrong) as caught:
        ServerSettings.load()

    assert str(caught.value) == "REDIS_URL: is not set; give the ledger's server, like redis://127.0.0.1:6379/0"


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong(monkeypatch, REDIS_URL="") == [
        "REDIS_URL: is not set; give the ledger's server, like redis://127.0.0.1:6379/0"
    ]


@pytest.mark.parametrize("json", ["{", f"[{PASSWORD}]", '{"kiosk": 5}', '{"kiosk": {"colour": "red"}}', "[]"])
def test_json_that_is_none_or_another_is_a_line_too(monkeypatch: pytest.MonkeyPatch, json: str) -> None:
    lines = wrong(monkeypatch, EPAY_TERMINALS=json)

    assert [line.partition(":")[0] for line in lines] == ["EPAY_TERMINALS"]
    assert lines[0].endswith('give JSON like {"kiosk": {"space": "kiosk"}}')
    assert PASSWORD not in lines[0]


@pytest.mark.parametrize(
    ("ledger", "broker"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://127.0.0.1:6379/0", "redis://:other@127.0.0.1"),
        ("redis://127.0.0.1/3", "rediss://127.0.0.1:6379/3"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
    ],
)
def test_the_queue_may_not_lie_in_the_ledgers_database(
    monkeypatch: pytest.MonkeyPatch, ledger: str, broker: str
) -> None:
    lines = wrong(monkeypatch, REDIS_URL=ledger, BROKER_URL=broker)

    assert len(lines) == 1
    assert lines[0].startswith("BROKER_URL: names the ledger's database: the queue's maintenance runs KEYS there; ")


@pytest.mark.parametrize(
    ("ledger", "queue"),
    [
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379/1"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/1"),
        ("rediss://user:pass@ledger:6380/7", "rediss://user:pass@ledger:6380/8"),
    ],
)
def test_the_queue_is_the_ledgers_next_database_by_default(
    monkeypatch: pytest.MonkeyPatch, ledger: str, queue: str
) -> None:
    assert load(monkeypatch, REDIS_URL=ledger).queue_url == queue


def test_a_queue_of_its_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, BROKER_URL="redis://queue:6379/0", EPAY_ENVIRONMENT="test")

    assert settings.queue_url == "redis://queue:6379/0"


def test_a_database_that_is_no_number_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong(monkeypatch, REDIS_URL="redis://127.0.0.1:6379/ledger")


def test_the_default_queue_of_a_unix_socket_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(load(monkeypatch, REDIS_URL="unix:///run/redis.sock").queue_url).close()


def test_the_default_queue_is_never_in_the_ledgers_database(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, REDIS_URL="redis://127.0.0.1:6379?db=2")
    databases = {
        connect(url).connection_pool.connection_kwargs["db"]
        for url in (settings.redis_url.reveal(), settings.queue_url)
    }

    assert len(databases) == 2


def test_spaces_of_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, EPAY_TERMINALS='{"kiosk": {"space": "kiosk"}, "shop": {}}')

    assert [settings.space_of(name) for name in ("main", "kiosk", "shop", "nobody")] == ["main", "kiosk", "main", None]


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)

    assert (settings.durability, settings.log_level, settings.vault_url) == (Durability.STRICT, "INFO", None)


def test_settings_are_frozen_and_print_stars(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:6379/0")

    assert PASSWORD not in repr(settings) + str(settings) + settings.model_dump_json()
    with pytest.raises(ValueError, match="frozen"):
        settings.redis_url = Secret("")  # type: ignore[misc]  # that is what is tested


def test_a_folder_of_secrets_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "redis_url").write_text("redis://from-a-file:6379/0\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")

    assert ServerSettings.load().redis_url.reveal() == "redis://from-a-file:6379/0"


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_URL=redis://from-dotenv:6379/0\nLOG_LEVEL=debug\nEPAY_ENVIRONMENT=test\n")

    assert ServerSettings.load().redis_url.reveal() == "redis://from-dotenv:6379/0"
    assert load(monkeypatch).redis_url.reveal() == GOOD["REDIS_URL"]
    assert load(monkeypatch).log_level == "DEBUG"


# What test may do and production may not. An environment that does not say which it is may not either.

NO_TEST = ["production", ""]


@pytest.mark.parametrize("name", ["REDIS_URL", "BROKER_URL", "VAULT_URL"])
@pytest.mark.parametrize("environment", NO_TEST)
def test_no_password_crosses_the_network_in_clear(monkeypatch: pytest.MonkeyPatch, environment: str, name: str) -> None:
    far = f"redis://worker:{PASSWORD}@ledger.example:6379/5"

    (line,) = wrong(monkeypatch, EPAY_ENVIRONMENT=environment, **{name: far})

    assert line.startswith(f"{name}: leads over the network without TLS: give a rediss:// address")
    assert PASSWORD not in line
    load(monkeypatch, EPAY_ENVIRONMENT="test")


@pytest.mark.parametrize(
    "address",
    [
        "redis://localhost/5",
        "redis://127.0.0.9:1/5",
        "redis://[::1]:1/5",
        "rediss://ledger.example:1/5",
        "unix:///s?db=5",
    ],
)
def test_this_machine_and_tls_are_taken_in_production(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert load(monkeypatch, EPAY_ENVIRONMENT="production", BROKER_URL=address).queue_url == address


@pytest.mark.parametrize("environment", NO_TEST)
@pytest.mark.parametrize("name", sorted(SECRET_SETTINGS))
def test_an_env_file_that_others_may_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: str, name: str
) -> None:
    """Whichever process reads it: the file is what others read."""
    file = tmp_path / ".env"
    file.write_text(f"{name.lower()}={PASSWORD}\n")
    file.chmod(0o644)

    lines = wrong(monkeypatch, EPAY_ENVIRONMENT=environment)
    assert [line for line in lines if "is in .env" in line] == [
        f"{name}: is in .env, which every user of this machine may read; chmod 600 .env"
    ]
    assert PASSWORD not in "".join(lines)
    file.chmod(0o640)
    file.write_text(f"{name}=\nVAULT_PRIVATE_KEYS_FILE=/keys\n")
    load(monkeypatch, EPAY_ENVIRONMENT=environment)
    file.chmod(0o644)
    load(monkeypatch, EPAY_ENVIRONMENT=environment)  # nothing in it is a secret


def test_an_env_file_that_says_that_this_is_test_may_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"EPAY_CLIENT_SECRET={PASSWORD}\nEPAY_ENVIRONMENT=test\n")
    (tmp_path / ".env").chmod(0o644)

    assert load(monkeypatch).epay_environment == "test"


@pytest.mark.parametrize("environment", NO_TEST)
@pytest.mark.parametrize("variable", ["SECRETS_DIR", "CREDENTIALS_DIRECTORY"])
def test_a_file_of_the_secrets_folder_that_others_may_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: str, variable: str
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, mode in (("vault_private_keys", 0o644), ("EPAY_CLIENT_SECRET", 0o404), ("log_level", 0o644)):
        (folder / name).write_text("debug")
        (folder / name).chmod(mode)
    monkeypatch.setenv(variable, str(folder))

    assert [line.partition(":")[0] for line in wrong(monkeypatch, EPAY_ENVIRONMENT=environment)] == [
        "EPAY_CLIENT_SECRET",
        "VAULT_PRIVATE_KEYS",
    ]
    (folder / "vault_private_keys").chmod(0o400)
    (folder / "EPAY_CLIENT_SECRET").chmod(0o440)
    assert load(monkeypatch, EPAY_ENVIRONMENT=environment).log_level == "DEBUG"


def test_what_is_open_is_said_beside_all_else_that_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"EPAY_CLIENT_SECRET={PASSWORD}\n")
    (tmp_path / ".env").chmod(0o644)

    lines = wrong(monkeypatch, LOG_LEVEL="loud", REDIS_URL="")

    assert [line.partition(":")[0] for line in lines] == ["EPAY_CLIENT_SECRET", "LOG_LEVEL", "REDIS_URL"]


def test_every_secret_of_every_process_is_on_the_list() -> None:
    """A setting that is a secret, or holds one, and is not on it could stand in a file that all may read."""
    from epay_transfers.ops.settings import OpsSettings  # noqa: PLC0415 - all rooms at once are this test's alone
    from epay_transfers.producers import ProducerAndWebSettings  # noqa: PLC0415
    from epay_transfers.worker.settings import WorkerSettings  # noqa: PLC0415

    found = {
        name.upper()
        for room in (ProducerAndWebSettings, WorkerSettings, OpsSettings)
        for name, field in room.model_fields.items()
        if "Secret" in str(field.annotation) or "Credentials" in str(field.annotation)
    }

    assert found == SECRET_SETTINGS


def test_what_stands_in_the_env_file_is_taken_as_it_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret may hold `${...}`: the library would put another setting, or nothing, in its place."""
    monkeypatch.setenv("HOME", "/home/aigul")
    (tmp_path / ".env").write_text("REDIS_URL='redis://:a${HOME}b${NONE:-c}$d@127.0.0.1:6379/0'\n")
    (tmp_path / ".env").chmod(0o600)

    assert ServerSettings.load().redis_url.reveal() == "redis://:a${HOME}b${NONE:-c}$d@127.0.0.1:6379/0"
