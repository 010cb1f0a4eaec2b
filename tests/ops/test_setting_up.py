"""`keygen`, `init`, `.env.example` and the table of settings: what a newcomer begins with."""

import json
import os
import stat
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from epay_transfers.ledger.money import EXPONENTS
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.sealing import Opener, Purpose, Sealer
from epay_transfers.ops import dotenv
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.demo.stage import Stage
from epay_transfers.ops.demo.users import PRODUCER as DEMO_PRODUCER
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.ops.settings_table import (
    ALL,
    CONSOLE,
    OPS,
    PRODUCERS,
    REQUIRED,
    SETTINGS,
    WEB,
    WORKER,
    Setting,
    markdown_rows,
)
from epay_transfers.producers.settings import ProducerSettings, WebSettings
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.runtime.settings import ServerSettings
from epay_transfers.runtime.web_addresses import WebTierSettings
from epay_transfers.worker.settings import WorkerSettings
from tests.support.command_line import Cli

ROOMS: dict[str, type[BaseSettings]] = {
    PRODUCERS: ProducerSettings,
    WEB: WebSettings,
    WORKER: WorkerSettings,
    OPS: OpsSettings,
    CONSOLE: ConsoleSettings,
}


def test_keygen_prints_a_pair_that_fits_and_another_one_each_time(transfers: Cli) -> None:
    said = transfers("keygen")
    lines = dict(line.split("=", 1) for line in said.out.splitlines())

    sealed = Sealer(lines["VAULT_PUBLIC_KEY"]).seal(b"card", Purpose.CARD, "251124000001")
    opener = Opener([Secret(lines["VAULT_PRIVATE_KEYS"])])

    assert opener.open(sealed, Purpose.CARD, "251124000001") == b"card"
    assert transfers("keygen", "--json").json.keys() == lines.keys()
    assert transfers("keygen").out != said.out


def test_init_writes_a_file_that_its_owner_alone_reads_and_every_room_can_start_from(
    transfers: Cli, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = transfers("init", "--sandbox", "--redis-url", "redis://127.0.0.1:7000/0")
    for name in environment:
        monkeypatch.delenv(name)

    assert said.status == 0
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    assert OpsSettings.load(env_file=ENV_FILE).redis_url.reveal() == "redis://127.0.0.1:7000/0"
    assert ProducerSettings.load(env_file=ENV_FILE).vault_public_key
    assert WorkerSettings.load(env_file=ENV_FILE).epay_client_id == "test"


def test_init_says_what_only_the_bank_can_name(transfers: Cli) -> None:
    """Without a sandbox the confirm's address is missing, and it is not guessed silently."""
    said = transfers("init")

    assert "EPAY_CONFIRM_URL" in said.out
    assert "\n#EPAY_CONFIRM_URL=\n" in Path(".env").read_text()


def test_init_says_which_test_hosts_it_takes_and_how_to_take_the_newer_ones(transfers: Cli) -> None:
    assert "Test hosts: the documented ones. EPAY_TEST_HOSTS=newer" in transfers("init").out
    assert "#EPAY_TEST_HOSTS=documented" in Path(".env").read_text()
    assert "test-epay-api.epayment.kz" in Path(".env").read_text()


@pytest.mark.parametrize("option", ["--redis-url", "--vault-url"])
@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1", "redis://h:99999", "redis://:p#w@h", "redis://127.0.0.1:6379/0\nEPAY_ENVIRONMENT=production"],
)
def test_init_refuses_an_address_that_no_process_could_start_with(transfers: Cli, option: str, url: str) -> None:
    """A line break in it wrote another setting into the file."""
    said = transfers("init", option, url)

    assert said.status == 1
    assert said.err.startswith(f"{option}: ")
    assert "p#w" not in said.err
    assert not Path(".env").exists()


def test_init_does_not_overwrite_keys_without_force(transfers: Cli) -> None:
    transfers("init")
    before = Path(".env").read_text()

    said = transfers("init")

    assert said.status == 1
    assert ".env exists already" in said.err
    assert Path(".env").read_text() == before
    assert transfers("init", "--force").status == 0
    assert Path(".env").read_text() != before
    assert [path.name for path in Path().iterdir()] == [".env"]


