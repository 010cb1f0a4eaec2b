"""Whatever the settings are: a process gets them right, or one line for each that is wrong, and no value in it.

And what passes the check can be started with: what the process builds from its settings after the check is built here.
"""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import requests.utils
import sentry_sdk
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.vault.sealing import Sealer, generate
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.producers import ProducerAndWebSettings, ProducerSettings, WebSettings
from epay_transfers.producers.web import Web
from epay_transfers.runtime import sentry
from epay_transfers.runtime.key_source import FingerprintKeySource, KeySource
from epay_transfers.runtime.setting_sources import ENV_FILE, PREFIX
from epay_transfers.runtime.settings import ServerSettings, SettingsWrong
from epay_transfers.worker.backoff import GiveUp, next_try
from epay_transfers.worker.build import Rules
from epay_transfers.worker.process import Process
from epay_transfers.worker.settings import WorkerSettings
from tests.support import hostile_settings
from tests.support.hostile_settings import MARK

pytestmark = pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")

CLASSES: list[type[ServerSettings]] = [
    OpsSettings,
    ConsoleSettings,
    KeySource,
    FingerprintKeySource,
    ProducerSettings,
    WebSettings,
    ProducerAndWebSettings,
    WorkerSettings,
]
PAIR = generate()
GOOD = {
    "epay_environment": "test",
    "redis_url": "redis://127.0.0.1:6379/0",
    "vault_url": "redis://127.0.0.1:6380/0",
    "vault_public_key": PAIR.public,
    "vault_private_keys": PAIR.private.reveal(),
    "fingerprint_keys": fingerprint_keys.generate().reveal(),
    "epay_confirm_url": "https://testepay.homebank.kz/api/p2p/api/confirm",
    "epay_terminal_id": "40a348cb-68a3-45d5-9002-a4836d79c3b5",
    "epay_client_id": "test",
    "epay_client_secret": "yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",
    "web_base_url": "https://shop.example/transfers",
}
_FOLDERS = ("SECRETS_DIR", "CREDENTIALS_DIRECTORY", f"{PREFIX}SECRETS_DIR")

#: The largest whole number that a script of the ledger keeps exactly.
_EXACT = 2**53

fuzzed = hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=12
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    folder = tmp_path_factory.mktemp("files")
    first, end, _ = Path(requests.utils.DEFAULT_CA_BUNDLE_PATH).read_text().partition("-----END CERTIFICATE-----")
    (folder / "one.pem").write_text(first + end)
    GOOD["bank_ca_file"] = str(folder / "one.pem")  # a start with all of them takes a fifth of a second
    yield hostile_settings.files_in(folder)
    del GOOD["bank_ca_file"]


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    names = {name.upper() for each in CLASSES for name in each.model_fields} | set(_FOLDERS)
    for name in [name for name in os.environ if name.upper().removeprefix(PREFIX) in names or name in _FOLDERS]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    sentry_sdk.init(default_integrations=False)  # to nowhere; the default ones patch web frameworks for good


