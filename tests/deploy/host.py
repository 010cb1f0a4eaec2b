"""A host of its own on this machine: mounts and a network that no other process sees, real users, real servers.

`deploy/` names paths like `/etc/transfers`, ports like 6379 and users like `transfers-worker`. Here its lines run as
they are written: a process gets a root folder whose `/etc`, `/opt`, `/run` and `/var` are in memory, and a network that
has nothing but itself. What systemd or Docker would do around a line (a user, a folder of secrets, a limit) is done by
the tools of util-linux.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.tools import tool
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]

#: What a process finds of this machine: its programs, and the Python of these tests.
_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/proc", "/dev", "/sys")
_FILES_OF_ETC = ("passwd", "group", "shadow", "gshadow", "nsswitch.conf", "localtime", "ld.so.cache")

#: No loopback address: there a server is less careful, and so are the settings.
ADDRESS = "10.9.0.1"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1

_SETUP = f"""
set -e
cd "$1"
mount -t tmpfs -o mode=755 tmpfs .
cd "$1"
for place in {" ".join(_PROGRAMS)}; do
  if [ -L "$place" ]; then cp -P "$place" .; continue; fi
  if [ -d "$place" ]; then mkdir ".$place"; mount --rbind "$place" ".$place"; fi
done
mkdir -p etc/systemd/system etc/transfers opt run tmp var/lib
chmod 1777 tmp
for file in {" ".join(_FILES_OF_ETC)}; do if [ -e "/etc/$file" ]; then cp -L "/etc/$file" etc/; fi; done
for place in ssl alternatives; do
  if [ -d "/etc/$place" ]; then mkdir "etc/$place"; mount --bind "/etc/$place" "etc/$place"; fi
done
printf '127.0.0.1 localhost\\n{ADDRESS} ledger vault worker exporter follower\\n' >etc/hosts
shift
for place; do mkdir -p ".$place"; mount --bind "$place" ".$place"; done
ip link set lo up
ip address add {ADDRESS}/32 dev lo
exec chroot . /bin/sh -c 'cd /; echo ready; exec cat'
"""


@dataclass(slots=True)
class Process:
    """What runs on the host, and its log."""

    running: "subprocess.Popen[bytes]"
    log: Path
    user: Sequence[str]

    def says(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, is_so: Callable[[], bool]) -> None:
        """Waits until it is so; fails at once where the process has ended, with what it said."""

        def looked() -> bool:
            assert self.running.poll() is None, self.says()
            return is_so()

        until(looked)

    def stop(self, within_s: float) -> int:
        """SIGTERM, as a supervisor sends it. Fails if it has not ended by then; its status."""
        self.running.terminate()
        return self.running.wait(within_s)


@dataclass
class Host:
    """`folder`: of the test's; the processes find it at the same place."""

    folder: Path
    pid: int
    processes: list[Process] = field(default_factory=list)

    def path(self, place: str) -> Path:
        """A place of the host, for this test."""
        return Path(f"/proc/{self.pid}/root{place}")

    def run(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        script: str = "",
        of: Process | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """To its end, as root. `script`: of a shell, before it. `of`: with the mounts and the user of a process."""
        inside = (
            [*of.user, *command] if of else ["unshare", "--mount", "sh", "-ec", f'{script}\nexec "$@"', "sh", *command]
        )
        return subprocess.run(  # noqa: S603 - a program of the host
            [*self._enter(of.running.pid if of else self.pid), *inside],
            env={"PATH": PATH} | dict(env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def shell(self, text: str, folder: Path) -> None:
        """Lines for a shell, as a person types them in this folder; what they mount and write stays."""
        done = subprocess.run(  # noqa: S603 - as above
            [*self._enter(self.pid), "sh", "-ec", f"cd '{folder}'\n{text}"],
            env={"PATH": PATH}, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)

    def start(
        self,
        *command: str,
        name: str,
        env: Mapping[str, str],
        script: str = "",
        user: str = "root",
        group: str = "",
        is_without_new_code: bool = False,
    ) -> Process:
        """`script`: of a shell, as root, before it: its mounts. `is_without_new_code`: `MemoryDenyWriteExecute`."""
        as_user = (
            "setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", "--no-new-privs",
            "--bounding-set=-all", "--inh-caps=-all", "--",
        )  # fmt: skip
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            running = subprocess.Popen(  # noqa: S603 - as above
                [
                    *self._enter(self.pid),
                    "unshare",
                    "--mount",
                    "sh",
                    "-ec",
                    f'{script}\nexec "$@"',
                    "sh",
                    *as_user,
                    *command,
                ],
                env={"PATH": PATH} | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                preexec_fn=_refuse_new_code if is_without_new_code else None,  # noqa: PLW1509 - one call of the kernel
            )
        process = Process(running, log, as_user)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.processes):
            if process.running.poll() is None:
                process.running.kill()
            process.running.wait()

    @staticmethod
    def _enter(pid: int) -> list[str]:
        return [tool("nsenter", "util-linux"), f"--target={pid}", "--net", "--mount", "--root", "--wdns=/", "--"]


def _refuse_new_code() -> None:
    """The kernel's own form of systemd's `MemoryDenyWriteExecute`; a kernel before 6.3 has none."""
    ctypes.CDLL(None).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0)


@contextmanager
def running_host(folder: Path, installs: Mapping[str, Path]) -> Iterator[Host]:
    """A host with production installs, each at its place: `/opt/transfers`. Without root the test is skipped."""
    for name in ("unshare", "nsenter", "setpriv"):
        tool(name, "util-linux")
    tool("ip", "iproute2")
    namespaces = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)  # noqa: S607 - util-linux
    if os.getuid() != 0 or namespaces.returncode != 0:
        pytest.skip("a host of its own, with users of its own, needs root: run this test as root")
    places = {str(ROOT), sys.base_prefix, sys.prefix, sysconfig.get_path("purelib"), str(folder)}
    places |= {str(installed) for installed in installs.values()}
    bound = sorted(place for place in places if not place.startswith(_PROGRAMS))
    mount = folder / "root"
    mount.mkdir()
    with subprocess.Popen(  # noqa: S603 - the lines above
        ["unshare", "--net", "--mount", "sh", "-c", _SETUP, "sh", str(mount), *bound],  # noqa: S607 - util-linux
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        host = Host(folder, holder.pid)
        try:
            for place, installed in installs.items():
                host.shell(f"mkdir {place}\nmount --bind '{installed}' {place}", Path("/"))
            yield host
        finally:
            host.end()
            holder.stdin.close()
            holder.wait(10)
    shutil.rmtree(mount, ignore_errors=True)