def test_the_example_is_the_one_that_the_table_makes_and_holds_no_key() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()

    assert text == dotenv.example()
    assert "\nVAULT_PRIVATE_KEYS=\n" in text


@pytest.mark.parametrize("room", ROOMS)
def test_the_table_has_every_setting_of_a_room_and_no_other(room: str) -> None:
    told = {setting.name for setting in SETTINGS if room in setting.rooms or ALL in setting.rooms}
    shared_but_told_otherwise = {"VAULT_URL"} if room in {OPS, CONSOLE} else set()
    if room == CONSOLE:  # it is a part of ops, and has the settings of commands as well
        shared_but_told_otherwise |= {setting.name for setting in SETTINGS if setting.rooms == (OPS,)}

    assert told == {name.upper() for name in ROOMS[room].model_fields} - shared_but_told_otherwise


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_table_says_the_default_that_the_room_takes(setting: Setting) -> None:
    rooms = ROOMS if ALL in setting.rooms else {name: ROOMS[name] for name in setting.rooms}
    for each in rooms.values():
        is_own = each is WebSettings and setting.name.lower() in WebTierSettings.__annotations__
        room = WebTierSettings if is_own else each  # a worker may do without an address that a web tier needs
        field = room.model_fields[setting.name.lower()]

        assert field.is_required() == (setting.default == REQUIRED)
        if not field.is_required():
            named = "" if setting.name == "OPERATOR" else field.get_default(call_default_factory=True)
            assert _said(named) == setting.default


def test_all_rooms_share_what_the_table_says_that_they_share() -> None:
    shared = {setting.name for setting in SETTINGS if ALL in setting.rooms}

    assert shared == {name.upper() for name in ServerSettings.model_fields} - {"VAULT_URL"}


def test_the_table_for_the_documents_has_a_row_for_each() -> None:
    assert len(list(markdown_rows())) == len(SETTINGS) + 2


def _said(default: object) -> str:
    match default:
        case None | []:
            return ""
        case tuple():
            return "[" + ",".join(f'"{item}"' for item in default) + "]"
        case dict():  # money is in minor units there
            units = {name: value // 10 ** EXPONENTS.get(name, 0) for name, value in default.items()}
            return json.dumps(units, separators=(",", ":"))
        case _:
            return str(default)


#: What no sentence may show.
PLANTED = "hunter22"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", f"redis://:{PLANTED}#@h/0"),
        ("REDIS_URL", f"redis://:{PLANTED}@h:99999/0"),
        ("BROKER_URL", f"redis://:{PLANTED}@h/0?max_connections=x"),
        ("TRANSFERS_SENTRY_DSN", PLANTED),
        ("EPAY_TERMINALS", f'{{"{PLANTED}/": 5}}'),
        ("SECRETS_DIR", f"/{PLANTED}"),
        (".env", f"OPERATOR={PLANTED}\xff"),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["doctor"], ["enqueue"], ["keys"], ["keys", "rotate"]])
def test_a_command_with_a_wrong_setting_ends_with_78_and_its_line(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str], name: str, value: str
) -> None:
    """A line for it, what to do, and no traceback; nothing of the value is shown."""
    intent = (
        '{"reference": "a", "amount": "1", "description": "a", '
        '"sender": {"card_id": "a"}, "receiver": {"card_id": "b"}}'
    )
    if name == ".env":
        (tmp_path / ".env").write_bytes(value.encode("latin-1"))
    else:
        monkeypatch.setenv(name, value)

    said = transfers(*command, stdin=intent)

    assert said.status == 78
    assert len([line for line in said.err.splitlines() if line.startswith(f"{name}: ")]) == 1
    assert PLANTED not in said.out + said.err
    assert "Traceback" not in said.err


def test_the_demo_inherits_no_setting_by_either_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Yours would lead the demo's processes to your servers, and to your bank."""
    inherited = (
        "REDIS_URL",
        "TRANSFERS_REDIS_URL",
        "transfers_epay_token_url",
        "TRANSFERS_SECRETS_DIR",
        "EPAY_CLIENT_ID",
    )
    for name in inherited:
        monkeypatch.setenv(name, "yours")

    with Stage(tmp_path).entered(DEMO_PRODUCER):
        assert [name for name in inherited if name in os.environ] == []
    assert os.environ["TRANSFERS_REDIS_URL"] == "yours"
