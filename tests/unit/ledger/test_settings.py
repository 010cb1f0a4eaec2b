"""What is wrong with the settings is said all at once, a line each, and never with a value."""

from pathlib import Path

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import connect
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
    settings = load(monkeypatch, BROKER_URL="redis://queue:6379/0")

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

    assert ServerSettings.load().redis_url.reveal() == "redis://from-a-file:6379/0"


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_URL=redis://from-dotenv:6379/0\nLOG_LEVEL=debug\n")

    assert ServerSettings.load().redis_url.reveal() == "redis://from-dotenv:6379/0"
    assert load(monkeypatch).redis_url.reveal() == GOOD["REDIS_URL"]
    assert load(monkeypatch).log_level == "DEBUG"
