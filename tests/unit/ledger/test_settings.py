"""What is wrong with the settings is said all at once, a line each, and never with a value."""

from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime.secret_files import SECRET_SETTINGS
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import Durability, ServerSettings, SettingsWrong

GOOD = {"REDIS_URL": "redis://127.0.0.1:6379/0"}
PASSWORD = "hunter22"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in ServerSettings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for folder in ("SECRETS_DIR", "CREDENTIALS_DIRECTORY", "TRANSFERS_SECRETS_DIR"):
        monkeypatch.delenv(folder, raising=False)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **values: str) -> ServerSettings:
    for name, value in (GOOD | values).items():
        monkeypatch.setenv(name, value)
    return ServerSettings.load(env_file=ENV_FILE)


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
        ServerSettings.load(env_file=ENV_FILE)

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


@pytest.mark.parametrize(
    "address",
    [
        "redis://127.0.0.1:6379?db=2",
        "redis://127.0.0.1:6379?d%62=2",
        "unix:///x?%64%62=2",
        "redis://127.0.0.1/2?password=a%26db%3D2",
    ],
)
def test_the_default_queue_is_never_in_the_ledgers_database(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    settings = load(monkeypatch, REDIS_URL=address)
    databases = {
        connect(url).connection_pool.connection_kwargs["db"]
        for url in (settings.redis_url.reveal(), settings.queue_url)
    }

    assert databases == {2, 3}


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

    assert ServerSettings.load(env_file=ENV_FILE).redis_url.reveal() == "redis://from-a-file:6379/0"


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_URL=redis://from-dotenv:6379/0\nLOG_LEVEL=debug\nEPAY_ENVIRONMENT=test\n")

    assert ServerSettings.load(env_file=ENV_FILE).redis_url.reveal() == "redis://from-dotenv:6379/0"
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


@pytest.mark.parametrize("environment", NO_TEST)
def test_no_password_of_sentinels_crosses_the_network_in_clear(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """TLS of the server alone is not TLS of the Sentinels."""
    url = f"rediss://ledger/0?sentinels=sentinel.example:26379&sentinel_password={PASSWORD}"

    (line,) = wrong(monkeypatch, EPAY_ENVIRONMENT=environment, REDIS_URL=url)

    assert line.startswith("REDIS_URL: sends Sentinels a password without TLS: add sentinel_ssl=true")
    assert PASSWORD not in line
    load(monkeypatch, EPAY_ENVIRONMENT=environment, REDIS_URL=f"{url}&sentinel_ssl=true")
    load(monkeypatch, EPAY_ENVIRONMENT="test", REDIS_URL=url)
    near = url.replace("sentinel.example", "127.0.0.1")
    load(monkeypatch, EPAY_ENVIRONMENT=environment, REDIS_URL=near)


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

    assert (
        ServerSettings.load(env_file=ENV_FILE).redis_url.reveal() == "redis://:a${HOME}b${NONE:-c}$d@127.0.0.1:6379/0"
    )


# What a library says of a wrong value, or does with one, is said by the check: one line, with nothing of the value.


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (f"redis://:a#{PASSWORD}@h/0", "can't be read: each of @ : / ? # % in a user or a password must be"),
        (f"redis://:a?{PASSWORD}@h/0", "can't be read: each of @ : / ? # % in a user or a password must be"),
        (f"redis://:a[{PASSWORD}@h/0", "can't be read: each of @ : / ? # % in a user or a password must be"),
        (f"redis://:{PASSWORD}%ff@h/0", "can't be read: each of @ : / ? # % in a user or a password must be"),
        (f"redis://:{PASSWORD}@h:99999/0", "names a port that is not from 1 to 65535; give"),
        (f"redis://:{PASSWORD}@h:0/0", "names a port that is not from 1 to 65535; give"),
        (f"redis://:{PASSWORD}@h:6379x/0", "names a port that is not from 1 to 65535; give"),
        (f" redis://:{PASSWORD}@h/0", "begins or ends with a blank; give"),
        (f"redis://:{PASSWORD}@h/0\n", "has a line break or a control character in it; give"),
        (f"redis://:{PASSWORD}\udcff@h/0", "is not UTF-8; give"),
        (f"redis://:{PASSWORD}@{'a' * 64}/0", "names a host that can't be looked up; give"),
        (f"redis://:{PASSWORD}@a..b/0", "names a host that can't be looked up; give"),
        (f"redis://:{PASSWORD}@h/0?socket_timeout={PASSWORD}", "asks for what is not taken here: after the `?` give"),
        (f"redis://:{PASSWORD}@h/0?decode_responses=0", "asks for what is not taken here: after the `?` give"),
        (f"redis://:{PASSWORD}@h/0?retry_on_timeout=true", "asks for what is not taken here: after the `?` give"),
        (f"redis://:{PASSWORD}@h?db=1&db=2", "asks for what is not taken here: after the `?` give"),
        (f"redis://:{PASSWORD}@h/{'9' * 30}", "names a database that is no number; give"),
        (f"redis://:{PASSWORD}@h/{'9' * 5000}", "can't be read"),
        (
            "redis://127.0.0.1/0?ssl_ca_certs=/ca.pem",
            "names files or checks of TLS, but not TLS: give a rediss:// address",
        ),
        (f"redis://{PASSWORD}%40h/0", "names a host that can't be looked up"),
        (f"redis://{PASSWORD}%3Bh/0", "names a host that can't be looked up"),
        (f"redis://{PASSWORD}%2Fh/0", "names a host that can't be looked up"),
        (f"redis://{PASSWORD},h/0", "names a host that can't be looked up"),
        (f"redis://{PASSWORD};h/0", "names a host that can't be looked up"),
        (f"rediss://:{PASSWORD}@h/0?ssl_ca_certs=/{PASSWORD}", "names a file of certificates that can't be read, or"),
        (f"rediss://:{PASSWORD}@h/0?ssl_keyfile=/{PASSWORD}", "names an ssl_keyfile without an ssl_certfile; give"),
        (f"unix:///{PASSWORD * 20}", "names no path of a socket: give unix:///path, the path at most 107 bytes long"),
    ],
)
@pytest.mark.parametrize("name", ["REDIS_URL", "VAULT_URL", "BROKER_URL"])
def test_an_address_that_no_client_can_use_is_a_line(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str, sentence: str
) -> None:
    """Some were a library's error, some were refused by the start, some did something else than they say."""
    (line,) = wrong(monkeypatch, EPAY_ENVIRONMENT="test", **{name: address})

    assert line.startswith(f"{name}: {sentence}")
    assert PASSWORD not in line


