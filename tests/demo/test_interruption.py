"""A signal leaves word, and is obeyed where the demo looks for it; whoever is told to end is gone afterwards."""

import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from epay_transfers.ops.demo.interruption import noted
from epay_transfers.runtime import embedded_servers
from tests.support.speaker import speaking


def test_a_signal_raises_nothing_where_it_arrives_and_is_obeyed_once() -> None:
    with noted() as interruption:
        interruption.obey()  # none came
        assert not interruption.came()
        signal.raise_signal(signal.SIGHUP)
        assert interruption.came()
        with pytest.raises(SystemExit) as ended:
            interruption.obey()
        interruption.obey()

    assert ended.value.code == 128 + signal.SIGHUP


def test_one_that_came_too_late_to_be_looked_for_is_obeyed_at_the_end() -> None:
    before = signal.getsignal(signal.SIGINT)
    lines = []
    with pytest.raises(KeyboardInterrupt), noted():  # noqa: PT012 - the end of the block is what raises
        signal.raise_signal(signal.SIGINT)
        lines.append("to the last line")

    assert lines == ["to the last line"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_server_that_does_not_end_when_told_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_servers, "_STOP_SECONDS", 0.1)
    server = embedded_servers.start(tmp_path, embedded_servers.VAULT_OPTIONS)
    server.process.send_signal(signal.SIGSTOP)  # it hears nothing more

    server.stop()

    assert server.process.returncode == -signal.SIGKILL


def test_a_server_that_has_its_port_taken_is_not_started_and_the_other_one_is_not_taken_for_it(tmp_path: Path) -> None:
    """What `transfers dev` tells its vault would else be told to another's."""
    other = embedded_servers.start(tmp_path / "other", embedded_servers.VAULT_OPTIONS)
    port = int(other.url.rpartition(":")[2].partition("/")[0])
    try:
        with pytest.raises(embedded_servers.NotStarted):
            embedded_servers.start(tmp_path / "ours", embedded_servers.VAULT_OPTIONS, port)
    finally:
        other.stop()


def test_a_port_that_is_taken_before_the_server_listens_is_left_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a good backup would be called damaged, since its server could not start."""
    free = embedded_servers.free_port()
    with speaking(b"") as taken:
        found = [int(taken.rpartition(":")[2]), free]
        monkeypatch.setattr(embedded_servers, "free_port", partial(found.pop, 0))

        with embedded_servers.running(embedded_servers.VAULT_OPTIONS, tmp_path) as server:
            assert server.url == f"redis://127.0.0.1:{free}/0"


def test_a_server_that_does_not_start_on_a_free_port_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [embedded_servers.free_port()]
    monkeypatch.setattr(embedded_servers, "free_port", partial(found.pop, 0))

    with pytest.raises(embedded_servers.NotStarted):
        embedded_servers.start(tmp_path, {"maxmemory-policy": "none-that-exists"})


#: A server that says that it loads its data, for ever.
LOADING = f"""#!/bin/sh
exec {sys.executable} - "$@" <<'END'
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
while True:
    link, _ = listener.accept()
    while link.recv(9999):
        link.sendall(b"-LOADING it loads its data\\r\\n")
END
"""


def test_a_server_that_never_ends_to_load_its_data_is_started_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed, and did not end for want of its port: a large backup would be loaded again and again."""
    binary = tmp_path / "server"
    binary.write_text(LOADING, encoding="utf-8")
    binary.chmod(0o700)
    found = [embedded_servers.free_port()]
    monkeypatch.setattr(embedded_servers, "free_port", partial(found.pop, 0))
    monkeypatch.setattr(embedded_servers, "_is_free", lambda _port: False)

    with pytest.raises(embedded_servers.NotStarted):
        embedded_servers.start(tmp_path, {}, binary=str(binary), starts_within_s=1.0)


def test_a_free_port_is_none_that_a_connection_is_given_by_the_system() -> None:
    """A connection that goes out would else take the port of a server between its end and its next start."""
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given.read_text(encoding="ascii").split()[0]) if given.is_file() else 49_152
    if first < 32_768:
        pytest.skip(f"this machine gives ports from {first} on")

    assert embedded_servers.free_port() < first
