"""`compose.yaml`: every command and health check runs as it is written, with its user, files and mounts, on servers.

No Docker engine runs on the tests' machine. So the runbook's lines are typed on a host of its own, where `docker run`
and `docker compose up` start the same processes from a production install, in place of the image's, and the servers of
this machine, in place of the other images'.
"""

import json
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.runtime.settings import EX_CONFIG
from epay_transfers.worker import process
from epay_transfers.worker.settings import WorkerSettings
from tests.deploy import compose, units
from tests.deploy.compose import Service
from tests.deploy.conftest import BANKS_FILES, INTENT, SigningProxy, made_host, settings_of_test, start_bank
from tests.deploy.host import ROOT, Host, Process
from tests.deploy.test_systemd import verbs_in
from tests.packaging.conftest import Environment
from tests.support.tools import tool
from tests.support.waiting import until

SERVICES: dict[str, dict[str, Any]] = compose.document()["services"]

#: Docker, for the lines that are typed: the image's program on the mounted folder. No image is built.
_DOCKER = """
docker() {
  case "$1" in
    run)
      while [ "$1" != transfers:0.1.0 ]; do shift; done
      shift
      mkdir -p "$PWD/secrets" /secrets
      mount --bind "$PWD/secrets" /secrets
      /opt/transfers/bin/transfers "$@"
      umount /secrets
      ;;
  esac
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout's `deploy`."""
    made = tmp_path_factory.mktemp("checkout") / "deploy"
    shutil.copytree(ROOT / "deploy", made)
    return made


@pytest.fixture(scope="module")
def typed(production: Environment, production_console: Environment, folder: Path) -> Iterator[Host]:
    """The runbook's lines have been typed."""
    tool("redis-server", "redis-server")
    tool("openssl", "openssl")
    with made_host(production, folder.parent, production_console) as host:
        compose.bring_programs(host)
        host.shell(_DOCKER + units.runbook_block("Start in containers"), folder.parent)
        for name, value in BANKS_FILES.items():
            (folder / "secrets/worker" / name).write_text(f"{value}\n")
            (folder / "secrets/worker" / name).chmod(0o400)
            shutil.chown(folder / "secrets/worker" / name, 10001, 10001)
        yield host


@pytest.fixture(scope="module")
def running(typed: Host, folder: Path) -> dict[str, Process]:
    """`docker compose up`: each service once what it depends on is well; the bank is the sandbox."""
    start_bank(typed)
    (folder / "settings.env").write_text(settings_of_test())
    up: dict[str, Process] = {}
    for name in order():
        service = Service.read(name)
        up[name] = service.start(typed, folder)
        up[name].until(partial(service.is_well, typed, folder, up[name]))
    return up


def order() -> list[str]:
    """The services that `up` starts, each behind what it waits for."""
    found: list[str] = []
    left = {name: set(its.get("depends_on", {})) for name, its in SERVICES.items() if "profiles" not in its}
    while left:
        ready = sorted(name for name, wants in left.items() if wants <= set(found))
        assert ready, "services wait for one another"
        found += ready
        left = {name: wants for name, wants in left.items() if name not in ready}
    return found


def finished(host: Host, folder: Path, service: Service) -> tuple[int, str]:
    """`docker compose run`: its status, and what it printed."""
    log = host.folder / f"{service.name}.log"
    before = len(log.read_text()) if log.exists() else 0
    ended = service.start(host, folder)
    status = ended.running.wait(60)
    return status, ended.says()[before:]


def test_a_worker_is_given_longer_to_drain_than_it_takes() -> None:
    """What Docker kills is in doubt. The numbers are the code's own."""
    drains_s = WorkerSettings.model_fields["http_deadline"].default + process._END_S

    assert compose.seconds(SERVICES["worker"]["stop_grace_period"]) > drains_s


@pytest.mark.parametrize("name", SERVICES)
def test_each_image_has_a_version_and_each_container_has_no_more_than_it_needs(name: str) -> None:
    its = SERVICES[name]
    version = its["image"].partition(":")[2]

    assert version
    assert version != "latest"
    assert its["read_only"] is True
    assert its["cap_drop"] == ["ALL"]
    assert its["security_opt"] == ["no-new-privileges:true"]
    assert Service.read(name).user.partition(":")[0] not in {"", "0", "root"}
    assert not {"privileged", "network_mode", "pid", "cap_add"} & its.keys()


def test_each_name_that_a_service_uses_is_defined_and_each_that_is_defined_is_used() -> None:
    """The schema says what a name may look like, not whether it is there."""
    document = compose.document()
    for kind in ("secrets", "configs"):
        used = {each["source"] for its in SERVICES.values() for each in its.get(kind, [])}
        assert used == document[kind].keys()
    assert {name for its in SERVICES.values() for name in its["networks"]} == document["networks"].keys()
    held = {each.split(":")[0] for its in SERVICES.values() for each in its.get("volumes", []) if each[0] not in "./"}
    assert held == document["volumes"].keys()
    assert {name for its in SERVICES.values() for name in its.get("depends_on", {})} <= SERVICES.keys()


def test_a_secret_is_a_file_and_goes_to_no_process_but_its_own() -> None:
    """None is in an environment; the worker alone gets the vault's keys and the bank's secret."""
    assert all(set(its) == {"file"} for its in compose.document()["secrets"].values())
    for name, its in SERVICES.items():
        for each in its.get("secrets", []):
            file = compose.document()["secrets"][each["source"]]["file"]
            room = "ops-first" if name == "operator" else name
            assert file == f"./secrets/{room}/{each['target']}"
    assert {name for name, its in SERVICES.items() if "VAULT_PRIVATE_KEYS" in str(its.get("secrets"))} == {"worker"}


