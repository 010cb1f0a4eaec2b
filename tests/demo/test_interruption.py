"""A signal leaves word, and is obeyed where the demo looks for it; whoever is told to end is gone afterwards."""

import signal
from pathlib import Path

import pytest

from epay_transfers.ops.demo.interruption import noted
from epay_transfers.runtime import embedded_servers


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
