"""The worker's settings: what must be given, what follows from the environment, and what can't be together."""

import json
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger.limits import Limits
from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.runtime.settings import SettingsWrong
from epay_transfers.worker.bank import PRESETS
from epay_transfers.worker.settings import WorkerSettings

PAIR = generate()
SECRET = "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG"
GOOD = {
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "VAULT_URL": "redis://127.0.0.1:6380/0",
    "VAULT_PRIVATE_KEYS": PAIR.private.reveal(),
    "ALLOW_ENV_KEYS": "1",
    "EPAY_CONFIRM_URL": "https://testepay.homebank.kz/api/p2p/api/confirm",
    "EPAY_TERMINAL_ID": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
    "EPAY_CLIENT_ID": "test",
    "EPAY_CLIENT_SECRET": SECRET,
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in WorkerSettings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for folder in ("SECRETS_DIR", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(folder, raising=False)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **values: str) -> WorkerSettings:
    for name, value in (GOOD | values).items():
        monkeypatch.setenv(name, value)
    return WorkerSettings.load()


def wrong(monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, str]:
    with pytest.raises(SettingsWrong) as caught:
        load(monkeypatch, **values)
    assert SECRET not in str(caught.value)
    assert PAIR.private.reveal() not in str(caught.value)
    return dict(line.split(": ", 1) for line in caught.value.lines)


def test_everything_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(SettingsWrong) as caught:
        WorkerSettings.load()

    missing = {line.partition(":")[0] for line in caught.value.lines}
    assert missing == set(GOOD) - {"ALLOW_ENV_KEYS"}
    assert all("; give " in line for line in caught.value.lines)


def test_test_has_every_address_but_the_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = load(monkeypatch).bank.addresses

    assert addresses.token_url == "https://testoauth.homebank.kz/epay2/oauth2/token"
    assert addresses.transfer_url == "https://testepay.homebank.kz/api/p2p/transfer"
    assert addresses.confirm_url == GOOD["EPAY_CONFIRM_URL"]
    said = wrong(monkeypatch, EPAY_CONFIRM_URL="")
    assert list(said) == ["EPAY_CONFIRM_URL"]
    assert said["EPAY_CONFIRM_URL"].startswith("is not set, and the bank documents none for this environment; give ")


def test_production_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = load(monkeypatch, EPAY_ENVIRONMENT="production", EPAY_CONFIRM_URL="").bank.addresses

    assert (addresses.token_url, addresses.transfer_url, addresses.confirm_url, addresses.status_url) == (
        "https://epay-oauth.homebank.kz/oauth2/token",
        "https://epay-api.homebank.kz/p2p/transfer",
        "https://epay-api.homebank.kz/p2p/api/confirm",
        "https://epay-api.homebank.kz/check-status/p2p/transaction/{invoice_id}",
    )


def test_production_takes_no_keys_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    said = wrong(monkeypatch, EPAY_ENVIRONMENT="production", ALLOW_ENV_KEYS="")

    assert list(said) == ["VAULT_PRIVATE_KEYS"]
    assert said["VAULT_PRIVATE_KEYS"].startswith("is in the environment, which every child of the process inherits")


ADDRESSES = ["EPAY_TOKEN_URL", "EPAY_TRANSFER_URL", "EPAY_CONFIRM_URL", "EPAY_STATUS_URL"]


@pytest.mark.parametrize("environment", ["", "test"])
@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_of_production_is_refused_where_the_environment_does_not_say_production(
    monkeypatch: pytest.MonkeyPatch, name: str, environment: str
) -> None:
    """Else production runs with what test may do: keys in the environment, servers without TLS, a short horizon."""
    address = getattr(PRESETS["production"], name.removeprefix("EPAY_").lower())

    said = wrong(monkeypatch, EPAY_ENVIRONMENT=environment, **{name: address})

    assert list(said) == [name]
    assert said[name].startswith("is the bank's address for production, and EPAY_ENVIRONMENT does not say production")
    load(monkeypatch, **{"EPAY_ENVIRONMENT": "production", "EPAY_CONFIRM_URL": "", name: address})


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_is_neither_needs_an_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A relay of your own may lead to production: nothing but the environment says which it is."""
    address = "https://relay.example/{invoice_id}"

    said = wrong(monkeypatch, EPAY_ENVIRONMENT="", **{name: address})

    assert list(said) == [name]
    assert said[name].startswith("is not the bank's address for test, and EPAY_ENVIRONMENT is not set")
    load(monkeypatch, EPAY_ENVIRONMENT="test", **{name: address})
    load(monkeypatch, EPAY_ENVIRONMENT="production", **{name: address})


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "address",
    ["http://bank.example/{invoice_id}", "ftp://bank.example/{invoice_id}", "bank.example", "none!", "https://"],
)
def test_an_address_is_https(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    assert list(wrong(monkeypatch, **{name: address})) == [name]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_only_this_very_machine_may_do_without(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert load(monkeypatch, EPAY_TOKEN_URL=f"http://{host}/token").bank.addresses.token_url == f"http://{host}/token"


def test_a_status_address_says_where_the_number_goes_or_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(wrong(monkeypatch, EPAY_STATUS_URL="https://bank.example/status")) == ["EPAY_STATUS_URL"]
    assert load(monkeypatch, EPAY_STATUS_URL="none").bank.addresses.status_url is None


def test_none_is_an_answer_only_for_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(wrong(monkeypatch, EPAY_CONFIRM_URL="none")) == ["EPAY_CONFIRM_URL"]


@pytest.mark.parametrize(("deadline", "lease"), [("60", "60"), ("45", "44.9"), ("100", "")])
def test_a_lease_outlives_the_request(monkeypatch: pytest.MonkeyPatch, deadline: str, lease: str) -> None:
    """Else a second worker could begin while the first one's request is on the wire."""
    said = wrong(monkeypatch, HTTP_DEADLINE=deadline, LEASE=lease)

    assert said["LEASE"].startswith("is not a second longer than HTTP_DEADLINE: a request could outlive its lease")


@pytest.mark.parametrize("horizon", ["45", "60", "518401", "0", "-1"])
def test_the_horizon_lies_between_the_lease_and_what_the_vault_remembers(
    monkeypatch: pytest.MonkeyPatch, horizon: str
) -> None:
    assert list(wrong(monkeypatch, DOUBT_HORIZON=horizon)) == ["DOUBT_HORIZON"]


@pytest.mark.parametrize("horizon", ["61", "518400"])
def test_all_between_is_taken(monkeypatch: pytest.MonkeyPatch, horizon: str) -> None:
    assert load(monkeypatch, DOUBT_HORIZON=horizon).doubt_horizon == int(horizon)


def test_every_terminal_needs_what_opens_the_banks_door(monkeypatch: pytest.MonkeyPatch) -> None:
    terminals = json.dumps({"kiosk": {"space": "kiosk"}, "shop": {}, "main": {}})
    one: dict[str, Any] = {"terminal_id": "t", "client_id": "c", "client_secret": SECRET}

    said = wrong(monkeypatch, EPAY_TERMINALS=terminals, EPAY_CREDENTIALS=json.dumps({"kiosk": one}))
    assert said["EPAY_CREDENTIALS"].startswith("lacks shop; give JSON")

    settings = load(monkeypatch, EPAY_CREDENTIALS=json.dumps({"kiosk": one, "shop": one | {"terminal_id": "u"}}))
    assert set(settings.terminals) == {"main", "kiosk", "shop"}
    assert settings.terminals["kiosk"].terminal_id == "t"
    assert settings.terminals["main"].terminal_id == GOOD["EPAY_TERMINAL_ID"]


@pytest.mark.parametrize(
    ("spaces", "ids", "names"),
    [
        ({"kiosk": {"space": "kiosk"}}, {"kiosk": GOOD["EPAY_TERMINAL_ID"]}, "kiosk, main"),
        ({"kiosk": {"space": "kiosk"}, "shop": {"space": "shop"}}, {"kiosk": "t", "shop": "t"}, "kiosk, shop"),
        ({"main": {"space": "other"}, "shop": {}}, {"shop": GOOD["EPAY_TERMINAL_ID"]}, "main, shop"),
    ],
)
def test_one_terminal_id_in_two_spaces_is_refused_and_named(
    monkeypatch: pytest.MonkeyPatch, spaces: dict[str, Any], ids: dict[str, str], names: str
) -> None:
    """Two transfers would have one invoice id at the bank: what it says of one would be heard of the other."""
    given = {name: {"terminal_id": its, "client_id": "c", "client_secret": SECRET} for name, its in ids.items()}

    said = wrong(monkeypatch, EPAY_TERMINALS=json.dumps(spaces), EPAY_CREDENTIALS=json.dumps(given))

    assert said["EPAY_CREDENTIALS"].startswith(
        f"gives one TerminalID to {names}, which EPAY_TERMINALS puts in two spaces; give "
    )


def test_one_terminal_id_under_two_names_of_one_space_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"terminal_id": GOOD["EPAY_TERMINAL_ID"], "client_id": "c", "client_secret": SECRET}

    settings = load(monkeypatch, EPAY_TERMINALS='{"shop": {}}', EPAY_CREDENTIALS=json.dumps({"shop": one}))

    assert settings.spaces == {GOOD["EPAY_TERMINAL_ID"]: "main"}


