"""The worker's settings: what must be given, what follows from the environment, and what can't be together."""

import json
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger.limits import Limits
from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.runtime import hardening
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong
from epay_transfers.worker import startup
from epay_transfers.worker.bank import PRESETS
from epay_transfers.worker.build import Rules
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


def test_the_newer_test_hosts_are_chosen_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = load(monkeypatch, EPAY_TEST_HOSTS="newer").bank.addresses

    assert addresses.token_url == "https://test-epay-oauth.epayment.kz/oauth2/token"
    assert addresses.transfer_url == "https://test-epay-api.epayment.kz/p2p/transfer"
    assert addresses.status_url == "https://test-epay-api.epayment.kz/check-status/p2p/transaction/{invoice_id}"
    assert list(wrong(monkeypatch, EPAY_TEST_HOSTS="newer", EPAY_CONFIRM_URL="")) == ["EPAY_CONFIRM_URL"]


def test_a_newer_test_host_is_one_for_test_in_any_environment_but_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing takes the bank's hosts for test alone; production has none to choose."""
    address = PRESETS["test-newer"].token_url
    unsaid = {
        "EPAY_ENVIRONMENT": "",
        "EPAY_TOKEN_URL": address,
        "EPAY_CONFIRM_URL": "https://test-epay-api.epayment.kz/",
    }

    assert load(monkeypatch, **unsaid).epay_token_url == address
    said = wrong(monkeypatch, EPAY_ENVIRONMENT="production", EPAY_TEST_HOSTS="newer", EPAY_TOKEN_URL="")
    assert said["EPAY_TEST_HOSTS"].startswith("is for test, and EPAY_ENVIRONMENT says production")


def test_without_an_inquiry_auth_must_count_as_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of success and the notification name no status: nothing could ever say CHARGE but a direct answer."""
    said = wrong(monkeypatch, EPAY_STATUS_URL="none", EPAY_PAID_STATUSES='["CHARGE"]')

    assert list(said) == ["EPAY_PAID_STATUSES"]
    assert said["EPAY_PAID_STATUSES"].startswith("lacks AUTH, and without a status inquiry")
    assert load(monkeypatch, EPAY_STATUS_URL="none", EPAY_PAID_STATUSES='["AUTH"]').bank.paid_words == ("AUTH",)
    assert load(monkeypatch, EPAY_STATUS_URL="", EPAY_PAID_STATUSES='["CHARGE"]').bank.paid_words == ("CHARGE",)


def test_saved_cards_go_as_the_banks_sdk_sends_them_or_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load(monkeypatch).bank
    other = load(monkeypatch, EPAY_RECEIVER_ID_FIELD="both", EPAY_SAVED_SENDER_FIELDS="given").bank

    assert (default.receiver_id_field, default.saved_sender_fields) == ("cardCred", "all")
    assert (other.receiver_id_field, other.saved_sender_fields) == ("both", "given")


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


@pytest.mark.parametrize("environment", ["", "test"])
def test_a_dot_at_the_end_is_the_same_host(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    """Production's address is production's with the dot, too."""
    said = wrong(
        monkeypatch, EPAY_ENVIRONMENT=environment, EPAY_TRANSFER_URL="https://epay-api.homebank.kz./api/transfer"
    )

    assert said["EPAY_TRANSFER_URL"].startswith("is the bank's address for production")


def test_a_number_in_a_names_place_is_a_line() -> None:
    with pytest.raises(SettingsWrong) as caught:
        WorkerSettings(epay_limits={1: 2})

    assert any(line.startswith("EPAY_LIMITS: ") for line in caught.value.lines)


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
        ("LEDGER_REPLICAS", "-1"),
        ("EPAY_ENVIRONMENT", "prod"),
        ("EPAY_SECRET_HASH_KEY", "k" * 31),
        ("EPAY_SECRET_HASH_KEY", "changeme" * 4),
        ("EPAY_SECRET_HASH_KEY", "0123401234" * 3 + "43"),
        ("EPAY_CONFIRM_AUTH", "basic"),
        ("EPAY_RECEIVER_ID_FIELD", "number"),
        ("EPAY_RATE", "5"),
        ("EPAY_PAID_STATUSES", "AUTH"),
        ("EPAY_TEST_HOSTS", "new"),
        ("EPAY_SAVED_SENDER_FIELDS", "none"),
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


# Each setting is built into what it is used for inside the check: what passes it, the start does not refuse.


SECONDS = [
    "HTTP_CONNECT_TIMEOUT", "HTTP_READ_TIMEOUT", "HTTP_DEADLINE", "LEASE", "RETRY_MIN_BACKOFF", "RETRY_MAX_BACKOFF"
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in SECONDS
        for value in ("inf", "-inf", "nan", "1e-320", "1e300", "86401")
    ]
    + [
        (name, value)
        for name in ("RETRY_ATTEMPTS", "DOUBT_READS", "PARK_TTL", "DOUBT_HORIZON", "EVENTS_KEEP", "WORKER_THREADS")
        for value in ("9" * 20, "9" * 5000, "1e9", "inf")
    ],
)  # fmt: skip
def test_every_number_has_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A sum with it overflowed later, in the middle of a transfer."""
    assert name in wrong(monkeypatch, **{name: value})