def test_the_servers_are_on_a_network_without_a_way_out_and_no_port_of_theirs_is_published() -> None:
    assert compose.document()["networks"]["servers"] == {"internal": True}
    for name in ("ledger", "vault"):
        assert SERVICES[name]["networks"] == ["servers"]
    published = {name: its["ports"] for name, its in SERVICES.items() if "ports" in its}
    assert published.keys() == {"prometheus", "console"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_ledger_and_audit_trail_are_in_folders_of_the_host_which_docker_deletes_with_no_volume() -> None:
    """`docker compose down --volumes` is typed soon. The runbook makes both folders, for the container's users."""
    assert SERVICES["ledger"]["volumes"] == ["/var/lib/transfers-ledger:/var/lib/transfers-ledger"]
    assert SERVICES["follower"]["volumes"] == ["/var/lib/transfers-events:/events"]
    assert "install --directory --owner=10001 --mode=700 /var/lib/transfers-events" in units.runbook_block(
        "Start in containers"
    )
    assert "\ndir /var/lib/transfers-ledger\n" in (ROOT / "deploy/ledger.conf").read_text()


def test_the_vault_has_no_volume_and_no_swap() -> None:
    its = SERVICES["vault"]

    assert "volumes" not in its
    assert its["memswap_limit"] == its["mem_limit"]


def test_a_process_whose_settings_are_wrong_ends_with_78_in_its_container(typed: Host, folder: Path) -> None:
    """Its command as it is written, without the ledger's address."""
    for name in ("worker", "exporter", "follower"):
        service = Service.read(name)
        less = service.but(secrets=[each for each in service.its["secrets"] if each["target"] != "REDIS_URL"])
        status, says = finished(typed, folder, less)
        assert (status, "REDIS_URL: is not set; give the ledger's server" in says) == (EX_CONFIG, True), says


@pytest.mark.slow
def test_every_command_and_health_check_runs_as_it_is_written_and_money_moves(
    typed: Host, folder: Path, running: dict[str, Process]
) -> None:
    """A producer enqueues, the worker pays, an operator sees it, the follower has it, Prometheus reads the exporter."""
    env = Service.read("worker").environment(folder) | {"SECRETS_DIR": f"{folder}/secrets/producer"}
    ca = "/etc/transfers/ca.crt"
    script = f"mkdir -p /etc/transfers\n: >>{ca}\nmount --bind {folder}/secrets/ca.crt {ca}"
    done = typed.run("transfers", "enqueue", env=env, stdin=INTENT, script=script)
    assert done.returncode == 0, done.stderr

    status = Service.read("operator").but(command=["status", "payout-42", "--json"])
    until(lambda: '"paid"' in finished(typed, folder, status)[1])
    overview, says = finished(typed, folder, Service.read("operator"))
    assert overview in {0, 10}, says
    until(lambda: "pay" in verbs_in(typed.path("/var/lib/transfers-events/events.jsonl")))
    asked = ["promtool", "query", "instant", "--format=json", "http://127.0.0.1:9090", 'up{job="transfers"}']
    prometheus = running["prometheus"]
    until(lambda: _first(typed.run(*asked, of=prometheus).stdout) == "1")
    assert all(process_.running.poll() is None for process_ in running.values())


@pytest.mark.slow
def test_the_console_starts_in_its_container_and_knows_the_people_that_provision_wrote(
    typed: Host, folder: Path, running: dict[str, Process]
) -> None:
    """Of its own image. An operator whom the proxy names may act; a person without a token is refused."""
    assert running.keys() >= {"ledger", "vault"}
    proxy, settings, people = SigningProxy(), folder / "settings.env", folder / "secrets/console-people"
    before = settings.read_text()
    settings.write_text(before + SigningProxy.SETTINGS)
    file = people / "people.toml"
    file.write_text(file.read_text().replace('"viewer"', '"operator"'))
    (people / "proxy.json").write_text(proxy.keys)
    typed.shell("chown -R 10001 secrets/console secrets/console-people", folder)
    service = Service.read("console")

    console = service.start(typed, folder, "/opt/transfers-console")
    console.until(partial(service.is_well, typed, folder, console))

    (name,) = re.findall(r'\[people\."?([^\]"]*first[^\]"]*)"?\]', file.read_text())
    assert 'action="/acts/pause"' in proxy.sees(typed, "/pauses", name)
    assert "401" in proxy.sees(typed, "/pauses", "")
    settings.write_text(before)
    assert console.stop(within_s=compose.seconds(service.its["stop_grace_period"])) == 0, console.says()


@pytest.mark.slow
def test_each_container_that_is_stopped_ends_by_itself_within_its_time(running: dict[str, Process]) -> None:
    """SIGTERM, as Docker sends it, to the servers last: none is killed."""
    for name in reversed(order()):
        stopped = running[name]
        assert stopped.stop(within_s=compose.seconds(SERVICES[name]["stop_grace_period"])) == 0, stopped.says()


@pytest.mark.slow
def test_what_was_typed_satisfies_the_rules_of_production(typed: Host, folder: Path) -> None:
    """The worker's own check in its container: TLS, the modes of the secrets, the servers. It asks no bank."""
    (folder / "settings.env").write_text("EPAY_ENVIRONMENT=production\n")
    servers = {name: Service.read(name).start(typed, folder) for name in ("ledger", "vault")}
    for name, process_ in servers.items():
        process_.until(partial(Service.read(name).is_well, typed, folder, process_))
    status, says = finished(typed, folder, Service.read("worker").but(command=["worker", "--check"]))
    for process_ in servers.values():
        process_.stop(60)

    assert status == 0, says


def _first(text: str) -> str:
    """The value of the first series of an answer; empty if there is none."""
    found = json.loads(text or "[]")
    return str(found[0]["value"][1]) if found else ""