@pytest.mark.parametrize(
    "credentials",
    ["{", '{"kiosk": {}}', f'{{"kiosk": "{SECRET}"}}', f'{{"kiosk": {{"client_secret": "{SECRET}", "more": 1}}}}'],
)
def test_credentials_that_are_none_show_no_secret(monkeypatch: pytest.MonkeyPatch, credentials: str) -> None:
    assert list(wrong(monkeypatch, EPAY_CREDENTIALS=credentials)) == ["EPAY_CREDENTIALS"]


def test_the_ring_of_keys_is_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    other = generate()
    ring = f" {other.private.reveal()} , {PAIR.private.reveal()},"

    assert load(monkeypatch, VAULT_PRIVATE_KEYS=ring).vault_private_keys == [other.private, PAIR.private]


@pytest.mark.parametrize("ring", ["x", pytest.param(PAIR.private.reveal() + ",short", id="one-short"), SECRET])
def test_what_is_no_key_is_refused(monkeypatch: pytest.MonkeyPatch, ring: str) -> None:
    said = wrong(monkeypatch, VAULT_PRIVATE_KEYS=ring)

    assert said["VAULT_PRIVATE_KEYS"].startswith("is not a key that `transfers keygen` printed; give what")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_CONNECT_TIMEOUT", "0"),
        ("HTTP_READ_TIMEOUT", "-1"),
        ("RETRY_ATTEMPTS", "0"),
        ("RETRY_MIN_BACKOFF", "soon"),
        ("DOUBT_READS", "0"),
        ("PARK_TTL", "0"),
        ("EVENTS_KEEP", "0"),
        ("WORKER_THREADS", "1"),
        ("EPAY_ENVIRONMENT", "prod"),
        ("EPAY_SECRET_HASH_KEY", "k" * 31),
        ("EPAY_SECRET_HASH_KEY", "changeme" * 4),
        ("EPAY_SECRET_HASH_KEY", "0123401234" * 3 + "43"),
        ("EPAY_CONFIRM_AUTH", "basic"),
        ("EPAY_RECEIVER_ID_FIELD", "number"),
        ("EPAY_RATE", "5"),
        ("EPAY_PAID_STATUSES", "AUTH"),
    ],
)
def test_each_other_wrong_one_is_a_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert list(wrong(monkeypatch, **{name: value})) == [name]