class ToNowhere(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        pass


def start(settings: ServerSettings) -> None:
    """What a process builds from its settings after the check. Nothing of it connects."""
    servers = [settings.redis_url.reveal(), settings.queue_url]
    if settings.vault_url is not None:
        servers.append(settings.vault_url.reveal())
    for url in servers:
        connect(url).connection_pool.make_connection()
    assert (
        connect(servers[0]).connection_pool.connection_kwargs != connect(servers[1]).connection_pool.connection_kwargs
    )
    sentry.set_up(settings.sentry_dsn, "transfers", settings.epay_environment or "test", ToNowhere)
    sentry.set_up(settings.sentry_dsn, "transfers", settings.epay_environment or "test")
    if isinstance(settings, (ProducerSettings, WebSettings)):
        assert Sealer(settings.vault_public_key).key_id
    if isinstance(settings, ProducerSettings):
        assert settings.print_keys.newest.text
    if isinstance(settings, WebSettings):
        Web(cast("Any", None), settings.places)
    if isinstance(settings, WorkerSettings):
        start_worker(settings)


def start_worker(settings: WorkerSettings) -> None:
    Process.of(settings)
    rules = Rules.of(settings)
    for attempts in (1, 2, 33, rules.retry.attempts - 1):
        decision = next_try(rules.retry, attempts=attempts, retry_after_s=None, chance=lambda: 0.999)
        assert isinstance(decision, GiveUp) or 0 <= decision.in_ms < _EXACT
    now_ms = SystemClock().now_ms()
    durations_ms = [
        *rules.preflight.gaps_ms.values(),
        int(rules.preflight.lease_s * 1000),
        rules.park_s * 1000,
        rules.doubt.horizon_s * 1000,
        rules.keep_events_ms,
    ]
    assert all(1 <= its < now_ms for its in durations_ms)
    assert rules.doubt.reads >= 1
    assert settings.http_deadline + 10 < threading.TIMEOUT_MAX
    with socket.socket() as unconnected:
        for seconds in (settings.http_connect_timeout, settings.http_read_timeout, settings.http_deadline):
            unconnected.settimeout(seconds)
            assert unconnected.gettimeout()
    addresses = settings.bank.addresses
    for url in (addresses.token_url, addresses.transfer_url, addresses.confirm_url, addresses.status_url):
        if url is not None:
            assert requests.Request("POST", url.replace("{invoice_id}", "000000")).prepare().url
    bank_terminals = settings.terminals.values()
    assert all(f"{its.terminal_id}{its.client_id}{its.client_secret.reveal()}".encode() for its in bank_terminals)


def outcome_of(cls: type[ServerSettings], **given: Any) -> str:
    """The lines of a refusal; empty if a process can start with the settings."""
    refused: SettingsWrong | None = None
    try:
        settings = cls.load(env_file=ENV_FILE, **given)
    except SettingsWrong as error:
        refused = error
    else:
        start(settings)
    if refused is None:
        return ""
    assert refused.__cause__ is refused.__context__ is None
    assert [line for line in refused.lines if ": " not in line or not line.isprintable()] == []
    return str(refused)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_good_ones_are_good(cls: type[ServerSettings], paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every other test here would see refusals alone."""
    assert paths
    for name, value in GOOD.items():
        monkeypatch.setenv(name.upper(), value)

    assert outcome_of(cls) == ""


def check_in_environment(cls: type[ServerSettings], hostile: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (GOOD | hostile).items():
            if name.upper().removeprefix(PREFIX).lower() in cls.model_fields:
                patch.setenv(name.upper(), value)
        assert hostile_settings.shown_of(outcome_of(cls)) == []


@pytest.mark.parametrize("name", sorted({name for cls in CLASSES for name in cls.model_fields}))
@given(data=st.data())
@fuzzed
def test_one_hostile_setting_is_a_line_or_something_to_start_with(
    name: str, paths: list[str], data: st.DataObject
) -> None:
    """In the environment, by either of its names, in the largest process that reads it."""
    cls = next(cls for cls in reversed(CLASSES) if name in cls.model_fields)
    values = hostile_settings.value_for(name, paths).filter(hostile_settings.can_be_in_an_environment)

    check_in_environment(cls, {data.draw(st.sampled_from([name, f"{PREFIX}{name}"])): data.draw(values)})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@given(data=st.data())
@fuzzed
def test_many_hostile_settings_are_a_line_each(
    cls: type[ServerSettings], paths: list[str], data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(cls.model_fields)), min_size=2, max_size=8, unique=True))
    hostile = {
        name: data.draw(hostile_settings.value_for(name, paths).filter(hostile_settings.can_be_in_an_environment))
        for name in names
    }

    check_in_environment(cls, hostile)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@given(data=st.data())
@fuzzed
def test_hostile_arguments_are_lines_too(cls: type[ServerSettings], paths: list[str], data: st.DataObject) -> None:
    """Of any type, given to `load` and to the constructor."""
    names = data.draw(st.lists(st.sampled_from(sorted(cls.model_fields)), min_size=1, max_size=4, unique=True))
    hostile = {
        name: data.draw(st.one_of(hostile_settings.ARGUMENTS, hostile_settings.value_for(name, paths)))
        for name in names
    }
    arguments = {name: value for name, value in GOOD.items() if name in cls.model_fields} | hostile
    lines = ""
    try:
        start(cls(**arguments))
    except SettingsWrong as error:
        lines = str(error)

    assert hostile_settings.shown_of(lines) == []
    assert hostile_settings.shown_of(outcome_of(cls, **arguments)) == []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@given(data=st.data())
@fuzzed
def test_a_hostile_file_is_lines_too(cls: type[ServerSettings], paths: list[str], data: st.DataObject) -> None:
    """A `.env`, and a folder of secrets, of any bytes."""
    names = data.draw(st.lists(st.sampled_from(sorted(cls.model_fields)), max_size=3))
    values = st.one_of(
        st.binary(max_size=20).map(lambda some: MARK.encode() + some),
        *(
            hostile_settings.value_for(name, paths).map(lambda text: text.encode("utf-8", "surrogatepass"))
            for name in names
        ),
    )
    env_file = b"\n".join(
        [
            name.encode() + data.draw(st.sampled_from([b"=", b"='", b'="', b" = ", b" "])) + data.draw(values)
            for name in names
        ]
    )
    folder = Path(data.draw(st.sampled_from(["secrets", "none", MARK, "secrets/" + MARK])))
    Path("secrets").mkdir(exist_ok=True)
    for old in Path("secrets").iterdir():
        old.unlink()
    for name in names[:2]:
        (Path("secrets") / data.draw(st.sampled_from([name, name.upper(), f"{PREFIX}{name}"]))).write_bytes(
            data.draw(values)
        )
    for path in Path("secrets").iterdir():
        path.chmod(data.draw(st.sampled_from([0o400, 0o644])))
    Path(".env").write_bytes(data.draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe"])) + env_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(data.draw(st.sampled_from(_FOLDERS)), str(folder))
        for name, value in GOOD.items():
            if name in cls.model_fields and name not in names:
                patch.setenv(name.upper(), value)

        assert hostile_settings.shown_of(outcome_of(cls)) == []