def test_the_longest_wait_is_not_the_shorter_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = wrong(monkeypatch, RETRY_MIN_BACKOFF="5", RETRY_MAX_BACKOFF="4")

    assert said["RETRY_MAX_BACKOFF"].startswith("is less than RETRY_MIN_BACKOFF; give seconds")


@pytest.mark.parametrize("rate", ["1e-320", "0", "-1", "0.000009", "1001", "NaN", "Infinity", "1e400"])
def test_a_rate_that_no_gap_can_be_made_of_is_a_line(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    assert list(wrong(monkeypatch, EPAY_RATE=f'{{"main": {rate}}}')) == ["EPAY_RATE"]


@pytest.mark.parametrize("rate", [0.00001, 0.5, 1000])
def test_every_other_rate_has_a_gap(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    gaps_ms = Rules.of(load(monkeypatch, EPAY_RATE=json.dumps({"main": rate}))).preflight.gaps_ms

    assert gaps_ms["main"] == pytest.approx(1000 / rate)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EPAY_RATE", {"kisok": 5}),
        ("EPAY_LIMITS", {"main": {}, "kisok": {}}),
        ("EPAY_CREDENTIALS", {"kisok": {"terminal_id": "t", "client_id": "c", "client_secret": SECRET}}),
    ],
)
def test_a_terminal_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """With a letter wrong, the terminal that was meant would go without its rate, its limits, its credentials."""
    said = wrong(monkeypatch, **{name: json.dumps(value)})

    assert said[name].startswith("names kisok, which is no terminal of this worker: see EPAY_TERMINALS; give")


@pytest.mark.parametrize("name", ["EPAY_RATE", "EPAY_LIMITS", "EPAY_CREDENTIALS"])
def test_a_secret_in_the_place_of_a_name_is_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    values: list[dict[str, Any]] = [
        {SECRET: 5},
        {SECRET: {}},
        {SECRET: {SECRET: 5}},
        {"main": {SECRET: {SECRET: 5}}},
        {"main": 5, SECRET: 5},
    ]
    for value in values:
        assert list(wrong(monkeypatch, **{name: json.dumps(value)})) == [name]


def test_the_main_terminal_has_its_credentials_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in EPAY_CREDENTIALS took the place of the others without a word."""
    one = {"terminal_id": "t", "client_id": "c", "client_secret": SECRET}

    said = wrong(monkeypatch, EPAY_CREDENTIALS=json.dumps({"main": one}))

    assert said["EPAY_CREDENTIALS"].startswith("names main, whose credentials are EPAY_TERMINAL_ID, EPAY_CLIENT_ID")


@pytest.mark.parametrize("name", ["terminal_id", "client_id", "client_secret"])
@pytest.mark.parametrize("value", ["", " t", "t\n", "t\x00", "\udcff", "t" * 257])
def test_what_the_bank_gave_out_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A blank or a line's end that was copied along would be refused by the bank, as wrong credentials."""
    one = {"terminal_id": "t", "client_id": "c", "client_secret": SECRET} | {name: value}

    said = wrong(monkeypatch, EPAY_TERMINALS='{"kiosk": {}}', EPAY_CREDENTIALS=json.dumps({"kiosk": one}))

    assert said["EPAY_CREDENTIALS"].startswith(f"kiosk.{name}: is not one line of 1 to 256 characters without blanks")


