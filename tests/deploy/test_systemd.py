"""The systemd units: each line runs as it is written, by the user and with the limits of its unit, on real servers.

No systemd runs the tests' machine. So the runbook's lines are typed on a host of its own, and each `ExecStart` is
started there with the credentials, folders and environment that its unit names.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from epay_transfers.runtime.settings import EX_CONFIG
from epay_transfers.worker import process
from epay_transfers.worker.settings import WorkerSettings
from tests.deploy import units
from tests.deploy.conftest import BANKS_FILES, INTENT, SigningProxy, settings_of_test, start_bank
from tests.deploy.host import ROOT, Host, Process
from tests.deploy.units import Unit
from tests.docs.test_procfile import processes
from tests.support.sentinels import with_passwords
from tests.support.waiting import until

pytestmark = pytest.mark.slow

COMMAND = "/opt/transfers/bin/transfers"
OURS = ("transfers-worker@9108", "transfers-exporter", "transfers-follower")
SERVERS = ("transfers-ledger", "transfers-vault")

#: Where each says whether it is ready.
PROBED = {"transfers-worker@9108": "127.0.0.1:9108", "transfers-exporter": "127.0.0.1:9464",
          "transfers-follower": "127.0.0.1:9465"}  # fmt: skip


@pytest.fixture(scope="module")
def typed(host: Host) -> Host:
    """The runbook's lines have been typed, but for those of pip, in whose place stands a production install."""
    lines = units.runbook_block("Start under systemd").splitlines()
    left = [line for line in lines if not line.startswith(("python3 -m venv", "/opt/transfers/bin/pip", "systemctl"))]
    assert len(lines) - len(left) == 6
    host.shell("\n".join(left), ROOT)
    for name, value in BANKS_FILES.items():
        host.shell(f"printf '%s\\n' '{value}' | install -m 600 /dev/stdin /etc/transfers/worker/{name}", Path("/"))
    return host


def _is_ready(server: Process) -> bool:
    return "Ready to accept connections" in server.says()


def _says_yes(host: Host, address: str) -> bool:
    return host.run(COMMAND, "probe", address, "--ready").returncode == 0


@pytest.fixture(scope="module")
def servers(typed: Host) -> Host:
    """Ledger and vault run, by their units."""
    for name in SERVERS:
        server = Unit.read(name).start(typed)
        server.until(partial(_is_ready, server))
    return typed


@pytest.fixture(scope="module")
def running(servers: Host) -> Iterator[dict[str, Process]]:
    """All of it, at the sandbox, as by the last line of the runbook."""
    last = units.runbook_block("Start under systemd").splitlines()[-1]
    names = last.removeprefix("systemctl enable --now ").split()
    assert set(names) == set(OURS)
    before = servers.path("/etc/transfers/settings.env").read_text()
    servers.path("/etc/transfers/settings.env").write_text(settings_of_test())
    start_bank(servers)
    yield {name: Unit.read(name).start(servers) for name in names}
    servers.path("/etc/transfers/settings.env").write_text(before)


def of(host: Host, room: str, *words: str, stdin: str = "") -> "tuple[int, str]":
    """A command with the settings of one room, as on that room's own machine."""
    env = {"SECRETS_DIR": f"/etc/transfers/{room}", "EPAY_ENVIRONMENT": "test"}
    done = host.run(COMMAND, *words, env=env, stdin=stdin)
    return done.returncode, done.stdout or done.stderr


def verbs_in(lines: Path) -> list[str]:
    """Of the events that a follower has written; the last line may be half written."""
    return [
        json.loads(line).get("verb", "") for line in lines.read_text().splitlines(keepends=True) if line[-1] == "\n"
    ]


def test_each_process_of_the_procfile_has_a_unit_and_so_has_each_server() -> None:
    """Follower and console are lines of it that a company may leave out."""
    of_units = {name.removeprefix("transfers-").partition("@")[0] for name in units.names()}

    assert of_units == {*processes(), "follower", "console", "ledger", "vault", "sentinel"}
    for name, command in processes().items():
        [unit] = [Unit.read(each) for each in units.names() if each.startswith(f"transfers-{name}")]
        assert unit.command == [COMMAND, *command[1:]]