@pytest.mark.parametrize("address", ["unix://user:pass@/run/x.sock?db=3", "unix:///run/x.sock?db=3&password=x"])
def test_the_queue_of_a_unix_socket_keeps_the_password(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The queue's user is the ledger's, where no address of its own is set."""
    queue, ledger = (
        connect(url).connection_pool.connection_kwargs
        for url in (load(monkeypatch, REDIS_URL=address).queue_url, address)
    )

    assert (queue["password"], queue["db"], ledger["db"]) == (ledger["password"], 4, 3)


@pytest.mark.parametrize(
    "dsn", [PASSWORD, f"https://{PASSWORD}@h:99999/1", f"ftp://{PASSWORD}@h/1", f"https://{PASSWORD}@h/x", f"https://{PASSWORD}@[h/1",
            f"https://{PASSWORD}@{'a' * 64}/1", f"https://{PASSWORD}@h\\x/1"],
)  # fmt: skip
def test_a_dsn_that_the_library_would_break_on_is_a_line(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    assert wrong(monkeypatch, SENTRY_DSN=dsn) == ["SENTRY_DSN: is no DSN; give the project's DSN, or leave it out"]
    assert load(monkeypatch, SENTRY_DSN="https://key@sentry.example/1").sentry_dsn


@pytest.mark.parametrize(
    ("json", "sentence"),
    [
        ('{"kiosk": {"space": "kiosk"}, "kiosk": {}}', "gives kiosk twice in one object; give JSON"),
        ('{"kiosk": {"space": "kiosk", "space": "x"}}', "gives space twice in one object; give JSON"),
        (f'{{"{PASSWORD}/1": {{}}, "{PASSWORD}/1": {{}}}}', "gives a name twice in one object; give JSON"),
        ("[" * 9999, "is not JSON; give JSON"),
        ('{"kiosk": {"space": NaN}}', "is not JSON; give JSON"),
        ('{"kiosk": ' + "9" * 5000 + "}", "is not JSON; give JSON"),
        ('{"ki:osk": {}}', "has a name that is not 1 to 20 letters, digits, dashes and underscores, a letter first"),
        ('{"": {}}', "has a name that is not 1 to 20 letters, digits, dashes and underscores, a letter first"),
        ('{"kiosk": {"colour": 1}}', "kiosk: has a name that is not known here; give JSON"),
        ('{"kiosk": {"space": 5}}', "kiosk.space: should be a valid string; give JSON"),
    ],
)
def test_terminals_that_are_not_as_they_must_be_are_a_line(
    monkeypatch: pytest.MonkeyPatch, json: str, sentence: str
) -> None:
    (line,) = wrong(monkeypatch, EPAY_TERMINALS=json)

    assert line.startswith(f"EPAY_TERMINALS: {sentence}")
    assert PASSWORD not in line


# Files that can't be read.


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"REDIS_URL={PASSWORD}\xe9".encode("latin-1"), "is not UTF-8; write it in UTF-8"),
        (f"REDIS_URL={PASSWORD}".encode("utf-16"), "is not UTF-8; write it in UTF-8"),
        (f"REDIS_URL={PASSWORD}\0".encode(), "is no text, or too long; write it in UTF-8"),
        (f"LOG_LEVEL=INFO\nREDIS_URL: {PASSWORD}".encode(), "its line 2 is no setting; write NAME=value there"),
        (f"REDIS_URL='{PASSWORD}".encode(), "its line 1 is no setting; write NAME=value there"),
        (None, "is no file that can be read; give a file of text"),
    ],
)
def test_an_env_file_that_can_not_be_read_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    """`None` is a folder. Nothing is said of the settings that may be in it."""
    file = tmp_path / ".env"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    assert wrong(monkeypatch, EPAY_ENVIRONMENT="test", REDIS_URL="") == [f".env: {sentence}"]


def test_an_env_file_that_leads_nowhere_is_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "gone")

    assert wrong(monkeypatch) == [".env: is no file that can be read; give a file of text"]


def test_an_env_file_that_this_process_may_not_read_is_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Here by a link to itself: the tests' own user may be allowed to read everything."""
    (tmp_path / ".env").symlink_to(tmp_path / ".env")

    assert [line.partition(":")[0] for line in wrong(monkeypatch)] == [".env"]


def test_a_setting_that_stands_twice_in_the_env_file_is_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The last one would count, and a person may read the first."""
    (tmp_path / ".env").write_text("LOG_LEVEL=ERROR\nlog_level=DEBUG\nOTHER=1\nOTHER=2\n")

    assert wrong(monkeypatch) == ["LOG_LEVEL: is set more than once in .env; leave one line of them"]


def test_a_setting_that_is_in_the_environment_twice_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """In capitals and not: which of them counted was chance."""
    monkeypatch.setenv("log_level", "DEBUG")

    assert load(monkeypatch, LOG_LEVEL="DEBUG").log_level == "DEBUG"
    assert wrong(monkeypatch, LOG_LEVEL="ERROR") == [
        "LOG_LEVEL: is in the environment twice, in capitals and not; leave one of them"
    ]


def test_the_mark_that_some_editors_write_first_hides_no_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfLOG_LEVEL=error\r\n")
    (tmp_path / "durability").write_bytes(b"\xef\xbb\xbfattested\r\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    settings = load(monkeypatch)

    assert (settings.log_level, settings.durability) == ("ERROR", Durability.ATTESTED)


@pytest.mark.parametrize("variable", ["SECRETS_DIR", "CREDENTIALS_DIRECTORY", "TRANSFERS_SECRETS_DIR"])
@pytest.mark.parametrize("folder", ["gone", "a file", "x" * 300])
def test_a_folder_of_secrets_that_is_none_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, folder: str
) -> None:
    """A secret that was to come from there would be missed without a word, or taken from elsewhere."""
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv(variable, folder)

    assert wrong(monkeypatch) == [
        f"{variable}: names no folder that this process can read; correct it, or leave it out"
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"{PASSWORD}\xe9".encode("latin-1"), "is not UTF-8; write it in UTF-8"),
        (None, "is no file that can be read; give a file of text"),
    ],
)
@pytest.mark.parametrize("name", ["broker_url", "BROKER_URL", "TRANSFERS_BROKER_URL"])
def test_a_file_of_the_folder_that_can_not_be_read_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    """One line, under the name that the file has, also where a setting is missing now. Other files there may be."""
    folder = tmp_path / "secrets"
    (folder / "..data").mkdir(parents=True)
    (folder / "another.bin").write_bytes(b"\xff")
    if content is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    monkeypatch.setenv("SECRETS_DIR", str(folder))

    assert wrong(monkeypatch) == [f"{name.upper()}: its file in the secrets' folder {sentence}"]


def test_a_setting_whose_file_can_not_be_read_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "transfers_redis_url").write_bytes(b"\xff")
    (tmp_path / "transfers_redis_url").chmod(0o600)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    assert wrong(monkeypatch, REDIS_URL="") == [
        "TRANSFERS_REDIS_URL: its file in the secrets' folder is not UTF-8; write it in UTF-8"
    ]


def test_two_files_of_one_setting_are_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("log_level", "LOG_LEVEL"):
        (tmp_path / name).write_text("DEBUG")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    assert wrong(monkeypatch) == ["LOG_LEVEL: has more than one file in the secrets' folder; leave one of them"]


# Names of our own: `TRANSFERS_NAME`.

OURS, THEIRS = "redis://127.0.0.1:7001/0", "redis://127.0.0.1:7002/0"


def put(monkeypatch: pytest.MonkeyPatch, source: str, name: str, value: str) -> None:
    folder = Path("secrets")
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("SECRETS_DIR", str(folder))
    match source:
        case "environment":
            monkeypatch.setenv(name, value)
        case "env file":
            with Path(".env").open("a") as file:
                file.write(f"{name}={value}\n")
            Path(".env").chmod(0o600)
        case _:
            (folder / name.lower()).write_text(f"{value}\n")
            (folder / name.lower()).chmod(0o600)


SOURCES = ["environment", "env file", "folder"]


@pytest.mark.parametrize("ours", SOURCES)
@pytest.mark.parametrize("theirs", SOURCES)
def test_a_name_with_our_prefix_goes_before_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, ours: str, theirs: str
) -> None:
    """Wherever either of them is: the plain one may be another program's."""
    put(monkeypatch, theirs, "REDIS_URL", THEIRS)
    put(monkeypatch, ours, "TRANSFERS_REDIS_URL", OURS)

    assert ServerSettings.load(env_file=ENV_FILE).redis_url.reveal() == OURS


@pytest.mark.parametrize("source", SOURCES)
def test_a_complaint_names_the_setting_as_it_was_given(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    put(monkeypatch, source, "TRANSFERS_REDIS_URL", "http://")
    put(monkeypatch, source, "REDIS_URL", THEIRS)

    with pytest.raises(SettingsWrong, match="^TRANSFERS_REDIS_URL: is not a redis://"):  # noqa: RUF043 - it begins so
        ServerSettings.load(env_file=ENV_FILE)


def test_an_empty_one_with_the_prefix_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFERS_REDIS_URL", "")

    assert load(monkeypatch).redis_url.reveal() == GOOD["REDIS_URL"]


def test_the_folder_of_secrets_has_a_name_of_our_own_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("theirs", "ours"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "log_level").write_text({"theirs": "DEBUG", "ours": "ERROR"}[folder])
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "theirs"))
    monkeypatch.setenv("TRANSFERS_SECRETS_DIR", str(tmp_path / "ours"))

    assert load(monkeypatch).log_level == "ERROR"