@pytest.mark.parametrize(
    "name", ["EPAY_TERMINAL_ID", "EPAY_CLIENT_ID", "EPAY_CLIENT_SECRET", "EPAY_CLIENT_SECRET_NEXT"]
)
@pytest.mark.parametrize("value", [" t", "t\n", "\udcff", "t" * 257])
def test_so_is_what_it_gave_out_for_the_main_terminal(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert list(wrong(monkeypatch, **{name: value})) == [name]


def test_the_next_secret_stands_beside_the_first_and_not_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is derived from the first one, the key of the counts by receiver, stays as it is while the bank changes."""
    one = {"terminal_id": "t", "client_id": "c", "client_secret": SECRET, "client_secret_next": "next-of-the-kiosk"}

    settings = load(
        monkeypatch,
        EPAY_CLIENT_SECRET_NEXT="next-of-main",
        EPAY_TERMINALS='{"kiosk": {}}',
        EPAY_CREDENTIALS=json.dumps({"kiosk": one}),
    )

    found = {name: each.next_secret for name, each in settings.terminals.items()}
    assert {name: each.reveal() for name, each in found.items() if each} == {
        "main": "next-of-main",
        "kiosk": "next-of-the-kiosk",
    }
    assert {each.client_secret.reveal() for each in settings.terminals.values()} == {SECRET}
    assert settings.epay_client_secret.reveal() == SECRET
    assert "next-of" not in f"{settings!r}{settings.terminals!r}"


def test_without_a_next_secret_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).terminals["main"].next_secret is None
    assert load(monkeypatch, EPAY_CLIENT_SECRET_NEXT="").terminals["main"].next_secret is None


@pytest.mark.parametrize("words", ['["charge"]', '["AUTH", "charge"]', "[]", '["VERIFIED"]', '[""]'])
def test_only_the_words_that_mean_paid_are_taken(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    said = wrong(monkeypatch, EPAY_PAID_STATUSES=words)

    assert said["EPAY_PAID_STATUSES"] == (
        "names another word, or none; the words are in capitals; give one or more of AUTH and CHARGE, "
        'as JSON like ["AUTH"]'
    )


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00\xff", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_a_file_of_authorities_that_no_context_takes_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """`None`: it isn't there."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)

    said = wrong(monkeypatch, BANK_CA_FILE=str(tmp_path / "ca.pem"))

    assert said["BANK_CA_FILE"] == "can't be read, or holds no certificate; give a PEM file, or leave it out"


@pytest.mark.parametrize("path", ["x" * 300, "x" * 5000, "a folder", "loop"])
def test_a_file_of_keys_that_can_not_be_read_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    said = wrong(monkeypatch, VAULT_PRIVATE_KEYS="", VAULT_PRIVATE_KEYS_FILE=path)

    assert said["VAULT_PRIVATE_KEYS_FILE"].startswith("can't be read; give a file that only its owner")


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "address",
    [
        f"https://{'a' * 64}.example/{{invoice_id}}",
        "https://a..b/{invoice_id}",
        "https://.a/{invoice_id}",
        "https://{invoice_id}.example/{invoice_id}",
        "https://bank.example/{invoice_id}#x",
    ],
)
def test_an_address_that_no_request_can_be_made_for_is_a_line(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    assert list(wrong(monkeypatch, EPAY_ENVIRONMENT="test", **{name: address})) == [name]


@pytest.mark.parametrize("base", ["https://shop.example/t?", "https://shop.example/t#", "https://shop.example?x"])
def test_an_address_that_nothing_can_be_added_to_is_a_line(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """What is added would be its query, and no route."""
    assert list(wrong(monkeypatch, WEB_BASE_URL=base)) == ["WEB_BASE_URL"]


@pytest.mark.parametrize("amount", ["1e999999999999999999", "1e-999999999999999999", "NaN", "-Infinity"])
def test_an_amount_that_no_number_holds_is_a_line(monkeypatch: pytest.MonkeyPatch, amount: str) -> None:
    said = wrong(monkeypatch, EPAY_LIMITS=f'{{"main": {{"KZT": {{"transfer": "{amount}"}}}}}}')

    assert said["EPAY_LIMITS"].startswith("main KZT transfer: ")


@pytest.mark.parametrize(
    ("name", "value", "said_of_it"),
    [
        ("EPAY_RATE", '{"main": 5, "main": 6}', "gives main twice in one object; give"),
        ("EPAY_LIMITS", '{"main": {"KZT": {"transfer": 5}, "KZT": {"transfer": 6}}}', "gives KZT twice in one object"),
        ("EPAY_CREDENTIALS", '{"kiosk": {"client_id": "a", "client_id": "b"}}', "gives client_id twice in one object"),
    ],
)
def test_a_name_that_stands_twice_is_a_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said_of_it: str
) -> None:
    """The last one would count."""
    assert wrong(monkeypatch, **{name: value})[name].startswith(said_of_it)


def test_keys_under_our_own_name_in_the_environment_are_refused_in_production_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRANSFERS_VAULT_PRIVATE_KEYS", PAIR.private.reveal())

    said = wrong(monkeypatch, EPAY_ENVIRONMENT="production", ALLOW_ENV_KEYS="", VAULT_PRIVATE_KEYS="")

    assert said["TRANSFERS_VAULT_PRIVATE_KEYS"].startswith("is in the environment, which every child of the process")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BANK_CA_FILE", f"/{SECRET}"),
        ("SENTRY_DSN", SECRET),
        ("EPAY_RATE", f'{{"{SECRET}": 1e-320}}'),
        ("REDIS_URL", f"redis://:{SECRET}@h:99999/0"),
        ("VAULT_PRIVATE_KEYS_FILE", f"{SECRET}" * 10),
        ("CREDENTIALS_DIRECTORY", f"/{SECRET}"),
    ],
)
def test_a_worker_with_a_wrong_setting_ends_with_78_and_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    """`--check` and the start alike: a supervisor need not try again."""
    monkeypatch.setattr(hardening, "harden", lambda: True)  # it is for the life of a process
    for each, its in (GOOD | {name: value}).items():
        monkeypatch.setenv(each, its)
    for only_check in (True, False):
        assert startup.main(only_check=only_check) == EX_CONFIG

        said = capsys.readouterr().err
        assert name in {line.partition(":")[0] for line in said.splitlines()}
        assert SECRET not in said


@pytest.mark.parametrize("given", ["true", "false", "1", "yes", "the letter of May", "4405639704015096 of 3 May"])
def test_what_is_no_letter_does_not_make_not_found_final(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """A word that switches something off elsewhere must not switch this on; and a card number is kept nowhere."""
    assert list(wrong(monkeypatch, EPAY_NOT_FOUND_LETTER=given)) == ["EPAY_NOT_FOUND_LETTER"]