def test_the_console_is_installed_by_itself_and_is_off_where_no_address_is_set() -> None:
    """Its libraries are in no worker's environment. It ends with 1 then, and systemd leaves it so."""
    unit = Unit.read("transfers-console")

    assert unit.command == ["/opt/transfers-console/bin/transfers", "console"]
    assert unit["RestartPreventExitStatus"].split() == ["1", str(EX_CONFIG)]
    assert f"CONSOLE_PLANS=/var/lib/{unit['StateDirectory']}" in unit["Environment"].split()


def test_a_worker_is_given_longer_to_drain_than_it_takes() -> None:
    """What systemd kills is in doubt. The numbers are the code's own."""
    drains_s = WorkerSettings.model_fields["http_deadline"].default + process._END_S

    assert Unit.read("transfers-worker@9108").seconds("TimeoutStopSec") > drains_s


@pytest.mark.parametrize("name", OURS)
def test_the_status_that_no_restart_mends_is_the_one_that_wrong_settings_end_with(typed: Host, name: str) -> None:
    """Its line is run without the ledger's address: it says what is missing, and what to do."""
    unit = Unit.read(name)
    ended = unit.start(typed, without="REDIS_URL")
    status = ended.running.wait(60)

    assert status == EX_CONFIG == int(unit["RestartPreventExitStatus"])
    assert "REDIS_URL: is not set; give the ledger's server" in ended.says()
    assert unit["Restart"] == "on-failure"


def test_what_was_typed_satisfies_the_rules_of_production(servers: Host) -> None:
    """The worker's own check, by its user: the servers' files, the secrets' modes, the users. It asks no bank."""
    assert servers.path("/etc/transfers/settings.env").read_text() == "EPAY_ENVIRONMENT=production\n"
    checked = Unit.read("transfers-worker@9108").start(servers, "--check")

    assert checked.running.wait(60) == 0, checked.says()


def test_each_unit_starts_as_it_is_written_and_money_moves(servers: Host, running: dict[str, Process]) -> None:
    """A producer enqueues, the worker pays, an operator sees it, the follower has written it down."""
    for name, process_ in running.items():
        process_.until(partial(_says_yes, servers, PROBED[name]))
    assert of(servers, "producer", "enqueue", stdin=INTENT)[0] == 0

    until(lambda: json.loads(of(servers, "ops-aigul", "status", "payout-42", "--json")[1])["state"] == "paid")
    lines = servers.path("/var/lib/transfers-events/events.jsonl")
    until(lambda: "pay" in verbs_in(lines))

    assert oct(lines.stat().st_mode)[-3:] == "600"
    assert lines.stat().st_uid != 0


def test_the_console_starts_by_its_unit_and_knows_the_people_that_provision_wrote(
    servers: Host, running: dict[str, Process]
) -> None:
    """An operator of them, whom the proxy names, may act; a person without a token is refused."""
    proxy = SigningProxy()
    lines = units.runbook_block("The console").splitlines()
    typed = [line for line in lines if line.startswith("chown")]
    assert len(lines) - len(typed) == 5, "three of pip, one of what is written below, one of systemctl"
    at = "CONSOLE_ADDRESS=127.0.0.1:9480\nCONSOLE_IDENTITY=header\n"
    keys = "CONSOLE_IDENTITY_KEYS=/etc/transfers/console-people/proxy.json\n"
    servers.path("/etc/transfers/console.env").write_text(at + keys + SigningProxy.SETTINGS)
    people = servers.path("/etc/transfers/console-people/people.toml")
    people.write_text(people.read_text().replace('"viewer"', '"operator"'))
    people.with_name("proxy.json").write_text(proxy.keys)
    servers.shell("\n".join(typed), ROOT)
    unit = Unit.read("transfers-console")

    console = unit.start(servers)
    console.until(partial(_says_yes, servers, "127.0.0.1:9480"))

    (name,) = re.findall(r'\[people\."?([^\]"]*aigul[^\]"]*)"?\]', people.read_text())
    assert 'action="/acts/pause"' in proxy.sees(servers, "/pauses", name)
    assert "401" in proxy.sees(servers, "/pauses", "")
    assert console.stop(within_s=unit.seconds("TimeoutStopSec")) == 0, console.says()
    assert running["transfers-worker@9108"].running.poll() is None