@pytest.mark.parametrize("name", sorted(SECRET_SETTINGS))
def test_a_secret_under_our_own_name_may_not_be_open_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / ".env").write_text(f"transfers_{name.lower()}={PASSWORD}\n")
    (tmp_path / ".env").chmod(0o644)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / f"TRANSFERS_{name}").write_text(PASSWORD)
    (tmp_path / "secrets" / f"TRANSFERS_{name}").chmod(0o644)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))

    lines = wrong(monkeypatch)

    assert len([line for line in lines if line.startswith(f"TRANSFERS_{name}: is in ")]) == 2
    assert PASSWORD not in "".join(lines)


# A library call reads no `.env` that it was not told of.


def test_no_env_file_is_read_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A backend's `.env` is the backend's: neither its settings nor its faults reach it."""
    (tmp_path / ".env").write_bytes(b"LOG_LEVEL=DEBUG\nTRANSFERS_LOG_LEVEL=DEBUG\nno setting\n\xff")
    monkeypatch.setenv("REDIS_URL", GOOD["REDIS_URL"])

    assert ServerSettings.load().log_level == "INFO"


def test_an_argument_goes_before_all_else_and_none_stands_for_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `BROKER_URL` of another program is left alone so."""
    monkeypatch.setenv("TRANSFERS_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("BROKER_URL", "amqp://another")
    monkeypatch.setenv("REDIS_URL", THEIRS)

    settings = ServerSettings.load(log_level="error", broker_url=None)

    assert (settings.log_level, settings.broker_url, settings.redis_url.reveal()) == ("ERROR", None, THEIRS)


def test_arguments_alone_read_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SECRETS_DIR", "/none")

    assert ServerSettings(redis_url=Secret(OURS)).log_level == "INFO"


def test_an_argument_is_checked_like_every_other_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a class is called, and not `load`: pydantic's own error would keep the password."""
    wrong_ones: dict[str, Any] = {"redis_url": f"http://:{PASSWORD}@h/0", "durability": PASSWORD, "colour": PASSWORD}
    for call in (ServerSettings, ServerSettings.load):
        with pytest.raises(SettingsWrong) as caught:
            call(**wrong_ones)

        assert [line.partition(":")[0] for line in caught.value.lines] == ["COLOUR", "DURABILITY", "REDIS_URL"]
        assert caught.value.__context__ is None
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("where", ["the environment", ".env"])
@pytest.mark.parametrize("given", ["REDIS_ULR", "REDIS_URI", "TRANSFERS_REDIS_ULR"])
def test_a_missing_setting_names_what_nearly_spells_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, given: str
) -> None:
    """By its name alone; and a setting that is far from it, or another setting, is not named."""
    monkeypatch.chdir(tmp_path)
    if where == ".env":
        (tmp_path / ".env").write_text(f"{given}={PASSWORD}\nBROKER_URL=redis://127.0.0.1:6379/1\n")
        (tmp_path / ".env").chmod(0o600)
    else:
        monkeypatch.setenv(given, PASSWORD)
    monkeypatch.setenv("READ_URL_BY", PASSWORD)

    with pytest.raises(SettingsWrong) as caught:
        ServerSettings.load(env_file=ENV_FILE)

    assert caught.value.lines == [
        f"REDIS_URL: is not set; is {given} meant for it? give the ledger's server, like redis://127.0.0.1:6379/0"
    ]


