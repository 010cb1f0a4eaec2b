"""Hosts on one machine: network namespaces, each with one link to a bridge, inside a network of our own.

A link that is cut loses each packet, both ways, and tells neither end: nothing is refused or reset, as where a cable is
pulled. It takes `ip` and `tc`, and a kernel that gives plain users namespaces of their own, or a root user.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from epay_transfers.runtime.embedded_servers import end_with_parent
from tests.support.tools import find_tool

NETWORK = "10.77.0"
_BRIDGE = "bridge0"

#: How a program gets a network of its own, the best first: as any user, and as root where user namespaces are closed.
_OWN = (("unshare", "--user", "--map-root-user", "--net"), ("unshare", "--net"))

#: What slows a link: a delay of each packet, where the kernel has it; else so little room that packets queue up.
_DELAY = ("netem", "delay", "150ms", "50ms")
_NARROW = ("tbf", "rate", "1mbit", "burst", "4000", "latency", "400ms")

_PROBE = "{ip} link add probe0 type bridge && {ip} link add probe1 type veth && {tc} qdisc add dev probe1 root {slow}"


def own_network() -> tuple[str, ...]:
    """The beginning of a command that runs in a network of its own; empty where this machine gives none."""
    probe = _PROBE.format(ip=_tool("ip"), tc=_tool("tc"), slow=" ".join(_NARROW))
    for command in _OWN:
        if _runs((*command, "sh", "-c", probe)):
            return command
    return ()


@dataclass
class Host:
    """One host: a namespace that a process holds, and its end of the link at the bridge."""

    name: str
    address: str
    holder: "subprocess.Popen[bytes]"
    port: str

    def command(self, words: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self.holder.pid), "--net", *words]

    def start(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int | None = None,
    ) -> "subprocess.Popen[bytes]":
        """It ends with this process."""
        return subprocess.Popen(  # noqa: S603 - the caller's own program
            self.command(words),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - no lock is held in the child
        )

    def cut(self) -> None:
        _ip("link", "set", self.port, "down")

    def mend(self) -> None:
        _ip("link", "set", self.port, "up")

    def slow(self) -> None:
        """Both ways."""
        for command in self._both_ends():
            if not _runs((*command, "replace", "dev", _device(command, self.port), "root", *_DELAY)):
                _run((*command, "replace", "dev", _device(command, self.port), "root", *_NARROW))

    def quicken(self) -> None:
        for command in self._both_ends():
            _run((*command, "del", "dev", _device(command, self.port), "root"))

    def _both_ends(self) -> tuple[tuple[str, ...], ...]:
        qdisc = (_tool("tc"), "qdisc")
        return qdisc, (*self.command(qdisc),)


def slows_by() -> str:
    """What `slow` does here, in words."""
    is_delay = _runs((_tool("tc"), "qdisc", "replace", "dev", _BRIDGE, "root", *_DELAY))
    if is_delay:
        _run((_tool("tc"), "qdisc", "del", "dev", _BRIDGE, "root"))
    return " ".join(_DELAY if is_delay else _NARROW)


def make_bridge() -> str:
    """The address of this process among the hosts."""
    own = f"{NETWORK}.1"
    _ip("link", "set", "lo", "up")
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("address", "add", f"{own}/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    return own


def make_host(name: str, number: int) -> Host:
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],  # noqa: S607 - of every Linux
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - no lock is held in the child
    )
    assert holder.stdout is not None
    holder.stdout.readline()  # its namespace is there
    host = Host(name, f"{NETWORK}.{number}", holder, f"port{number}")
    _ip("link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
    _ip("link", "set", host.port, "master", _BRIDGE, "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{host.address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
    ):
        _run(host.command((_tool("ip"), *words)))
    return host


def _device(command: Sequence[str], port: str) -> str:
    return "eth0" if command[0] == "nsenter" else port


def _tool(name: str) -> str:
    return find_tool(name) or name


def _ip(*words: str) -> None:
    _run((_tool("ip"), *words))


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - our own words


def _runs(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)  # noqa: S603 - as above
    except OSError:
        return False
    return done.returncode == 0