_CERTIFICATE = """
cd /var/lib/transfers-sentinel
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=sentinel \\
  -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.crt 2>/dev/null
cp tls.crt ca.crt
chown transfers-sentinel tls.key tls.crt ca.crt
"""


def test_a_sentinel_starts_by_its_unit_from_the_copy_that_the_runbook_makes(servers: Host) -> None:
    """Filled in where it says SET THIS. Its client's user hears where the ledger is; it has written into its file."""
    servers.shell(units.runbook_block("Sentinels") + _CERTIFICATE, ROOT)
    conf = servers.path("/var/lib/transfers-sentinel/sentinel.conf")
    was = with_passwords(conf.read_text(), dict.fromkeys(("client", "sentinel", "admin", "ledger"), "a-password"))
    conf.write_text(was)

    unit = Unit.read("transfers-sentinel")
    sentinel = unit.start(servers)
    asks = ["redis-cli", "--tls", "--cacert", "/var/lib/transfers-sentinel/ca.crt", "-p", "26379", "--user", "client"]
    asks += ["--pass", "a-password", "--no-auth-warning", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "ledger"]
    sentinel.until(lambda: servers.run(*asks).stdout.split() == ["127.0.0.1", "6379"])

    assert "sentinel myid" in conf.read_text()
    assert oct(conf.stat().st_mode)[-3:] in {"600", "644"}
    assert sentinel.stop(within_s=unit.seconds("TimeoutStopSec")) == 0, sentinel.says()


def test_a_worker_that_is_stopped_has_drained_within_its_time(servers: Host, running: dict[str, Process]) -> None:
    """SIGTERM, as systemd sends it; each of the three ends with 0."""
    for name, process_ in running.items():
        assert process_.stop(within_s=Unit.read(name).seconds("TimeoutStopSec")) == 0, process_.says()
        assert Unit.read(name)["KillSignal"] == "SIGTERM"
    assert "worker.stopped" in running["transfers-worker@9108"].says()


def test_no_process_of_another_user_reads_a_secret(servers: Host) -> None:
    """Neither the folder of another process nor its files."""
    for user in ("transfers-exporter", "transfers-worker"):
        for place in (
            "/etc/transfers/worker/REDIS_URL",
            "/etc/transfers/ledger/users.acl",
            "/var/lib/transfers-ledger",
        ):
            read = servers.run("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", "cat", place)
            assert (read.returncode, "Permission denied" in read.stderr) == (1, True), (user, place, read.stdout)


@pytest.mark.parametrize("name", units.names())
def test_each_units_user_is_made_and_is_its_own(name: str) -> None:
    made = re.findall(r"^u (\S+)", (units.FOLDER / "transfers.sysusers").read_text(), re.MULTILINE)

    assert Unit.read(name)["User"] in made
    assert len(set(made)) == len(made) == len(units.names())


def test_a_worker_is_stopped_before_the_servers_and_is_not_with_them() -> None:
    """At a shutdown it still records what was on the wire; a restart of a server is no restart of a worker."""
    for name in OURS:
        unit = Unit.read(name)
        assert "transfers-ledger.service" in unit["After"]
        assert not {"Requires", "BindsTo", "PartOf"} & unit.settings.keys()


@pytest.mark.parametrize("name", units.names())
def test_no_unit_leaves_a_core_file(name: str) -> None:
    assert Unit.read(name)["LimitCORE"] == "0"