def test_a_library_call_that_lacks_a_setting_tells_of_the_file_that_it_did_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("REDIS_URL=redis://127.0.0.1:6379/0\n")

    with pytest.raises(SettingsWrong) as caught:
        ServerSettings.load()
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SettingsWrong) as other:
        ServerSettings.load()

    assert caught.value.lines == [
        '.env: lies in the working directory, and a library call reads it only by env_file=".env"',
        "REDIS_URL: is not set; give the ledger's server, like redis://127.0.0.1:6379/0",
    ]
    assert [line.partition(":")[0] for line in other.value.lines] == ["LOG_LEVEL"], "nothing is missing"


def test_a_library_call_that_names_a_file_which_is_not_there_says_from_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A relative name means another file in another working directory."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsWrong) as caught:
        ServerSettings.load(env_file=".transfers-dev/.env")
    with pytest.raises(SettingsWrong) as own:
        ServerSettings.load(env_file=ENV_FILE)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    ServerSettings.load(env_file="gone.env")  # the environment has all, as on a server

    missing = "REDIS_URL: is not set; give the ledger's server, like redis://127.0.0.1:6379/0"
    assert caught.value.lines == [
        f".transfers-dev/.env: was named as env_file, and is not there, seen from {tmp_path}",
        missing,
    ]
    assert own.value.lines == [missing], "a command of ours reads it where there is one"