def test_limits_are_read_by_terminal_and_currency_in_minor_units(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {
        "main": {
            "KZT": {"transfer": 500000, "terminal_day": "20000000", "receiver_day": "1000000.50"},
            "USD": {"transfer": "1000"},
        },
        "kiosk": {},
    }
    kiosk = {"kiosk": {"terminal_id": "t", "client_id": "c", "client_secret": SECRET}}

    settings = load(
        monkeypatch,
        EPAY_TERMINALS='{"kiosk": {}}',
        EPAY_CREDENTIALS=json.dumps(kiosk),
        EPAY_LIMITS=json.dumps(limits),
    )

    assert settings.epay_limits == {
        "main": {
            "KZT": Limits(transfer=50_000_000, terminal_day=2_000_000_000, receiver_day=100_000_050),
            "USD": Limits(transfer=100_000),
        },
        "kiosk": {},
    }
    assert load(monkeypatch, EPAY_LIMITS="{}").epay_limits == {}


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ("{", "is not JSON; give JSON"),
        ("[]", "is no JSON object; give JSON"),
        ('{"main": 5}', "main: is no JSON object; give JSON"),
        ('{"main": {"KZT": 5}}', "main KZT: is no JSON object; give JSON"),
        ('{"main": {"GBP": {"transfer": 5}}}', "main: names a currency that is not known here: EUR, KZT, RUB, USD are"),
        ('{"main": {"KZT": {}}}', "main KZT: must name one or more of transfer, terminal_day, receiver_day"),
        ('{"main": {"KZT": {"month": 5}}}', "main KZT: must name one or more of transfer, terminal_day, receiver_day"),
        ('{"main": {"KZT": {"transfer": 5.5}}}', 'main KZT transfer: must be a whole number, or a string like "5000'),
        ('{"main": {"KZT": {"transfer": true}}}', 'main KZT transfer: must be a whole number, or a string like "5000'),
        ('{"main": {"KZT": {"transfer": null}}}', 'main KZT transfer: must be a whole number, or a string like "5000'),
        ('{"main": {"KZT": {"transfer": "many"}}}', "main KZT transfer: must be a number, like 15000 or 15000.50"),
        ('{"main": {"KZT": {"terminal_day": 0}}}', "main KZT terminal_day: must be more than 0"),
        ('{"main": {"KZT": {"terminal_day": "-5"}}}', "main KZT terminal_day: must be more than 0"),
        ('{"main": {"KZT": {"receiver_day": "5.001"}}}', "main KZT receiver_day: has more than 2 decimals"),
        ('{"main": {"KZT": {"transfer": 1e99}}}', "main KZT transfer: must be a whole number"),
        ('{"kiosk": {}}', "lacks main: give its limits, or {} for none"),
        ('{"main": {}, "kisok": {}}', "names kisok, which is no terminal of this worker"),
    ],
)
def test_each_wrong_limit_has_its_sentence(monkeypatch: pytest.MonkeyPatch, limits: str, sentence: str) -> None:
    """It names the terminal, the currency and the limit."""
    said = wrong(monkeypatch, EPAY_LIMITS=limits)

    assert list(said) == ["EPAY_LIMITS"]
    assert said["EPAY_LIMITS"].startswith(sentence)


def test_a_terminal_that_the_limits_forget_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer chooses the terminal: one without a limit would be a way round all of them."""
    kiosk = {"kiosk": {"terminal_id": "t", "client_id": "c", "client_secret": SECRET}}

    said = wrong(
        monkeypatch,
        EPAY_TERMINALS='{"kiosk": {}}',
        EPAY_CREDENTIALS=json.dumps(kiosk),
        EPAY_LIMITS='{"main": {"KZT": {"transfer": 5}}}',
    )

    assert said["EPAY_LIMITS"].startswith("lacks kiosk: give its limits, or {} for none; give JSON")


def test_nothing_of_it_prints_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)

    for shown in (repr(settings), repr(settings.terminals), repr(settings.bank), settings.model_dump_json()):
        assert SECRET not in shown
        assert PAIR.private.reveal() not in shown
