"""`deploy/compose.yaml` as tests read it, and a service as Docker would start it: command, user, secrets, volumes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.deploy.host import PATH, ROOT, Host, Process

FILE = ROOT / "deploy/compose.yaml"
DOCKERFILE = ROOT / "deploy/Dockerfile"

#: What the images of others bring: how a program is called there, and on this machine.
PROGRAMS = {"valkey-server": "redis-server", "valkey-cli": "redis-cli"}
_PROGRAMS = "/opt/images"

#: The user of an image that compose.yaml leaves as it is.
_IMAGES_USERS = {"prom/prometheus": "65534:65534"}


@cache
def document() -> dict[str, Any]:
    """With its anchors and merges resolved."""
    found: dict[str, Any] = YAML(typ="safe").load(FILE.read_text())
    return found


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: each word, and what stands behind it; lines that go on are one."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    split = [line.partition(" ") for line in joined.splitlines() if line]
    return [(word, " ".join(rest.split())) for word, _, rest in split]


def of_the_image(word: str) -> str:
    """The last instruction of this word: the image's own."""
    return [rest for name, rest in instructions() if name == word][-1]


def seconds(text: str) -> float:
    """`90s`, `2m`."""
    units = {"s": 1, "m": 60}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)([sm])", text))


@dataclass(frozen=True)
class Service:
    name: str
    its: Mapping[str, Any]

    @classmethod
    def read(cls, name: str) -> "Service":
        return cls(name, document()["services"][name])

    def but(self, **changes: Any) -> "Service":
        return replace(self, its=dict(self.its) | changes)

    @property
    def is_ours(self) -> bool:
        return str(self.its["image"]).startswith(("transfers:", "transfers-console:"))

    @property
    def command(self) -> list[str]:
        ours = YAML(typ="safe").load(of_the_image("ENTRYPOINT")) if self.is_ours else []
        return [*self.its.get("entrypoint", ours), *self.its.get("command", [])]

    @property
    def user(self) -> str:
        return str(self.its.get("user") or _IMAGES_USERS[str(self.its["image"]).partition(":")[0]])

    @property
    def health(self) -> list[str]:
        kind, *words = self.its["healthcheck"]["test"]
        return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words

    def environment(self, folder: Path) -> dict[str, str]:
        """`folder`: where compose.yaml is."""
        found = {"PATH": f"{_PROGRAMS}:{PATH}"}
        if self.is_ours:
            image = dict(pair.split("=", 1) for pair in of_the_image("ENV").split())
            found = image | {"PATH": image["PATH"].replace("$PATH", PATH)}
        if "env_file" in self.its:
            found |= dict(line.split("=", 1) for line in (folder / self.its["env_file"]).read_text().splitlines())
        own: dict[str, str] = self.its.get("environment", {})
        return found | own

    def start(self, host: Host, folder: Path, installed: str = "") -> Process:
        """`installed`: of another image than the worker's, where it is on the host."""
        user, _, group = self.user.partition(":")
        return host.start(
            *self.command,
            name=self.name,
            env=self.environment(folder),
            script=(f"mount --bind {installed} /opt/transfers\n" if installed else "") + self._mounts(folder),
            user=user,
            group=group,
        )

    def is_well(self, host: Host, folder: Path, process: Process) -> bool:
        """Its health check says so."""
        return host.run(*self.health, env=self.environment(folder), of=process).returncode == 0

    def _mounts(self, folder: Path) -> str:
        """In a root that nothing can be written to but what is mounted here, and without another's secrets."""
        lines = [
            f"mkdir -p {each}\nmount -t tmpfs -o mode=755 tmpfs {each}" for each in ("/run/secrets", "/etc/transfers")
        ]
        for kind, place in (("secrets", "/run/secrets/"), ("configs", "")):
            for each in self.its.get(kind, []):
                file, target = document()[kind][each["source"]]["file"], f"{place}{each['target']}"
                lines += [f"mkdir -p $(dirname {target})", f": >>{target}", f"mount --bind {folder / file} {target}"]
        for each in self.its.get("volumes", []):
            source, target, *_ = each.split(":")
            if source[0] in "./":
                lines += [f"mkdir -p {target}", f"mount --bind {folder / source} {target}"]
            else:  # as Docker makes it: the owner is that of the image's folder
                held = f"/var/lib/volumes/{source}"
                lines += [f"mkdir -p {held} {target}", f"chown {self.user} {held}", f"mount --bind {held} {target}"]
        for each in self.its.get("tmpfs", []):
            target, _, options = each.partition(":")
            if target != "/tmp":  # noqa: S108 - the host's is in memory, and has the programs of these tests in it
                lines += [f"mkdir -p {target}", f"mount -t tmpfs -o {options} tmpfs {target}"]
        return "\n".join([*lines, "mount -o remount,bind,ro /", "cd /"])


def bring_programs(host: Host) -> None:
    """Under the names that the images have, those of this machine."""
    links = "\n".join(f"ln -s /usr/bin/{here} {_PROGRAMS}/{there}" for there, here in PROGRAMS.items())
    host.shell(f"mkdir {_PROGRAMS}\n{links}", Path("/"))
